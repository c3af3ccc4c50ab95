/**
 * The journal itself over SQL: facts in segments, and how those of one event are found. What is read to tell of an
 * event does not grow with what the journal holds of others: a window read from a log is found by its range, a later
 * try by a row for its event.
 */
import * as Facts from "../../delivery/Facts.ts"
import { bring, type Sql, type SqlRow } from "../../Sql.ts"
import type { AttemptPosition } from "../DeliveryStore.ts"
import type { MaybeRow, Row } from "./deliveryTelling.ts"
import { FACT_VERSION, readFact } from "./factUpcast.ts"

/**
 * The journal is kept in segments, which are dropped whole: that costs nothing, where deleting costs a row for each
 * row.
 */
const SEGMENT_MILLIS = 24 * 3_600_000
/**
 * A segment ends after so many facts at the latest (of up to some 50 KB), and so many are kept at most: 8 GB, where 10
 * are allowed.
 */
const SEGMENT_FACTS = 5000
const SEGMENTS_MAX = 32
const RETENTION_MILLIS = Facts.JOURNAL_DAYS * 24 * 3_600_000
/** Facts read from SQLite at a time when it is not known how many are needed. */
const CHUNK = 10

/** In the place of an event: the fact tells of all that are left of its run. No event has this sequence. */
const WHOLE_RUN = 0

/** How a fact is found. */
interface Place {
  readonly run: Facts.RunId | null
  /** The sequences that it is about. */
  readonly range: readonly [lo: number | null, hi: number | null]
  /** A window read from a log: it is found by its range. */
  readonly isRead: boolean
  /** The events that it tells of, unless it is such a window. */
  readonly events: ReadonlyArray<number>
}
const nowhere: Omit<Place, "run"> = { range: [null, null], isRead: false, events: [] }

const placeOf = (fact: Facts.Fact): Place => {
  switch (fact._tag) {
    case "WindowSettled": {
      const { run, lo, hi, seqs, settled } = fact
      const isRead = seqs === null
      return { run, range: [lo, hi], isRead, events: isRead ? [] : settled.map(({ seq }) => seq) }
    }
    case "Redriven": {
      const { run, seqs } = fact
      return { run, range: [Math.min(...seqs), Math.max(...seqs)], isRead: false, events: seqs }
    }
    case "RunCancelled":
      return { ...nowhere, run: fact.run, events: [WHOLE_RUN] }
    case "WindowPlanned":
    case "ReplayFinished":
    case "LogRestored":
      return { ...nowhere, run: fact.run }
    case "ConnectionStarted":
    case "ConnectionChanged":
    case "ReplayRequested":
    case "ReplayCancelled":
    case "Paused":
    case "Resumed":
    case "BreakerOpened":
    case "BreakerHalfOpened":
    case "BreakerClosed":
    case "RetriesDue":
    case "ThrottledUntil":
    case "ConfigChanged":
      return { ...nowhere, run: null }
  }
}

/** Windows read from a log never overlap, so the one of an event is the first of its run that ends at or after it. */
export const segmentIndexes = (n: number) => [
  `CREATE INDEX journal_reads_${n} ON journal_${n} (run, hi) WHERE is_read = 1`,
  `CREATE INDEX journal_retries_${n} ON journal_${n} (run, lo) WHERE is_read = 0 AND lo IS NOT NULL`
]
/** Which facts tell of an event beside the window that it was read with. Segments of older versions have none. */
const eventsTable = (n: number) =>
  `CREATE TABLE journal_events_${n} (
     run TEXT NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (run, seq, n)) WITHOUT ROWID`
/**
 * Where windows read from a log stand, in place of an index with a row for each: of a run those that end at `hi` or
 * before, but not before the mark before it, stand at `first` or after.
 */
const marksTable = (n: number) =>
  `CREATE TABLE journal_marks_${n} (
     run TEXT NOT NULL, hi INTEGER NOT NULL, first INTEGER NOT NULL, PRIMARY KEY (run, hi)) WITHOUT ROWID`
