/**
 * A window before it is sent: its events are loaded from their log, filtered and given their keys, cut to what may be
 * sent now, and planned in the journal.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { PayloadTooLarge, UnavailableError } from "../Errors.ts"
import type { Event } from "../event/Event.ts"
import * as EventPath from "../event/EventPath.ts"
import * as Filter from "../event/Filter.ts"
import { DeliveryJournal } from "../journal/DeliveryJournal.ts"
import { EventLog } from "../log/EventLog.ts"
import { failed } from "../sink/Sink.ts"
import * as Allowance from "./Allowance.ts"
import type { ConnectionSettings, Settings } from "./DestinationSettings.ts"
import type * as Facts from "./Facts.ts"
import type { Item } from "./internal/sendQueue.ts"
import * as Policy from "./Policy.ts"
import type * as Settle from "./Settle.ts"
import * as State from "./State.ts"

/** Milliseconds in which a log must answer a read. */
const LOG_DEADLINE = 20_000

/** A window with its events. */
export interface Loaded {
  readonly run: State.Run
  readonly window: Facts.Window
  /** In order of sequence. */
  readonly items: ReadonlyArray<Item>
}

/** A window whose sends may start. */
export interface Planned extends Loaded {
  readonly allowed: Allowance.Allowance
  /** As it was before: the rates of what is planned are not spent yet. */
  readonly control: State.Control
  readonly plannedAt: number
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

/** A log that does not answer holds up no run for longer than its deadline. */
const inTime = <A>(read: Effect.Effect<A, UnavailableError>): Effect.Effect<A, UnavailableError> =>
  Effect.timeoutOrElse(read, {
    duration: LOG_DEADLINE,
    orElse: () => Effect.fail(new UnavailableError({ message: `the log did not answer within ${LOG_DEADLINE} ms` }))
  })

/** Loads a step's events; `undefined` when the log has less than was said. */
export const load = Effect.fnUntraced(function* (
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
    return { run, window, items: yield* readItems(settings, run, own) } satisfies Loaded
  }
  const all = what.pending.map(({ seq }) => seq)
  const { events, through } = yield* inTime(log.get(run.route, all, bytes))
  const pending = what.pending.filter(({ seq }) => seq <= through)
  const seqs = pending.map(({ seq }) => seq)
  const window = { run: run.id, lo: seqs[0]!, hi: through, seqs }
  return { run, window, items: pendingItems(pending, yield* settings.open(run, events)) } satisfies Loaded
})

/**
 * As much of a window as may be sent now: what is not sent is not planned, so that nobody takes it for sent after a
 * crash.
 */
const within = (loaded: Loaded, maxEvents: number, { requests, records, bytes }: Allowance.Allowance): Loaded => {
  const most = Math.min(records, requests * maxEvents)
  let [count, size] = [0, 0]
  const cut = loaded.items.findIndex(({ event, decided }) => {
    if (decided !== undefined) return false
    const isOver = count >= most || (count > 0 && size >= bytes)
    count++
    size += event?.body.length ?? 0
    return isOver
  })
  if (cut === -1) return loaded
  const items = loaded.items.slice(0, cut)
  const hi = items.at(-1)!.seq
  const seqs = loaded.window.seqs === null ? null : items.map(({ seq }) => seq)
  return { run: loaded.run, window: { ...loaded.window, hi, seqs }, items }
}

/**
 * Plans as much of a window as may be sent now. It stands in the journal before its first send, so that a crash leaves
 * it open, and whoever comes next knows that its outcomes are unknown.
 */
export const plan = Effect.fnUntraced(function* (
  { configVersion, driver, policy }: Settings,
  loaded: Loaded,
  { allowed, probe }: { readonly allowed: Allowance.Allowance; readonly probe: boolean }
) {
  const journal = yield* DeliveryJournal
  const { run, window, items } = within(loaded, driver.batch.maxEvents, allowed)
  const plannedAt = yield* Clock.currentTimeMillis
  const control = yield* journal.control
  const toSend = items.filter(({ decided }) => decided === undefined)
  if (toSend.length > 0) {
    const most = {
      requests: Math.min(allowed.requests, toSend.length),
      records: Math.min(allowed.records, toSend.length),
      bytes: toSend.reduce((sum, { event }) => sum + (event?.body.length ?? 0), 0)
    }
    const rates = Allowance.spend(control, policy.limits, most, plannedAt)
    const planned: Facts.Fact = { _tag: "WindowPlanned", ...window, configVersion, rates }
    yield* journal.commit(probe ? [{ _tag: "BreakerHalfOpened" }, planned] : [planned])
  }
  return { run, window, items, allowed, control, plannedAt } satisfies Planned
})
