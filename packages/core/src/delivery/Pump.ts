/**
 * The pump of a destination: plan → read → filter → send → settle, again and again, until nothing is due.
 *
 * It starts no send after {@link RUN_BUDGET}, but waits for those in flight. It keeps nothing in memory between two
 * windows: what to do next is asked of the journal each time, so it may end anywhere and another goes on.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Semaphore from "effect/Semaphore"
import { PayloadTooLarge, UnavailableError } from "../Errors.ts"
import type { Event } from "../event/Event.ts"
import * as EventPath from "../event/EventPath.ts"
import * as Filter from "../event/Filter.ts"
import { DeliveryJournal } from "../journal/DeliveryJournal.ts"
import { partsOf } from "../journal/internal/deliveryTelling.ts"
import * as Log from "../LogLine.ts"
import { EventLog } from "../log/EventLog.ts"
import { failed, type OutboundEvent, type Outcome, type SinkDriver } from "../sink/Sink.ts"
import * as Allowance from "./Allowance.ts"
import type * as Facts from "./Facts.ts"
import { type Answer, type Item, makeQueue } from "./internal/sendQueue.ts"
import * as Plan from "./Plan.ts"
import * as Policy from "./Policy.ts"
import * as Settle from "./Settle.ts"
import * as State from "./State.ts"

/** What a connection does with an event before it is sent, compiled once for each version of the config. */
export interface ConnectionSettings {
  readonly filter: Filter.Filter
  /** How many rules the filter has. */
  readonly rules: number
  /**
   * What the ordering key is read from; without it the sink's own key, without that all events of the connection share
   * one.
   */
  readonly orderingKey: EventPath.Read | undefined
}

/** What the pump needs to know of its destination, read anew before each window. */
export interface Settings {
  readonly destinationId: string
  readonly configVersion: number
  readonly driver: SinkDriver
  readonly policy: Policy.Policy
  readonly timeoutMs: number
  /** Requests at once. */
  readonly maxInFlight: number
  readonly connections: ReadonlyMap<string, ConnectionSettings>
  /** The events as the run must see them: with what they hide where anything reads it (see `EventSecrets.ts`). */
  readonly open: (run: State.Run, events: ReadonlyArray<Event>) => Effect.Effect<ReadonlyArray<Event>, UnavailableError>
}

/** Milliseconds after which a run starts no further send. */
export const RUN_BUDGET = 30_000
/** Outcomes are written down after this many milliseconds, or this many events: so much is sent again after a crash. */
const RECORD_EVERY = 100
const RECORD_EVENTS = 500
/** Milliseconds in which a log must answer a read. */
const LOG_DEADLINE = 20_000
/** Milliseconds until a log that could not be read is asked again. */
const LOG_RETRY = 1000

/** Each run in turn: those after the last one served come first. */
const rotated = (view: Plan.View, last: string | undefined): Plan.View => {
  const i = view.runs.findIndex(({ id }) => last !== undefined && id > last)
  return i <= 0 ? view : { ...view, runs: [...view.runs.slice(i), ...view.runs.slice(0, i)] }
}

/** What is left without the runs whose log could not be read. */
const without = (view: Plan.View, away: ReadonlySet<Facts.RunId>): Plan.View => {
  const isHere = ({ run }: State.Pending) => !away.has(run)
  return away.size === 0
    ? view
    : {
        ...view,
        runs: view.runs.filter(({ id }) => !away.has(id)),
        due: view.due.filter(isHere),
        oldest: view.oldest.filter(isHere)
      }
}

/** Events without a value at the path share one key, like all events of a `strict` connection. */
const COMMON_KEY = ""

const keyOf = (settings: Settings, { orderingKey }: ConnectionSettings, view: EventPath.EventView): string | null => {
  if (settings.policy.ordering === "none") return null
  const read = orderingKey ?? settings.driver.orderingKey
  if (settings.policy.ordering === "strict" || read === undefined) return COMMON_KEY
  const value = read(view)
  return value === undefined ? COMMON_KEY : JSON.stringify(value)
}

const PASS_ALL: ConnectionSettings = { filter: () => undefined, rules: 0, orderingKey: undefined }

/** What events of a run are taken by: the settings of its connection, and the replay's own filter. */
interface Intake extends ConnectionSettings {
  readonly replayFilter: Filter.Filter
}

