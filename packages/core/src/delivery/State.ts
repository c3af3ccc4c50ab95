/**
 * The state of a destination, which its facts make, and the fold of its control. Pure. The durable form of the state is
 * in `journal/`, written in the same transaction as the facts.
 *
 * A delivery is (run, sequence). The live run of a connection has the connection's own id; a replay is a run of its
 * own, with its own cursor and its own pending events and dead letters.
 */

import type { ConnectionId, ReplayId, Route, SourceId } from "../Ids.ts"
import { advanced, type Mark, NONE } from "../log/Epochs.ts"
import type { Reason } from "../sink/Sink.ts"
import * as CircuitBreaker from "./CircuitBreaker.ts"
import type { Fact, PauseReason, Rates, Replay, RunId, Settlement, Window } from "./Facts.ts"
import * as RateLimit from "./RateLimit.ts"

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
  /**
   * Under which epochs of the log it has read how far; the last one goes on with the cursor. None before its first
   * event.
   */
  readonly marks: ReadonlyArray<Mark>
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
  /** The last time that a log was found restored to an earlier time; `null` when none was. */
  readonly restored: {
    readonly sourceId: SourceId
    readonly run: RunId
    readonly from: number
    readonly through: number
    readonly at: number
  } | null
  /** What was planned and is not settled: its sends have started, and nobody knows their outcomes. One of each run. */
  readonly windows: ReadonlyArray<Window>
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
  restored: null,
  windows: []
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
const OUTAGE: Readonly<Record<Reason, boolean>> = {
  Rejected: false,
  TooLarge: false,
  Malformed: false,
  Unauthorized: false,
  Misconfigured: false,
  Throttled: false,
  Unavailable: true,
  TimedOut: true,
  Unknown: true
}
export const isOutage = (reason: Reason): boolean => OUTAGE[reason]

/**
 * Whether something came from outside between the two: each change (paused, disabled, reconfigured) has a new version,
 * but for cancelled replays.
 */
export const isChanged = (before: Control, now: Control): boolean =>
  before.configVersion !== now.configVersion || before.cancellations !== now.cancellations

const othersThan = (run: RunId, { windows }: Control): ReadonlyArray<Window> => windows.filter((one) => one.run !== run)

/** The fold of a control's facts; facts about single events leave it as it is. */
export const evolveControl = (control: Control, fact: Fact): Control => {
  switch (fact._tag) {
    case "WindowPlanned": {
      const { run, lo, hi, seqs, rates } = fact
      return {
        ...control,
        windows: [...othersThan(run, control), { run, lo, hi, seqs }],
        rates: rates ?? control.rates
      }
    }
    case "WindowSettled": {
      const delivered = fact.settled.some(({ _tag }) => _tag === "Delivered")
      const { seen, rates, rest } = fact
      return {
        ...control,
        windows: [...othersThan(fact.run, control), ...(rest === null ? [] : [rest])],
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
    case "LogRestored": {
      // What was on its way is sent again, as far as the log has it.
      const { sourceId, run, from, through, at } = fact
      return { ...control, windows: othersThan(run, control), restored: { sourceId, run, from, through, at } }
    }
    case "RetriesDue":
      return fact.connection === null ? { ...control, repairedIn: control.configVersion } : control
    case "ConnectionStarted":
    case "ConnectionChanged":
    case "ReplayRequested":
    case "ReplayFinished":
    case "ReplayCancelled":
    case "Redriven":
      return control
  }
}

/** A run that begins. */
export const newRun = (
  run: Pick<Run, "id" | "connection" | "replay" | "sourceId" | "route" | "after" | "head"> & Partial<Pick<Run, "marks">>
): Run => ({
  marks: [],
  ...run,
  cursor: run.after,
  enabled: true,
  deleted: false,
  delivered: 0,
  filtered: 0,
  rateFullAt: 0,
  finishedAt: null
})

/** Marks of a connection that begins: before there were epochs, its log told none. */
export const marksOf = ({ marks }: Extract<Fact, { readonly _tag: "ConnectionStarted" }>): ReadonlyArray<Mark> =>
  marks ?? [{ epoch: NONE.id, through: 0 }]

export type WindowSettled = Extract<Fact, { readonly _tag: "WindowSettled" }>

/** How many of a window's events came to this end. */
export const countOf = ({ settled }: WindowSettled, tag: Settlement["_tag"]): number =>
  settled.filter(({ _tag }) => _tag === tag).length

/** The token bucket of a replay after it has sent `count` events. */
export const replayRate = (
  { replay, rateFullAt }: Pick<Run, "replay" | "rateFullAt">,
  count: number,
  at: number
): number => (replay === null ? 0 : RateLimit.spend(rateFullAt, replay.ratePerSecond, count, at))

/** A run after a window of it, or a part of one, was settled. */
export const afterWindow = (run: Run, fact: WindowSettled): Run => {
  const filtered = countOf(fact, "Filtered")
  const counted = { ...run, delivered: run.delivered + countOf(fact, "Delivered"), filtered: run.filtered + filtered }
  if (fact.seqs !== null) return counted
  return {
    ...counted,
    cursor: fact.hi,
    rateFullAt: replayRate(run, fact.settled.length - filtered, fact.at),
    marks: fact.epochs === undefined ? run.marks : advanced(run.marks, fact.epochs, fact.hi)
  }
}
