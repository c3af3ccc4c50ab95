/**
 * What the journal reads to tell of one event must not grow with what it holds of others. A journal is filled like that
 * of a destination after an outage: segments with windows read from a log, and with retries whose windows span most of
 * what is pending.
 */

import type { Fact, Settlement } from "@hookstream/core/delivery/Facts"
import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import type { Sql } from "@hookstream/core/Sql"

const DAY = 24 * 3_600_000
/** Segments, and in each so many windows and retries of so many events. */
export const SEGMENTS = 4
const WINDOW = 50
const RETRIED = 20

const rest = { seen: [], rates: null, rest: null }
const failure = { attempt: 1, latency: 5, reason: "Unavailable", detail: "down", key: null } as const
const done = (seq: number): Settlement => ({ _tag: "Delivered", seq, attempt: 1, latency: 5, receipt: { offset: "7" } })
const retry = (seq: number): Settlement => ({
  _tag: "Retry",
  seq,
  ...failure,
  spent: 1,
  due: 9e12,
  restarts: 0,
  since: 100
})
const settled = (seqs: ReadonlyArray<number>, isRead: boolean, at: number): Fact => ({
  _tag: "WindowSettled",
  run: "conn_1",
  lo: seqs[0]!,
  hi: seqs.at(-1)!,
  seqs: isRead ? null : seqs,
  at,
  settled: seqs.map((seq) => (isRead && seq > RETRIED ? done(seq) : retry(seq))),
  ...rest
})

/** Fills a journal with `perSegment` windows and as many retries in each segment. Answers the last sequence. */
export const fill = (sql: Sql, perSegment: number): number => {
  const store = DeliveryJournal.makeStore(sql)
  store.commit([{ _tag: "ConnectionStarted", connection: "conn_1", sourceId: "src_1", route: "r", after: 0 }], 1)
  let seq = 0
  for (let segment = 0; segment < SEGMENTS; segment++) {
    for (let i = 0; i < perSegment; i++) {
      const at = segment * DAY + segment + i + 2
      const window = Array.from({ length: WINDOW }, (_, k) => seq + k + 1)
      seq += WINDOW
      // Two of the first events and the newest are tried together: the window spans all that lies between.
      const retried = [3 + (i % 5), 10 + (i % 5), seq]
      store.commit([settled(window, true, at), settled(retried, false, at)], at)
    }
  }
  return seq
}

/** What is asked of an old journal. */
export const questions: Readonly<Record<string, (store: DeliveryJournal.DeliveryStore, last: number) => unknown>> = {
  "the timeline of an old event": (store) => store.timeline("src_1", 40),
  "the timeline of an event in the middle": (store, last) => store.timeline("src_1", last / 2 + 7),
  "the statuses of 100 old events": (store) =>
    store.statuses(
      "src_1",
      Array.from({ length: 100 }, (_, i) => RETRIED + i + 1)
    ),
  "a page of tries": (store) => store.attempts({}, null, 50),
  "a page of tries of another connection": (store) => store.attempts({ connection: "conn_2" }, null, 50),
  "the run of a try": (store) => store.runOfAttempt({ n: 2, seq: 40 }),
  "a page of dead letters": (store) => store.deadLetters(null, 50)
}

/** Bytes of text that statements have answered. */
export const countingText = (sql: Sql): { readonly sql: Sql; readonly bytes: () => number } => {
  let bytes = 0
  return {
    bytes: () => bytes,
    sql: {
      ...sql,
      exec: (query, ...params) => {
        const rows = sql.exec(query, ...params)
        for (const row of rows) {
          for (const value of Object.values(row)) if (typeof value === "string") bytes += value.length
        }
        return rows
      }
    }
  }
}
