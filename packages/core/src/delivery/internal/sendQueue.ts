/** The events of a window that are still to be sent, and what came of those that were. */

import type { Event } from "../../event/Event.ts"
import type { Outcome, SinkDriver } from "../../sink/Sink.ts"
import type * as Allowance from "../Allowance.ts"
import * as Settle from "../Settle.ts"
import type * as State from "../State.ts"

/** An event of a window, with what is known of it before it is sent. */
export interface Item {
  readonly run: State.Run
  readonly seq: number
  readonly event: Event | undefined
  readonly key: string | null
  /** The key, apart from those of other runs: its events go one after another. */
  readonly keyInRun: string | null
  readonly spent: number
  readonly restarts: number
  readonly since: number | null
  /** It failed with others, or may have: it shares no request again. */
  readonly alone: boolean
  /** What came of it without being sent. */
  readonly decided: Settle.Disposition | undefined
}

export interface Request {
  /** 1 is the first of its window. */
  readonly number: number
  /** Those of a run in order of sequence. */
  readonly items: ReadonlyArray<Item>
}

export const keyInRun = (run: State.Run, key: string | null): string | null =>
  key === null ? null : `${run.id} ${key}`

/** Which events of a window go next: requests in the order of the window, and of a key of a run one event at a time. */
export const makeQueue = (
  { maxEvents, maxBytes }: SinkDriver["batch"],
  all: ReadonlyArray<Item>,
  allowed: Allowance.Allowance
) => {
  let waiting = all
  /** Keys with an event on its way. */
  const busy = new Set<string>()
  /** Keys whose next event must wait. */
  const held = new Set<string>()
  /** Events of a request that was too large: how many may go together. */
  const share = new Map<Item, number>()
  const used = { requests: 0, records: 0, bytes: 0 }
  let inFlight = 0
  const settled = new Map<Item, Settle.Handled>()

  const finish = (
    item: Item,
    result: Settle.Disposition,
    request: number | null = null,
    latency = 0,
    besideRefusal = false
  ) => {
    const { run, seq, key, keyInRun, spent, restarts, since } = item
    const handled = { run: run.id, seq, key, spent, restarts, since, request, latency, result, besideRefusal }
    settled.set(item, handled)
    if (keyInRun !== null && !Settle.letsFollow(result)) held.add(keyInRun)
    return handled
  }
  /** Halves of a request that has started are sent, whatever is allowed. */
  const isSplit = () => waiting.some((item) => share.has(item))
  const isSpent = () =>
    used.requests > 0 &&
    !isSplit() &&
    (used.requests >= allowed.requests || used.records >= allowed.records || used.bytes >= allowed.bytes)

  /** The next request; `undefined` while none can start. */
  const take = (): Request | undefined => {
    if (isSpent()) return undefined
    const picked: Array<Item> = []
    const later: Array<Item> = []
    let bytes = 0
    let room = Math.min(maxEvents, allowed.records - used.records)
    for (const item of waiting) {
      const { keyInRun, event, decided, alone } = item
      if (decided !== undefined || event === undefined) finish(item, decided ?? { _tag: "NotStarted" })
      else if (keyInRun !== null && held.has(keyInRun)) finish(item, { _tag: "Held" })
      else if (keyInRun !== null && busy.has(keyInRun)) later.push(item)
      else {
        const size = event.body.length
        const fits = picked.length === 0 || (!alone && picked.length < room && bytes + size <= maxBytes)
        if (!fits) {
          room = 0
          later.push(item)
          continue
        }
        if (keyInRun !== null) busy.add(keyInRun)
        picked.push(item)
        bytes += size
        room = alone ? 0 : Math.min(room, share.get(item) ?? room)
      }
    }
    waiting = later
    if (picked.length === 0) return undefined
    used.requests++
    used.records += picked.length
    used.bytes += bytes
    inFlight++
    return { number: used.requests, items: picked }
  }

  return {
    used,
    settled,
    take,
    isSplit,
    /** No request is on its way. */
    isIdle: () => inFlight === 0,
    /**
     * A request came to an end with a result for each of its events; those of which it says `split` are sent again in
     * two halves. Answers what is settled by it.
     */
    done: ({ number, items }: Request, results: ReadonlyArray<Outcome | "split">, latency: number) => {
      inFlight--
      for (const { keyInRun } of items) if (keyInRun !== null) busy.delete(keyInRun)
      const refused = results.some((result) => result !== "split" && Settle.pauses(result))
      const again: Array<Item> = []
      const handled: Array<Settle.Handled> = []
      for (const [i, item] of items.entries()) {
        const result = results[i]!
        if (result === "split") again.push(item)
        else handled.push(finish(item, result, number, latency, refused))
      }
      if (again.length > 0) {
        for (const item of again) share.set(item, Math.ceil(again.length / 2))
        const place = new Map(all.map((item, i) => [item, i]))
        waiting = [...again, ...waiting].sort((a, b) => place.get(a)! - place.get(b)!)
      }
      return handled
    },
    /** Sending has stopped: what was not sent, among what was of its run, waits. */
    close: () => {
      const last = new Map<State.Run, number>()
      for (const { run, seq } of settled.keys()) last.set(run, Math.max(seq, last.get(run) ?? 0))
      for (const item of waiting) {
        const isHeld = item.keyInRun !== null && held.has(item.keyInRun)
        if (item.seq < (last.get(item.run) ?? 0)) finish(item, item.decided ?? { _tag: isHeld ? "Held" : "NotStarted" })
      }
    }
  }
}

export type SendQueue = ReturnType<typeof makeQueue>
