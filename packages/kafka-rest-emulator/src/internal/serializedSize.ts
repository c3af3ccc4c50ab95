/**
 * What a record costs by Kafka's reckoning: `max.request.size` is held against an upper bound of a batch with this
 * record alone.
 */
import type { ProduceRecord } from "../ProduceRecord.ts"

/** Of a batch, and of what a record has before its key (`DefaultRecordBatch`, `DefaultRecord`). */
const BATCH_OVERHEAD = 61
const RECORD_OVERHEAD = 21

/** Bytes of a length as a variable-length integer: seven bits a byte, one bit for the sign. */
const varint = (length: number): number => {
  let bytes = 1
  for (let rest = length * 2; rest >= 128; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
/** A null has a length of -1. */
const field = (bytes: { readonly length: number } | null): number =>
  bytes === null ? 1 : varint(bytes.length) + bytes.length

export const serializedSize = ({ key, value, headers }: Pick<ProduceRecord, "key" | "value" | "headers">): number =>
  headers.reduce(
    (sum, header) => sum + field(Buffer.from(header.name)) + field(header.value),
    BATCH_OVERHEAD + RECORD_OVERHEAD + field(key?.bytes ?? null) + field(value?.bytes ?? null) + varint(headers.length)
  )
