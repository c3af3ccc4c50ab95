/**
 * The facts of a destination's journal, the state that they make, and the fold from one to the other. Pure. The durable
 * form of the state is in `DeliveryJournal.ts`, written in the same transaction as its facts.
 *
 * A delivery is (run, sequence). The live run of a connection has the connection's own id; a replay is a run of its
 * own, with its own cursor and its own pending events and dead letters.
 */
import * as CircuitBreaker from "./CircuitBreaker.ts"
import type { Fact, PauseReason, Rates, Replay, RunId, Settlement, Window } from "./FactSchema.ts"
import type { ConnectionId, ReplayId, Route, SourceId } from "./Ids.ts"
import * as RateLimit from "./RateLimit.ts"
import type { Reason } from "./Sink.ts"

/**
 * Days that a fact is kept: as long as the longest retention of a source. A journal that grows too large forgets
 * earlier.
 */
export const JOURNAL_DAYS = 30

export type { CancelReason, Fact, PauseReason, Rates, Replay, RunId, Settlement, Window } from "./FactSchema.ts"

export const runOf = (connection: ConnectionId, replay: ReplayId): RunId => `${connection}:${replay}`

/** A run over a source's log: the live one of a connection, or a replay. */
export interface Run {
  readonly id: RunId
  readonly connection: ConnectionId
  /** `null`: the live run. */
  readonly replay: Replay | null
  readonly sourceId: SourceId
  readonly route: Route
  /** Events up to here came before the run: they are not its own. */
  readonly after: number
  /** Every event after `after` and up to here is delivered, filtered, pending or dead. */
  readonly cursor: number
  /**
   * Of a replay where it ends; of a deleted live run where its log was then; of one that goes on the log's last known
   * sequence (a hint from the log, not a fact).
   */
  readonly head: number
  readonly enabled: boolean
  /**
   * Its connection was deleted, or the replay cancelled: nothing of it is sent any more. What is pending, or lies
   * between cursor and head, is cancelled.
   */
  readonly deleted: boolean
  /** Events delivered, and filtered out, so far. */
  readonly delivered: number
  readonly filtered: number
  /** Of a replay: its token bucket. */
  readonly rateFullAt: number
  /** Of a replay: when it had nothing left to do; `null` before. */
  readonly finishedAt: number | null
}

export interface Pending {
  readonly run: RunId
  readonly seq: number
  /** The ordering key, `null` where no order is kept. */
  readonly key: string | null
  /** Tries spent. */
  readonly spent: number
  /** `null`: behind an earlier pending event of its key. */
  readonly due: number | null
  readonly restarts: number
  /** When it first failed; `null` when it was not tried. */
  readonly since: number | null
  /** Of the last try; `null` when there was none. */
  readonly reason: Reason | null
  readonly detail: string
}

export interface DeadLetter {
  readonly run: RunId
  readonly seq: number
  readonly key: string | null
  /** Tries made. */
  readonly attempt: number
  readonly reason: Reason
  readonly detail: string
}

/** The state of a destination that is not per event. */
export interface Control {
  readonly configVersion: number
  /**
   * The config version of the last repair (see `RetriesDue`): what was sent by an older one and failed is tried again
   * at once.
   */
  readonly repairedIn: number
  /** Runs that were cancelled so far. */
  readonly cancellations: number
  readonly pause: { readonly reason: PauseReason; readonly detail: string; readonly probeAt: number | null } | null
  readonly breaker: CircuitBreaker.Breaker
  /** When the sink last answered for an event, whatever it said; 0 before. */
  readonly lastAnswerAt: number
  /** Nothing is sent before this time; 0 when not throttled. */
  readonly throttledUntil: number
  /** Throttlings in a row for which the sink asked no time. */
  readonly throttleStreak: number
  readonly rates: Rates
  /** The window whose sends have started and whose outcomes are not yet known. */
  readonly window: Window | null
}

export const initialControl: Control = {
  configVersion: 0,
  repairedIn: 0,
  cancellations: 0,
  pause: null,
  breaker: CircuitBreaker.closed,
  lastAnswerAt: 0,
  throttledUntil: 0,
  throttleStreak: 0,
  rates: { requests: 0, records: 0, bytes: 0 },
  window: null
}

/** The whole state of a destination. */
export interface State {
  readonly control: Control
  readonly runs: ReadonlyMap<RunId, Run>
  /** By {@link eventKey}. */
  readonly pending: ReadonlyMap<string, Pending>
  readonly dead: ReadonlyMap<string, DeadLetter>
}

export const initialState: State = {
  control: initialControl,
  runs: new Map(),
  pending: new Map(),
  dead: new Map()
}

