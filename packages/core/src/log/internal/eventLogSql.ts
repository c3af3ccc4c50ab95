/**
 * The event log over SQLite. What an append writes is one row of seven columns; what a page reads is joined by SQLite
 * itself, so that a page of thousands of events is a few values.
 */
import { BODY_KINDS } from "../../event/Event.ts"
import { type LogOwner, type PackedEvents, type Piece, unpack } from "../../event/PackedEvents.ts"
import { MAX_SEQUENCE, makeEventId } from "../../Ids.ts"
import { blob, migrate, type Sql, type SqlRow } from "../../Sql.ts"
import { type Append, type Appended, CHUNK_BYTES, type ReadLimits, type SqlEventLogStore } from "../EventLogStore.ts"
import { takeBytes } from "./takeBytes.ts"

const segmentTables = (n: number) => [
  `CREATE TABLE events_${n} (
     seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, token TEXT NOT NULL, kind INTEGER NOT NULL, size INTEGER NOT NULL,
     meta TEXT NOT NULL, body BLOB)`,
  `CREATE TABLE chunks_${n} (
     seq INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (seq, part)) WITHOUT ROWID`
]

const MIGRATIONS = [
  [
    `CREATE TABLE events (
       seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, token TEXT NOT NULL, kind TEXT NOT NULL, method TEXT NOT NULL,
       content_type TEXT, source_ip TEXT, query TEXT NOT NULL, headers TEXT NOT NULL, size INTEGER NOT NULL,
       body BLOB)`,
    `CREATE TABLE chunks (
       seq INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (seq, part)) WITHOUT ROWID`
  ],
  // Segments. `first` is the sequence that comes next when a segment is empty, `after_at` the time before which none is
  // accepted.
  [
    `ALTER TABLE events RENAME TO events_1`,
    `ALTER TABLE chunks RENAME TO chunks_1`,
    `CREATE TABLE log_segments (n INTEGER PRIMARY KEY, first INTEGER NOT NULL, after_at INTEGER NOT NULL)`,
    `INSERT INTO log_segments VALUES (1, 1, 0)`
  ],
  // One column for what is read together. Segments that had a column for each field stay as they are until they are
  // dropped.
  ["ALTER TABLE log_segments ADD COLUMN is_wide INTEGER NOT NULL DEFAULT 0", "UPDATE log_segments SET is_wide = 1"]
]

/** A segment takes the events of so many milliseconds, and so many of them, at most. */
const SEGMENT_MILLIS = 24 * 3_600_000
const SEGMENT_EVENTS = 100_000

/**
 * What one statement joins has at most so many bytes, unless it is one event: what SQLite answers is bounded like a
 * row.
 */
const JOIN_BYTES = 1024 * 1024
/** A repeated request comes within seconds, so its token is among the newest rows; no index is paid for it. */
const TOKEN_LOOKBACK = 5000

interface Segment {
  readonly n: number
  readonly first: number
  readonly afterAt: number
  /** How its rows say their kind and their meta. */
  readonly kind: string
  readonly meta: string
}

const KIND_PLACE = `CASE kind ${BODY_KINDS.map((kind, i) => `WHEN '${kind}' THEN ${i}`).join(" ")} END`
const WIDE = { kind: KIND_PLACE, meta: "json_array(method, json(headers), query, content_type, source_ip)" }
const NARROW = { kind: "kind", meta: "meta" }

const toSegment = (row: SqlRow): Segment => ({
  n: Number(row["n"]),
  first: Number(row["first"]),
  afterAt: Number(row["after_at"]),
  ...(row["is_wide"] === 1 ? WIDE : NARROW)
})

/** One event as it is stored. */
interface Stored {
  readonly seq: number
  readonly at: number
  readonly kind: number
  /** In UTF-8. */
  readonly meta: Uint8Array
  readonly body: Uint8Array
}

const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (parts.length === 1) return parts[0]!
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const pack = (events: ReadonlyArray<Stored>): PackedEvents => [
  {
    index: JSON.stringify(events.flatMap(({ seq, at, kind, meta, body }) => [seq, at, kind, meta.length, body.length])),
    metas: joined(events.map(({ meta }) => meta)),
    bodies: joined(events.map(({ body }) => body))
  }
]

