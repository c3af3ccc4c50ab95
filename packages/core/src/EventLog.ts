/**
 * The event log of a source: append-only, one row per event, a gap-free sequence from 1.
 *
 * `EventLogStore` is the synchronous store over SQL; `EventLog` is the service through which deliveries and the API read the
 * logs, wherever they live (only a log itself appends). A log is named by its route.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { UnavailableError } from "./Errors.ts"
import { type BodyKind, bodyKind, type Event, type NewEvent } from "./Event.ts"
import { MAX_SEQUENCE, makeEventId, type Route, type SourceId } from "./Ids.ts"
import { blob, migrate, type Sql, type SqlRow } from "./Sql.ts"

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

export interface LogStats {
  /** Events ever accepted. */
  readonly count: number
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
    readonly stats: (route: Route) => Effect.Effect<LogStats, UnavailableError>
  }
>()("@hookstream/core/EventLog") {}

/** The log over one SQLite database. Every method is one synchronous step. */
export interface EventLogStore {
  readonly append: (append: Append) => Event
  readonly read: (after: number, limits: ReadLimits) => LogPage
  /** At least one event whatever its size, where one is held. */
  readonly get: (seqs: ReadonlyArray<number>, maxBytes: number) => Found
  /** Newest first, below `before`; bodies are left out (empty). */
  readonly list: (before: number, limit: number) => ReadonlyArray<Event>
  readonly head: () => number
  readonly stats: () => LogStats
}

const MIGRATIONS = [
  [
    `CREATE TABLE events (
       seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, token TEXT NOT NULL, kind TEXT NOT NULL, method TEXT NOT NULL,
       content_type TEXT, source_ip TEXT, query TEXT NOT NULL, headers TEXT NOT NULL, size INTEGER NOT NULL, body BLOB)`,
    `CREATE TABLE chunks (seq INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (seq, part)) WITHOUT ROWID`
  ]
]

/** A row of a Durable Object holds 2 MB; larger bodies are cut into pieces of this size. */
export const CHUNK_BYTES = 1024 * 1024
/** A repeated request comes within seconds, so its token is among the newest rows; no index is paid for it. */
const TOKEN_LOOKBACK = 5000

const META_COLUMNS = "seq, at, kind, method, content_type, source_ip, query, headers, size"

/** The named events in order, until their bodies together exceed `maxBytes`. */
const takeBytes = (seqs: ReadonlyArray<number>, maxBytes: number, find: (seq: number) => Event | undefined): Found => {
  const events: Array<Event> = []
  let bytes = 0
  let through = 0
  for (const seq of [...seqs].sort((a, b) => a - b)) {
    const event = find(seq)
    bytes += event?.body.length ?? 0
    if (events.length > 0 && bytes > maxBytes) break
    if (event !== undefined) events.push(event)
    through = seq
  }
  return { events, through }
}

