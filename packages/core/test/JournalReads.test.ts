import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import { describe, expect, it } from "vitest"
import { countingText, fill, questions } from "./JournalReads.ts"
import { nodeSql } from "./NodeSql.ts"

/** Bytes that SQLite hands over for an answer. */
const bytesFor = (perSegment: number, question: string): number => {
  const { sql, bytes } = countingText(nodeSql())
  const last = fill(sql, perSegment)
  const store = DeliveryJournal.makeStore(sql)
  const before = bytes()
  questions[question]!(store, last)
  return bytes() - before
}

describe("what the journal takes out of SQLite does not grow with what it holds of other events", () => {
  it.each(Object.keys(questions))("%s", (question) => {
    expect(bytesFor(120, question)).toBeLessThanOrEqual(1.2 * bytesFor(40, question))
    expect(bytesFor(40, question)).toBeLessThan(100_000)
  })
})