export const makeStore = (sql: Sql, log: LogOwner): SqlEventLogStore => {
  migrate(sql, "EventLog", MIGRATIONS)

  const readSegments = (): ReadonlyArray<Segment> => sql.exec("SELECT * FROM log_segments ORDER BY n").map(toSegment)
  // Oldest first, never none. Read once for each instance: every append needs them.
  let segments = readSegments()
  const current = () => segments.at(-1)!
  const segmentOf = (seq: number) => segments.findLast(({ first }) => first <= seq)
  /** The last row of a segment; where it is empty, what came before it. */
  const lastOf = ({ n, first, afterAt }: Segment) => {
    const row = sql.exec(`SELECT seq, at FROM events_${n} ORDER BY seq DESC LIMIT 1`)[0]
    return row === undefined ? { seq: first - 1, at: afterAt } : { seq: Number(row["seq"]), at: Number(row["at"]) }
  }
  // Read from the newest row once for each instance, so that an append is one statement.
  let newest = lastOf(current())
  const atOf = (seq: number): number | undefined => {
    const segment = segmentOf(seq)
    const row = segment === undefined ? undefined : sql.exec(`SELECT at FROM events_${segment.n} WHERE seq = ?`, seq)[0]
    return row === undefined ? undefined : Number(row["at"])
  }
  const chunksOf = (n: number, seq: number): Uint8Array =>
    joined(sql.exec(`SELECT data FROM chunks_${n} WHERE seq = ? ORDER BY part`, seq).map(({ data }) => blob(data)))
  const find = (seq: number): Stored | undefined => {
    const segment = segmentOf(seq)
    if (segment === undefined) return undefined
    const { n, kind, meta } = segment
    const row = sql.exec(
      `SELECT at, ${kind} AS kind, CAST(${meta} AS BLOB) AS meta, body FROM events_${n} WHERE seq = ?`,
      seq
    )[0]
    if (row === undefined) return undefined
    const body = row["body"] === null ? chunksOf(n, seq) : blob(row["body"])
    return { seq, at: Number(row["at"]), kind: Number(row["kind"]), meta: blob(row["meta"]), body }
  }
  const appended = (seq: number, receivedAt: number): Appended => ({
    id: makeEventId({ receivedAt, seq, route: log.route }),
    seq,
    receivedAt
  })
  const withToken = (token: string): Appended | undefined => {
    const after = newest.seq - TOKEN_LOOKBACK
    for (const { n } of segments.slice(-2)) {
      const row = sql.exec(`SELECT seq, at FROM events_${n} WHERE seq > ? AND token = ?`, after, token)[0]
      if (row !== undefined) return appended(Number(row["seq"]), Number(row["at"]))
    }
    return undefined
  }
  /** Runs `change` and knows how the log stands afterwards, whether it came through or not. */
  const changing = <A>(change: () => A): A => {
    const before = { segments, newest }
    try {
      return sql.transaction(change)
    } catch (error) {
      segments = before.segments
      newest = before.newest
      throw error
    }
  }
  const discard = (n: number): void => {
    sql.exec(`DROP TABLE events_${n}`)
    sql.exec(`DROP TABLE chunks_${n}`)
    sql.exec("DELETE FROM log_segments WHERE n = ?", n)
  }
  /** Begins a new segment; the present one stays where it holds anything. */
  const begin = (): void => {
    const { n, first } = current()
    for (const statement of segmentTables(n + 1)) sql.exec(statement)
    sql.exec("INSERT INTO log_segments VALUES (?, ?, ?, 0)", n + 1, newest.seq + 1, newest.at)
    if (newest.seq < first) discard(n)
    segments = readSegments()
  }
  if (current().meta !== NARROW.meta) changing(begin)

  // When the first event of the newest segment came. Every append asks for it.
  let since: { readonly n: number; readonly at: number } | undefined
  /** Begins a new segment when the present one is old or large. */
  const rotate = (now: number): void => {
    const { n, first } = current()
    if (since?.n !== n) {
      const at = atOf(first)
      since = at === undefined ? undefined : { n, at }
    }
    if (since === undefined) return
    if (now - since.at >= SEGMENT_MILLIS || newest.seq - first + 1 >= SEGMENT_EVENTS) changing(begin)
  }
  /** The first sequence whose event was accepted at `at` or later. */
  const firstAt = (at: number): number => {
    let [low, high] = [segments[0]!.first, newest.seq + 1]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (atOf(middle)! < at) low = middle + 1
      else high = middle
    }
    return low
  }

  const insert = (n: number, seq: number, at: number, { event, token }: Append): void => {
    const { kind, meta, body } = event
    const chunked = body.length > CHUNK_BYTES
    sql.exec(
      `INSERT INTO events_${n} VALUES (?, ?, ?, ?, ?, ?, ?)`,
      seq,
      at,
      token,
      BODY_KINDS.indexOf(kind),
      body.length,
      meta,
      chunked ? null : body
    )
    for (let part = 0; chunked && part * CHUNK_BYTES < body.length; part++) {
      const data = body.subarray(part * CHUNK_BYTES, (part + 1) * CHUNK_BYTES)
      sql.exec(`INSERT INTO chunks_${n} VALUES (?, ?, ?)`, seq, part, data)
    }
  }

  const appendOne = (append: Append): Appended => {
    const known = append.repeated ? withToken(append.token) : undefined
    if (known !== undefined) return known
    rotate(append.now)
    const seq = newest.seq + 1
    const at = Math.max(newest.at, append.now)
    insert(current().n, seq, at, append)
    newest = { seq, at }
    return appended(seq, at)
  }

  /**
   * The events of a segment above `after` within the limits, cut where their bytes are more than one statement may
   * join: the first and the last of each piece. The first event of all is taken whatever its size. Only lengths are
   * read here: bodies that would not fit are never loaded.
   */
  const pieces = ({ n, meta }: Segment, after: number, { maxEvents, maxBytes }: ReadLimits, isFirst: boolean) => {
    const row = sql.exec(
      `SELECT group_concat(concat_ws(',', seq, size, octet_length(${meta}))) AS lengths
       FROM (SELECT * FROM events_${n} WHERE seq > ? ORDER BY seq LIMIT ?)`,
      after,
      maxEvents
    )[0]!
    const lengths: ReadonlyArray<number> = JSON.parse(`[${row["lengths"] ?? ""}]`)
    const found: Array<{ readonly from: number; through: number }> = []
    let [count, bytes, joinedBytes] = [0, 0, 0]
    for (let i = 0; i < lengths.length; i += 3) {
      const [seq, size, metaSize] = [lengths[i]!, lengths[i + 1]!, lengths[i + 2]!]
      if (bytes + size > maxBytes && !(isFirst && count === 0)) break
      joinedBytes += size + metaSize
      if (found.length > 0 && joinedBytes <= JOIN_BYTES) found.at(-1)!.through = seq
      else {
        found.push({ from: seq, through: seq })
        joinedBytes = size + metaSize
      }
      count++
      bytes += size
    }
    return { found, count, bytes, isWhole: count * 3 === lengths.length }
  }

  const readPacked = (after: number, { maxEvents, maxBytes }: ReadLimits) => {
    const packed: Array<Piece> = []
    let [count, bytes] = [0, 0]
    for (const segment of segments.slice(
      Math.max(
        0,
        segments.findLastIndex(({ first }) => first <= after + 1)
      )
    )) {
      const { n, kind, meta } = segment
      const left = { maxEvents: maxEvents - count, maxBytes: maxBytes - bytes }
      const cut = pieces(segment, after, left, count === 0)
      for (const { from, through } of cut.found) {
        const row = sql.exec(
          `SELECT group_concat(concat_ws(',', seq, at, kind, octet_length(meta), size)) AS numbers,
             CAST(group_concat(meta, '') AS BLOB) AS metas,
             CAST(group_concat(body, '') AS BLOB) AS bodies
           FROM (SELECT seq, at, ${kind} AS kind, size, ${meta} AS meta, body FROM events_${n}
             WHERE seq BETWEEN ? AND ? ORDER BY seq)`,
          from,
          through
        )[0]!
        // A body in chunks is alone in its piece.
        const bodies = row["bodies"] === null ? chunksOf(n, from) : blob(row["bodies"])
        packed.push({ index: `[${row["numbers"]}]`, metas: blob(row["metas"]), bodies })
      }
      count += cut.count
      bytes += cut.bytes
      if (!cut.isWhole || count >= maxEvents) break
    }
    return { packed, head: newest.seq }
  }
  const getPacked = (seqs: ReadonlyArray<number>, maxBytes: number) => {
    const { events, through } = takeBytes(seqs, maxBytes, find)
    return { packed: pack(events), through }
  }
  const listPacked = (before: number, limit: number) => {
    const listed: Array<Stored> = []
    for (const { n, kind, meta } of [...segments].reverse()) {
      if (listed.length >= limit) break
      const rows = sql.exec(
        `SELECT seq, at, ${kind} AS kind, CAST(${meta} AS BLOB) AS meta FROM events_${n}
         WHERE seq < ? ORDER BY seq DESC LIMIT ?`,
        Math.min(before, MAX_SEQUENCE),
        limit - listed.length
      )
      for (const row of rows) {
        const { seq, at, kind, meta } = row
        listed.push({
          seq: Number(seq),
          at: Number(at),
          kind: Number(kind),
          meta: blob(meta),
          body: new Uint8Array()
        })
      }
    }
    return { packed: pack(listed) }
  }
  return {
    head: () => newest.seq,
    holds: (token) => withToken(token) !== undefined,
    // One row is written or not: it needs no transaction of its own.
    append: (appends) =>
      appends.length === 1 && appends[0]!.event.body.length <= CHUNK_BYTES
        ? appends.map(appendOne)
        : changing(() => appends.map(appendOne)),
    readPacked,
    getPacked,
    listPacked,
    read: (after, limits) => {
      const { packed, head } = readPacked(after, limits)
      return { events: unpack(packed, log), head }
    },
    get: (seqs, maxBytes) => {
      const { packed, through } = getPacked(seqs, maxBytes)
      return { events: unpack(packed, log), through }
    },
    ids: (seqs) =>
      [...Map.groupBy(seqs, (seq) => segmentOf(seq)?.n)].flatMap(([n, own]) =>
        n === undefined
          ? []
          : sql
              .exec(
                `SELECT seq, at FROM events_${n} WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq`,
                JSON.stringify(own)
              )
              .map(({ seq, at }) => appended(Number(seq), Number(at)).id)
      ),
    list: (before, limit) => unpack(listPacked(before, limit).packed, log),
    stats: () => {
      const { seq, at } = newest
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
          discard(segment.n)
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