const intakeOf = (settings: Settings, run: State.Run): Intake => ({
  ...(settings.connections.get(run.connection) ?? PASS_ALL),
  replayFilter: Filter.compile(run.replay?.filterRules ?? [])
})

/** The rule that does not hold; those of the replay are counted after the connection's. */
const failedRule = ({ filter, rules, replayFilter }: Intake, view: EventPath.EventView): number | undefined => {
  const own = filter(view)
  if (own !== undefined) return own
  const replayed = replayFilter(view)
  return replayed === undefined ? undefined : rules + replayed
}

/** An event as it came from its log: filtered, and with its key. A filter that throws harms this event only. */
const fresh = (settings: Settings, intake: Intake, event: Event): Item => {
  let key: string | null = null
  let decided: Settle.Disposition | undefined
  try {
    const view = EventPath.viewOf(event)
    const rule = failedRule(intake, view)
    if (rule === undefined) key = keyOf(settings, intake, view)
    else decided = { _tag: "Filtered", rule }
  } catch (error) {
    decided =
      error instanceof PayloadTooLarge
        ? failed("TooLarge", error.message)
        : failed("Malformed", "the connection's filter or ordering key failed on it")
  }
  return { seq: event.seq, event, key, spent: 0, restarts: 0, since: null, alone: false, decided }
}

const isSet = (key: string | null): key is string => key !== null

/** The events of a log window. Those of a key that has a pending event are held behind it. */
const readItems = Effect.fnUntraced(function* (settings: Settings, run: State.Run, events: ReadonlyArray<Event>) {
  const journal = yield* DeliveryJournal
  const intake = intakeOf(settings, run)
  const items = events.map((event) => fresh(settings, intake, event))
  const keys = [...new Set(items.map(({ key }) => key).filter(isSet))]
  const blocked = keys.length === 0 ? new Set<string>() : yield* journal.blockedKeys(run.id, keys)
  return items.map((item) =>
    item.decided === undefined && item.key !== null && blocked.has(item.key)
      ? { ...item, decided: { _tag: "Held" } as const }
      : item
  )
})

/** Pending events with what their log holds of them; they are not filtered again. */
const pendingItems = (pending: ReadonlyArray<State.Pending>, events: ReadonlyArray<Event>): ReadonlyArray<Item> => {
  const bySeq = new Map(events.map((event) => [event.seq, event]))
  const gone = failed("Rejected", "the event is no longer stored: its retention has passed")
  return pending.map(({ seq, key, spent, restarts, since, reason }) => {
    const event = bySeq.get(seq)
    const alone = restarts >= Policy.ISOLATE_AFTER || (reason !== null && State.isOutage(reason))
    return { seq, event, key, spent, restarts, since, alone, decided: event === undefined ? gone : undefined }
  })
}

interface Batch {
  readonly run: State.Run
  readonly window: Facts.Window
  /** In order of sequence. */
  readonly items: ReadonlyArray<Item>
}

/** A log that does not answer holds up no run for longer than its deadline. */
const inTime = <A>(read: Effect.Effect<A, UnavailableError>): Effect.Effect<A, UnavailableError> =>
  Effect.timeoutOrElse(read, {
    duration: LOG_DEADLINE,
    orElse: () => Effect.fail(new UnavailableError({ message: `the log did not answer within ${LOG_DEADLINE} ms` }))
  })

/** Loads a step's events; `undefined` when the log has less than was said. */
const load = Effect.fnUntraced(function* (
  settings: Settings,
  run: State.Run,
  what: { readonly after: number; readonly maxEvents: number } | { readonly pending: ReadonlyArray<State.Pending> }
) {
  const log = yield* EventLog
  const { bytes } = settings.policy.window
  if ("after" in what) {
    // A live run also takes what came since its log told it.
    const end = run.replay === null ? Number.POSITIVE_INFINITY : run.head
    const maxEvents = Math.min(what.maxEvents, end - what.after)
    const { events, head } = yield* inTime(log.read(run.route, what.after, { maxEvents, maxBytes: bytes }))
    const own = yield* settings.open(
      run,
      events.filter(({ seq }) => seq <= end)
    )
    const last = own.at(-1)
    // Of a replay, what its log had and no longer holds is passed over. What a live run needs is never dropped.
    if (last === undefined && (run.replay === null || head < run.head)) return undefined
    const window = { run: run.id, lo: what.after + 1, hi: last?.seq ?? run.head, seqs: null }
    return { run, window, items: yield* readItems(settings, run, own) } satisfies Batch
  }
  const all = what.pending.map(({ seq }) => seq)
  const { events, through } = yield* inTime(log.get(run.route, all, bytes))
  const pending = what.pending.filter(({ seq }) => seq <= through)
  const seqs = pending.map(({ seq }) => seq)
  const window = { run: run.id, lo: seqs[0]!, hi: through, seqs }
  return { run, window, items: pendingItems(pending, yield* settings.open(run, events)) } satisfies Batch
})

