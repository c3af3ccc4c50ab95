/**
 * The requests and answers of the REST Proxy v3 when records are produced, as Schemas (kafka-rest-v3 §2, §3, §6): for
 * clients, proxies and tests. The sink itself writes and reads these forms by hand (`RecordEncoder.ts`,
 * `ReceiptReader.ts`), because it does so for every event; its tests hold both to the Schemas.
 *
 * A request is one {@link ProduceRecord} or several, one after another; the answer has a {@link Receipt} for each, at
 * its place. A request that was refused as a whole is answered by an {@link ErrorReceipt} and its HTTP status.
 */
import * as Schema from "effect/Schema"

/** What the proxy turns into the bytes of a key or a value. `data: null` is Kafka's null, whatever the type. */
const AsBinary = Schema.Struct({
  type: Schema.Literal("BINARY"),
  data: Schema.NullOr(Schema.Uint8ArrayFromBase64)
})
/** As UTF-8; a proxy before 7.5 does not know the type. */
const AsText = Schema.Struct({
  type: Schema.Literal("STRING"),
  data: Schema.NullOr(Schema.String)
})
/** Any JSON, which the proxy parses and serializes again: white space goes, fractions pass through a double. */
const AsJson = Schema.Struct({
  type: Schema.Literal("JSON"),
  data: Schema.Json
})

export const RecordData = Schema.Union([AsBinary, AsText, AsJson])
export type RecordData = typeof RecordData.Type

export const RecordHeader = Schema.Struct({
  name: Schema.String,
  value: Schema.NullOr(Schema.Uint8ArrayFromBase64)
})
export type RecordHeader = typeof RecordHeader.Type

const Int32 = Schema.Int.check(Schema.isInt32())

/**
 * ISO 8601 with seconds and an offset: what the proxy reads as a time and not as a number of seconds. It writes a year
 * beyond 9999 with a sign.
 */
const Timestamp = Schema.String.check(
  Schema.isPattern(/^(?:\d{4}|[+-]\d{4,9})-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/)
)

/**
 * One record. The proxy answers a field that is not known with a receipt 400: decode with `onExcessProperty: "error"`.
 *
 * `partition_id` is the proxy's partitioner's choice where it is left out, as this sink does; `key` and `value` are
 * Kafka's null, which as a value is a tombstone; `timestamp` is the proxy's clock.
 */
export const ProduceRecord = Schema.Struct({
  partition_id: Schema.optionalKey(Schema.NullOr(Int32.check(Schema.isGreaterThanOrEqualTo(0)))),
  headers: Schema.optionalKey(Schema.NullOr(Schema.Array(RecordHeader))),
  key: Schema.optionalKey(Schema.NullOr(RecordData)),
  value: Schema.optionalKey(Schema.NullOr(RecordData)),
  timestamp: Schema.optionalKey(Schema.NullOr(Timestamp))
})
export type ProduceRecord = typeof ProduceRecord.Type

/** What was stored of a key or a value. The fields of a Schema Registry are absent for the three types above. */
const Stored = Schema.Struct({
  type: Schema.Literals(["BINARY", "STRING", "JSON", "AVRO", "JSONSCHEMA", "PROTOBUF"]),
  /** Bytes; -1 of a null. */
  size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(-1)),
  subject: Schema.optionalKey(Schema.String),
  schema_id: Schema.optionalKey(Int32),
  schema_version: Schema.optionalKey(Int32)
})

/** The proof of one record. A later proxy may add fields. */
export const DeliveryReceipt = Schema.Struct({
  /** Proxies 7.0 to 7.2 leave it out. */
  error_code: Schema.optionalKey(Schema.Literal(200)),
  cluster_id: Schema.String,
  topic_name: Schema.String,
  partition_id: Int32.check(Schema.isGreaterThanOrEqualTo(0)),
  /** An int64; -1 where the proxy asks for no acknowledgement. Beyond 2^53 `JSON.parse` loses digits. */
  offset: Schema.Int.check(Schema.isGreaterThanOrEqualTo(-1)),
  /** Absent where Kafka gave none. */
  timestamp: Schema.optionalKey(Timestamp),
  /** Absent where the record had none. */
  key: Schema.optionalKey(Stored),
  value: Schema.optionalKey(Stored)
})
export type DeliveryReceipt = typeof DeliveryReceipt.Type

/** Why one record, or the whole request, was refused: an HTTP status, or a status and two digits. */
export const ErrorReceipt = Schema.Struct({
  error_code: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 59_999 })),
  message: Schema.String
})
export type ErrorReceipt = typeof ErrorReceipt.Type

export const Receipt = Schema.Union([DeliveryReceipt, ErrorReceipt])
export type Receipt = typeof Receipt.Type
