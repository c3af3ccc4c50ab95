/** What both stores of the delivery journal tell in the same way. */

import type * as Facts from "../DeliveryFacts.ts"
import type { DeadPage, DeliveryStatus, Entry } from "../DeliveryJournal.ts"
import type { ConnectionId } from "../Ids.ts"

const nothing = { attempt: null, latency: null, receipt: null, reason: null, detail: null, rule: null, nextAt: null }

const entryOf = (connection: ConnectionId, at: number, one: Facts.Settlement): Entry => {
  const base = { ...nothing, connection, at }
  switch (one._tag) {
    case "Delivered":
      return { ...base, type: "delivered", attempt: one.attempt, latency: one.latency, receipt: one.receipt }
    case "Filtered":
      return { ...base, type: "filtered", rule: one.rule }
    case "Waiting":
      return { ...base, type: one.due === null ? "held" : "postponed", nextAt: one.due }
    case "Retry":
    case "Dead": {
      const { attempt, latency, reason, detail } = one
      const type = one._tag === "Dead" ? "dead" : one.restarts > 0 ? "unknown" : "failed"
      return { ...base, type, attempt, latency, reason, detail, nextAt: one._tag === "Retry" ? one.due : null }
    }
  }
}

/** What a fact tells of event `seq`. */
export const entriesIn = (fact: Facts.Fact, at: number, seq: number): ReadonlyArray<Entry> => {
  if (fact._tag === "WindowSettled") {
    return fact.settled.filter((one) => one.seq === seq).map((one) => entryOf(fact.connection, at, one))
  }
  if (fact._tag === "Redriven" && fact.seqs.includes(seq)) {
    return [{ ...nothing, connection: fact.connection, at, type: "redriven", nextAt: fact.at }]
  }
  return []
}

export const statusOf = (
  seq: number,
  cursor: number,
  has: (table: "pending" | "dead") => boolean,
  isFiltered: () => boolean
): DeliveryStatus["status"] => {
  if (has("dead")) return "dead"
  if (has("pending")) return "retrying"
  if (seq > cursor) return "waiting"
  return isFiltered() ? "filtered" : "delivered"
}

export const deadPage = (letters: ReadonlyArray<Facts.DeadLetter>, limit: number): DeadPage => {
  const shown = letters.slice(0, limit)
  const last = shown.at(-1)
  const more = letters.length > limit && last !== undefined
  return { letters: shown, next: more ? { connection: last.connection, seq: last.seq } : null }
}
