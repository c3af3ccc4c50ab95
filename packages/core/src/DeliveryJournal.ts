/**
 * The delivery journal of a destination: its append-only list of facts, and the projections that they change (control,
 * connections, pending, dead letters), written in the same transaction.
 *
 * `DeliveryStore` is the synchronous store over SQL; `DeliveryJournal` is the service that the pump writes to.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Delivery from "./Delivery.ts"
import type * as Facts from "./DeliveryFacts.ts"
import type { ConnectionId, SourceId } from "./Ids.ts"
import { makeMemory as makeMemoryStore } from "./internal/deliveryMemory.ts"
import { makeStore as makeSqlStore } from "./internal/deliverySql.ts"
import type { Reason, Receipt } from "./Sink.ts"
import type { Sql } from "./Sql.ts"

/** One line of an event's story on one connection, as the journal tells it. */
export interface Entry {
  readonly connection: ConnectionId
  /** Milliseconds since 1970. */
  readonly at: number
  /**
   * `delivered`, `failed`, `unknown` (the process ended before the outcome was known) and `dead` are tries; `filtered`: a rule does
   * not hold; `held`: an earlier event of its key is pending; `postponed`: sending stopped before its turn; `redriven`: a person asked.
   */
  readonly type: "delivered" | "failed" | "unknown" | "dead" | "filtered" | "held" | "postponed" | "redriven"
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
}

/** Where an event stands on one connection. */
export interface DeliveryStatus {
  readonly connection: ConnectionId
  readonly seq: number
  readonly status: "waiting" | "retrying" | "delivered" | "filtered" | "dead"
}

/** What a user wants to know of a destination at once. */
export interface Summary {
  readonly control: Facts.Control
  readonly connections: ReadonlyArray<Facts.ConnectionState>
  readonly pending: number
  readonly dead: number
  readonly nextDue: number | null
  readonly lastError: { readonly reason: Reason; readonly detail: string } | null
}

/** Dead letters below a position, newest first; `next` is where the following page begins. */
export interface DeadPage {
  readonly letters: ReadonlyArray<Facts.DeadLetter>
  readonly next: { readonly connection: ConnectionId; readonly seq: number } | null
}

export interface DeliveryStore {
  /** Appends the facts and changes the projections, all in one transaction. `now` in milliseconds since 1970. */
  readonly commit: (facts: ReadonlyArray<Facts.Fact>, now: number) => void
  /** A log has events up to `head`; lower heads change nothing. */
  readonly raiseHead: (sourceId: SourceId, head: number) => void
  readonly control: () => Facts.Control
  readonly view: (now: number) => Delivery.View
  /** The pending events among these. */
  readonly pendingAmong: (connection: ConnectionId, seqs: ReadonlyArray<number>) => ReadonlyArray<Facts.Pending>
  /** Which of these keys have a pending event. */
  readonly blockedKeys: (connection: ConnectionId, keys: ReadonlyArray<string>) => ReadonlySet<string>
  /** Everything that the journal tells of one event, oldest first. */
  readonly timeline: (sourceId: SourceId, seq: number) => ReadonlyArray<Entry>
  readonly statuses: (sourceId: SourceId, seqs: ReadonlyArray<number>) => ReadonlyArray<DeliveryStatus>
  readonly deadLetters: (before: DeadPage["next"], limit: number) => DeadPage
  readonly summary: () => Summary
  /** Every fact, oldest first. */
  readonly facts: () => ReadonlyArray<Facts.Fact>
  /** The whole state as the projections hold it. */
  readonly state: () => Facts.State
}

export class DeliveryJournal extends Context.Service<
  DeliveryJournal,
  {
    readonly commit: (facts: ReadonlyArray<Facts.Fact>) => Effect.Effect<void>
    readonly control: Effect.Effect<Facts.Control>
    readonly view: Effect.Effect<Delivery.View>
    readonly pendingAmong: (
      connection: ConnectionId,
      seqs: ReadonlyArray<number>
    ) => Effect.Effect<ReadonlyArray<Facts.Pending>>
    readonly blockedKeys: (connection: ConnectionId, keys: ReadonlyArray<string>) => Effect.Effect<ReadonlySet<string>>
  }
>()("@hookstream/core/DeliveryJournal") {}

/** The service over one store. */
export const make = (store: DeliveryStore): DeliveryJournal["Service"] => ({
  commit: (facts) =>
    Effect.clockWith((clock) => Effect.sync(() => store.commit(facts, clock.currentTimeMillisUnsafe()))),
  control: Effect.sync(store.control),
  view: Effect.clockWith((clock) => Effect.sync(() => store.view(clock.currentTimeMillisUnsafe()))),
  pendingAmong: (connection, seqs) => Effect.sync(() => store.pendingAmong(connection, seqs)),
  blockedKeys: (connection, keys) => Effect.sync(() => store.blockedKeys(connection, keys))
})

export const layer = (store: DeliveryStore): Layer.Layer<DeliveryJournal> => Layer.succeed(DeliveryJournal, make(store))

/** Opens the journal in `sql`, making its tables when they are missing. */
export const makeStore: (sql: Sql) => DeliveryStore = makeSqlStore

/** A journal in memory: for tests, and the oracle for the SQL store. */
export const makeMemory: () => DeliveryStore = makeMemoryStore