/** Opens the log in `sql`, making its tables when they are missing. */
export const makeStore = (sql: Sql, log: { readonly sourceId: SourceId; readonly route: Route }): EventLogStore => {
  migrate(sql, "EventLog", MIGRATIONS)

  const toEvent = (row: SqlRow, body: Uint8Array): Event => {
    const seq = Number(row["seq"])
    const receivedAt = Number(row["at"])
    return {
      id: makeEventId({ receivedAt, seq, route: log.route }),
      sourceId: log.sourceId,
      seq,
      receivedAt,
      bodyKind: row["kind"] as BodyKind,
      method: row["method"] as string,
      contentType: row["content_type"] as string | null,
      sourceIp: row["source_ip"] as string | null,
      query: row["query"] as string,
      headers: JSON.parse(row["headers"] as string),
      body
    }
  }
  const bodyOf = (row: SqlRow): Uint8Array => {
    if (row["body"] !== null) return blob(row["body"])
    const body = new Uint8Array(Number(row["size"]))
    let at = 0
    for (const { data } of sql.exec("SELECT data FROM chunks WHERE seq = ? ORDER BY part", row["seq"]!)) {
      const part = blob(data)
      body.set(part, at)
      at += part.length
    }
    return body
  }
  const load = (row: SqlRow): Event => toEvent(row, bodyOf(row))
  // The newest row says it, so that an append writes one row and no counter.
  const newest = () => {
    const row = sql.exec("SELECT seq, at FROM events ORDER BY seq DESC LIMIT 1")[0]
    return { seq: Number(row?.["seq"] ?? 0), at: Number(row?.["at"] ?? 0) }
  }
  const head = () => newest().seq
  const withToken = (token: string): Event | undefined => {
    const row = sql.exec("SELECT * FROM events WHERE seq > ? AND token = ?", head() - TOKEN_LOOKBACK, token)[0]
    return row === undefined ? undefined : load(row)
  }

  return {
    head,
    append: ({ event, token, repeated, now }) =>
      sql.transaction(() => {
        const known = repeated ? withToken(token) : undefined
        if (known !== undefined) return known
        const last = newest()
        const seq = last.seq + 1
        const at = Math.max(last.at, now)
        const kind = bodyKind(event.body)
        const chunked = event.body.length > CHUNK_BYTES
        sql.exec(
          "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          ...[seq, at, token, kind, event.method, event.contentType, event.sourceIp, event.query],
          ...[JSON.stringify(event.headers), event.body.length, chunked ? null : event.body]
        )
        for (let part = 0; chunked && part * CHUNK_BYTES < event.body.length; part++) {
          const data = event.body.subarray(part * CHUNK_BYTES, (part + 1) * CHUNK_BYTES)
          sql.exec("INSERT INTO chunks VALUES (?, ?, ?)", seq, part, data)
        }
        return {
          ...event,
          id: makeEventId({ receivedAt: at, seq, route: log.route }),
          sourceId: log.sourceId,
          seq,
          receivedAt: at,
          bodyKind: kind
        }
      }),
    read: (after, { maxEvents, maxBytes }) => {
      // Sizes first: bodies that would not fit are never loaded.
      const sizes = sql.exec("SELECT seq, size FROM events WHERE seq > ? ORDER BY seq LIMIT ?", after, maxEvents)
      let bytes = 0
      let last = after
      for (const row of sizes) {
        bytes += Number(row["size"])
        if (last > after && bytes > maxBytes) break
        last = Number(row["seq"])
      }
      const rows = sql.exec("SELECT * FROM events WHERE seq > ? AND seq <= ? ORDER BY seq", after, last)
      return { events: rows.map(load), head: head() }
    },
    get: (seqs, maxBytes) =>
      takeBytes(seqs, maxBytes, (seq) => sql.exec("SELECT * FROM events WHERE seq = ?", seq).map(load)[0]),
    list: (before, limit) =>
      sql
        .exec(
          `SELECT ${META_COLUMNS} FROM events WHERE seq < ? ORDER BY seq DESC LIMIT ?`,
          Math.min(before, MAX_SEQUENCE),
          limit
        )
        .map((row) => toEvent(row, new Uint8Array())),
    stats: () => {
      const { seq, at } = newest()
      return { count: seq, lastAt: seq === 0 ? null : at }
    }
  }
}

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
    stats: (route) => use(route, (store) => store.stats())
  }
}

/** The logs of stores at hand, by route. */
export const layerStores = (stores: ReadonlyMap<Route, EventLogStore>): Layer.Layer<EventLog> =>
  Layer.sync(EventLog, () => service((route) => stores.get(route)))

/** One log in memory: for tests of what reads logs. */
export const makeMemory = (log: { readonly sourceId: SourceId; readonly route: Route }): EventLogStore => {
  const rows: Array<{ readonly event: Event; readonly token: string }> = []
  const withoutBody = ({ event }: { readonly event: Event }): Event => ({ ...event, body: new Uint8Array() })
  return {
    head: () => rows.length,
    append: ({ event, token, repeated, now }) => {
      const known = repeated ? rows.find((row) => row.token === token) : undefined
      if (known !== undefined) return known.event
      const seq = rows.length + 1
      const receivedAt = Math.max(rows.at(-1)?.event.receivedAt ?? 0, now)
      const id = makeEventId({ receivedAt, seq, route: log.route })
      const stored: Event = { ...event, id, sourceId: log.sourceId, seq, receivedAt, bodyKind: bodyKind(event.body) }
      rows.push({ event: stored, token })
      return stored
    },
    read: (after, { maxEvents, maxBytes }) => {
      const events: Array<Event> = []
      let bytes = 0
      for (const { event } of rows.slice(after, after + maxEvents)) {
        bytes += event.body.length
        if (events.length > 0 && bytes > maxBytes) break
        events.push(event)
      }
      return { events, head: rows.length }
    },
    get: (seqs, maxBytes) => takeBytes(seqs, maxBytes, (seq) => rows[seq - 1]?.event),
    list: (before, limit) =>
      rows
        .slice(0, Math.max(0, before - 1))
        .reverse()
        .slice(0, limit)
        .map(withoutBody),
    stats: () => ({ count: rows.length, lastAt: rows.at(-1)?.event.receivedAt ?? null })
  }
}
