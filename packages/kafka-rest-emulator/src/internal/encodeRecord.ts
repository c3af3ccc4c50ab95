/** A record as the proxy hands it to Kafka: its sides as bytes, its headers by name. */
import type { ProduceRecord, RecordHeader, RecordSide } from "../ProduceRecord.ts"
import { toMillis } from "./javaInstant.ts"
import type { ParsedRecord, Side } from "./parseRecord.ts"
import { RecordError } from "./RecordError.ts"

const base64 = (text: string): Uint8Array | undefined => {
  const chars = text.replace(/=+$/, "")
  return /^[A-Za-z0-9+/]*$/.test(chars) && chars.length % 4 !== 1 ? Buffer.from(chars, "base64") : undefined
}

const encodeSide = (given: Side | null): RecordSide | null => {
  if (given === null) return null
  const { type, data: content } = given
  if (type !== "BINARY" && type !== "JSON" && type !== "STRING") {
    throw new RecordError(422, "Error: 42206 : Payload error. Schema Registry must be configured when using schemas.")
  }
  const { raw, json, text } = content
  const make = (encoded: Uint8Array | null): RecordSide => ({ type, bytes: encoded, raw })
  if (json === "null") return make(null)
  if (type === "JSON") return make(Buffer.from(json))
  if (text === undefined) throw new RecordError(400, `Bad Request: data=${json} is not a ${type} string.`)
  // Half a surrogate pair becomes a question mark.
  if (type === "STRING") return make(Buffer.from(text.toWellFormed() === text ? text : questioned(text)))
  const decoded = base64(text)
  if (decoded === undefined) throw new RecordError(400, `Bad Request: data=${json} is not a valid base64 string.`)
  return make(decoded)
}

/** Java's UTF-8 has a question mark where there is half a surrogate pair. */
const questioned = (text: string): string =>
  text.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (unit) => (unit.length === 2 ? unit : "?"))

const grouped = (all: ReadonlyArray<RecordHeader>): ReadonlyArray<RecordHeader> => {
  const byName = new Map<string, Array<RecordHeader>>()
  for (const one of all) {
    const same = byName.get(one.name)
    if (same === undefined) byName.set(one.name, [one])
    else same.push(one)
  }
  return [...byName.values()].flat().map(({ name, value }) => ({ name: questioned(name), value }))
}

/** What is handed to Kafka, in the order in which the proxy finds its faults. Throws {@link RecordError}. */
export const encodeRecord = (record: ParsedRecord): ProduceRecord => {
  if (record.partition !== null && record.partition < 0) throw new RecordError(40402, "Partition not found.")
  const key = encodeSide(record.key)
  const value = encodeSide(record.value)
  const millis = record.timestamp === null ? null : toMillis(record.timestamp)
  if (millis === undefined || (millis !== null && millis < 0n)) throw new RecordError(500, "Internal Server Error")
  return {
    partition: record.partition,
    headers: grouped(record.headers),
    key,
    value,
    timestamp: millis === null ? null : Number(millis)
  }
}
