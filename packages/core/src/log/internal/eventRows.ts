/** Segments with a row for each event, as versions 1 to 3 of the log wrote them: read until they are dropped. */
import { BODY_KINDS } from "../../event/Event.ts"
import type { Piece } from "../../event/PackedEvents.ts"
import { blob, type Sql } from "../../Sql.ts"
import { chunksOf, discardChunks } from "./chunks.ts"
import { JOIN_BYTES, type SegmentRows } from "./segment.ts"

const KIND_PLACE = `CASE kind ${BODY_KINDS.map((kind, i) => `WHEN '${kind}' THEN ${i}`).join(" ")} END`
/** Version 1 had a column for each field. */
const WIDE = { kind: KIND_PLACE, meta: "json_array(method, json(headers), query, content_type, source_ip)" }
const NARROW = { kind: "kind", meta: "meta" }

/** Events whose bytes stand for all of a segment. */
const SAMPLE = 100

export const eventRows = (sql: Sql, n: number, isWide: boolean): SegmentRows => {
  const { kind, meta } = isWide ? WIDE : NARROW

  /**
   * The events above `after` within the limits, cut where their bytes are more than one statement may join: the first
   * and the last of each piece. Only lengths are read here.
   */
  const pieces: (...args: Parameters<SegmentRows["read"]>) => {
    readonly found: ReadonlyArray<{ readonly from: number; readonly through: number }>
    readonly count: number
    readonly bytes: number
    readonly isWhole: boolean
  } = (after, { maxEvents, maxBytes }, isFirst) => {
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
      const seq = lengths[i]!
      const size = lengths[i + 1]! + lengths[i + 2]!
      if (bytes + size > maxBytes && !(isFirst && count === 0)) break
      joinedBytes += size
      if (found.length > 0 && joinedBytes <= JOIN_BYTES) found.at(-1)!.through = seq
      else {
        found.push({ from: seq, through: seq })
        joinedBytes = size
      }
      count++
      bytes += size
    }
    return { found, count, bytes, isWhole: count * 3 === lengths.length }
  }
  const piece = (from: number, through: number): Piece => {
    const row = sql.exec(
      `SELECT group_concat(concat_ws(',', seq, at, kind, octet_length(meta), size)) AS numbers,
         CAST(group_concat(meta, '') AS BLOB) AS metas,
         CAST(group_concat(body, '') AS BLOB) AS bodies
       FROM (SELECT seq, at, ${kind} AS kind, size, ${meta} AS meta, body FROM events_${n}
         WHERE seq BETWEEN ? AND ? ORDER BY seq)`,
      from,
      through
    )[0]!
    return {
      index: `[${row["numbers"]}]`,
      metas: blob(row["metas"]),
      // A body in chunks is alone in its piece.
      bodies: row["bodies"] === null ? chunksOf(sql, n, from) : blob(row["bodies"])
    }
  }

  return {
    last: () => {
      const row = sql.exec(`SELECT seq, at FROM events_${n} ORDER BY seq DESC LIMIT 1`)[0]
      return row === undefined ? undefined : { seq: Number(row["seq"]), at: Number(row["at"]) }
    },
    atOf: (seq) => {
      const row = sql.exec(`SELECT at FROM events_${n} WHERE seq = ?`, seq)[0]
      return row === undefined ? undefined : Number(row["at"])
    },
    finder: () => (seq) => {
      const row = sql.exec(
        `SELECT at, ${kind} AS kind, CAST(${meta} AS BLOB) AS meta, body FROM events_${n} WHERE seq = ?`,
        seq
      )[0]
      if (row === undefined) return undefined
      const body = row["body"] === null ? chunksOf(sql, n, seq) : blob(row["body"])
      return { seq, at: Number(row["at"]), kind: Number(row["kind"]), meta: blob(row["meta"]), body }
    },
    withToken: (token, after) => {
      const row = sql.exec(`SELECT seq, at FROM events_${n} WHERE seq > ? AND token = ?`, after, token)[0]
      return row === undefined ? undefined : { seq: Number(row["seq"]), at: Number(row["at"]) }
    },
    read: (after, limits, isFirst) => {
      const { found, ...rest } = pieces(after, limits, isFirst)
      return { packed: found.map(({ from, through }) => piece(from, through)), ...rest }
    },
    list: (before, limit) =>
      sql
        .exec(
          `SELECT seq, at, ${kind} AS kind, CAST(${meta} AS BLOB) AS meta FROM events_${n}
           WHERE seq < ? ORDER BY seq DESC LIMIT ?`,
          before,
          limit
        )
        .map(({ seq, at, kind, meta }) => ({
          seq: Number(seq),
          at: Number(at),
          kind: Number(kind),
          meta: blob(meta),
          body: new Uint8Array()
        })),
    bytes: () => {
      const row = sql.exec(
        `SELECT avg(size + octet_length(${meta})) * (SELECT max(seq) - min(seq) + 1 FROM events_${n}) AS bytes
         FROM (SELECT * FROM events_${n} ORDER BY seq DESC LIMIT ${SAMPLE})`
      )[0]!
      return Number(row["bytes"] ?? 0)
    },
    discard: () => {
      sql.exec(`DROP TABLE events_${n}`)
      discardChunks(sql, n)
    }
  }
}
