/**
 * The event log of a source: append-only, one row per event, a gap-free sequence from 1. Its rows stand in segments, which are
 * dropped whole once they are older than the retention and no destination needs them: dropping a table costs nothing, deleting
 * costs a row for each row.
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
  readonly head: () => number
  readonly stats: () => LogStats
  readonly range: (from: number, to: number) => LogRange
  /** Drops what was accepted before `before`, segment by segment, up to sequence `through`. */
  readonly drop: (before: number, through: number) => void
  /** When the newest event of the oldest segment was accepted; `null` when there is none. */
  readonly oldest: () => number | null
}

/**
 * A page on its way from a log to a destination: the bodies in one piece, everything else as one JSON text. Between objects each value
 * is copied by itself, and hundreds of events are thousands of values.
 */
export interface PackedPage {
  /** Of each event `[seq, at, kind, method, content type, source IP, query, headers as JSON, size of the body]`. */
  readonly events: string
  readonly bodies: Uint8Array
  readonly head: number
}

type PackedEvent = readonly [
  seq: number,
  at: number,
  kind: BodyKind,
  method: string,
  contentType: string | null,
  sourceIp: string | null,
  query: string,
  headers: string,
  size: number
]

const PACKED = "json_array(seq, at, kind, method, content_type, source_ip, query, headers, size)"

/** The events of a packed page. Headers are parsed when somebody asks for them: most deliveries do not. */
export const unpack = (
  { events, bodies, head }: PackedPage,
  { sourceId, route }: { readonly sourceId: SourceId; readonly route: Route }
): LogPage => {
  let start = 0
  const unpacked = (JSON.parse(events) as ReadonlyArray<PackedEvent>).map((packed): Event => {
    const [seq, receivedAt, kind, method, contentType, sourceIp, query, headers, size] = packed
    const body = bodies.subarray(start, start + size)
    start += size
    return {
      ...{ id: makeEventId({ receivedAt, seq, route }), sourceId, seq, receivedAt, bodyKind: kind },
      ...{ method, contentType, sourceIp, query, body },
      get headers() {
        return JSON.parse(headers)
      }
    }
  })
  return { events: unpacked, head }
}

/** A log in SQL can also give its pages packed. */
export interface SqlEventLogStore extends EventLogStore {
  readonly readPacked: (after: number, limits: ReadLimits) => PackedPage
}

const segmentTables = (n: number) => [
  `CREATE TABLE events_${n} (
     seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, token TEXT NOT NULL, kind TEXT NOT NULL, method TEXT NOT NULL,
     content_type TEXT, source_ip TEXT, query TEXT NOT NULL, headers TEXT NOT NULL, size INTEGER NOT NULL, body BLOB)`,
  `CREATE TABLE chunks_${n} (seq INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (seq, part)) WITHOUT ROWID`
]

const MIGRATIONS = [
  [
    `CREATE TABLE events (
       seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, token TEXT NOT NULL, kind TEXT NOT NULL, method TEXT NOT NULL,
       content_type TEXT, source_ip TEXT, query TEXT NOT NULL, headers TEXT NOT NULL, size INTEGER NOT NULL, body BLOB)`,
    `CREATE TABLE chunks (seq INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (seq, part)) WITHOUT ROWID`
  ],
  // Segments. `first` is the sequence that comes next when a segment is empty, `after_at` the time before which none is accepted.
  [
    `ALTER TABLE events RENAME TO events_1`,
    `ALTER TABLE chunks RENAME TO chunks_1`,
    `CREATE TABLE log_segments (n INTEGER PRIMARY KEY, first INTEGER NOT NULL, after_at INTEGER NOT NULL)`,
    `INSERT INTO log_segments VALUES (1, 1, 0)`
  ]
]

/** A segment takes the events of so many milliseconds, and so many of them, at most. */
const SEGMENT_MILLIS = 24 * 3_600_000
const SEGMENT_EVENTS = 100_000

interface Segment {
  readonly n: number
  readonly first: number
  readonly afterAt: number
}

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

