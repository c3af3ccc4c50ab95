/** The first half of the decider: what a destination does next. Pure: time is an argument. */
import type { Ordering } from "../workspace/Destination.ts"
import { type Allowance, allowanceOf, allowedAt } from "./Allowance.ts"
import type { Window } from "./Facts.ts"
import { ISOLATE_AFTER, type Policy } from "./Policy.ts"
import * as RateLimit from "./RateLimit.ts"
import type { Control, Pending, Run } from "./State.ts"

/** What `plan` looks at: bounded, whatever the backlog. */
export interface View {
  readonly control: Control
  /** In the order in which they should take their turn, with the number of their pending events and dead letters. */
  readonly runs: ReadonlyArray<Run & { readonly pending: number; readonly dead: number }>
  /**
   * Pending events of enabled runs that are due, oldest due first, each followed by those that wait behind its key; at
   * most as many as one window holds.
   */
  readonly due: ReadonlyArray<Pending>
  /** Pending events of enabled runs that wait behind nothing, due or not, oldest first: a probe is one of them. */
  readonly oldest: ReadonlyArray<Pending>
  /** When the next pending event that is not due yet will be. */
  readonly nextDue: number | null
  readonly pendingCount: number
}

export type Plan =
  /** A process ended between planning and settling this window. */
  | { readonly _tag: "Recover"; readonly window: Window }
  | {
      readonly _tag: "Retry"
      readonly run: Run
      readonly items: ReadonlyArray<Pending>
      readonly allowed: Allowance
      readonly probe: boolean
    }
  | {
      readonly _tag: "Read"
      readonly run: Run
      readonly maxEvents: number
      readonly allowed: Allowance
      readonly probe: boolean
    }
  /** A replay has nothing left to do. */
  | { readonly _tag: "Finish"; readonly run: Run }
  /** Nothing to do before `until` (`null`: before a wake-up or a change). */
  | {
      readonly _tag: "Wait"
      readonly until: number | null
      readonly because: "idle" | "paused" | "circuit open" | "throttled" | "rate limit" | "retry due"
    }

const wait = (until: number | null, because: Extract<Plan, { readonly _tag: "Wait" }>["because"]): Plan => ({
  _tag: "Wait",
  until,
  because
})

type ViewedRun = View["runs"][number]

/** Events that a replay may still send for the first time. */
export const remaining = ({ replay, delivered, pending, dead }: ViewedRun): number =>
  replay?.maxEvents == null ? Number.POSITIVE_INFINITY : replay.maxEvents - delivered - pending - dead

const isBehind = (run: ViewedRun): boolean => run.cursor < run.head && remaining(run) > 0

/** Whether this run may read on: it is behind, and no earlier event holds it up. */
const mayRead = (run: ViewedRun, ordering: Ordering): boolean =>
  run.enabled && isBehind(run) && (ordering !== "strict" || run.pending === 0)

/** When the token bucket of a replay lets the next event through; now for a live run. */
const replayAt = ({ replay, rateFullAt }: Run, now: number): number =>
  replay === null ? now : RateLimit.nextAt(rateFullAt, replay.ratePerSecond, now)

/** Records of this run that may be sent now. */
const recordsOf = (run: ViewedRun, now: number): number =>
  run.replay === null
    ? Number.POSITIVE_INFINITY
    : Math.min(remaining(run), RateLimit.allowance(run.rateFullAt, run.replay.ratePerSecond, now))

/** One request with one event. */
const ONE: Allowance = { requests: 1, records: 1, bytes: Number.POSITIVE_INFINITY }

/**
 * One event to ask whether the sink is back: the pending ones in turn, then the next of a log, so that no single event
 * that always fails keeps the circuit open.
 */
const probe = (view: View, ordering: Ordering, turn: number): Plan => {
  const behind = view.runs.find((run) => mayRead(run, ordering))
  const candidates = view.oldest.length + (behind === undefined ? 0 : 1)
  if (candidates === 0) return wait(null, "idle")
  const item = view.oldest[turn % candidates]
  const run = view.runs.find(({ id }) => id === item?.run)
  if (item !== undefined && run !== undefined) return { _tag: "Retry", run, items: [item], allowed: ONE, probe: true }
  return behind === undefined
    ? wait(null, "idle")
    : { _tag: "Read", run: behind, maxEvents: 1, allowed: ONE, probe: true }
}

/**
 * What is due of one run, in order of sequence. An event that may be what ends the process goes alone, after the others
 * are done with; those of its key stay behind it.
 */
const retryItems = (view: View, run: Run, size: number): ReadonlyArray<Pending> => {
  const items = view.due.filter((one) => one.run === run.id).sort((a, b) => a.seq - b.seq)
  const safe: Array<Pending> = []
  let suspect: Pending | undefined
  const held = new Set<string>()
  for (const item of items) {
    if (item.key !== null && held.has(item.key)) continue
    if (item.restarts < ISOLATE_AFTER) {
      safe.push(item)
      continue
    }
    if (item.key !== null) held.add(item.key)
    suspect ??= item
  }
  return safe.length === 0 && suspect !== undefined ? [suspect] : safe.slice(0, size)
}

/** Chooses the next step: recover, wait, probe, retry what is due, read on, finish a replay. */
export const plan = (
  view: View,
  now: number,
  policy: Pick<Policy, "ordering" | "limits" | "maxPending" | "window">
): Plan => {
  const { control } = view
  const { pause, breaker } = control
  if (control.window !== null) return { _tag: "Recover", window: control.window }
  const over = view.runs.find(
    (run) => run.replay !== null && run.finishedAt === null && run.pending === 0 && !isBehind(run)
  )
  if (over !== undefined) return { _tag: "Finish", run: over }
  if (pause !== null && (pause.probeAt === null || pause.probeAt > now)) return wait(pause.probeAt, "paused")
  if (control.throttledUntil > now) return wait(control.throttledUntil, "throttled")

  const allowed = allowanceOf(control, policy.limits, now)
  if (Math.min(allowed.requests, allowed.records, allowed.bytes) <= 0) {
    return wait(allowedAt(control, policy.limits, now), "rate limit")
  }

  if (breaker.state !== "closed") {
    const step = probe(view, policy.ordering, breaker.probes)
    return breaker.until > now && step._tag !== "Wait" ? wait(breaker.until, "circuit open") : step
  }

  // A paused destination that may probe sends one event only.
  const size = pause === null ? policy.window.events : 1
  const retrying = view.runs.find(({ id }) => id === view.due[0]?.run)
  if (retrying !== undefined) {
    return { _tag: "Retry", run: retrying, items: retryItems(view, retrying, size), allowed, probe: false }
  }
  const room = policy.maxPending - view.pendingCount
  const behind = room > 0 ? view.runs.filter((run) => mayRead(run, policy.ordering)) : []
  const next = behind.find((run) => replayAt(run, now) <= now)
  if (next !== undefined) {
    const records = Math.min(allowed.records, recordsOf(next, now))
    const maxEvents = Math.min(size, room)
    return { _tag: "Read", run: next, maxEvents, allowed: { ...allowed, records }, probe: false }
  }
  const times = [...behind.map((run) => replayAt(run, now)), ...(view.nextDue === null ? [] : [view.nextDue])]
  if (times.length === 0) return wait(null, "idle")
  const until = Math.min(...times)
  return wait(until, until === view.nextDue ? "retry due" : "rate limit")
}