const newSegment = (n: number) => [
  `CREATE TABLE journal_${n} (
     n INTEGER PRIMARY KEY, at INTEGER NOT NULL, v INTEGER NOT NULL, type TEXT NOT NULL,
     run TEXT, lo INTEGER, hi INTEGER, is_read INTEGER NOT NULL, fact TEXT NOT NULL)`,
  marksTable(n),
  eventsTable(n)
]

const toRow = (row: SqlRow): Row => ({
  n: Number(row["n"]),
  at: Number(row["at"]),
  hi: row["hi"] === null ? null : Number(row["hi"]),
  fact: readFact(Number(row["v"]), row["fact"] as string)
})

interface Segment {
  readonly n: number
  readonly first: number
  readonly since: number | null
}
const toSegment = ({ n, first, since }: SqlRow): Segment => ({
  n: Number(n),
  first: Number(first),
  since: since === null ? null : Number(since)
})

export interface JournalSql {
  /** Appends, in the caller's transaction. Answers the characters that were written. */
  readonly append: (fact: Facts.Fact, now: number) => number
  /** The number of the last fact. */
  readonly last: () => number
  /** The facts after this one, of the present segment. */
  readonly after: (n: number) => ReadonlyArray<Row>
  /**
   * The windows of a run that end at `hi`, and those before it without a mark, stand at `first` or after. What stands
   * after the control's `through` needs no mark yet.
   */
  readonly mark: (run: Facts.RunId, hi: number, first: number) => void
  /** Whether {@link rotate} has something to do. */
  readonly isOver: (now: number) => boolean
  /** Begins a new segment when the present one is over, and drops those that are no longer kept. */
  readonly rotate: (now: number) => void
  /** Asks SQLite again where the journal ends: what was appended is rolled back. */
  readonly reread: () => void
  /** The facts that tell of an event of a run. */
  readonly ofEvent: (run: Facts.RunId, seq: number) => ReadonlyArray<Row>
  /** The windows that these events of a run were read with. */
  readonly windowsOf: (run: Facts.RunId, seqs: ReadonlyArray<number>) => ReadonlyArray<Row>
  /** Settled windows up to a position, newest first; of other connections than the one asked for without their fact. */
  readonly settled: (before: AttemptPosition | null, connection: string | undefined) => Iterable<MaybeRow>
  readonly row: (n: number) => Row | undefined
  readonly all: () => ReadonlyArray<Facts.Fact>
}