const joined = (parts: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Opens the log in `sql`, making its tables when they are missing. */
export const makeStore = (sql: Sql, log: { readonly sourceId: SourceId; readonly route: Route }): SqlEventLogStore => {
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
  const bodyOf = (n: number, row: SqlRow): Uint8Array => {
    if (row["body"] !== null) return blob(row["body"])
    const body = new Uint8Array(Number(row["size"]))
    let at = 0
    for (const { data } of sql.exec(`SELECT data FROM chunks_${n} WHERE seq = ? ORDER BY part`, row["seq"]!)) {
      const part = blob(data)
      body.set(part, at)
      at += part.length
    }
    return body
  }
  const load =
    (n: number) =>
    (row: SqlRow): Event =>
      toEvent(row, bodyOf(n, row))

  const readSegments = (): ReadonlyArray<Segment> =>
    sql.exec("SELECT n, first, after_at FROM log_segments ORDER BY n").map((row) => ({
      n: Number(row["n"]),
      first: Number(row["first"]),
      afterAt: Number(row["after_at"])
    }))
  // Oldest first, never none. Read once for each instance: every append needs them.
  let segments = readSegments()
  const current = () => segments.at(-1)!
  /** The last row of a segment; where it is empty, what came before it. */
  const lastOf = ({ n, first, afterAt }: Segment) => {
    const row = sql.exec(`SELECT seq, at FROM events_${n} ORDER BY seq DESC LIMIT 1`)[0]
    return row === undefined ? { seq: first - 1, at: afterAt } : { seq: Number(row["seq"]), at: Number(row["at"]) }
  }
  // The newest row says it, so that an append writes one row and no counter.
  const newest = () => lastOf(current())
  const head = () => newest().seq
  const atOf = (seq: number): number | undefined => {
    const segment = segments.findLast(({ first }) => first <= seq)
    const row = segment === undefined ? undefined : sql.exec(`SELECT at FROM events_${segment.n} WHERE seq = ?`, seq)[0]
    return row === undefined ? undefined : Number(row["at"])
  }
  const find = (seq: number): Event | undefined => {
    const segment = segments.findLast(({ first }) => first <= seq)
    if (segment === undefined) return undefined
    return sql.exec(`SELECT * FROM events_${segment.n} WHERE seq = ?`, seq).map(load(segment.n))[0]
  }
  const appended = (seq: number, receivedAt: number): Appended => ({
    ...{ id: makeEventId({ receivedAt, seq, route: log.route }), seq, receivedAt }
  })
  const withToken = (token: string): Appended | undefined => {
    const after = head() - TOKEN_LOOKBACK
    for (const { n } of segments.slice(-2)) {
      const row = sql.exec(`SELECT seq, at FROM events_${n} WHERE seq > ? AND token = ?`, after, token)[0]
      if (row !== undefined) return appended(Number(row["seq"]), Number(row["at"]))
    }
    return undefined
  }
  /** Runs `change` and knows the segments afterwards, whether it came through or not. */
  const changing = <A>(change: () => A): A => {
    const before = segments
    try {
      return sql.transaction(change)
    } catch (error) {
      segments = before
      throw error
    }
  }
  const begin = (): void => {
    const last = newest()
    const n = current().n + 1
    for (const statement of segmentTables(n)) sql.exec(statement)
    sql.exec("INSERT INTO log_segments VALUES (?, ?, ?)", n, last.seq + 1, last.at)
    segments = readSegments()
  }
  // When the first event of the newest segment came. Every append asks for it.
  let since: { readonly n: number; readonly at: number } | undefined
  /** Begins a new segment when the present one, which ends at `last`, is old or large. */
  const rotate = (now: number, last: number): void => {
    const { n, first } = current()
    if (since?.n !== n) {
      const at = atOf(first)
      since = at === undefined ? undefined : { n, at }
    }
    if (since === undefined) return
    if (now - since.at >= SEGMENT_MILLIS || last - first + 1 >= SEGMENT_EVENTS) begin()
  }
  /** The first sequence whose event was accepted at `at` or later. */
  const firstAt = (at: number): number => {
    let [low, high] = [segments[0]!.first, head() + 1]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (atOf(middle)! < at) low = middle + 1
      else high = middle
    }
    return low
  }

  const insert = (n: number, seq: number, at: number, { event, token }: Append): void => {
    const { method, contentType, sourceIp, query, headers, body } = event
    const chunked = body.length > CHUNK_BYTES
    sql.exec(
      `INSERT INTO events_${n} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[seq, at, token, bodyKind(body), method, contentType, sourceIp, query, headers],
      ...[body.length, chunked ? null : body]
    )
    for (let part = 0; chunked && part * CHUNK_BYTES < body.length; part++) {
      const data = body.subarray(part * CHUNK_BYTES, (part + 1) * CHUNK_BYTES)
      sql.exec(`INSERT INTO chunks_${n} VALUES (?, ?, ?)`, seq, part, data)
    }
  }

  const readPacked = (after: number, { maxEvents, maxBytes }: ReadLimits): PackedPage => {
    const events: Array<string> = []
    const bodies: Array<Uint8Array> = []
    let bytes = 0
    const from = segments.findLastIndex(({ first }) => first <= after + 1)
    for (const { n } of segments.slice(Math.max(0, from))) {
      // Sizes first: bodies that would not fit are never loaded.
      const fitting = sql.exec(
        `SELECT max(seq) AS last, max(total) AS bytes FROM (
           SELECT seq, sum(size) OVER (ORDER BY seq) AS total, row_number() OVER (ORDER BY seq) AS place
           FROM events_${n} WHERE seq > ? ORDER BY seq LIMIT ?)
         WHERE total <= ? OR (place = 1 AND ?)`,
        ...[after, maxEvents - events.length, maxBytes - bytes, events.length === 0 ? 1 : 0]
      )[0]!
      if (fitting["last"] === null) {
        // Nothing fits any more, or the segment has nothing after `after`.
        if (sql.exec(`SELECT 1 FROM events_${n} WHERE seq > ? LIMIT 1`, after).length > 0) break
        continue
      }
      const rows = sql.exec(
        `SELECT seq, ${PACKED} AS packed, size, body FROM events_${n} WHERE seq > ? AND seq <= ? ORDER BY seq`,
        ...[after, fitting["last"]!]
      )
      for (const row of rows) {
        events.push(row["packed"] as string)
        bodies.push(bodyOf(n, row))
      }
      bytes += Number(fitting["bytes"])
      if (events.length >= maxEvents || bytes >= maxBytes) break
      if (sql.exec(`SELECT 1 FROM events_${n} WHERE seq > ? LIMIT 1`, fitting["last"]!).length > 0) break
    }
    return { events: `[${events.join(",")}]`, bodies: joined(bodies, bytes), head: head() }
  }

  return {
    head,
    append: (appends) =>
      changing(() => {
        let { seq, at } = newest()
        return appends.map((append) => {
          const known = append.repeated ? withToken(append.token) : undefined
          if (known !== undefined) return known
          rotate(append.now, seq)
          seq++
          at = Math.max(at, append.now)
          insert(current().n, seq, at, append)
          return appended(seq, at)
        })
      }),
    read: (after, limits) => unpack(readPacked(after, limits), log),
    readPacked,
    get: (seqs, maxBytes) => takeBytes(seqs, maxBytes, find),
    list: (before, limit) => {
      const events: Array<Event> = []
      for (const { n } of [...segments].reverse()) {
        if (events.length >= limit) break
        const rows = sql.exec(
          `SELECT ${META_COLUMNS} FROM events_${n} WHERE seq < ? ORDER BY seq DESC LIMIT ?`,
          Math.min(before, MAX_SEQUENCE),
          limit - events.length
        )
        events.push(...rows.map((row) => toEvent(row, new Uint8Array())))
      }
      return events
    },
    stats: () => {
      const { seq, at } = newest()
      return { sourceId: log.sourceId, count: seq, first: segments[0]!.first, lastAt: seq === 0 ? null : at }
    },
    range: (from, to) => ({ after: firstAt(from) - 1, through: firstAt(to) - 1 }),
    drop: (before, through) => {
      const isGone = (segment: Segment) => {
        const { seq, at } = lastOf(segment)
        return at < before && seq <= through
      }
      changing(() => {
        if (atOf(current().first) !== undefined && isGone(current())) begin()
        for (const segment of segments.slice(0, -1)) {
          if (!isGone(segment)) break
          sql.exec(`DROP TABLE events_${segment.n}`)
          sql.exec(`DROP TABLE chunks_${segment.n}`)
          sql.exec("DELETE FROM log_segments WHERE n = ?", segment.n)
        }
        segments = readSegments()
      })
    },
    oldest: () => {
      const [segment] = segments
      return atOf(segment!.first) === undefined ? null : lastOf(segment!).at
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
    stats: (route) => use(route, (store) => store.stats()),
    range: (route, from, to) => use(route, (store) => store.range(from, to))
  }
}

/** The logs of stores at hand, by route. */
export const layerStores = (stores: ReadonlyMap<Route, EventLogStore>): Layer.Layer<EventLog> =>
  Layer.sync(EventLog, () => service((route) => stores.get(route)))

/** One log in memory: for tests of what reads logs. */
export const makeMemory = (log: { readonly sourceId: SourceId; readonly route: Route }): EventLogStore => {
  const rows: Array<{ readonly event: Event; readonly token: string }> = []
  /** Events up to here are dropped. */
  let dropped = 0
  const firstAt = (at: number): number => {
    const i = rows.findIndex(({ event }, i) => i >= dropped && event.receivedAt >= at)
    return i === -1 ? rows.length + 1 : i + 1
  }
  const withoutBody = ({ event }: { readonly event: Event }): Event => ({ ...event, body: new Uint8Array() })
  const append = ({ event, token, repeated, now }: Append): Appended => {
    const known = repeated ? rows.find((row) => row.token === token) : undefined
    if (known !== undefined) return known.event
    const seq = rows.length + 1
    const receivedAt = Math.max(rows.at(-1)?.event.receivedAt ?? 0, now)
    const id = makeEventId({ receivedAt, seq, route: log.route })
    const headers: Event["headers"] = JSON.parse(event.headers)
    const kind = bodyKind(event.body)
    rows.push({ event: { ...event, headers, id, sourceId: log.sourceId, seq, receivedAt, bodyKind: kind }, token })
    return { id, seq, receivedAt }
  }
  return {
    head: () => rows.length,
    append: (appends) => appends.map(append),
    read: (after, { maxEvents, maxBytes }) => {
      const events: Array<Event> = []
      let bytes = 0
      const from = Math.max(after, dropped)
      for (const { event } of rows.slice(from, from + maxEvents)) {
        bytes += event.body.length
        if (events.length > 0 && bytes > maxBytes) break
        events.push(event)
      }
      return { events, head: rows.length }
    },
    get: (seqs, maxBytes) => takeBytes(seqs, maxBytes, (seq) => (seq > dropped ? rows[seq - 1]?.event : undefined)),
    list: (before, limit) =>
      rows
        .slice(dropped, Math.max(dropped, before - 1))
        .reverse()
        .slice(0, limit)
        .map(withoutBody),
    stats: () => ({
      ...{ sourceId: log.sourceId, count: rows.length, first: dropped + 1 },
      lastAt: rows.at(-1)?.event.receivedAt ?? null
    }),
    range: (from, to) => ({ after: firstAt(from) - 1, through: firstAt(to) - 1 }),
    // Event by event, where SQL goes segment by segment.
    drop: (before, through) => {
      while (dropped < Math.min(through, rows.length) && rows[dropped]!.event.receivedAt < before) dropped++
    },
    oldest: () => rows[dropped]?.event.receivedAt ?? null
  }
}
