/**
 * The pump of a destination: plan → read → filter → send → settle, again and again, until nothing is due.
 *
 * A run starts no window after {@link RUN_BUDGET}, but finishes the one in flight. It keeps nothing in memory between two
 * windows: what to do next is asked of the journal each time, so a run may end anywhere and another goes on.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Delivery from "./Delivery.ts"
import * as Facts from "./DeliveryFacts.ts"
import { DeliveryJournal } from "./DeliveryJournal.ts"
import type { Event } from "./Event.ts"
import { EventLog } from "./EventLog.ts"
import * as EventPath from "./EventPath.ts"
import type { Filter } from "./Filter.ts"
import * as RateLimit from "./RateLimit.ts"
import { failed, type OutboundEvent, type Outcome, type SinkDriver } from "./Sink.ts"

/** What a connection does with an event before it is sent, compiled once for each version of the config. */
export interface ConnectionSettings {
  readonly filter: Filter
  /** What the ordering key is read from; without it all events of the connection share one key. */
  readonly orderingKey: EventPath.Read | undefined
}

/** What the pump needs to know of its destination, read anew before each window. */
export interface Settings {
  readonly destinationId: string
  readonly configVersion: number
  readonly driver: SinkDriver
  readonly policy: Delivery.Policy
  readonly timeoutMs: number
  /** Requests at once. */
  readonly maxInFlight: number
  readonly connections: ReadonlyMap<string, ConnectionSettings>
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

/** An event of a window, with what is known of it before it is sent. */
interface Item {
  readonly seq: number
  readonly event: Event | undefined
  readonly key: string | null
  readonly spent: number
  readonly restarts: number
  readonly since: number | null
  /** What came of it without being sent. */
  readonly decided: Delivery.Result | undefined
}

/** Events without a value at the path share one key, like all events of a `strict` connection. */
const COMMON_KEY = ""

const keyOf = (settings: Settings, { orderingKey }: ConnectionSettings, view: EventPath.EventView): string | null => {
  if (settings.policy.ordering === "none") return null
  if (settings.policy.ordering === "strict" || orderingKey === undefined) return COMMON_KEY
  const value = orderingKey(view)
  return value === undefined ? COMMON_KEY : JSON.stringify(value)
}

const PASS_ALL: ConnectionSettings = { filter: () => undefined, orderingKey: undefined }

/** An event as it came from its log: filtered, and with its key. A filter that throws harms this event only. */
const fresh = (settings: Settings, connection: string, event: Event): Item => {
  const base = { seq: event.seq, event, spent: 0, restarts: 0, since: null }
  try {
    const own = settings.connections.get(connection) ?? PASS_ALL
    const view = EventPath.viewOf(event)
    const rule = own.filter(view)
    const decided = rule === undefined ? undefined : ({ _tag: "Filtered", rule } as const)
    return { ...base, key: decided === undefined ? keyOf(settings, own, view) : null, decided }
  } catch {
    return { ...base, key: null, decided: failed("Malformed", "the connection's filter or ordering key failed on it") }
  }
}

const isSet = (key: string | null): key is string => key !== null

/** The events of a log window. Those of a key that has a pending event are held behind it. */
const readItems = Effect.fnUntraced(function* (settings: Settings, connection: string, events: ReadonlyArray<Event>) {
  const journal = yield* DeliveryJournal
  const items = events.map((event) => fresh(settings, connection, event))
  const keys = [...new Set(items.map(({ key }) => key).filter(isSet))]
  const blocked = keys.length === 0 ? new Set<string>() : yield* journal.blockedKeys(connection, keys)
  return items.map((item) =>
    item.decided === undefined && item.key !== null && blocked.has(item.key)
      ? { ...item, decided: { _tag: "Held" } as const }
      : item
  )
})

/** Pending events with what their log holds of them; they are not filtered again. */
const pendingItems = (pending: ReadonlyArray<Facts.Pending>, events: ReadonlyArray<Event>): ReadonlyArray<Item> => {
  const bySeq = new Map(events.map((event) => [event.seq, event]))
  const gone = failed("Rejected", "the event is no longer stored: its retention has passed")
  return pending.map(({ seq, key, spent, restarts, since }) => {
    const event = bySeq.get(seq)
    return { seq, event, key, spent, restarts, since, decided: event === undefined ? gone : undefined }
  })
}

interface Batch {
  readonly window: Facts.Window
  readonly items: ReadonlyArray<Item>
}

/** Loads a step's events; `undefined` when the log has less than was said. */
const load = Effect.fnUntraced(function* (
  settings: Settings,
  { id: connection, route }: Pick<Facts.ConnectionState, "id" | "route">,
  what: { readonly after: number; readonly maxEvents: number } | { readonly pending: ReadonlyArray<Facts.Pending> }
) {
  const log = yield* EventLog
  if ("after" in what) {
    const { events } = yield* log.read(route, what.after, {
      maxEvents: what.maxEvents,
      maxBytes: Delivery.WINDOW_BYTES
    })
    const last = events.at(-1)
    if (last === undefined) return undefined
    const window = { connection, lo: what.after + 1, hi: last.seq, seqs: null }
    return { window, items: yield* readItems(settings, connection, events) } satisfies Batch
  }
  const all = what.pending.map(({ seq }) => seq)
  const { events, through } = yield* log.get(route, all, Delivery.WINDOW_BYTES)
  const pending = what.pending.filter(({ seq }) => seq <= through)
  const seqs = pending.map(({ seq }) => seq)
  const window = { connection, lo: seqs[0]!, hi: through, seqs }
  return { window, items: pendingItems(pending, events) } satisfies Batch
})

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

/** Events of one key go one after another; events without a key stand alone. */
const chains = (items: ReadonlyArray<Item>): ReadonlyArray<ReadonlyArray<Item>> => {
  const keyed = Map.groupBy(
    items.filter(({ key }) => key !== null),
    ({ key }) => key
  )
  return [...items.filter(({ key }) => key === null).map((item) => [item]), ...keyed.values()].sort(
    (a, b) => a[0]!.seq - b[0]!.seq
  )
}

/** Sends the events of a window, at most `maxInFlight` requests at once, each key's one after another. */
const sendAll = Effect.fnUntraced(function* (settings: Settings, { window, items }: Batch) {
  const journal = yield* DeliveryJournal
  const control = yield* journal.control
  const { connection } = window
  const { destinationId, policy } = settings
  const seen: Array<{ readonly event: string; readonly result: Delivery.Result }> = []
  let stopped = false

  const sendChain = Effect.fnUntraced(function* (chain: ReadonlyArray<Item>) {
    const settled: Array<Delivery.Settled> = []
    let held = false
    for (const { seq, event, key, spent, restarts, since, decided } of chain) {
      const base = { seq, key, spent, restarts, since, latency: 0 }
      if (decided !== undefined || event === undefined) {
        settled.push({ ...base, result: decided ?? { _tag: "NotStarted" } })
      } else if (held || stopped) {
        settled.push({ ...base, result: held ? { _tag: "Held" } : { _tag: "NotStarted" } })
      } else {
        const sent = yield* send(settings, { event, destinationId, connectionId: connection, attempt: spent + 1 })
        settled.push({ ...base, result: sent.outcome, latency: sent.latency })
        seen.push({ event: Facts.eventKey(connection, seq), result: sent.outcome })
        stopped ||= Delivery.mustStop(control, seen, policy.breaker)
      }
      // What follows in its key waits until this one is done with.
      held ||= key !== null && !Delivery.letsFollow(settled.at(-1)!.result)
    }
    return settled
  })
  const all = yield* Effect.forEach(chains(items), sendChain, { concurrency: settings.maxInFlight })
  return all.flat().sort((a, b) => a.seq - b.seq)
})

const settle = Effect.fnUntraced(function* (
  settings: Settings,
  window: Facts.Window,
  settled: ReadonlyArray<Delivery.Settled>
) {
  const journal = yield* DeliveryJournal
  const random = yield* Random.Random
  const facts = Delivery.settle(window, settled, {
    now: yield* Clock.currentTimeMillis,
    policy: settings.policy,
    control: yield* journal.control,
    configVersion: settings.configVersion,
    random: () => random.nextDoubleUnsafe()
  })
  yield* journal.commit(facts)
})

/** Plans, sends and settles a window. */
const runWindow = Effect.fnUntraced(function* (settings: Settings, batch: Batch, probe: boolean) {
  const journal = yield* DeliveryJournal
  const sends = batch.items.filter(({ decided }) => decided === undefined).length
  if (sends > 0) {
    const { ratePerSecond } = settings.policy
    const { rateFullAt } = yield* journal.control
    const now = yield* Clock.currentTimeMillis
    const planned: Facts.Fact = {
      _tag: "WindowPlanned",
      ...batch.window,
      configVersion: settings.configVersion,
      rateFullAt: ratePerSecond === null ? 0 : RateLimit.spend(rateFullAt, ratePerSecond, sends, now)
    }
    yield* journal.commit(probe ? [{ _tag: "BreakerHalfOpened" }, planned] : [planned])
  }
  yield* settle(settings, batch.window, yield* sendAll(settings, batch))
})

/** Settles a window whose outcomes nobody knows: its events are sent again. */
const recover = Effect.fnUntraced(function* (settings: Settings, view: Delivery.View, window: Facts.Window) {
  const journal = yield* DeliveryJournal
  const { connection: id, lo, hi, seqs } = window
  const connection = view.connections.find((one) => one.id === id)
  // The connection was deleted: nothing of it is sent any more, and its history stays as it is.
  if (connection === undefined) return yield* settle(settings, { ...window, seqs: seqs ?? [] }, [])
  const pending = seqs === null ? [] : yield* journal.pendingAmong(id, seqs)
  if (seqs !== null && pending.length === 0) return yield* settle(settings, window, [])
  const what = seqs === null ? { after: lo - 1, maxEvents: hi - lo + 1 } : { pending }
  const batch = yield* load(settings, connection, what)
  if (batch === undefined) return
  const seen = new Set<string>()
  const settled = batch.items.map(({ seq, key, spent, restarts, since, decided }): Delivery.Settled => {
    // Behind what has become pending of its key since, it may have been sent all the same.
    const isHeld = decided?._tag === "Held"
    const behind = isHeld || (key !== null && seen.has(key))
    if (key !== null) seen.add(key)
    const result = decided === undefined || isHeld ? ({ _tag: "Lost", behind } as const) : decided
    return { seq, key, spent, restarts, since, latency: 0, result }
  })
  yield* settle(settings, batch.window, settled)
})

/** One step of sending; `false` when the log has less than was said. */
const advance = Effect.fnUntraced(function* (
  settings: Settings,
  view: Delivery.View,
  step: Extract<Delivery.Plan, { readonly _tag: "Read" | "Retry" }>
) {
  const journal = yield* DeliveryJournal
  const { connection } = step
  const what = step._tag === "Read" ? { after: connection.cursor, maxEvents: step.maxEvents } : { pending: step.items }
  const batch = yield* load(settings, connection, what)
  if (batch === undefined) return false
  // Every change from outside (paused, disabled, reconfigured) has a new version: what was planned before it is planned again.
  if ((yield* journal.control).configVersion === view.control.configVersion) {
    yield* runWindow(settings, batch, step.probe)
  }
  return true
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
    const step = Delivery.plan(view, now, settings.policy)
    if (step._tag === "Wait") return step.until

    const done = yield* (
      step._tag === "Recover" ? Effect.as(recover(settings, view, step.window), true) : advance(settings, view, step)
    ).pipe(
      Effect.catchTag("UnavailableError", (error) =>
        Effect.as(Effect.logWarning("a log could not be read", { ...error }), false)
      )
    )
    if (!done) return now + LOG_RETRY
    if (step._tag !== "Recover") lastServed = step.connection.id
  }
})
