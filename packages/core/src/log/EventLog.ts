/**
 * `EventLog` is the service through which deliveries and the API read the logs, wherever they live (only a log itself
 * appends). A log is named by its route.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Asked } from "../Contract.ts"
import { UnavailableError } from "../Errors.ts"
import type { Event } from "../event/Event.ts"
import { bytesOf, type LogOwner, unpack } from "../event/PackedEvents.ts"
import type { EventId, Route } from "../Ids.ts"
import type { Sql } from "../Sql.ts"
import type {
  EventLogStore,
  Found,
  LogPage,
  LogRange,
  LogStats,
  ReadLimits,
  SqlEventLogStore
} from "./EventLogStore.ts"
import { makeStore as makeSqlStore } from "./internal/eventLogSql.ts"
import type { LogContract, Packed } from "./LogContract.ts"

export * from "./EventLogStore.ts"

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

/** Opens the log in `sql`, making its tables when they are missing. A segment ends after `segmentBytes`. */
export const makeStore: (sql: Sql, log: LogOwner, segmentBytes?: () => number) => SqlEventLogStore = makeSqlStore

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

/** The logs as others ask them, by their contract. */
export const ofLogs = (
  ask: <A>(route: Route, method: (log: Asked<LogContract>) => Promise<A>) => Effect.Effect<A, UnavailableError>
): EventLog["Service"] => {
  const eventsOf = (route: Route, { sourceId, packed }: Packed) => unpack(packed, { sourceId, route })
  return {
    read: (route, after, limits) =>
      Effect.map(
        ask(route, (log) => log.read(after, { ...limits, dictionaries: true })),
        (page) => ({ events: eventsOf(route, page), bytes: bytesOf(page.packed), head: page.head })
      ),
    get: (route, seqs, maxBytes) =>
      Effect.map(
        ask(route, (log) => log.get(seqs, maxBytes)),
        (part) =>
          part === undefined
            ? { events: [], bytes: 0, through: 0 }
            : { events: eventsOf(route, part), bytes: bytesOf(part.packed), through: part.through }
      ),
    list: (route, before, limit) =>
      Effect.map(
        ask(route, (log) => log.list(before, limit)),
        (listed) => eventsOf(route, listed)
      ),
    ids: (route, seqs) => ask(route, (log) => log.ids(seqs)),
    stats: (route) => ask(route, (log) => log.stats()),
    range: (route, from, to) => ask(route, (log) => log.range(from, to))
  }
}

/** The logs of stores at hand, by route. */
export const layerStores = (stores: ReadonlyMap<Route, EventLogStore>): Layer.Layer<EventLog> =>
  Layer.sync(EventLog, () => service((route) => stores.get(route)))
