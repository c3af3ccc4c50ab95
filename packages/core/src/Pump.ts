/**
 * The pump of a destination: plan → read → send → settle, again and again, until nothing is due.
 *
 * A run starts no window after {@link RUN_BUDGET}, but finishes the one in flight. It keeps nothing in memory between two
 * windows: what to do next is asked of the journal each time, so a run may end anywhere and another goes on.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Delivery from "./Delivery.ts"
import { DeliveryJournal } from "./DeliveryJournal.ts"
import type { Event } from "./Event.ts"
import { EventLog } from "./EventLog.ts"
import type { RetryPolicy } from "./RetryPolicy.ts"
import { failed, type OutboundEvent, type Outcome, type SinkDriver } from "./Sink.ts"

/** What the pump needs to know of its destination, read anew before each window. */
export interface Settings {
  readonly destinationId: string
  readonly configVersion: number
  readonly driver: SinkDriver
  readonly retry: RetryPolicy
  readonly timeoutMs: number
  /** Requests at once. */
  readonly maxInFlight: number
  readonly maxPending: number
}

/** Milliseconds after which a run starts no further window. */
export const RUN_BUDGET = 30_000
/** Milliseconds until a log that could not be read is asked again. */
const LOG_RETRY = 1000

/** Each connection in turn: those after the last one served come first. */
const rotated = (view: Delivery.View, last: string | undefined): Delivery.View => {
  const i = view.connections.findIndex(({ id }) => last !== undefined && id > last)
  return i <= 0 ? view : { ...view, connections: [...view.connections.slice(i), ...view.connections.slice(0, i)] }
}

/** One request with one event. Never fails: whatever happens is an outcome of that event alone. */
const send = Effect.fnUntraced(function* (settings: Settings, outbound: OutboundEvent) {
  const startedAt = yield* Clock.currentTimeMillis
  const outcome = yield* settings.driver.send([outbound]).pipe(
    Effect.map(([first]): Outcome => first ?? failed("Unknown", "the sink said nothing about this event")),
    Effect.catch((error) => Effect.succeed(failed(error.reason, error.detail, error.retryAfter))),
    Effect.timeoutOrElse({
      duration: settings.timeoutMs,
      orElse: () => Effect.succeed(failed("TimedOut", `no answer within ${settings.timeoutMs} ms (timeout_ms)`))
    }),
    Effect.catchCause((cause) =>
      Cause.hasInterrupts(cause)
        ? Effect.failCause(cause)
        : Effect.as(
            Effect.logError("a sink driver died", cause),
            failed("Malformed", "the sink could not handle this event; the gateway's log has the cause")
          )
    )
  )
  return { outcome, latency: (yield* Clock.currentTimeMillis) - startedAt }
})

/** A window with what its log holds of it. */
interface Batch {
  readonly window: Delivery.Window
  readonly events: ReadonlyArray<Event>
  /** Tries spent on each pending event. */
  readonly spent: ReadonlyMap<number, number>
}

/** Loads the events of a step; `undefined` when the log has less than was said. */
const load = Effect.fnUntraced(function* (step: Extract<Delivery.Plan, { readonly _tag: "Read" | "Retry" }>) {
  const log = yield* EventLog
  const { id: connection, route, cursor } = step.connection
  if (step._tag === "Read") {
    const limits = { maxEvents: step.maxEvents, maxBytes: Delivery.WINDOW_BYTES }
    const { events } = yield* log.read(route, cursor, limits)
    const last = events.at(-1)
    if (last === undefined) return undefined
    return {
      window: { connection, lo: cursor + 1, hi: last.seq, seqs: null },
      events,
      spent: new Map()
    } satisfies Batch
  }
  const all = step.items.map(({ seq }) => seq)
  const { events, through } = yield* log.get(route, all, Delivery.WINDOW_BYTES)
  const items = step.items.filter(({ seq }) => seq <= through)
  const seqs = items.map(({ seq }) => seq)
  const window = { connection, lo: seqs[0]!, hi: through, seqs }
  return { window, events, spent: new Map(items.map((item) => [item.seq, item.spent])) } satisfies Batch
})

/** Sends the events of a window and settles it. */
const runWindow = Effect.fnUntraced(function* (settings: Settings, { window, events, spent }: Batch) {
  const journal = yield* DeliveryJournal
  const { connection, lo, hi, seqs } = window
  const { configVersion, destinationId } = settings
  yield* journal.commit([{ _tag: "WindowPlanned", connection, lo, hi, seqs, configVersion }])

  const outcomes = yield* Effect.forEach(
    events,
    (event) => {
      const before = spent.get(event.seq) ?? 0
      const outbound = { event, destinationId, connectionId: connection, attempt: before + 1 }
      return Effect.map(send(settings, outbound), (sent) => ({ seq: event.seq, spent: before, ...sent }))
    },
    { concurrency: settings.maxInFlight }
  )
  // A pending event that its log has dropped since can never be sent.
  const gone = [...spent].flatMap(([seq, before]) => {
    const outcome = failed("Rejected", "the event is no longer stored: its retention has passed")
    return events.some((event) => event.seq === seq) ? [] : [{ seq, spent: before, latency: 0, outcome }]
  })
  const random = yield* Random.Random
  const facts = Delivery.settle(window, [...outcomes, ...gone], {
    now: yield* Clock.currentTimeMillis,
    policy: settings.retry,
    control: yield* journal.control,
    configVersion,
    random: () => random.nextDoubleUnsafe()
  })
  yield* journal.commit(facts)
})

/**
 * Runs until nothing is due or the budget is spent. Answers when the next run is due, in milliseconds since 1970 (`null`: when
 * something wakes or changes the destination). `current` answers `undefined` when the destination is gone.
 */
export const run = Effect.fn("Pump.run")(function* (current: Effect.Effect<Settings | undefined>) {
  const journal = yield* DeliveryJournal
  const startedAt = yield* Clock.currentTimeMillis
  let lastServed: string | undefined

  while (true) {
    const settings = yield* current
    if (settings === undefined) return null
    const now = yield* Clock.currentTimeMillis
    if (now - startedAt >= RUN_BUDGET) return now
    const view = rotated(yield* journal.view, lastServed)
    const step = Delivery.plan(view, now, settings)

    if (step._tag === "Wait") return step.until
    if (step._tag === "Recover") {
      const { connection, lo, hi, seqs } = step.window
      yield* journal.commit([{ _tag: "WindowLost", connection, lo, hi, seqs }])
      continue
    }
    const { connection } = step
    lastServed = connection.id
    const batch = yield* load(step).pipe(
      Effect.catch((error) => Effect.as(Effect.logWarning("a log could not be read", { ...error }), undefined))
    )
    if (batch === undefined) return now + LOG_RETRY

    // Every change from outside (paused, disabled, reconfigured) has a new version: what was planned before it is planned again.
    if ((yield* journal.control).configVersion !== view.control.configVersion) continue

    yield* runWindow(settings, batch)
  }
})
