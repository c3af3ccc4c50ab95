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

/** Writes down what follows from these outcomes. */
export const settle = Effect.fnUntraced(function* (
  settings: Settings,
  window: Facts.Window,
  settled: ReadonlyArray<Settle.Handled>,
  rates: Facts.Rates | null = null,
  rest: Facts.Window | null = null
) {
  const journal = yield* DeliveryJournal
  const random = yield* Random.Random
  const control = yield* journal.control
  const facts = Settle.settle(window, settled, {
    now: yield* Clock.currentTimeMillis,
    policy: settings.policy,
    control,
    rates,
    rest,
    configVersion: settings.configVersion,
    random: () => random.nextDoubleUnsafe()
  })
  yield* journal.commit(facts)
})

/** A window in two: what has come to its end, and what is still on its way. */
const parted = (
  window: Facts.Window,
  done: ReadonlyArray<Settle.Handled>,
  rest: ReadonlyArray<Item>
): { readonly part: Facts.Window; readonly rest: Facts.Window | null } => {
  const { run, lo, hi, seqs } = window
  if (rest.length === 0) return { part: window, rest: null }
  const last = done.at(-1)!.seq
  return seqs === null
    ? { part: { run, lo, hi: last, seqs }, rest: { run, lo: last + 1, hi, seqs } }
    : {
        part: { run, lo, hi: last, seqs: done.map(({ seq }) => seq) },
        rest: { run, lo: rest[0]!.seq, hi, seqs: rest.map(({ seq }) => seq) }
      }
}

/** Writes down what a queue has settled of its window. */
export const make = (settings: Settings, { window, items, control, plannedAt }: Planned, queue: SendQueue) => {
  /** What is planned and not settled yet, `null` at the end; and its events. */
  let open: Facts.Window | null = window
  let waiting = items
  let recordedAt = plannedAt

  const record = Effect.fnUntraced(function* (isLast: boolean) {
    const bySeq = new Map(queue.settled.map((one) => [one.seq, one]))
    const to = waiting.findIndex(({ seq }) => !bySeq.has(seq))
    const done = (to === -1 ? waiting : waiting.slice(0, to)).map(({ seq }) => bySeq.get(seq)!)
    const rates = Allowance.spend(control, settings.policy.limits, queue.used, plannedAt)
    for (let from = 0; open !== null && from < done.length; from += RECORD_EVENTS) {
      const some = done.slice(from, from + RECORD_EVENTS)
      waiting = waiting.slice(some.length)
      const both = parted(open, some, waiting)
      const ends = isLast && from + RECORD_EVENTS >= done.length
      open = ends ? null : both.rest
      yield* settle(settings, both.part, some, rates, open)
    }
    if (!isLast || open === null) return
    // What was not sent stays where it was: the cursor, or the pending events, stop before it. Where there was nothing,
    // they go on.
    yield* settle(settings, waiting.length === 0 ? open : { ...open, seqs: [] }, [], rates)
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
