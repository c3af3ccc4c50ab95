/**
 * The event log of a source: append-only, one row per event, a gap-free sequence from 1. Its rows stand in segments,
 * which are dropped whole once they are older than the retention and no destination needs them: dropping a table costs
 * nothing, deleting costs a row for each row.
 *
 * `EventLogStore` is the synchronous store over SQL; `EventLog` is the service through which deliveries and the API
 * read the logs, wherever they live (only a log itself appends). A log is named by its route.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { UnavailableError } from "./Errors.ts"
import type { Event, NewEvent } from "./Event.ts"
import type { EventId, Route, SourceId } from "./Ids.ts"
import { makeMemory as makeMemoryStore } from "./internal/eventLogMemory.ts"
import { makeStore as makeSqlStore } from "./internal/eventLogSql.ts"
import type { PackedEvents } from "./PackedEvents.ts"
import type { Sql } from "./Sql.ts"

/** What may be read at once: the first event is always included, whatever its size. */
export interface ReadLimits {
  readonly maxEvents: number
  readonly maxBytes: number
}

/** A run of events after a position; `head` is the log's last sequence (0 when empty). */
export interface LogPage {
  readonly events: ReadonlyArray<Event>
  readonly head: number
}

/** Events found by their sequence, in order. Sequences above `through` were not looked at: the bytes were spent. */
export interface Found {
  readonly events: ReadonlyArray<Event>
  readonly through: number
}

/** Sequences above `after`, up to `through`. */
export interface LogRange {
  readonly after: number
  readonly through: number
}

export interface LogStats {
  readonly sourceId: SourceId
  /** Events ever accepted: the last sequence. */
  readonly count: number
  /** The first sequence that is not dropped; `count + 1` when none is left. */
  readonly first: number
  /** When the last one was, in milliseconds since 1970. */
  readonly lastAt: number | null
}

export interface Append {
  readonly event: NewEvent
  /** Random, made by the edge for one request. */
  readonly token: string
  /** The edge asks again, for the reply was lost: if the token is there, its event is the answer. */
  readonly repeated?: boolean
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Where an event stands in the log. */
export type Appended = Pick<Event, "id" | "seq" | "receivedAt">

export class EventLog extends Context.Service<
  EventLog,
  {
    /** Events with a sequence above `after`, in order. */
    readonly read: (route: Route, after: number, limits: ReadLimits) => Effect.Effect<LogPage, UnavailableError>
    /** The events of the named sequences that the log still holds, bounded by bytes. */
    readonly get: (
      route: Route,
      seqs: ReadonlyArray<number>,
      maxBytes: number
    ) => Effect.Effect<Found, UnavailableError>
    /** Newest first, below sequence `before`, bodies left out. */
    readonly list: (
      route: Route,
      before: number,
      limit: number
    ) => Effect.Effect<ReadonlyArray<Event>, UnavailableError>
    /**
     * The ids of those of the named sequences that the log still holds, in order: what `get` costs, without the
     * bodies.
     */
    readonly ids: (route: Route, seqs: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<EventId>, UnavailableError>
    readonly stats: (route: Route) => Effect.Effect<LogStats, UnavailableError>
    /** The events that were accepted from `from` and before `to` (milliseconds since 1970). */
    readonly range: (route: Route, from: number, to: number) => Effect.Effect<LogRange, UnavailableError>
  }
>()("@hookstream/core/EventLog") {}

/** The log over one SQLite database. Every method is one synchronous step. */
export interface EventLogStore {
  /** All or none, in order, in one transaction: those that came close together share its price. */
  readonly append: (appends: ReadonlyArray<Append>) => ReadonlyArray<Appended>
  readonly read: (after: number, limits: ReadLimits) => LogPage
  /** At least one event whatever its size, where one is held. */
  readonly get: (seqs: ReadonlyArray<number>, maxBytes: number) => Found
  /** Newest first, below `before`; bodies are left out (empty). */
  readonly list: (before: number, limit: number) => ReadonlyArray<Event>
  /** Of those that are held, in order. */
  readonly ids: (seqs: ReadonlyArray<number>) => ReadonlyArray<EventId>
  readonly head: () => number
  readonly stats: () => LogStats
  readonly range: (from: number, to: number) => LogRange
  /** Drops what was accepted before `before`, segment by segment, up to sequence `through`. */
  readonly drop: (before: number, through: number) => void
  /** When the newest event of the oldest segment was accepted; `null` when there is none. */
  readonly oldest: () => number | null
}

/** Which log a store is of. */
export interface LogOwner {
  readonly sourceId: SourceId
  readonly route: Route
}

/** A log in SQL can also give its events packed, which is how they leave its object. */
export interface SqlEventLogStore extends EventLogStore {
  /** Whether a request with this token was appended, as far as the newest events tell. */
  readonly holds: (token: string) => boolean
  readonly readPacked: (after: number, limits: ReadLimits) => { readonly packed: PackedEvents; readonly head: number }
  readonly getPacked: (
    seqs: ReadonlyArray<number>,
    maxBytes: number
  ) => { readonly packed: PackedEvents; readonly through: number }
  readonly listPacked: (before: number, limit: number) => { readonly packed: PackedEvents }
}

export { CHUNK_BYTES } from "./internal/eventLogSql.ts"

/** Opens the log in `sql`, making its tables when they are missing. */
export const makeStore: (sql: Sql, log: LogOwner) => SqlEventLogStore = makeSqlStore

/** One log in memory: for tests of what reads logs. */
export const makeMemory: (log: LogOwner) => EventLogStore = makeMemoryStore

const service = (storeOf: (route: Route) => EventLogStore | undefined): EventLog["Service"] => {
  const use = <A>(route: Route, f: (store: EventLogStore) => A) =>
    Effect.suspend(() => {
      const store = storeOf(route)
      return store === undefined
        ? Effect.fail(new UnavailableError({ message: `there is no log ${route}` }))
        : Effect.sync(() => f(store))
    })
  return {
    read: (route, after, limits) => use(route, (store) => store.read(after, limits)),
    get: (route, seqs, maxBytes) => use(route, (store) => store.get(seqs, maxBytes)),
    list: (route, before, limit) => use(route, (store) => store.list(before, limit)),
    ids: (route, seqs) => use(route, (store) => store.ids(seqs)),
    stats: (route) => use(route, (store) => store.stats()),
    range: (route, from, to) => use(route, (store) => store.range(from, to))
  }
}

/** The logs of stores at hand, by route. */
export const layerStores = (stores: ReadonlyMap<Route, EventLogStore>): Layer.Layer<EventLog> =>
  Layer.sync(EventLog, () => service((route) => stores.get(route)))
