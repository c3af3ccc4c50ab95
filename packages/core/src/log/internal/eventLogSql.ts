/**
 * The event log over SQLite: its segments, which of them takes what comes, and which are dropped. How a segment's rows
 * are laid out is its own matter.
 */
import { joined } from "../../Bytes.ts"
import { BODY_KINDS } from "../../event/Event.ts"
import { EMPTY, type HeaderDictionary, type Shortener, shortener } from "../../event/HeaderDictionary.ts"
import { bytesOf, type LogOwner, type PackedEvents, unpack } from "../../event/PackedEvents.ts"
import { MAX_SEQUENCE, makeEventId, randomUpTo } from "../../Ids.ts"
import { migrate, type Sql, type SqlRow } from "../../Sql.ts"
import type { Epoch } from "../Epochs.ts"
import type { Append, Appended, ReadLimits, SqlEventLogStore } from "../EventLogStore.ts"
import { chunksTable } from "./chunks.ts"
import * as EpochRows from "./epochRows.ts"
import { eventRows } from "./eventRows.ts"
import { byteLength, groupRows, groupsTable, insert, isOneRow, type Written } from "./groupRows.ts"
import type { SegmentRows, Stored } from "./segment.ts"
import { takeBytes } from "./takeBytes.ts"

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
  ["ALTER TABLE log_segments ADD COLUMN is_wide INTEGER NOT NULL DEFAULT 0", "UPDATE log_segments SET is_wide = 1"],
  // A row for each group. Segments with a row for each event stay as they are until they are dropped.
  ["ALTER TABLE log_segments RENAME COLUMN is_wide TO layout"],
  // What the metas of a segment leave out.
  ["ALTER TABLE log_segments ADD COLUMN headers TEXT NOT NULL DEFAULT '[]'"],
  EpochRows.epochsTable
]

/** How the rows of a segment are laid out, as `log_segments.layout` says. */
const WIDE = 1
const GROUPS = 2

/**
 * A segment takes the events of so many milliseconds, and so many of them, at most; and so many bytes. Dropped whole,
 * it is what a log gives back under pressure, so a log that may grow to less has smaller ones.
 */
const SEGMENT_MILLIS = 24 * 3_600_000
const SEGMENT_EVENTS = 100_000
const SEGMENT_BYTES = 128 * 1024 * 1024
/**
 * Milliseconds by which an instance whose clock is behind its log's last event moves that on, at most. What another one
 * wrote at that time, and a restore took away, has an id with that time and maybe the same sequence.
 */
const AHEAD_MILLIS = 1000
/** A repeated request comes within seconds, so its token is among the newest rows; no index is paid for it. */
const TOKEN_LOOKBACK = 5000

interface Segment {
  readonly n: number
  readonly first: number
  readonly afterAt: number
  readonly layout: number
  readonly dictionary: HeaderDictionary
  readonly rows: SegmentRows
}

const pack = (events: ReadonlyArray<Stored>): PackedEvents => [
  {
    index: JSON.stringify(events.flatMap(({ seq, at, kind, meta, body }) => [seq, at, kind, meta.length, body.length])),
    metas: joined(events.map(({ meta }) => meta)),
    bodies: joined(events.map(({ body }) => body))
  }
]

const sizeOf = ({ meta, body }: Stored): number => meta.length + body.length

