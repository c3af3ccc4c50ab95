/**
 * One record as Jackson reads it into the proxy's `ProduceRequest`: which fields there are, and what is taken for each
 * of them.
 */
import type { RecordHeader } from "../ProduceRecord.ts"
import { bytes, instant, integer, oneOf, string } from "./coerce.ts"
import type { JsonReader } from "./JsonReader.ts"
import type { Instant } from "./javaInstant.ts"
import { RecordError } from "./RecordError.ts"
import { mismatch, readBean } from "./readBean.ts"
import { rewriteJson } from "./rewriteJson.ts"

/** `data` as it came, as Jackson writes it, and its text where it is one. */
interface Data {
  readonly raw: string
  readonly json: string
  readonly text: string | undefined
}

const FORMATS = ["BINARY", "JSON", "STRING", "AVRO", "JSONSCHEMA", "PROTOBUF"] as const
const STRATEGIES = ["TOPIC_NAME", "RECORD_NAME", "TOPIC_RECORD_NAME"] as const

const data = (reader: JsonReader): Data => {
  const { start } = reader
  const text = reader.token === "string" ? reader.text() : undefined
  const json = rewriteJson(reader)
  return { raw: reader.cursor.bytes.toString("utf8", start, reader.cursor.at), json, text }
}

const SIDE = {
  type: oneOf(FORMATS),
  subject: string,
  subject_name_strategy: oneOf(STRATEGIES),
  schema_id: (reader: JsonReader) => integer(reader),
  schema_version: (reader: JsonReader) => integer(reader),
  schema: string,
  data
}
export interface Side {
  readonly type?: (typeof FORMATS)[number] | null
  readonly subject?: string | null
  readonly subject_name_strategy?: string | null
  readonly schema_id?: number | null
  readonly schema_version?: number | null
  readonly schema?: string | null
  readonly data: Data
}

const needsSchema = (type: Side["type"]): boolean => type === "AVRO" || type === "JSONSCHEMA" || type === "PROTOBUF"

/** Which fields may stand together. */
const checkSide = (side: Side): void => {
  const has = (name: keyof Side): boolean => side[name] !== undefined && side[name] !== null
  const need = (ok: boolean, message: string): void => {
    if (!ok) throw new RecordError(400, `Cannot construct instance of ProduceRequestData, problem: ${message}`)
  }
  const named = (["schema_id", "schema_version", "schema"] as const).filter(has)
  need(
    !has("subject_name_strategy") || !has("subject"),
    "Only one of 'subject_name_strategy' or 'subject' can be used."
  )
  need(named.length < 2, "Only one of 'schema_id', 'schema_version' or 'schema' can be used.")
  if (needsSchema(side.type)) {
    need(!has("schema_id") && !has("schema_version"), `'${named[0]}' cannot be used with 'serializer'.`)
    need(has("schema"), "'schema_version=latest' cannot be used with 'serializer'.")
  } else if (has("type")) {
    const other = (["subject_name_strategy", "subject", ...named] as const).find(has)
    need(other === undefined, `'type=${side.type}' cannot be used with '${other}'.`)
  }
}

/** Sets a field of what has been made, without the checks of its making. */
const setTo =
  <T, K extends keyof T>(name: K, read: (reader: JsonReader) => T[K]) =>
  (reader: JsonReader) => {
    const value = read(reader)
    return (made: T): T => ({ ...made, [name]: value })
  }

const side = (reader: JsonReader): Side | null => {
  if (reader.token === "null") return null
  return readBean<typeof SIDE, Side>(reader, {
    what: "ProduceRequestData",
    fields: SIDE,
    build: (values) => {
      if (values.data === undefined) {
        throw new RecordError(400, "Cannot construct instance of ProduceRequestData, problem: Null data")
      }
      const made: Side = { ...values, data: values.data }
      checkSide(made)
      return made
    },
    setters: {
      type: setTo("type", SIDE.type),
      subject: setTo("subject", SIDE.subject),
      subject_name_strategy: setTo("subject_name_strategy", SIDE.subject_name_strategy),
      schema_id: setTo("schema_id", SIDE.schema_id),
      schema_version: setTo("schema_version", SIDE.schema_version),
      schema: setTo("schema", SIDE.schema),
      data: setTo("data", SIDE.data)
    }
  })
}

