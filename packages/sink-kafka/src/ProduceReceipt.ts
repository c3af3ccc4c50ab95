/** What the proxy answers for each record (kafka-rest-v3 §3), as far as this sink reads it; other fields are ignored. */
import * as Schema from "effect/Schema"

/** Digits of an int64: offsets may pass 2^53, so the reader keeps them as text. */
const Offset = Schema.String.check(Schema.isPattern(/^-?\d+$/))

/** `error_code` is 200, or absent from proxies 7.0 to 7.2. */
export const ProduceReceipt = Schema.Struct({
  error_code: Schema.optionalKey(Schema.Literal(200)),
  cluster_id: Schema.optionalKey(Schema.String),
  topic_name: Schema.optionalKey(Schema.String),
  partition_id: Schema.Int,
  offset: Offset,
  timestamp: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export type ProduceReceipt = typeof ProduceReceipt.Type

export const ErrorReceipt = Schema.Struct({
  error_code: Schema.Int,
  message: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export type ErrorReceipt = typeof ErrorReceipt.Type
