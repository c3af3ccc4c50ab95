/** One record of a produce request on the wire (kafka-rest-v3 §2), as far as this sink writes it. */
import * as Schema from "effect/Schema"

/** Standard base64 with padding: anything else is refused by the proxy. */
const Base64 = Schema.String.check(Schema.isBase64())

export const RecordData = Schema.Union([
  // Any JSON: of a number beyond the range of a double too, so not `Schema.Json`.
  Schema.Struct({ type: Schema.Literal("JSON"), data: Schema.Unknown }),
  Schema.Struct({ type: Schema.Literal("STRING"), data: Schema.String }),
  Schema.Struct({ type: Schema.Literal("BINARY"), data: Base64 })
])

export const ProduceRequest = Schema.Struct({
  value: RecordData,
  headers: Schema.Array(Schema.Struct({ name: Schema.String, value: Base64 })),
  key: Schema.optionalKey(RecordData)
})
export type ProduceRequest = typeof ProduceRequest.Type