export const eventKey = (run: RunId, seq: number): string => `${run}/${seq}`

/** Failures that say something of the sink and nothing of the event. */
const OUTAGE: ReadonlyArray<Reason> = ["Unavailable", "TimedOut", "Unknown"]
export const isOutage = (reason: Reason): boolean => OUTAGE.includes(reason)

/** The fold of a control's facts; facts about single events leave it as it is. */
export const evolveControl = (control: Control, fact: Fact): Control => {
  switch (fact._tag) {
    case "WindowPlanned": {
      const { run, lo, hi, seqs, rates } = fact
      return { ...control, window: { run, lo, hi, seqs }, rates: rates ?? control.rates }
    }
    case "WindowSettled": {
      const delivered = fact.settled.some(({ _tag }) => _tag === "Delivered")
      const { seen, rates, rest } = fact
      return {
        ...control,
        window: rest,
        rates: rates ?? control.rates,
        breaker: CircuitBreaker.observe(control.breaker, seen),
        lastAnswerAt: seen.some(({ ok }) => ok) ? fact.at : control.lastAnswerAt,
        throttleStreak: delivered ? 0 : control.throttleStreak
      }
    }
    case "Paused":
      return { ...control, pause: { reason: fact.reason, detail: fact.detail, probeAt: fact.probeAt } }
    case "Resumed":
      return { ...control, pause: null }
    case "BreakerOpened": {
      const since = control.breaker.state === "closed" ? fact.at : control.breaker.since
      return { ...control, breaker: { state: "open", since, until: fact.until, probes: fact.probes } }
    }
    case "BreakerHalfOpened":
      return control.breaker.state === "closed"
        ? control
        : { ...control, breaker: { ...control.breaker, state: "half_open" } }
    case "BreakerClosed":
      return { ...control, breaker: CircuitBreaker.closed }
    case "ThrottledUntil":
      return { ...control, throttledUntil: fact.until, throttleStreak: fact.streak }
    case "ConfigChanged": {
      // A new configuration may be the fix: what was paused for the old one is probed at once.
      const { pause } = control
      const probing = pause === null || pause.reason === "user" ? pause : { ...pause, probeAt: 0 }
      return { ...control, configVersion: fact.version, pause: probing }
    }
    case "RunCancelled":
      return { ...control, cancellations: control.cancellations + 1 }
    case "RetriesDue":
      return fact.connection === null ? { ...control, repairedIn: control.configVersion } : control
    default:
      return control
  }
}

/** Changes the runs for which `which` holds. */
const withRuns = (state: State, which: (run: Run) => boolean, change: (run: Run) => Partial<Run>): State => ({
  ...state,
  runs: new Map([...state.runs].map(([id, run]) => [id, which(run) ? { ...run, ...change(run) } : run]))
})

/** A run that begins. */
export const newRun = (
  run: Pick<Run, "id" | "connection" | "replay" | "sourceId" | "route" | "after" | "head">
): Run => ({
  ...run,
  cursor: run.after,
  enabled: true,
  deleted: false,
  delivered: 0,
  filtered: 0,
  rateFullAt: 0,
  finishedAt: null
})

/** Of each key that has no pending event with a time, the first that waits behind it is due. */
const release = (pending: Map<string, Pending>, run: RunId, at: number): void => {
  const byKey = Map.groupBy(
    [...pending.values()].filter((one) => one.run === run && one.key !== null),
    ({ key }) => key
  )
  for (const waiting of byKey.values()) {
    if (waiting.some(({ due }) => due !== null)) continue
    const first = waiting.reduce((a, b) => (b.seq < a.seq ? b : a))
    pending.set(eventKey(run, first.seq), { ...first, due: at })
  }
}

/** What waits for its retry is due at `at`, all of it at once, so that it drains in the order of the log. */
const hurried = (
  pending: State["pending"],
  at: number,
  isMeant: (one: Pending) => boolean
): ReadonlyMap<string, Pending> =>
  new Map([...pending].map(([key, one]) => [key, one.due !== null && isMeant(one) ? { ...one, due: at } : one]))

type WindowSettled = Extract<Fact, { readonly _tag: "WindowSettled" }>

/** How many of a window's events came to this end. */
export const countOf = ({ settled }: WindowSettled, tag: Settlement["_tag"]): number =>
  settled.filter(({ _tag }) => _tag === tag).length

/** The token bucket of a replay after it has sent `count` events. */
export const replayRate = (
  { replay, rateFullAt }: Pick<Run, "replay" | "rateFullAt">,
  count: number,
  at: number
): number => (replay === null ? 0 : RateLimit.spend(rateFullAt, replay.ratePerSecond, count, at))

