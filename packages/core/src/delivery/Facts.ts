/**
 * The facts of a delivery journal as they are stored, version 2; older ones are upcast on read
 * (`journal/internal/factUpcast.ts`). The code works with the types alone; the tests decode what is stored strictly.
 */
import * as Schema from "effect/Schema"
import { FilterRule } from "../event/Filter.ts"
import { ReplayId } from "../Ids.ts"
import { Reason, Receipt } from "../sink/Sink.ts"

/** The id of a connection for its live run, `<connection id>:<replay id>` for a replay of it. */
export const RunId = Schema.String
export type RunId = typeof RunId.Type

const failure = {
  seq: Schema.Int,
  /** Counts from 1. */
  attempt: Schema.Int,
  /** Milliseconds. */
  latency: Schema.Finite,
  reason: Reason,
  detail: Schema.String,
  /** The ordering key, `null` where no order is kept. */
  key: Schema.NullOr(Schema.String)
}

/** What became of one event in a window. */
export const Settlement = Schema.Union([
  Schema.TaggedStruct("Delivered", {
    seq: Schema.Int,
    attempt: Schema.Int,
    latency: Schema.Finite,
    receipt: Receipt
  }),
  /** Rule number `rule` does not hold: from 0, those of the connection before those of the replay. */
  Schema.TaggedStruct("Filtered", { seq: Schema.Int, rule: Schema.Int }),
  Schema.TaggedStruct("Retry", {
    ...failure,
    /** Tries spent so far: a try that spends none is repeated under the same number. */
    spent: Schema.Int,
    /** `null`: behind an earlier event of its key. */
    due: Schema.NullOr(Schema.Finite),
    /** How often the process ended while this event was being sent. */
    restarts: Schema.Int,
    /** When it first failed. */
    since: Schema.Finite
  }),
  /** Not tried: behind an earlier event of its key (`due: null`), or because sending had to stop. */
  Schema.TaggedStruct("Waiting", {
    seq: Schema.Int,
    key: Schema.NullOr(Schema.String),
    spent: Schema.Int,
    due: Schema.NullOr(Schema.Finite),
    restarts: Schema.Int
  }),
  Schema.TaggedStruct("Dead", failure)
])
export type Settlement = typeof Settlement.Type

/** Why a destination does not send. `user` lasts until it is resumed; the others are probed. */
export const PauseReason = Schema.Literals(["user", "Unauthorized", "Misconfigured"])
export type PauseReason = typeof PauseReason.Type

/** Why nothing more of a run is sent. */
export const CancelReason = Schema.Literals([
  "connection deleted",
  "source deleted",
  "destination deleted",
  "replay cancelled"
])
export type CancelReason = typeof CancelReason.Type

/** How far a run has read under an epoch of its log (see `log/Epochs.ts`). */
const Marks = Schema.Array(Schema.Struct({ epoch: Schema.String, through: Schema.Int }))

/** The events whose sends run together: `lo..hi` of a log, or (`seqs`) pending events among them. */
const window = {
  run: RunId,
  lo: Schema.Int,
  hi: Schema.Int,
  seqs: Schema.NullOr(Schema.Array(Schema.Int)),
  /** Epochs of the log that the run has not seen, where some begin in the window. */
  epochs: Schema.optionalKey(Schema.Array(Schema.Struct({ id: Schema.String, first: Schema.Int })))
}
export const Window = Schema.Struct(window)
export type Window = typeof Window.Type

/** The destination's token buckets, each as the time at which it would be full again (see `RateLimit.ts`). */
export const Rates = Schema.Struct({ requests: Schema.Finite, records: Schema.Finite, bytes: Schema.Finite })
export type Rates = typeof Rates.Type

/** A request to send a part of the past again. */
export const Replay = Schema.Struct({
  id: ReplayId,
  /** All must hold, beside the connection's own. */
  filterRules: Schema.Array(FilterRule),
  /** Events sent for the first time each second. */
  ratePerSecond: Schema.Finite,
  /** Events that pass the filters at most; `null` without a limit. */
  maxEvents: Schema.NullOr(Schema.Int)
})
export type Replay = typeof Replay.Type