/** Opens the journal, whose first segment is there. */
export const open = (sql: Sql): JournalSql => {
  bring(sql, "DeliveryJournal facts", FACT_VERSION, () => {})
  const readSegments = () => sql.exec("SELECT * FROM journal_segments ORDER BY n").map(toSegment)
  const readTables = () =>
    new Set(sql.exec("SELECT name FROM sqlite_master WHERE name LIKE 'journal_%'").map(({ name }) => name))
  // Oldest first, never none. Asked once for each instance: every commit needs them.
  let segments = readSegments()
  let tables = readTables()
  const current = () => segments.at(-1)!
  const isIndexed = ({ n }: Segment) => tables.has(`journal_events_${n}`)
  const isMarked = ({ n }: Segment) => tables.has(`journal_marks_${n}`)
  /**
   * SQL for the number of the window with which an event of a run was read, if it is in this segment: the first of the
   * run that ends at or after it.
   */
  const windowOf = (segment: Segment, run: string, seq: string): string => {
    const { n } = segment
    const own = `SELECT n FROM journal_${n} WHERE is_read = 1 AND run = ${run} AND hi >= ${seq}`
    if (!isMarked(segment)) return `(${own} ORDER BY hi LIMIT 1)`
    return `(${own} AND n >= coalesce(
      (SELECT first FROM journal_marks_${n} WHERE run = ${run} AND hi >= ${seq} ORDER BY hi LIMIT 1),
      (SELECT through + 1 FROM control), 1) ORDER BY n LIMIT 1)`
  }
  const nextOf = ({ n, first }: Segment) =>
    Number(sql.exec(`SELECT max(n) AS n FROM journal_${n}`)[0]!["n"] ?? first - 1) + 1
  let next = nextOf(current())
  const reread = () => {
    segments = readSegments()
    tables = readTables()
    next = nextOf(current())
  }
  // The first segment of all is made as version 2 made it.
  if (current().since === null && !isMarked(current())) {
    const { n } = current()
    if (!isIndexed(current())) sql.exec(eventsTable(n))
    sql.exec(`DROP INDEX IF EXISTS journal_reads_${n}`)
    sql.exec(`DROP INDEX IF EXISTS journal_retries_${n}`)
    sql.exec(marksTable(n))
    reread()
  }
  const newestFirst = () => segments.toReversed()
  /** Events of a run above a sequence are found no more: they are gone, and others have their places. */
  const hide = (run: Facts.RunId, above: number): void => {
    for (const segment of segments) {
      const { n } = segment
      sql.exec(`UPDATE journal_${n} SET is_read = 0, lo = NULL, hi = NULL WHERE run = ? AND lo > ?`, run, above)
      sql.exec(`UPDATE journal_${n} SET hi = ?1 WHERE run = ?2 AND hi > ?1`, above, run)
      if (isIndexed(segment)) sql.exec(`DELETE FROM journal_events_${n} WHERE run = ? AND seq > ?`, run, above)
      if (!isMarked(segment)) continue
      // A window that ended above ends there now, and is found by the mark that it had.
      sql.exec(
        `INSERT OR IGNORE INTO journal_marks_${n}
         SELECT run, ?1, first FROM journal_marks_${n} WHERE run = ?2 AND hi > ?1 ORDER BY hi LIMIT 1`,
        above,
        run
      )
      sql.exec(`DELETE FROM journal_marks_${n} WHERE run = ? AND hi > ?`, run, above)
    }
  }

  const isOver = (now: number): boolean => {
    const { first, since } = current()
    if (since === null || !isIndexed(current())) return true
    return now - since >= SEGMENT_MILLIS || next - first >= SEGMENT_FACTS
  }

  return {
    reread,
    last: () => next - 1,
    after: (last) =>
      sql.exec(`SELECT n, at, v, hi, fact FROM journal_${current().n} WHERE n > ? ORDER BY n`, last).map(toRow),
    mark: (run, hi, first) => {
      if (isMarked(current()))
        sql.exec(`INSERT OR IGNORE INTO journal_marks_${current().n} VALUES (?, ?, ?)`, run, hi, first)
    },
    isOver,
    rotate: (now) => {
      const { n, since } = current()
      if (since === null) sql.exec("UPDATE journal_segments SET since = ? WHERE n = ?", now, n)
      else {
        if (!isOver(now)) return
        for (const statement of newSegment(n + 1)) sql.exec(statement)
        sql.exec("INSERT INTO journal_segments VALUES (?, ?, ?)", n + 1, next, now)
        // A segment ends where the next one begins.
        const old = sql.exec(
          `SELECT n FROM journal_segments AS one WHERE n <= ? OR
           (SELECT since FROM journal_segments AS two WHERE two.n = one.n + 1) < ?`,
          n + 1 - SEGMENTS_MAX,
          now - RETENTION_MILLIS
        )
        for (const { n } of old) {
          sql.exec(`DROP TABLE journal_${n}`)
          sql.exec(`DROP TABLE IF EXISTS journal_events_${n}`)
          sql.exec(`DROP TABLE IF EXISTS journal_marks_${n}`)
          sql.exec("DELETE FROM journal_segments WHERE n = ?", n!)
        }
      }
      reread()
    },
    append: (fact, now) => {
      const { n } = current()
      const { run, range, isRead, events } = placeOf(fact)
      const [lo, hi] = range
      const json = JSON.stringify(fact)
      sql.exec(
        `INSERT INTO journal_${n} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        next,
        now,
        FACT_VERSION,
        fact._tag,
        run,
        lo,
        hi,
        isRead ? 1 : 0,
        json
      )
      if (events.length > 0) {
        sql.exec(
          `INSERT OR IGNORE INTO journal_events_${n} SELECT ?, value, ? FROM json_each(?)`,
          run,
          next,
          JSON.stringify(events)
        )
      }
      next++
      if (fact._tag === "LogRestored") hide(fact.run, fact.through)
      return json.length
    },
    ofEvent: (run, seq) => {
      const found: Array<Row> = []
      for (const segment of newestFirst()) {
        const { n } = segment
        const later = isIndexed(segment)
          ? sql.exec(
              `SELECT n, at, v, hi, fact FROM journal_${n}
               WHERE n IN (SELECT n FROM journal_events_${n} WHERE run = ? AND seq IN (?, ?))`,
              run,
              WHOLE_RUN,
              seq
            )
          : sql.exec(
              `SELECT n, at, v, hi, fact FROM journal_${n}
               WHERE is_read = 0 AND lo IS NOT NULL AND run = ? AND lo <= ? AND hi >= ?`,
              run,
              seq,
              seq
            )
        const read = sql.exec(
          `SELECT n, at, v, hi, fact FROM journal_${n} WHERE lo <= ?2 AND n = ${windowOf(segment, "?1", "?2")}`,
          run,
          seq
        )
        found.push(...later.map(toRow), ...read.map(toRow))
        // No fact mentions an event before the fact that read it.
        if (read.length > 0) break
      }
      return found
    },
    windowsOf: (run, seqs) => {
      const found: Array<Row> = []
      let wanted = seqs
      for (const segment of newestFirst()) {
        if (wanted.length === 0) break
        const { n } = segment
        const rows = sql.exec(
          `SELECT n, at, v, lo, hi, fact FROM journal_${n} WHERE n IN (
             SELECT one.n FROM json_each(?2) JOIN journal_${n} AS one ON one.n = ${windowOf(segment, "?1", "value")}
             WHERE one.lo <= value)`,
          run,
          JSON.stringify(wanted)
        )
        found.push(...rows.map(toRow))
        wanted = wanted.filter((seq) => !rows.some(({ lo, hi }) => Number(lo) <= seq && seq <= Number(hi)))
      }
      return found
    },
    *settled(before, connection) {
      let below = before === null ? Number.MAX_SAFE_INTEGER : before.n + 1
      for (const { n, first } of newestFirst()) {
        while (first < below) {
          const rows = sql.exec(
            `SELECT n, at, v, hi, CASE WHEN ?2 IS NULL OR run = ?2 OR run LIKE ?2 || ':%' THEN fact END AS fact
             FROM journal_${n} WHERE type = 'WindowSettled' AND n < ?1 ORDER BY n DESC LIMIT ?3`,
            below,
            connection ?? null,
            CHUNK
          )
          for (const row of rows) {
            yield row["fact"] === null
              ? { n: Number(row["n"]), at: Number(row["at"]), hi: null, fact: undefined }
              : toRow(row)
          }
          below = rows.length < CHUNK ? first : Number(rows.at(-1)!["n"])
        }
      }
    },
    row: (number) => {
      const segment = segments.findLast(({ first }) => first <= number)
      if (segment === undefined) return undefined
      return sql.exec(`SELECT n, at, v, hi, fact FROM journal_${segment.n} WHERE n = ?`, number).map(toRow)[0]
    },
    all: () =>
      segments.flatMap(({ n }) =>
        sql.exec(`SELECT n, at, v, hi, fact FROM journal_${n} ORDER BY n`).map((row) => toRow(row).fact)
      )
  }
}