const internalError = (): never => {
  throw new RecordError(500, "Internal Server Error")
}

const HEADER = { name: string, value: bytes }
const header = (reader: JsonReader): RecordHeader | null => {
  if (reader.token === "null") return null
  return readBean<typeof HEADER, RecordHeader>(reader, {
    what: "ProduceRequestHeader",
    fields: HEADER,
    build: ({ name, value = null }) => {
      if (name === undefined || name === null) {
        throw new RecordError(400, "Cannot construct instance of ProduceRequestHeader, problem: Null name")
      }
      return { name, value }
    },
    setters: {
      name: setTo("name", (again) => string(again) ?? internalError()),
      value: (again) => {
        again.skip()
        return (made) => made
      }
    }
  })
}

const headers = (reader: JsonReader): ReadonlyArray<RecordHeader | null> | null => {
  if (reader.token === "null") return null
  if (reader.token !== "[") return mismatch(reader, "a list of headers")
  const all: Array<RecordHeader | null> = []
  while (reader.next() !== "]") all.push(header(reader))
  return all
}

const FIELDS = {
  partition_id: (reader: JsonReader) => integer(reader),
  headers,
  key: side,
  value: side,
  timestamp: instant
}

/** A record as it was read, before it is encoded. */
export interface ParsedRecord {
  readonly partition: number | null
  readonly headers: ReadonlyArray<RecordHeader>
  readonly key: Side | null
  readonly value: Side | null
  readonly timestamp: Instant | null
}

const whole = (all: ReadonlyArray<RecordHeader | null> | null): ReadonlyArray<RecordHeader> =>
  (all ?? []).map((one, i) => {
    if (one === null) throw new RecordError(400, `Cannot construct instance of ProduceRequest, problem: at index ${i}`)
    return one
  })

const build = (values: { readonly [K in keyof typeof FIELDS]?: ReturnType<(typeof FIELDS)[K]> }): ParsedRecord => ({
  partition: values.partition_id ?? null,
  headers: whole(values.headers ?? null),
  key: values.key ?? null,
  value: values.value ?? null,
  timestamp: values.timestamp ?? null
})

/** The builder behind the record has names of its own, which Jackson takes for fields. */
const SETTERS = {
  partitionId: setTo<ParsedRecord, "partition">("partition", FIELDS.partition_id),
  headers: setTo<ParsedRecord, "headers">("headers", (again) => whole(headers(again) ?? [null])),
  key: setTo<ParsedRecord, "key">("key", side),
  value: setTo<ParsedRecord, "value">("value", side),
  timestamp: setTo<ParsedRecord, "timestamp">("timestamp", instant),
  originalSize: (again: JsonReader) => {
    integer(again, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    return (made: ParsedRecord) => made
  }
}

/** Reads the record at which the reader stands. Throws {@link RecordError} and `JsonError`. */
export const parseRecord = (reader: JsonReader): ParsedRecord => {
  if (reader.token === "null") return internalError()
  return readBean<typeof FIELDS, ParsedRecord>(reader, {
    what: "ProduceRequest",
    fields: FIELDS,
    build,
    setters: SETTERS
  })
}

/** A record of a batch: it has an `id`, here as JSON. */
export interface ParsedEntry {
  readonly id: string | undefined
  readonly raw: string
  readonly record: ParsedRecord
}

const ENTRY = { ...FIELDS, id: rewriteJson }

/** Reads the entry of a batch at which the reader stands. Throws {@link RecordError} and `JsonError`. */
export const parseEntry = (reader: JsonReader): ParsedEntry => {
  const { start } = reader
  const read = readBean<typeof ENTRY, Omit<ParsedEntry, "raw">>(reader, {
    what: "ProduceBatchRequestEntry",
    fields: ENTRY,
    build: ({ id, ...values }) => ({ id, record: build(values) }),
    setters: {}
  })
  return { ...read, raw: reader.cursor.bytes.toString("utf8", start, reader.cursor.at) }
}
