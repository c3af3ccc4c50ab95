/** What a delivery journal holds and tells: the synchronous store, over SQL (`internal/deliverySql.ts`). */
import * as Schema from "effect/Schema"
import type * as Facts from "../delivery/Facts.ts"
import type * as Plan from "../delivery/Plan.ts"
import type * as State from "../delivery/State.ts"
import type { ConnectionId, ReplayId, SourceId } from "../Ids.ts"
import type { Mark } from "../log/Epochs.ts"
import type { Reason, Receipt } from "../sink/Sink.ts"

/** One line of an event's story on one connection, as the journal tells it. */
export interface Entry {
  /** Number of the fact in the journal. */
  readonly n: number
  readonly connection: ConnectionId
  /** `null`: the normal run. */
  readonly replay: ReplayId | null
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly at: number
  /**
   * `delivered`, `failed`, `unknown` (the process ended before the outcome was known) and `dead` are tries; `filtered`:
   * a rule does not hold; `held`: an earlier event of its key is pending; `postponed`: sending stopped before its turn;
   * `redriven`: a person asked; `cancelled`: it will not be sent, `detail` says why (a `CancelReason`).
   */
  readonly type:
    | "delivered"
    | "failed"
    | "unknown"
    | "dead"
    | "filtered"
    | "held"
    | "postponed"
    | "redriven"
    | "cancelled"
  /** From 1. */
  readonly attempt: number | null
  readonly latency: number | null
  readonly receipt: Receipt | null
  readonly reason: Reason | null
  readonly detail: string | null
  /** Number of the filter rule, from 0. */
  readonly rule: number | null
  /** When the next try is due; `null` when none is. */
  readonly nextAt: number | null
  /** Its log was restored to an earlier time: the event is gone, and its sequence may be another's. */
  readonly isGone?: boolean
}

/** Where an event stands on one connection. */
export interface DeliveryStatus {
  readonly connection: ConnectionId
  readonly seq: number
  /** `cancelled`: its connection was deleted before it was delivered. */
  readonly status: "waiting" | "retrying" | "delivered" | "filtered" | "dead" | "cancelled"
}

/** What a user wants to know of a destination at once. */
export interface Summary {
  readonly control: State.Control
  /** The live run of each connection, deleted ones too. */
  readonly connections: ReadonlyArray<State.Run>
  /** Of connections and replays that go on. */
  readonly pending: number
  readonly dead: number
  readonly nextDue: number | null
  readonly lastError: { readonly reason: Reason; readonly detail: string } | null
}

/** Dead letters below a position, newest first; `next` is where the following page begins. */
export interface DeadPage {
  readonly letters: ReadonlyArray<DeadLetter>
  readonly next: { readonly run: Facts.RunId; readonly seq: number } | null
}

export interface DeadLetter extends State.DeadLetter {
  readonly connection: ConnectionId
  readonly replay: ReplayId | null
}

/** Which tries; without a field all. */
export interface AttemptFilter {
  readonly connection?: ConnectionId
  readonly status?: AttemptStatus
}
export const AttemptStatus = Schema.Literals(["delivered", "failed", "unknown", "dead"])
export type AttemptStatus = typeof AttemptStatus.Type

/**
 * Tries below a position in the journal, newest first. A page may be empty and still have a `next`: a page reads a
 * limited part of the journal.
 */
export interface AttemptPage {
  readonly entries: ReadonlyArray<Entry>
  readonly next: AttemptPosition | null
}
export interface AttemptPosition {
  readonly n: number
  readonly seq: number
}

/** How far a replay is, over all of its runs. */
export interface ReplayProgress {
  readonly status: "running" | "finished" | "cancelled"
  /** Events in its range; those with an outcome or filtered out; and of these. */
  readonly total: number
  readonly processed: number
  readonly delivered: number
  readonly filtered: number
  readonly dead: number
  readonly pending: number
}

/** What a destination needs of a log. */
export interface Needs {
  /** Events up to here are no longer needed. */
  readonly after: number
  /** What its runs have read: only in a log that has it does `after` mean anything. */
  readonly read: ReadonlyArray<Mark>
}

export interface DeliveryStore {
  /** Appends the facts and changes the projections, all in one transaction. `now` in milliseconds since 1970. */
  readonly commit: (facts: ReadonlyArray<Facts.Fact>, now: number) => void
  /**
   * A log has events up to `head`; lower heads change nothing. Not stored: a new instance asks the logs
   * again.
   */
  readonly raiseHead: (sourceId: SourceId, head: number) => void
  /** A log has less than was told: it ends here. */
  readonly headIs: (sourceId: SourceId, head: number) => void
  /** How many events of a run above a sequence are pending or dead. */
  readonly openAbove: (run: Facts.RunId, seq: number) => number
  readonly control: () => State.Control
  /** `away`: runs whose pending events do not matter now. The view is bounded, and they would hide those of others. */
  readonly view: (now: number, away?: ReadonlySet<Facts.RunId>) => Plan.View
  /** The pending events among these. */
  readonly pendingAmong: (run: Facts.RunId, seqs: ReadonlyArray<number>) => ReadonlyArray<State.Pending>
  /** Pending events after a position, by run and sequence; none of a deleted connection or a cancelled replay. */
  readonly pendingAfter: (
    from: { readonly run: Facts.RunId; readonly seq: number } | null,
    limit: number
  ) => ReadonlyArray<State.Pending>
  /** Which of these keys have a pending event. */
  readonly blockedKeys: (run: Facts.RunId, keys: ReadonlyArray<string>) => ReadonlySet<string>
  /** Every run that ever was. */
  readonly runs: () => ReadonlyArray<State.Run>
  /** Everything that the journal tells of one event, oldest first. */
  readonly timeline: (sourceId: SourceId, seq: number) => ReadonlyArray<Entry>
  readonly statuses: (sourceId: SourceId, seqs: ReadonlyArray<number>) => ReadonlyArray<DeliveryStatus>
  readonly deadLetters: (before: DeadPage["next"], limit: number) => DeadPage
  readonly summary: () => Summary
  readonly attempts: (filter: AttemptFilter, before: AttemptPosition | null, limit: number) => AttemptPage
  /** The run that a try was of; `undefined` when the journal has no such try (any more). */
  readonly runOfAttempt: (position: AttemptPosition) => Facts.RunId | undefined
  /**
   * Whether a delivery is dead, or waits for its retry or behind its key, and its run goes on: then it can be tried
   * again.
   */
  readonly isOpen: (run: Facts.RunId, seq: number) => boolean
  /** `undefined` when there is no such replay. */
  readonly replay: (replay: ReplayId) => ReplayProgress | undefined
  /** What of a log is still needed: no active run is past it; `null` when no run is active. */
  readonly needs: (sourceId: SourceId) => Needs | null
  /** Every fact that is kept, oldest first. */
  readonly facts: () => ReadonlyArray<Facts.Fact>
  /** The whole state as the projections hold it. */
  readonly state: () => State.State
}
