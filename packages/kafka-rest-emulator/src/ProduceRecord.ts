/** One record of a produce request, checked as the proxy checks it (kafka-rest-v3 §2). */
import { memberText } from "./internal/JsonText.ts"

/** The key or value of a record: Kafka's bytes (`null`: a tombstone or no key), and how it was written. */
export interface RecordSide {
  readonly type: "JSON" | "STRING" | "BINARY"
  readonly bytes: Uint8Array | null
  /** The text of `data` exactly as it came. */
  readonly raw: string
}

export interface ProduceRecord {
  readonly partition: number | null
  readonly headers: ReadonlyArray<{ readonly name: string; readonly value: Uint8Array | null }>
  readonly key: RecordSide | null
  readonly value: RecordSide | null
  /** Milliseconds since 1970; `null`: the server's clock. */
  readonly timestamp: number | null
}

/** A receipt instead of a record: `{"error_code", "message"}`. */
export class RecordError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

type Json = { readonly [key: string]: unknown }

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const object = (value: unknown, what: string, fields: ReadonlyArray<string>): Json => {
  if (!isObject(value)) throw new RecordError(400, `Cannot construct instance of ${what}`)
  for (const field of Object.keys(value)) {
    if (!fields.includes(field))
      throw new RecordError(400, `Unrecognized field "${field}" (class ${what}), not marked as ignorable`)
  }
  return value
}

/** Standard alphabet; padding may be missing only where `padded` is false. */
const base64 = (text: string, padded: boolean): Uint8Array | undefined => {
  const bytes = Buffer.from(text, "base64")
  const canonical = bytes.toString("base64")
  return text === canonical || (!padded && text === canonical.replace(/=+$/, "")) ? bytes : undefined
}

const SIDE = ["type", "data", "subject", "subject_name_strategy", "schema_id", "schema_version", "schema"]

const side = (value: unknown, raw: string | undefined, what: string): RecordSide | null => {
  if (value === undefined || value === null) return null
  const { type, data } = object(value, what, SIDE)
  if (type === undefined) {
    throw new RecordError(422, "Error: 42206 : Payload error. Schema Registry must be configured when using schemas.")
  }
  if (type === "AVRO" || type === "JSONSCHEMA" || type === "PROTOBUF") {
    throw new RecordError(422, "Error: 42206 : Payload error. Schemas are not supported by this emulator.")
  }
  if (type !== "JSON" && type !== "STRING" && type !== "BINARY") {
    throw new RecordError(
      400,
      `Bad Request: Cannot deserialize value of type EmbeddedFormat from ${JSON.stringify(type)}`
    )
  }
  if (data === undefined) throw new RecordError(400, 'Bad Request: Missing required property "data"')
  const written = memberText(raw!, "data")!
  const make = (bytes: Uint8Array | null): RecordSide => ({ type, bytes, raw: written })
  if (data === null) return make(null)
  // The proxy parses and writes again: white space goes, numbers pass through double.
  if (type === "JSON") return make(Buffer.from(JSON.stringify(data)))
  if (typeof data !== "string")
    throw new RecordError(400, `Bad Request: data=${JSON.stringify(data)} is not a ${type} string.`)
  if (type === "STRING") return make(Buffer.from(data))
  const bytes = base64(data, false)
  if (bytes === undefined)
    throw new RecordError(400, `Bad Request: data=${JSON.stringify(data)} is not a valid base64 string.`)
  return make(bytes)
}

const header = (value: unknown): ProduceRecord["headers"][number] => {
  const { name, value: data } = object(value, "ProduceRequestHeader", ["name", "value"])
  if (typeof name !== "string") throw new RecordError(400, 'Bad Request: Missing required property "name"')
  if (data === undefined || data === null) return { name, value: null }
  const bytes = typeof data === "string" ? base64(data, true) : undefined
  if (bytes === undefined)
    throw new RecordError(400, `Bad Request: Cannot access contents of header "${name}": not valid base64`)
  return { name, value: bytes }
}

const timestamp = (value: unknown): number | null => {
  if (value === undefined || value === null) return null
  const millis = typeof value === "number" ? value * 1000 : typeof value === "string" ? Date.parse(value) : Number.NaN
  if (Number.isNaN(millis)) throw new RecordError(400, "Bad Request: Cannot deserialize value of type Instant")
  if (millis < 0) throw new RecordError(500, "Invalid negative timestamp")
  return millis
}

const RECORD = ["partition_id", "headers", "key", "value", "timestamp"]

/** Reads the text of one record, which is one valid JSON value. Throws {@link RecordError}. */
export const readRecord = (text: string): ProduceRecord => {
  const { partition_id, headers, key, value, timestamp: at } = object(JSON.parse(text), "ProduceRequest", RECORD)
  if (partition_id !== undefined && partition_id !== null && !Number.isInteger(partition_id)) {
    throw new RecordError(400, "Bad Request: partition_id must be an integer")
  }
  if (headers !== undefined && headers !== null && !Array.isArray(headers)) {
    throw new RecordError(400, "Bad Request: headers must be an array")
  }
  return {
    partition: typeof partition_id === "number" ? partition_id : null,
    headers: ((headers ?? []) as ReadonlyArray<unknown>).map(header),
    key: side(key, memberText(text, "key"), "ProduceRequestData"),
    value: side(value, memberText(text, "value"), "ProduceRequestData"),
    timestamp: timestamp(at)
  }
}
