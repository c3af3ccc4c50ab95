/** `records:batch`: up to ten records with ids of their own in one object, answered together (§5). */
import { errorOf } from "./answers.ts"
import { encodeRecord } from "./encodeRecord.ts"
import { JsonError } from "./JsonCursor.ts"
import { JsonReader } from "./JsonReader.ts"
import type { Answer } from "./metadata.ts"
import { type ParsedEntry, parseEntry } from "./parseRecord.ts"
import { type ProduceTarget, produceOne } from "./produce.ts"
import { RecordError } from "./RecordError.ts"
import { mismatch, readBean } from "./readBean.ts"
import { utf8Body } from "./utf8Body.ts"

/** `api.v3.produce.batch.maximum.entries` */
const ENTRIES_MAX = 10
const BATCH_ERROR = 42_208

const entriesOf = (body: Buffer): ReadonlyArray<ParsedEntry> => {
  const reader = new JsonReader(utf8Body(body))
  if (reader.next() === undefined) throw new RecordError(BATCH_ERROR, "Null input provided. Data is required.")
  const entries = (list: JsonReader): ReadonlyArray<ParsedEntry> => {
    if (list.token !== "[") return mismatch(list, "a list of entries")
    const all: Array<ParsedEntry> = []
    while (list.next() !== "]") all.push(parseEntry(list))
    return all
  }
  return readBean<{ readonly entries: typeof entries }, ReadonlyArray<ParsedEntry>>(reader, {
    what: "ProduceBatchRequest",
    fields: { entries },
    build: (values) => values.entries ?? [],
    setters: {}
  })
}

const check = (entries: ReadonlyArray<ParsedEntry>): void => {
  const need = (ok: boolean, message: string): void => {
    if (!ok) throw new RecordError(BATCH_ERROR, message)
  }
  need(entries.length > 0, "Empty batch.")
  need(entries.length <= ENTRIES_MAX, `Too many entries in batch: at most ${ENTRIES_MAX}.`)
  need(
    entries.every(({ id }) => /^"[0-9a-zA-Z_-]{1,80}"$/.test(id ?? "")),
    "Entry id must be a string of 1 to 80 letters, digits, hyphens and underscores."
  )
  need(new Set(entries.map(({ id }) => id)).size === entries.length, "Entry IDs are not distinct.")
}

export const produceBatch = async (body: Buffer, to: ProduceTarget): Promise<Answer> => {
  let entries: ReadonlyArray<ParsedEntry>
  try {
    entries = entriesOf(body)
    check(entries)
  } catch (error) {
    if (error instanceof JsonError) return { status: 400, body: errorOf(400, error.message) }
    if (!(error instanceof RecordError)) throw error
    return { status: 422, body: errorOf(error.code === BATCH_ERROR ? BATCH_ERROR : 422, error.message) }
  }
  const successes: Array<object> = []
  const failures: Array<object> = []
  for (const { id = "", raw, record } of entries) {
    const named = { id: id.slice(1, -1) }
    try {
      const receipt = await produceOne(raw, () => encodeRecord(record), to)
      successes.push({ ...named, ...receipt })
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      failures.push({ ...named, ...errorOf(error.code, error.message) })
    }
  }
  return { status: 207, body: { successes, failures } }
}
