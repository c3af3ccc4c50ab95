/**
 * The other half of the decider: what its workspace wants of a destination, and what a person asks of it, as facts.
 * Pure: time is an argument.
 */

import { type ConnectionId, type Route, routeOf, type SourceId } from "../Ids.ts"
import { marksOf, type Told } from "../log/Epochs.ts"
import type { Destination } from "../workspace/Destination.ts"
import type { DestinationConfig } from "../workspace/Registry.ts"
import type { ReplayJob } from "../workspace/ReplayJob.ts"
import type { CancelReason, Fact, Replay } from "./Facts.ts"
import { remaining, type View } from "./Plan.ts"
import { type Control, type Run, runOf } from "./State.ts"

// ---------------------------------------------------------------------------------------------------------------------
// What the workspace wants

/** A connection as its workspace wants it. */
export interface WantedConnection {
  readonly id: ConnectionId
  readonly sourceId: SourceId
  readonly route: Route
  readonly enabled: boolean
  /** `null` while it is there. */
  readonly deleted: Exclude<CancelReason, "replay cancelled"> | null
}

/** A destination as its workspace wants it. */
export interface Wanted {
  readonly version: number
  readonly paused: boolean
  readonly change: Change
  readonly connections: ReadonlyArray<WantedConnection>
}

/** What a config asks for, without what changed in it. */
export const wantedOf = ({
  version,
  destination,
  deleted,
  connections
}: DestinationConfig): Omit<Wanted, "change"> => ({
  version,
  paused: destination.status === "paused",
  connections: connections.map(({ connection, deleted: isDeleted, sourceDeleted }) => ({
    id: connection.id,
    sourceId: connection.sourceId,
    route: routeOf(connection.sourceId),
    enabled: connection.enabled,
    deleted: !isDeleted
      ? null
      : deleted
        ? "destination deleted"
        : sourceDeleted
          ? "source deleted"
          : "connection deleted"
  }))
})

/**
 * What a new version of a destination may have fixed. `settings`: the way it sends is another; `resume`: somebody told
 * it to go on, or stored it as it was; `none`: it is no newer, or has another name only.
 */
export type Change = "settings" | "resume" | "none"

/** All of a destination that its sends depend on. */
const sendsBy = (destination: Destination): string =>
  JSON.stringify({ ...destination, name: "", slug: "", status: "", version: 0, updatedAt: 0 })

export const changeOf = (before: Destination | undefined, next: Destination): Change => {
  if (before === undefined || next.version <= before.version) return "none"
  if (sendsBy(before) !== sendsBy(next)) return "settings"
  return before.name === next.name && before.slug === next.slug ? "resume" : "none"
}

/** An open circuit is probed at once. */
export const probeNow = ({ breaker }: Control, at: number): ReadonlyArray<Fact> =>
  breaker.state === "closed" ? [] : [{ _tag: "BreakerOpened", at, until: at, probes: breaker.probes }]

/** What the sink asked for, or was given, no longer counts. */
const unthrottle = ({ throttledUntil, throttleStreak }: Control): ReadonlyArray<Fact> =>
  throttledUntil === 0 && throttleStreak === 0 ? [] : [{ _tag: "ThrottledUntil", until: 0, streak: 0 }]

/**
 * The connections that are told of, and those that are not, though they are known: a config has all that are there, so
 * these were deleted before the destination was restored to an earlier time.
 */
const completed = (
  runs: ReadonlyArray<Run>,
  connections: ReadonlyArray<WantedConnection>
): ReadonlyArray<WantedConnection> => {
  const told = new Set(connections.map(({ id }) => id))
  const missing = runs.filter(({ id, replay, deleted }) => replay === null && !deleted && !told.has(id))
  return [
    ...connections,
    ...missing.map(({ id, sourceId, route, enabled }) => ({
      id,
      sourceId,
      route,
      enabled,
      deleted: "connection deleted" as const
    }))
  ]
}

/** Where logs have to be asked for their heads: a new connection starts there, and one that is deleted ends there. */
export const headsNeeded = (
  runs: ReadonlyArray<Run>,
  connections: ReadonlyArray<WantedConnection>
): { readonly starts: ReadonlyArray<SourceId>; readonly ends: ReadonlyArray<SourceId> } => {
  const known = new Map(runs.map((run) => [run.id, run]))
  const sources = (which: (before: Run | undefined, isDeleted: boolean) => boolean) => [
    ...new Set(
      completed(runs, connections)
        .filter(({ id, deleted }) => which(known.get(id), deleted !== null))
        .map(({ sourceId }) => sourceId)
    )
  ]
  return {
    starts: sources((before, isDeleted) => before === undefined && !isDeleted),
    ends: sources((before, isDeleted) => before?.deleted === false && isDeleted)
  }
}

