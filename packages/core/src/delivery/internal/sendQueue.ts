/** The events of a window that are still to be sent, and what came of those that were. */

import type { Event } from "../../event/Event.ts"
import type { Outcome, SinkDriver } from "../../sink/Sink.ts"
import type * as Allowance from "../Allowance.ts"
import * as Settle from "../Settle.ts"

/** An event of a window, with what is known of it before it is sent. */
export interface Item {
  readonly seq: number
  readonly event: Event | undefined
  readonly key: string | null
  readonly spent: number
  readonly restarts: number
  readonly since: number | null
  /** It failed with others, or may have: it shares no request again. */
  readonly alone: boolean
  /** What came of it without being sent. */
  readonly decided: Settle.Disposition | undefined
}

/** What one request brought for an event; `split`: these events are sent again in two halves. */
export type Answer = Outcome | "split"

/** Which events of a window go next: each request in order of sequence, and of a key one event at a time. */
export const makeQueue = (
  { maxEvents, maxBytes }: SinkDriver["batch"],
  items: ReadonlyArray<Item>,
  allowed: Allowance.Allowance
) => {
  let waiting = items
  /** Keys with an event on its way. */
  const busy = new Set<string>()
  /** Keys whose next event must wait. */
  const held = new Set<string>()
  /** Events of a request that was too large: how many may go together. */
  const share = new Map<number, number>()
  const used = { requests: 0, records: 0, bytes: 0 }
  const settled: Array<Settle.Handled> = []

  const finish = (
    item: Item,
    result: Settle.Disposition,
    request: number | null = null,
    latency = 0,
    besideRefusal = false
  ) => {
    const { seq, key, spent, restarts, since } = item
    settled.push({ seq, key, spent, restarts, since, request, latency, result, besideRefusal })
    if (key !== null && !Settle.letsFollow(result)) held.add(key)
  }
  /** Halves of a request that has started are sent, whatever is allowed. */
  const isSplit = () => waiting.some(({ seq }) => share.has(seq))
  const isSpent = () =>
    used.requests > 0 &&
    !isSplit() &&
    (used.requests >= allowed.requests || used.records >= allowed.records || used.bytes >= allowed.bytes)

  /** The next request; `undefined` while none can start. */
  const take = (): ReadonlyArray<Item> | undefined => {
    if (isSpent()) return undefined
    const picked: Array<Item> = []
    const later: Array<Item> = []
    let bytes = 0
    let room = Math.min(maxEvents, allowed.records - used.records)
    for (const item of waiting) {
      const { seq, key, event, decided, alone } = item
      if (decided !== undefined || event === undefined) finish(item, decided ?? { _tag: "NotStarted" })
      else if (key !== null && held.has(key)) finish(item, { _tag: "Held" })
      else if (key !== null && busy.has(key)) later.push(item)
      else {
        const size = event.body.length
        const fits = picked.length === 0 || (!alone && picked.length < room && bytes + size <= maxBytes)
        if (!fits) {
          room = 0
          later.push(item)
          continue
        }
        if (key !== null) busy.add(key)
        picked.push(item)
        bytes += size
        room = alone ? 0 : Math.min(room, share.get(seq) ?? room)
      }
    }
    waiting = later
    if (picked.length === 0) return undefined
    used.requests++
    used.records += picked.length
    used.bytes += bytes
    return picked
  }

  return {
    used,
    settled,
    take,
    isSplit,
    /** A request came to an end; answers the outcomes that it brought. */
    done: (request: ReadonlyArray<Item>, answers: ReadonlyArray<Answer>, number: number, latency: number) => {
      for (const { key } of request) if (key !== null) busy.delete(key)
      const before = settled.length
      const refused = answers.some((answer) => answer !== "split" && Settle.pauses(answer))
      const again: Array<Item> = []
      for (const [i, item] of request.entries()) {
        const answer = answers[i]!
        if (answer === "split") again.push(item)
        else finish(item, answer, number, latency, refused)
      }
      if (again.length > 0) {
        for (const { seq } of again) share.set(seq, Math.ceil(again.length / 2))
        waiting = [...again, ...waiting].sort((a, b) => a.seq - b.seq)
      }
      return settled.slice(before)
    },
    /** Sending has stopped: events that were not sent, up to the last one that was, wait. */
    close: () => {
      const last = settled.reduce((most, { seq }) => Math.max(most, seq), 0)
      for (const item of waiting) {
        const isHeld = item.key !== null && held.has(item.key)
        if (item.seq < last) finish(item, item.decided ?? { _tag: isHeld ? "Held" : "NotStarted" })
      }
    }
  }
}