const settleEvents = (state: State, fact: WindowSettled): State => {
  const { run } = fact
  const pending = new Map(state.pending)
  const dead = new Map(state.dead)
  for (const one of fact.settled) {
    const key = eventKey(run, one.seq)
    if (one._tag === "Retry" || one._tag === "Waiting") {
      const { seq, spent, due, restarts } = one
      const before = pending.get(key)
      const last =
        one._tag === "Retry"
          ? { reason: one.reason, detail: one.detail, since: one.since }
          : { reason: before?.reason ?? null, detail: before?.detail ?? "", since: before?.since ?? null }
      pending.set(key, { run, seq, key: one.key, spent, due, restarts, ...last })
    } else {
      if (fact.seqs !== null) pending.delete(key)
      if (one._tag === "Dead") {
        const { seq, attempt, reason, detail } = one
        dead.set(key, { run, seq, key: one.key, attempt, reason, detail })
      }
    }
  }
  release(pending, run, fact.at)
  return withRuns(
    { ...state, pending, dead },
    ({ id }) => id === run,
    (before) => ({
      delivered: before.delivered + countOf(fact, "Delivered"),
      filtered: before.filtered + countOf(fact, "Filtered"),
      ...(fact.seqs === null
        ? { cursor: fact.hi, rateFullAt: replayRate(before, fact.settled.length - countOf(fact, "Filtered"), fact.at) }
        : {})
    })
  )
}

/** The fold of the journal. `DeliveryJournal`'s SQL does the same in tables; a test compares the two. */
export const evolve = (before: State, fact: Fact): State => {
  const state = { ...before, control: evolveControl(before.control, fact) }
  switch (fact._tag) {
    case "ConnectionStarted": {
      const { connection, sourceId, route, after } = fact
      const started = newRun({ id: connection, connection, replay: null, sourceId, route, after, head: after })
      return { ...state, runs: new Map(state.runs).set(connection, started) }
    }
    case "ConnectionChanged": {
      const { enabled, deleted } = fact
      // A replay that was cancelled stays so.
      return withRuns(
        state,
        ({ connection }) => connection === fact.connection,
        (run) => ({ enabled, deleted: deleted || (run.replay !== null && run.deleted) })
      )
    }
    case "ReplayRequested": {
      const { connection, replay, after, through } = fact
      const live = state.runs.get(connection)
      if (live === undefined) return state
      const { sourceId, route, enabled, deleted } = live
      const id = runOf(connection, replay.id)
      const run = newRun({ id, connection, replay, sourceId, route, after, head: through })
      return { ...state, runs: new Map(state.runs).set(id, { ...run, enabled, deleted }) }
    }
    case "ReplayFinished":
      return withRuns(
        state,
        ({ id }) => id === fact.run,
        () => ({ finishedAt: fact.at })
      )
    case "ReplayCancelled":
      return withRuns(
        state,
        ({ replay }) => replay?.id === fact.replay,
        () => ({ deleted: true })
      )
    case "RunCancelled":
      return withRuns(
        state,
        ({ id }) => id === fact.run,
        (run) => ({ deleted: true, head: Math.max(run.cursor, fact.through) })
      )
    case "WindowSettled":
      return settleEvents(state, fact)
    case "BreakerOpened": {
      // What failed so far was the outage's fault: its tries are given back.
      const refund = (one: Pending) => (one.reason !== null && isOutage(one.reason) ? { ...one, spent: 0 } : one)
      return before.control.breaker.state === "closed"
        ? { ...state, pending: new Map([...state.pending].map(([key, one]) => [key, refund(one)])) }
        : state
    }
    case "BreakerClosed":
      return { ...state, pending: hurried(state.pending, fact.at, () => true) }
    case "RetriesDue": {
      const { connection, at } = fact
      const isMeant = ({ run }: Pending) => connection === null || state.runs.get(run)?.connection === connection
      return { ...state, pending: hurried(state.pending, at, isMeant) }
    }
    case "Redriven": {
      const pending = new Map(state.pending)
      const dead = new Map(state.dead)
      for (const seq of fact.seqs) {
        const key = eventKey(fact.run, seq)
        const letter = dead.get(key)
        const waiting = pending.get(key)
        if (letter !== undefined) {
          dead.delete(key)
          const again = {
            spent: 0,
            due: fact.at,
            restarts: 0,
            since: null,
            reason: letter.reason,
            detail: letter.detail
          }
          pending.set(key, { run: fact.run, seq, key: letter.key, ...again })
        } else if (waiting?.due != null && waiting.due > fact.at) pending.set(key, { ...waiting, due: fact.at })
      }
      return { ...state, pending, dead }
    }
    default:
      return state
  }
}