export const makeStore = (sql: Sql, log: LogOwner, segmentBytes = () => SEGMENT_BYTES): SqlEventLogStore => {
  migrate(sql, "EventLog", MIGRATIONS)

  const toSegment = (row: SqlRow): Segment => {
    const [n, layout] = [Number(row["n"]), Number(row["layout"])]
    const headers: HeaderDictionary = JSON.parse(row["headers"] as string)
    const dictionary = headers.length === 0 ? EMPTY : headers
    return {
      n,
      first: Number(row["first"]),
      afterAt: Number(row["after_at"]),
      layout,
      dictionary,
      rows: layout === GROUPS ? groupRows(sql, n, dictionary) : eventRows(sql, n, layout === WIDE)
    }
  }
  const readSegments = (): ReadonlyArray<Segment> => sql.exec("SELECT * FROM log_segments ORDER BY n").map(toSegment)
  // Oldest first, never none. Read once for each instance: every append needs them.
  let segments = readSegments()
  const current = () => segments.at(-1)!
  /** Where an event would be; it is asked of no segment when it has not come yet. */
  const segmentOf = (seq: number) => (seq > newest.seq ? undefined : segments.findLast(({ first }) => first <= seq))
  /** The last event of a segment; where it is empty, what came before it. */
  const lastOf = ({ first, afterAt, rows }: Segment) => rows.last() ?? { seq: first - 1, at: afterAt }
  // Read from the newest row once for each instance, so that an append is one statement.
  let newest = lastOf(current())
  const atOf = (seq: number): number | undefined => segmentOf(seq)?.rows.atOf(seq)
  const finder = (): ((seq: number) => Stored | undefined) => {
    const finders = new Map<number, ReturnType<SegmentRows["finder"]>>()
    return (seq) => {
      const segment = segmentOf(seq)
      if (segment === undefined) return undefined
      const find = finders.get(segment.n) ?? segment.rows.finder()
      finders.set(segment.n, find)
      return find(seq)
    }
  }
  const appended = (seq: number, receivedAt: number): Appended => ({
    id: makeEventId({ receivedAt, seq, route: log.route }),
    seq,
    receivedAt
  })
  const withToken = (token: string): Appended | undefined => {
    const after = newest.seq - TOKEN_LOOKBACK
    for (const { first, rows } of segments.toReversed()) {
      const found = rows.withToken(token, after)
      if (found !== undefined) return appended(found.seq, found.at)
      if (first <= after + 1) break
    }
    return undefined
  }
  /** Runs `change`. Restores what is known of the log in memory when it fails. */
  const changing = <A>(change: () => A): A => {
    const before = { segments, newest, filled, own }
    try {
      return change()
    } catch (error) {
      segments = before.segments
      newest = before.newest
      filled = before.filled
      own = before.own
      throw error
    }
  }
  const discard = ({ n, rows }: Segment): void => {
    rows.discard()
    sql.exec("DELETE FROM log_segments WHERE n = ?", n)
  }
  /** What the present segment holds: every append asks. `since`: when its first event came, if it holds any. */
  interface Filled {
    readonly first: number
    readonly since: number | undefined
    readonly bytes: number
  }
  let filled: Filled = {
    first: current().first,
    since: atOf(current().first),
    bytes: current().rows.bytes()
  }
  /** The epoch of this instance, which begins with its first event. */
  let own: Epoch | undefined
  const epochsBetween = (from: number, to: number): ReadonlyArray<Epoch> =>
    own !== undefined && from >= own.first ? [own] : EpochRows.between(sql, from, to)
  const emptyAt = (first: number): Filled => ({ first, since: undefined, bytes: 0 })
  const isOver = (seq: number, now: number): boolean =>
    filled.since !== undefined &&
    (now - filled.since >= SEGMENT_MILLIS || seq - filled.first >= SEGMENT_EVENTS || filled.bytes >= segmentBytes())
  /** Begins a segment at this sequence; the one before stays where it holds anything. */
  const begin = (first: number, afterAt: number): void => {
    const last = current()
    const n = last.n + 1
    sql.exec(groupsTable(n))
    sql.exec(chunksTable(n))
    sql.exec("INSERT INTO log_segments VALUES (?, ?, ?, ?, '[]')", n, first, afterAt, GROUPS)
    if (first === last.first) discard(last)
    segments = readSegments()
  }
  const beginEmpty = (): void => {
    begin(newest.seq + 1, newest.at)
    filled = emptyAt(newest.seq + 1)
  }
  if (current().layout !== GROUPS) changing(() => sql.transaction(beginEmpty))

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

  /** What one append adds to a segment. */
  interface Part {
    /** It begins a segment, before which nothing is older than this. */
    readonly begins: { readonly afterAt: number } | undefined
    readonly events: Array<Written>
    readonly headers: Shortener
  }
  /** Gives each append its place; those that were appended before have one. Writes nothing. */
  const place = (appends: ReadonlyArray<Append>) => {
    const parts: Array<Part> = [{ begins: undefined, events: [], headers: shortener(current().dictionary) }]
    const placed = appends.map(({ event, token, repeated, now }): Appended => {
      if (repeated) {
        const own = parts.flatMap(({ events }) => events).find((one) => one.token === token)
        const known = own === undefined ? withToken(token) : appended(own.seq, own.at)
        if (known !== undefined) return known
      }
      const seq = newest.seq + 1
      const at = own !== undefined || now >= newest.at ? Math.max(newest.at, now) : newest.at + randomUpTo(AHEAD_MILLIS)
      own ??= EpochRows.fresh(seq)
      if (isOver(seq, now)) {
        parts.push({ begins: { afterAt: newest.at }, events: [], headers: shortener(EMPTY) })
        filled = emptyAt(seq)
      }
      const { kind, body } = event
      const { events, headers } = parts.at(-1)!
      const meta = headers.shorten(event.meta)
      const metaBytes = byteLength(meta)
      events.push({ seq, at, kind: BODY_KINDS.indexOf(kind), meta, metaBytes, body, token })
      filled = { first: filled.first, since: filled.since ?? at, bytes: filled.bytes + metaBytes + body.length }
      newest = { seq, at }
      return appended(seq, at)
    })
    return { parts, placed }
  }
  const isNew = (headers: Shortener): boolean => headers.dictionary() !== current().dictionary
  const write = (parts: ReadonlyArray<Part>, begun: Epoch | undefined): void => {
    if (begun !== undefined) EpochRows.begin(sql, begun)
    for (const { begins, events, headers } of parts) {
      if (begins !== undefined) begin(events[0]!.seq, begins.afterAt)
      if (isNew(headers)) {
        sql.exec("UPDATE log_segments SET headers = ? WHERE n = ?", JSON.stringify(headers.dictionary()), current().n)
        segments = readSegments()
      }
      insert(sql, current().n, events)
    }
  }

  const readPacked = (after: number, { maxEvents, maxBytes }: ReadLimits) => {
    const packed: Array<PackedEvents[number]> = []
    let [count, bytes] = [0, 0]
    const from = segments.findLastIndex(({ first }) => first <= after + 1)
    for (const { rows } of segments.slice(Math.max(0, from))) {
      const limits = { maxEvents: maxEvents - count, maxBytes: maxBytes - bytes }
      const taken = rows.read(after, limits, count === 0)
      packed.push(...taken.packed)
      count += taken.count
      bytes += taken.bytes
      if (!taken.isWhole || count >= maxEvents) break
    }
    const last = Math.max(after, segments[0]!.first - 1) + count
    return { packed, head: newest.seq, epochs: epochsBetween(after, last) }
  }
  const getPacked = (seqs: ReadonlyArray<number>, maxBytes: number) => {
    const { events, through } = takeBytes(seqs, maxBytes, finder(), sizeOf)
    const epochs = epochsBetween(Math.min(newest.seq, ...seqs), newest.seq)
    return { packed: pack(events), through, head: newest.seq, epochs }
  }
  const readWhole: SqlEventLogStore["readWhole"] = (after, { maxEvents, maxBytes }) => {
    const start = Math.max(after + 1, segments[0]!.first)
    const count = Math.max(0, Math.min(maxEvents, newest.seq + 1 - start))
    const seqs = Array.from({ length: count }, (_, i) => start + i)
    const { packed, head, epochs } = getPacked(seqs, maxBytes)
    return { packed, head, epochs }
  }
  const listPacked = (before: number, limit: number) => {
    const listed: Array<Stored> = []
    for (const { rows } of [...segments].reverse()) {
      if (listed.length >= limit) break
      listed.push(...rows.list(Math.min(before, MAX_SEQUENCE), limit - listed.length))
    }
    return { packed: pack(listed) }
  }
  /** Drops the oldest segments, of which the last one written to may be one. */
  const dropFirst = (count: number): void =>
    changing(() =>
      sql.transaction(() => {
        const gone = segments.slice(0, count)
        if (gone.length === segments.length) beginEmpty()
        gone.forEach(discard)
        segments = readSegments()
        EpochRows.forget(sql, segments[0]!.first - 1)
      })
    )
  /** Whether a segment holds something, all of it up to this sequence. */
  const isUpTo = (segment: Segment, through: number): boolean => {
    const { seq } = lastOf(segment)
    return seq >= segment.first && seq <= through
  }
  return {
    head: () => newest.seq,
    epoch: () => own?.id ?? EpochRows.recent(sql).at(-1)!.id,
    recent: () => EpochRows.recent(sql),
    history: () => ({ head: newest.seq, epochs: EpochRows.between(sql, 0, newest.seq) }),
    holds: (token) => withToken(token) !== undefined,
    append: (appends) =>
      changing(() => {
        const before = own
        const { parts, placed } = place(appends)
        const begun = before === own ? undefined : own
        // One row is written or not: it needs no transaction of its own.
        const isRow = parts.length === 1 && !isNew(parts[0]!.headers) && isOneRow(parts[0]!.events)
        if (isRow && begun === undefined) write(parts, begun)
        else sql.transaction(() => write(parts, begun))
        return placed
      }),
    readPacked,
    readWhole,
    getPacked,
    listPacked,
    read: (after, limits) => {
      const { packed, head } = readPacked(after, limits)
      return { events: unpack(packed, log), bytes: bytesOf(packed), head }
    },
    get: (seqs, maxBytes) => {
      const { packed, through } = getPacked(seqs, maxBytes)
      return { events: unpack(packed, log), bytes: bytesOf(packed), through }
    },
    ids: (seqs) =>
      seqs
        .toSorted((a, b) => a - b)
        .flatMap((seq) => {
          const at = atOf(seq)
          return at === undefined ? [] : [appended(seq, at).id]
        }),
    list: (before, limit) => unpack(listPacked(before, limit).packed, log),
    stats: () => {
      const { seq, at } = newest
      const { first } = segments[0]!
      return {
        sourceId: log.sourceId,
        count: seq,
        first,
        firstAt: atOf(first) ?? null,
        lastAt: seq === 0 ? null : at
      }
    },
    range: (from, to) => ({ after: firstAt(from) - 1, through: firstAt(to) - 1 }),
    drop: (before, through) => {
      const kept = segments.findIndex((one) => !isUpTo(one, through) || lastOf(one).at >= before)
      dropFirst(kept === -1 ? segments.length : kept)
    },
    dropOldest: (through) => {
      const isGone = isUpTo(segments[0]!, through)
      if (isGone) dropFirst(1)
      return isGone
    },
    oldest: () => {
      const [segment] = segments
      return segment!.rows.last()?.at ?? null
    }
  }
}
