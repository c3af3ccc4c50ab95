/** The records of a body, one after another, as Jackson's iterator over a stream of values gives them (§4). */
import type { ProduceRecord } from "../ProduceRecord.ts"
import { encodeRecord } from "./encodeRecord.ts"
import { JsonError } from "./JsonCursor.ts"
import { JsonReader } from "./JsonReader.ts"
import { parseRecord } from "./parseRecord.ts"
import { RecordError } from "./RecordError.ts"
import { utf8Body } from "./utf8Body.ts"

export type Item =
  /** `raw` is its text as it came; `encode` throws {@link RecordError} where its content is refused. */
  | { readonly _tag: "Record"; readonly raw: string; readonly encode: () => ProduceRecord }
  /** It could not be read. The stream goes on. */
  | { readonly _tag: "Refused"; readonly error: RecordError }
  /** The next record could not be found: the last of the stream. */
  | { readonly _tag: "Failed"; readonly error: RecordError }

/** To the end of the record that could not be read, by the brackets that are open. */
const resync = (reader: JsonReader): void => {
  while (reader.depth > 0) {
    const token = reader.next()
    if (token === undefined) return
    if (token === "{" || token === "[") reader.skip()
  }
  reader.clear()
}

/** A limit of the reader is an error of the proxy (500), unless it was passed within a field of the record. */
const refusal = (error: unknown): RecordError => {
  if (error instanceof RecordError) return error
  if (!(error instanceof JsonError)) throw error
  return new RecordError(error.limit ? 500 : 400, `Bad Request: ${error.message}`)
}

export function* recordStream(body: Buffer): Generator<Item, void, undefined> {
  const reader = new JsonReader(utf8Body(body))
  for (let broken = false; ; ) {
    try {
      if (broken) resync(reader)
      if (reader.next() === undefined) return
    } catch (error) {
      if (!(error instanceof JsonError)) throw error
      const failed = new RecordError(400, `Bad Request: Error processing message: ${error.message}`)
      return yield { _tag: "Failed", error: failed }
    }
    const { start } = reader
    let item: Item
    try {
      const record = parseRecord(reader)
      const raw = reader.cursor.bytes.toString("utf8", start, reader.cursor.at)
      broken = false
      item = { _tag: "Record", raw, encode: () => encodeRecord(record) }
    } catch (error) {
      broken = true
      item = { _tag: "Refused", error: refusal(error) }
    }
    reader.clear()
    yield item
  }
}