/** One request. Never fails: whatever happens is an outcome of its events. */
const send = Effect.fnUntraced(function* (settings: Settings, batch: ReadonlyArray<OutboundEvent>) {
  /** What the sink said before the request came to its end. */
  const told: Array<Outcome | undefined> = []
  const tell = (position: number, outcome: Outcome): void => {
    told[position] = outcome
  }
  const rest = (answer: Answer): ReadonlyArray<Answer> => batch.map((_, i) => told[i] ?? answer)
  const startedAt = yield* Clock.currentTimeMillis
  const answers = yield* settings.driver.send(batch, tell).pipe(
    Effect.map((outcomes): ReadonlyArray<Answer> => {
      const silent = failed("Unknown", "the sink said nothing about this event")
      return batch.map((_, i) => outcomes[i] ?? told[i] ?? silent)
    }),
    Effect.catch(({ reason, detail, retryAfter }) =>
      // A whole request refused for good may be the fault of one of its events.
      Effect.succeed(rest(batch.length > 1 && Settle.isFinal(reason) ? "split" : failed(reason, detail, retryAfter)))
    ),
    Effect.timeoutOrElse({
      duration: settings.timeoutMs,
      orElse: () => Effect.succeed(rest(failed("TimedOut", `no answer within ${settings.timeoutMs} ms (timeout_ms)`)))
    }),
    Effect.catchCause((cause) => {
      if (Cause.hasInterrupts(cause)) return Effect.failCause(cause)
      const error = Cause.squash(cause)
      if (error instanceof PayloadTooLarge) {
        return Effect.succeed(rest(batch.length > 1 ? "split" : failed("TooLarge", error.message)))
      }
      const outcome = failed("Malformed", "the sink could not handle this event; the gateway's log has the cause")
      const { destinationId: destination } = settings
      return Effect.as(
        Log.write(Log.line("error", "a sink driver died", { destination }, cause)),
        rest(batch.length > 1 ? "split" : outcome)
      )
    })
  )
  return { answers, latency: (yield* Clock.currentTimeMillis) - startedAt }
})

