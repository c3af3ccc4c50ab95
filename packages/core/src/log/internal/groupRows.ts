/**
 * Segments with a row for each group: events that were written together, in the form in which they leave the log. So a
 * write of many events costs one row, and a page of many events is a few rows.
 */

import { joined } from "../../Bytes.ts"
import { EMPTY, type HeaderDictionary, whole } from "../../event/HeaderDictionary.ts"
import { NUMBERS, type Piece } from "../../event/PackedEvents.ts"
import { blob, type Sql, type SqlRow } from "../../Sql.ts"
import { chunksOf, discardChunks, insertChunks, isChunked } from "./chunks.ts"
import { JOIN_BYTES, type Position, type SegmentRows, type Stored } from "./segment.ts"

/** A row holds 2 MB. */
const GROUP_BYTES = 1024 * 1024

/**
 * `at`: of its last event; `bytes`: of metas and bodies; `numbers`: the index of a `Piece` without its brackets;
 * `tokens`: a JSON array. What is looked through stands before what is large.
 */
export const groupsTable = (n: number): string =>
  `CREATE TABLE groups_${n} (
     first INTEGER PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL,
     tokens TEXT NOT NULL, numbers TEXT NOT NULL, metas TEXT NOT NULL, bodies BLOB)`

/** An event that is to be written. */
export interface Written extends Position {
  readonly kind: number
  readonly meta: string
  /** Of the meta in UTF-8. */
  readonly metaBytes: number
  readonly body: Uint8Array
  readonly token: string
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: what is more than one byte in UTF-8
const LONG = /[^\x00-\x7f]/
const encoder = new TextEncoder()
export const byteLength = (text: string): number => (LONG.test(text) ? encoder.encode(text).length : text.length)

/** Cuts events into groups that fit into a row. A body in chunks is alone in its group. */
const groupsOf = (events: ReadonlyArray<Written>): ReadonlyArray<ReadonlyArray<Written>> => {
  const groups: Array<Array<Written>> = []
  let room = 0
  for (const event of events) {
    const isAlone = isChunked(event.body)
    const size = event.metaBytes + event.body.length
    if (isAlone || size > room) groups.push([event])
    else groups.at(-1)!.push(event)
    room = isAlone ? 0 : (size > room ? GROUP_BYTES : room) - size
  }
  return groups
}

const insertGroup = (sql: Sql, n: number, events: ReadonlyArray<Written>): void => {
  const [first, last] = [events[0]!, events.at(-1)!]
  const chunked = isChunked(first.body)
  sql.exec(
    `INSERT INTO groups_${n} VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    first.seq,
    last.seq,
    last.at,
    events.reduce((sum, { metaBytes, body }) => sum + metaBytes + body.length, 0),
    JSON.stringify(events.map(({ token }) => token)),
    events.map(({ seq, at, kind, metaBytes, body }) => [seq, at, kind, metaBytes, body.length].join(",")).join(","),
    events.length === 1 ? first.meta : events.map(({ meta }) => meta).join(""),
    chunked ? null : joined(events.map(({ body }) => body))
  )
  if (chunked) insertChunks(sql, n, first.seq, first.body)
}

/** Whether {@link insert} writes no more than one row. */
export const isOneRow = (events: ReadonlyArray<Written>): boolean => {
  const groups = groupsOf(events)
  return groups.length === 0 || (groups.length === 1 && !isChunked(events[0]!.body))
}

export const insert = (sql: Sql, n: number, events: ReadonlyArray<Written>): void => {
  for (const group of groupsOf(events)) insertGroup(sql, n, group)
}

/** A group as it is read. */
interface Group {
  readonly first: number
  readonly numbers: ReadonlyArray<number>
  readonly metas: Uint8Array
  readonly bodies: Uint8Array
}

const NOTHING = new Uint8Array()

const numbersOf = (row: SqlRow): ReadonlyArray<number> => JSON.parse(`[${row["numbers"]}]`)

const lengthOf = ({ numbers }: Group): number => numbers.length / NUMBERS

/** The events number `from` to `to` of a group. */
const part = ({ numbers, metas, bodies }: Group, from: number, to: number): Piece => {
  const sum = (start: number, end: number, field: number) => {
    let total = 0
    for (let i = start; i < end; i++) total += numbers[i * NUMBERS + field]!
    return total
  }
  const [metaStart, bodyStart] = [sum(0, from, 3), sum(0, from, 4)]
  return {
    index: JSON.stringify(numbers.slice(from * NUMBERS, to * NUMBERS)),
    metas: metas.subarray(metaStart, metaStart + sum(from, to, 3)),
    bodies: bodies.subarray(bodyStart, bodyStart + sum(from, to, 4))
  }
}

/** `dictionary`: what the metas of this segment leave out. */
export const groupRows = (sql: Sql, n: number, dictionary: HeaderDictionary): SegmentRows => {
  const headers = dictionary === EMPTY ? {} : { headers: JSON.stringify(dictionary) }
  const decoder = new TextDecoder()
  const stored = (group: Group, i: number): Stored => {
    const { metas, bodies } = part(group, i, i + 1)
    const [seq, at, kind] = [
      group.numbers[i * NUMBERS]!,
      group.numbers[i * NUMBERS + 1]!,
      group.numbers[i * NUMBERS + 2]!
    ]
    const meta = dictionary === EMPTY ? metas : encoder.encode(whole(decoder.decode(metas), dictionary))
    return { seq, at, kind, meta, body: bodies }
  }
  const columns = "first, numbers, CAST(metas AS BLOB) AS metas"
  const toMetas = (row: SqlRow) => ({
    first: Number(row["first"]),
    numbers: numbersOf(row),
    metas: blob(row["metas"])
  })
  const toGroup = (row: SqlRow): Group => {
    const group = toMetas(row)
    return { ...group, bodies: row["bodies"] === null ? chunksOf(sql, n, group.first) : blob(row["bodies"]) }
  }
  const groupOf = (seq: number): Group | undefined =>
    sql
      .exec(
        `SELECT ${columns}, bodies FROM groups_${n} WHERE first <= ? AND last >= ? ORDER BY first DESC LIMIT 1`,
        seq,
        seq
      )
      .map(toGroup)[0]

  return {
    last: () => {
      const row = sql.exec(`SELECT last, at FROM groups_${n} ORDER BY first DESC LIMIT 1`)[0]
      return row === undefined ? undefined : { seq: Number(row["last"]), at: Number(row["at"]) }
    },
    atOf: (seq) => {
      const row = sql.exec(
        `SELECT first, numbers FROM groups_${n} WHERE first <= ? AND last >= ? ORDER BY first DESC LIMIT 1`,
        seq,
        seq
      )[0]
      return row === undefined ? undefined : numbersOf(row)[(seq - Number(row["first"])) * NUMBERS + 1]
    },
    finder: () => {
      // Events that are looked up one after another are mostly of one group.
      let group: Group | undefined
      return (seq) => {
        const i = group === undefined ? -1 : seq - group.first
        if (group === undefined || i < 0 || i >= lengthOf(group)) group = groupOf(seq)
        return group === undefined ? undefined : stored(group, seq - group.first)
      }
    },
    withToken: (token, after) => {
      const rows = sql.exec(
        `SELECT tokens, numbers FROM groups_${n}
         WHERE first >= coalesce((SELECT max(first) FROM groups_${n} WHERE first <= ?), 0) AND instr(tokens, ?) > 0`,
        after + 1,
        JSON.stringify(token)
      )
      for (const row of rows) {
        const i = (JSON.parse(row["tokens"] as string) as ReadonlyArray<string>).indexOf(token)
        const [seq, at] = numbersOf(row).slice(i * NUMBERS)
        if (i >= 0 && seq! > after) return { seq: seq!, at: at! }
      }
      return undefined
    },
    read: (after, { maxEvents, maxBytes }, isFirst) => {
      const packed: Array<Piece> = []
      let [count, bytes] = [0, 0]
      /** Whole groups that one statement joins. */
      let run: { readonly from: number; through: number; bytes: number } | undefined
      const flush = () => {
        if (run === undefined) return
        const row = sql.exec(
          `SELECT min(first) AS first, group_concat(numbers) AS numbers, CAST(group_concat(metas, '') AS BLOB) AS metas,
             CAST(group_concat(bodies, '') AS BLOB) AS bodies
           FROM (SELECT first, numbers, metas, bodies FROM groups_${n} WHERE first BETWEEN ? AND ? ORDER BY first)`,
          run.from,
          run.through
        )[0]!
        // A body in chunks is alone in its run.
        const bodies = row["bodies"] === null ? chunksOf(sql, n, run.from) : blob(row["bodies"])
        packed.push({ index: `[${row["numbers"]}]`, metas: blob(row["metas"]), bodies, ...headers })
        run = undefined
      }
      const rows = sql.exec(
        `SELECT first, last, bytes FROM groups_${n}
         WHERE first >= coalesce((SELECT max(first) FROM groups_${n} WHERE first <= ?), 0) AND last > ?
         ORDER BY first LIMIT ?`,
        after + 1,
        after,
        maxEvents
      )
      for (const row of rows) {
        const [first, last, size] = [Number(row["first"]), Number(row["last"]), Number(row["bytes"])]
        const length = last - first + 1
        const isAll = first > after && count + length <= maxEvents
        if (isAll && (bytes + size <= maxBytes || (isFirst && count === 0 && length === 1))) {
          if (run !== undefined && run.bytes + size <= JOIN_BYTES) {
            run.through = first
            run.bytes += size
          } else {
            flush()
            run = { from: first, through: first, bytes: size }
          }
          count += length
          bytes += size
          continue
        }
        flush()
        // Only some of its events are wanted, or fit.
        const numbers = numbersOf(sql.exec(`SELECT numbers FROM groups_${n} WHERE first = ?`, first)[0]!)
        const from = Math.max(0, after + 1 - first)
        let to = from
        while (to < length && count < maxEvents) {
          const one = numbers[to * NUMBERS + 3]! + numbers[to * NUMBERS + 4]!
          if (bytes + one > maxBytes && !(isFirst && count === 0)) break
          count++
          bytes += one
          to++
        }
        if (to > from) packed.push({ ...part(groupOf(first)!, from, to), ...headers })
        if (to < length) return { packed, count, bytes, isWhole: false }
      }
      flush()
      return { packed, count, bytes, isWhole: rows.length < maxEvents }
    },
    list: (before, limit) => {
      const rows = sql.exec(
        `SELECT first, last FROM groups_${n} WHERE first < ? ORDER BY first DESC LIMIT ?`,
        before,
        limit
      )
      // Groups are read as far as they are listed.
      let left = limit
      const wanted = rows.filter(({ first, last }) => {
        const isWanted = left > 0
        left -= Math.min(Number(last), before - 1) - Number(first) + 1
        return isWanted
      })
      if (wanted.length === 0) return []
      return sql
        .exec(
          `SELECT ${columns} FROM groups_${n} WHERE first BETWEEN ? AND ? ORDER BY first DESC`,
          wanted.at(-1)!["first"]!,
          wanted[0]!["first"]!
        )
        .flatMap((row) => {
          const group = { ...toMetas(row), bodies: NOTHING }
          return Array.from({ length: lengthOf(group) }, (_, i) => ({ ...stored(group, i), body: NOTHING })).reverse()
        })
        .filter(({ seq }) => seq < before)
        .slice(0, limit)
    },
    bytes: () => Number(sql.exec(`SELECT sum(bytes) AS bytes FROM groups_${n}`)[0]!["bytes"] ?? 0),
    discard: () => {
      sql.exec(`DROP TABLE groups_${n}`)
      discardChunks(sql, n)
    }
  }
}
