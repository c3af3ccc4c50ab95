/** What came of a window, written to the journal: part by part, as far as its first events have come to their end. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { DeliveryJournal } from "../journal/DeliveryJournal.ts"
import * as Allowance from "./Allowance.ts"
import type { Settings } from "./DestinationSettings.ts"
import type * as Facts from "./Facts.ts"
import type { Item, SendQueue } from "./internal/sendQueue.ts"
import * as Settle from "./Settle.ts"
import type { Planned } from "./Window.ts"

/** Outcomes are written down after this many milliseconds, or this many events: so much is sent again after a crash. */
const RECORD_EVERY = 100
const RECORD_EVENTS = 500

/** Writes down what follows from these outcomes. `asked`: see `Settle.settle`. */
export const settle = Effect.fnUntraced(function* (
  settings: Settings,
  ended: ReadonlyArray<Settle.Ended>,
  rates: Facts.Rates | null = null,
  asked?: ReadonlyArray<Settle.Handled>
) {
  const journal = yield* DeliveryJournal
  const random = yield* Random.Random
  const context = {
    now: yield* Clock.currentTimeMillis,
    policy: settings.policy,
    control: yield* journal.control,
    rates,
    configVersion: settings.configVersion,
    random: () => random.nextDoubleUnsafe()
  }
  yield* journal.commit(Settle.settle(ended, context, asked))
})

/** A window in two: what has come to its end, and what is still on its way. */
const parted = (
  window: Facts.Window,
  done: ReadonlyArray<Settle.Handled>,
  rest: ReadonlyArray<Item>
): { readonly part: Facts.Window; readonly rest: Facts.Window | null } => {
  const { seqs } = window
  if (rest.length === 0) return { part: window, rest: null }
  const last = done.at(-1)!.seq
  return seqs === null
    ? { part: { ...window, hi: last }, rest: { ...window, lo: last + 1 } }
    : {
        part: { ...window, hi: last, seqs: done.map(({ seq }) => seq) },
        rest: { ...window, lo: rest[0]!.seq, seqs: rest.map(({ seq }) => seq) }
      }
}

/** What of a run is planned and not settled yet, `null` at the end; and its events. */
interface Open {
  window: Facts.Window | null
  waiting: ReadonlyArray<Item>
}

/** Takes what has ended from a part, as far as its first events have, in pieces that are written down together. */
const take = (part: Open, settled: SendQueue["settled"], isLast: boolean): ReadonlyArray<Settle.Ended> => {
  const to = part.waiting.findIndex((item) => !settled.has(item))
  const done = (to === -1 ? part.waiting : part.waiting.slice(0, to)).map((item) => settled.get(item)!)
  const ended: Array<Settle.Ended> = []
  for (let from = 0; part.window !== null && from < done.length; from += RECORD_EVENTS) {
    const handled = done.slice(from, from + RECORD_EVENTS)
    part.waiting = part.waiting.slice(handled.length)
    const both = parted(part.window, handled, part.waiting)
    part.window = isLast && from + RECORD_EVENTS >= done.length ? null : both.rest
    ended.push({ window: both.part, handled, rest: part.window })
  }
  if (isLast && part.window !== null) {
    // What was not sent stays where it was: the cursor, or the pending events, stop before it. Where there was nothing,
    // they go on.
    const window = part.waiting.length === 0 ? part.window : { ...part.window, seqs: [] }
    ended.push({ window, handled: [], rest: null })
    part.window = null
  }
  return ended
}

/** Pieces that are written in one transaction. */
const together = (all: ReadonlyArray<Settle.Ended>): ReadonlyArray<ReadonlyArray<Settle.Ended>> => {
  const out: Array<Array<Settle.Ended>> = []
  let room = 0
  for (const ended of all) {
    const size = ended.handled.length
    if (out.length > 0 && size <= room) out.at(-1)!.push(ended)
    else {
      out.push([ended])
      room = RECORD_EVENTS
    }
    room -= size
  }
  return out
}

/** Writes down what a queue has settled of its window. */
export const make = (settings: Settings, { parts, control, plannedAt }: Planned, queue: SendQueue) => {
  const open = parts.map(({ window, items }): Open => ({ window, waiting: items }))
  let recordedAt = plannedAt
  /** Requests that the breaker has seen. */
  const seen = new Set<number>()

  /** All that has been settled of the requests of these outcomes, but for those that the breaker has seen. */
  const askedOf = (ended: ReadonlyArray<Settle.Ended>): ReadonlyArray<Settle.Handled> => {
    const isNew = (request: number | null): request is number => request !== null && !seen.has(request)
    const requests = new Set(ended.flatMap(({ handled }) => handled.map(({ request }) => request).filter(isNew)))
    for (const request of requests) seen.add(request)
    return [...queue.settled.values()].filter(({ request }) => request !== null && requests.has(request))
  }
  const record = Effect.fnUntraced(function* (isLast: boolean) {
    const rates = Allowance.spend(control, settings.policy.limits, queue.used, plannedAt)
    const ended = open.flatMap((part) => take(part, queue.settled, isLast))
    for (const some of together(ended)) yield* settle(settings, some, rates, askedOf(some))
  })

  return {
    /** A request has ended: writes down what has come, when it is time. */
    advance: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (now - recordedAt < RECORD_EVERY) return
      recordedAt = now
      yield* record(false)
    }),
    /** Nothing of the window is sent any more. */
    finish: record(true)
  }
}
