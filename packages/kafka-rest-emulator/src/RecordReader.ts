/** The text of a record, read as the proxy reads it (kafka-rest-v3 §2). */
import { RecordError } from "./internal/RecordError.ts"
import { recordStream } from "./internal/recordStream.ts"
import type { ProduceRecord } from "./ProduceRecord.ts"

export { RecordError }

/** Reads the first record of a text. Throws {@link RecordError}. */
export const readRecord = (text: string): ProduceRecord => {
  const item = recordStream(Buffer.from(text)).next().value
  if (item === undefined) throw new RecordError(400, "Bad Request: no record")
  if (item._tag === "Record") return item.encode()
  throw item.error
}