const settle = Effect.fnUntraced(function* (
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

/**
 * As much of a batch as may be sent now: what is not sent is not planned, so that nobody takes it for sent after a
 * crash.
 */
const within = (batch: Batch, maxEvents: number, { requests, records, bytes }: Allowance.Allowance): Batch => {
  const most = Math.min(records, requests * maxEvents)
  let [count, size] = [0, 0]
  const cut = batch.items.findIndex(({ event, decided }) => {
    if (decided !== undefined) return false
    const isOver = count >= most || (count > 0 && size >= bytes)
    count++
    size += event?.body.length ?? 0
    return isOver
  })
  if (cut === -1) return batch
  const items = batch.items.slice(0, cut)
  const hi = items.at(-1)!.seq
  const seqs = batch.window.seqs === null ? null : items.map(({ seq }) => seq)
  return { run: batch.run, window: { ...batch.window, hi, seqs }, items }
}

/** Plans a window, sends it, at most `maxInFlight` requests at once, and settles it part by part. */
const runWindow = Effect.fnUntraced(function* (
  settings: Settings,
  loaded: Batch,
  { allowed, probe }: { readonly allowed: Allowance.Allowance; readonly probe: boolean },
  deadline: number
) {
  const journal = yield* DeliveryJournal
  const { policy, destinationId } = settings
  const batch = within(loaded, settings.driver.batch.maxEvents, allowed)
  const { run, items } = batch
  const { limits } = policy
  const startedAt = yield* Clock.currentTimeMillis
  const control = yield* journal.control
  const toSend = items.filter(({ decided }) => decided === undefined)
  if (toSend.length > 0) {
    const most = {
      requests: Math.min(allowed.requests, toSend.length),
      records: Math.min(allowed.records, toSend.length),
      bytes: toSend.reduce((sum, { event }) => sum + (event?.body.length ?? 0), 0)
    }
    const rates = Allowance.spend(control, limits, most, startedAt)
    const planned: Facts.Fact = {
      _tag: "WindowPlanned",
      ...batch.window,
      configVersion: settings.configVersion,
      rates
    }
    yield* journal.commit(probe ? [{ _tag: "BreakerHalfOpened" }, planned] : [planned])
  }

  const queue = makeQueue(settings.driver.batch, items, allowed)
  /** What is planned and not settled yet, `null` at the end; and its events. */
  let window: Facts.Window | null = batch.window
  let open = items
  let recordedAt = startedAt
  let breaker = control.breaker
  let stopped = false

  /** Writes down the outcomes of the first events, as far as all of them have come. */
  const record = Effect.fnUntraced(function* (isLast: boolean) {
    const bySeq = new Map(queue.settled.map((one) => [one.seq, one]))
    const to = open.findIndex(({ seq }) => !bySeq.has(seq))
    const done = (to === -1 ? open : open.slice(0, to)).map(({ seq }) => bySeq.get(seq)!)
    const rates = Allowance.spend(control, limits, queue.used, startedAt)
    for (let from = 0; window !== null && from < done.length; from += RECORD_EVENTS) {
      const some = done.slice(from, from + RECORD_EVENTS)
      open = open.slice(some.length)
      const both = parted(window, some, open)
      const ends = isLast && from + RECORD_EVENTS >= done.length
      window = ends ? null : both.rest
      yield* settle(settings, both.part, some, rates, window)
    }
    if (!isLast || window === null) return
    // What was not sent stays where it was: the cursor, or the pending events, stop before it. Where there was nothing,
    // they go on.
    yield* settle(settings, open.length === 0 ? window : { ...window, seqs: [] }, [], rates)
  })
  const oneAtATime = yield* Semaphore.make(1)

  const worker = Effect.gen(function* () {
    while (true) {
      const now = yield* Clock.currentTimeMillis
      // Nothing more leaves by a config that was changed meanwhile, nor after a pause, a deletion or a cancellation.
      stopped ||= isChanged(control, yield* journal.control)
      if (stopped || (now >= deadline && queue.used.requests > 0 && !queue.isSplit())) return
      const request = queue.take()
      if (request === undefined) return
      const number = queue.used.requests
      const outbound = request.map(
        ({ event, spent }): OutboundEvent => ({
          event: event!,
          destinationId,
          connectionId: run.connection,
          attempt: spent + 1,
          replayId: run.replay?.id ?? null
        })
      )
      const { answers, latency } = yield* send(settings, outbound)
      const ended = queue.done(request, answers, number, latency)
      breaker = Settle.observe(breaker, run.id, ended)
      stopped ||= Settle.mustStop(ended, breaker, policy.breaker)
      const at = yield* Clock.currentTimeMillis
      if (at - recordedAt >= RECORD_EVERY) {
        recordedAt = at
        yield* oneAtATime.withPermits(1)(record(false))
      }
    }
  })
  yield* Effect.all(
    Array.from({ length: settings.maxInFlight }, () => worker),
    { concurrency: "unbounded", discard: true }
  )
  queue.close()
  yield* record(true)
})

/** Settles a window whose outcomes are unknown: its events are sent again. `false` when the log lacks some of them. */
const recover = Effect.fnUntraced(function* (settings: Settings, view: Plan.View, window: Facts.Window) {
  const journal = yield* DeliveryJournal
  const { run: id, lo, hi, seqs } = window
  const run = view.runs.find((one) => one.id === id)
  // The run has ended: nothing of it is sent any more, and its history stays as it is.
  if (run === undefined) return yield* Effect.as(settle(settings, { ...window, seqs: seqs ?? [] }, []), true)
  const pending = seqs === null ? [] : yield* journal.pendingAmong(id, seqs)
  if (seqs !== null && pending.length === 0) return yield* Effect.as(settle(settings, window, []), true)
  const what = seqs === null ? { after: lo - 1, maxEvents: hi - lo + 1 } : { pending }
  const batch = yield* load(settings, run, what)
  if (batch === undefined) return false
  const seen = new Set<string>()
  const settled = batch.items.map(({ seq, key, spent, restarts, since, decided }): Settle.Handled => {
    // Behind what has become pending of its key since, it may have been sent all the same.
    const isHeld = decided?._tag === "Held"
    const behind = isHeld || (key !== null && seen.has(key))
    if (key !== null) seen.add(key)
    const result = decided === undefined || isHeld ? ({ _tag: "Lost", behind } as const) : decided
    return { seq, key, spent, restarts, since, request: null, latency: 0, result }
  })
  const { hi: last } = batch.window
  const left = { run: id, lo: last + 1, hi, seqs: seqs?.filter((seq) => seq > last) ?? null }
  yield* settle(settings, batch.window, settled, null, last < hi ? left : null)
  return true
})

/**
 * Whether something came from outside: each change (paused, disabled, reconfigured) has a new version, but for
 * cancelled replays.
 */
const isChanged = (before: State.Control, now: State.Control): boolean =>
  before.configVersion !== now.configVersion || before.cancellations !== now.cancellations

/** One step of sending; `false` when the log has less than was said. */
const advance = Effect.fnUntraced(function* (
  settings: Settings,
  view: Plan.View,
  step: Extract<Plan.Plan, { readonly _tag: "Read" | "Retry" }>,
  deadline: number
) {
  const journal = yield* DeliveryJournal
  const { run } = step
  const what = step._tag === "Read" ? { after: run.cursor, maxEvents: step.maxEvents } : { pending: step.items }
  const batch = yield* load(settings, run, what)
  if (batch === undefined) return false
  // What was planned before a change is planned again.
  if (!isChanged(view.control, yield* journal.control)) yield* runWindow(settings, batch, step, deadline)
  return true
})

const finish = Effect.fnUntraced(function* (run: State.Run) {
  const journal = yield* DeliveryJournal
  yield* journal.commit([{ _tag: "ReplayFinished", run: run.id, at: yield* Clock.currentTimeMillis }])
})

/** Carries out a step; `false` when a log has less than was said. */
const carryOut = (
  settings: Settings,
  view: Plan.View,
  step: Exclude<Plan.Plan, { readonly _tag: "Wait" }>,
  deadline: number
) => {
  switch (step._tag) {
    case "Recover":
      return recover(settings, view, step.window)
    case "Finish":
      return Effect.as(finish(step.run), true)
    default:
      return advance(settings, view, step, deadline)
  }
}

/**
 * Runs until nothing is due or the budget is spent. Answers when the next run is due, in milliseconds since 1970
 * (`null`: when something wakes or changes the destination). `current` answers `undefined` when the destination is
 * gone.
 */
export const run = Effect.fn("Pump.run")(function* <R>(current: Effect.Effect<Settings | undefined, never, R>) {
  const journal = yield* DeliveryJournal
  const startedAt = yield* Clock.currentTimeMillis
  let lastServed: string | undefined
  /** Runs whose log could not be read: those of other logs go on. */
  const away = new Set<Facts.RunId>()

  while (true) {
    const settings = yield* current
    if (settings === undefined) return null
    const now = yield* Clock.currentTimeMillis
    if (now - startedAt >= RUN_BUDGET) return now
    const view = without(rotated(yield* journal.view, lastServed), away)
    const step = Plan.plan(view, now, settings.policy)
    if (step._tag === "Wait") {
      return away.size === 0 ? step.until : Math.min(step.until ?? Number.POSITIVE_INFINITY, now + LOG_RETRY)
    }

    const done = yield* carryOut(settings, view, step, startedAt + RUN_BUDGET).pipe(
      Effect.catchTag("UnavailableError", (error) => {
        const id = step._tag === "Recover" ? step.window.run : step.run.id
        const fields = { destination: settings.destinationId, ...partsOf(id) }
        return Effect.as(Log.write(Log.line("warn", "a log could not be read", fields, error)), false)
      })
    )
    if (!done) {
      if (step._tag === "Recover") return now + LOG_RETRY
      away.add(step.run.id)
    }
    if (step._tag === "Read" || step._tag === "Retry") lastServed = step.run.id
  }
})