const cancel = (run: Pick<Run, "id" | "after">, because: CancelReason, through: number, at: number): Fact => ({
  _tag: "RunCancelled",
  run: run.id,
  because,
  after: run.after,
  through,
  at
})

/**
 * The facts that bring a destination to a newer configuration; none when it has that version already. `heads`: how far
 * the logs are that {@link headsNeeded} names; a connection ends at its log's last known head where that did not
 * answer.
 */
export const configure = (
  control: Control,
  runs: ReadonlyArray<Run>,
  wanted: Wanted,
  heads: ReadonlyMap<SourceId, Told>,
  now: number
): ReadonlyArray<Fact> => {
  if (wanted.version <= control.configVersion) return []
  const known = new Map(runs.map((run) => [run.id, run]))
  const facts: Array<Fact> = [{ _tag: "ConfigChanged", version: wanted.version }]
  for (const { id, sourceId, route, enabled, deleted } of completed(runs, wanted.connections)) {
    const before = known.get(id)
    if (before === undefined && deleted !== null) continue
    const told = heads.get(sourceId) ?? { head: before?.head ?? 0 }
    const { head } = told
    if (before === undefined) {
      const marks = marksOf(told)
      facts.push({ _tag: "ConnectionStarted", connection: id, sourceId, route, after: head, marks })
    }
    const state = before ?? { enabled: true, deleted: false }
    const isDeleted = deleted !== null
    if (state.enabled !== enabled || state.deleted !== isDeleted) {
      facts.push({ _tag: "ConnectionChanged", connection: id, enabled, deleted: isDeleted })
    }
    if (deleted !== null && !state.deleted) {
      const open = runs.filter((run) => run.connection === id && !run.deleted)
      facts.push(...open.map((run) => cancel(run, deleted, run.replay === null ? head : run.head, now)))
    } else if (enabled && !state.enabled) facts.push({ _tag: "RetriesDue", connection: id, at: now })
  }
  const isResumed = !wanted.paused && control.pause?.reason === "user"
  if (wanted.paused && control.pause?.reason !== "user") {
    facts.push({ _tag: "Paused", reason: "user", detail: "paused by its status", probeAt: null })
  }
  if (isResumed) facts.push({ _tag: "Resumed" })
  if (wanted.paused || (wanted.change === "none" && !isResumed)) return facts
  facts.push({ _tag: "RetriesDue", connection: null, at: now }, ...probeNow(control, now))
  // A sink that asked for patience keeps it, unless it may be another sink now.
  if (wanted.change === "settings") facts.push(...unthrottle(control))
  return facts
}

/**
 * The facts of replays that were asked for or cancelled; none of those that the destination knows. One that was
 * cancelled before it was known is noted as cancelled, so that nothing starts it when its request comes late.
 */
export const command = (runs: ReadonlyArray<Run>, jobs: ReadonlyArray<ReplayJob>, now: number): ReadonlyArray<Fact> => {
  const known = new Map(runs.map((run) => [run.id, run]))
  return jobs.flatMap(({ id, filterRules, ratePerSecond, maxEvents, cancelled, parts }) => {
    const replay: Replay = { id, filterRules, ratePerSecond, maxEvents }
    return parts.flatMap(({ connection, after, through }): ReadonlyArray<Fact> => {
      const run = known.get(runOf(connection, id))
      const facts: Array<Fact> = []
      if (run === undefined) facts.push({ _tag: "ReplayRequested", connection, replay, after, through })
      if (cancelled && run?.deleted !== true) {
        facts.push(cancel(run ?? { id: runOf(connection, id), after }, "replay cancelled", run?.head ?? through, now))
      }
      return facts
    })
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// What a person asks

/** Closes the circuit by hand, also one that is closed: what waits is tried at once, whatever the sink asked for. */
export const resetCircuit = (control: Control, at: number): ReadonlyArray<Fact> => [
  { _tag: "BreakerClosed", at },
  ...unthrottle(control)
]

/** Deliveries of these connections that are not done with: pending, or not read from their log yet. */
export const waiting = (runs: View["runs"], connections: ReadonlyArray<ConnectionId>): number =>
  runs
    .filter(({ connection }) => connections.includes(connection))
    .reduce((sum, run) => sum + run.pending + Math.max(0, Math.min(run.head - run.cursor, remaining(run))), 0)