/** A fact as it is stored. Times are milliseconds. */
export const Fact = Schema.Union([
  Schema.TaggedStruct("ConnectionStarted", {
    connection: Schema.String,
    sourceId: Schema.String,
    route: Schema.String,
    /** Events after this sequence are delivered. */
    after: Schema.Int,
    /** Of who has read the log up to there. */
    marks: Schema.optionalKey(Marks)
  }),
  /** Of all runs of the connection. */
  Schema.TaggedStruct("ConnectionChanged", {
    connection: Schema.String,
    enabled: Schema.Boolean,
    deleted: Schema.Boolean
  }),
  /** Events after `after` and up to `through` are sent again, in a run of their own. */
  Schema.TaggedStruct("ReplayRequested", {
    connection: Schema.String,
    replay: Replay,
    after: Schema.Int,
    through: Schema.Int
  }),
  /** Nothing is left to do, `at` last. */
  Schema.TaggedStruct("ReplayFinished", { run: RunId, at: Schema.Finite }),
  /** Nothing more of it is sent. Only read: what was cancelled since is told run by run (`RunCancelled`). */
  Schema.TaggedStruct("ReplayCancelled", { replay: ReplayId }),
  /**
   * Nothing more of this run is sent. What of it is pending, and what its log has beyond the cursor up to `through`, is
   * cancelled; an event that was on its way keeps its outcome.
   */
  Schema.TaggedStruct("RunCancelled", {
    run: RunId,
    because: CancelReason,
    after: Schema.Int,
    through: Schema.Int,
    at: Schema.Finite
  }),
  /**
   * The run's log was restored to an earlier time: of what the run had read, up to `from`, the log has the events up to
   * `through`. The run goes back there. What it knew of later events was of others than those that the log has under
   * these sequences now; `open` of them were pending or dead.
   */
  Schema.TaggedStruct("LogRestored", {
    run: RunId,
    sourceId: Schema.String,
    from: Schema.Int,
    through: Schema.Int,
    marks: Marks,
    open: Schema.Int,
    at: Schema.Finite
  }),
  /** Sends are about to start. `rates`: the token buckets if all of them were made; `null` without a limit. */
  Schema.TaggedStruct("WindowPlanned", { ...window, configVersion: Schema.Int, rates: Schema.NullOr(Rates) }),
  /** Outcomes of a window, or of its first part; then `rest` is still on its way. */
  Schema.TaggedStruct("WindowSettled", {
    ...window,
    at: Schema.Finite,
    settled: Schema.Array(Settlement),
    /** What the breaker saw, one for each request, from the last good one on. */
    seen: Schema.Array(Schema.Struct({ event: Schema.String, ok: Schema.Boolean })),
    /** The token buckets after what was sent; `null`: as planned. */
    rates: Schema.NullOr(Rates),
    rest: Schema.NullOr(Window)
  }),
  Schema.TaggedStruct("Paused", {
    reason: PauseReason,
    detail: Schema.String,
    probeAt: Schema.NullOr(Schema.Finite)
  }),
  Schema.TaggedStruct("Resumed", {}),
  /** Opened, or open for another period (`probes` counts the failed probes). */
  Schema.TaggedStruct("BreakerOpened", { at: Schema.Finite, until: Schema.Finite, probes: Schema.Int }),
  Schema.TaggedStruct("BreakerHalfOpened", {}),
  /** What waits for its retry is due now, all at the same time, so that it drains in the order of the log. */
  Schema.TaggedStruct("BreakerClosed", { at: Schema.Finite }),
  /**
   * The cause of failures may be fixed: what waits for its retry, of one connection or (`null`) of all, is due now.
   * Attempts already spent stay spent. For all it also means that what was sent under an older config and fails is
   * tried again at once.
   */
  Schema.TaggedStruct("RetriesDue", { connection: Schema.NullOr(Schema.String), at: Schema.Finite }),
  /** Nothing is sent before `until`; 0: at once. */
  Schema.TaggedStruct("ThrottledUntil", { until: Schema.Finite, streak: Schema.Int }),
  Schema.TaggedStruct("ConfigChanged", { version: Schema.Int }),
  /** A person asked: dead letters get all their tries again, what waits for its retry is due now. */
  Schema.TaggedStruct("Redriven", { run: RunId, seqs: Schema.Array(Schema.Int), at: Schema.Finite })
])
export type Fact = typeof Fact.Type

/**
 * Days that a fact is kept: as long as the longest retention of a source. A journal that grows too large forgets
 * earlier.
 */
export const JOURNAL_DAYS = 30
