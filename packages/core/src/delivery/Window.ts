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
import * as Epochs from "../log/Epochs.ts"
import { EventLog } from "../log/EventLog.ts"
import { failed } from "../sink/Sink.ts"
import * as Allowance from "./Allowance.ts"
import type { ConnectionSettings, Settings } from "./DestinationSettings.ts"
import type * as Facts from "./Facts.ts"
import { type Item, keyInRun } from "./internal/sendQueue.ts"
import type * as Plan from "./Plan.ts"
import * as Policy from "./Policy.ts"
import type * as Settle from "./Settle.ts"
import * as State from "./State.ts"

/** Milliseconds in which a log must answer a read. */
const LOG_DEADLINE = 20_000
/** Logs that are read at once: what they give, a large event each, is in memory before its bytes are known. */
const LOGS_AT_ONCE = 4

/** What one run has of a window, with its events. */
export interface Loaded {
  readonly window: Facts.Window
  /** In order of sequence. */
  readonly items: ReadonlyArray<Item>
}

/** A window whose sends may start. */
export interface Planned {
  readonly parts: ReadonlyArray<Loaded>
  readonly allowed: Allowance.Allowance
  /** As it was before: the rates of what is planned are not spent yet. */
  readonly control: State.Control
  readonly plannedAt: number
  /** The run of which it is the next event, alone: nothing of it stands in the journal. */
  readonly lone: Facts.RunId | null
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
const fresh = (settings: Settings, run: State.Run, intake: Intake, event: Event): Item => {
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
  return {
    run,
    seq: event.seq,
    event,
    key,
    keyInRun: keyInRun(run, key),
    spent: 0,
    restarts: 0,
    since: null,
    alone: false,
    decided
  }
}

const isSet = (key: string | null): key is string => key !== null

/** The events of a log window. Those of a key that has a pending event are held behind it. */
const readItems = Effect.fnUntraced(function* (settings: Settings, run: State.Run, events: ReadonlyArray<Event>) {
  const journal = yield* DeliveryJournal
  const intake = intakeOf(settings, run)
  const items = events.map((event) => fresh(settings, run, intake, event))
  const keys = [...new Set(items.map(({ key }) => key).filter(isSet))]
  const blocked = keys.length === 0 ? new Set<string>() : yield* journal.blockedKeys(run.id, keys)
  return items.map((item) =>
    item.decided === undefined && item.key !== null && blocked.has(item.key)
      ? { ...item, decided: { _tag: "Held" } as const }
      : item
  )
})

/** Pending events with what their log holds of them; they are not filtered again. */
const pendingItems = (
  run: State.Run,
  pending: ReadonlyArray<State.Pending>,
  events: ReadonlyArray<Event>
): ReadonlyArray<Item> => {
  const bySeq = new Map(events.map((event) => [event.seq, event]))
  const gone = failed("Rejected", "the event is no longer stored: its retention has passed")
  return pending.map(({ seq, key, spent, restarts, since, reason }) => {
    const event = bySeq.get(seq)
    const alone = restarts >= Policy.ISOLATE_AFTER || (reason !== null && State.isOutage(reason))
    const decided = event === undefined ? gone : undefined
    return { run, seq, event, key, keyInRun: keyInRun(run, key), spent, restarts, since, alone, decided }
  })
}

/** A log that does not answer holds up no run for longer than its deadline. */
const inTime = <A>(read: Effect.Effect<A, UnavailableError>): Effect.Effect<A, UnavailableError> =>
  Effect.timeoutOrElse(read, {
    duration: LOG_DEADLINE,
    orElse: () => Effect.fail(new UnavailableError({ message: `the log did not answer within ${LOG_DEADLINE} ms` }))
  })

/** What is loaded of a run: what comes after a sequence of its log, or what is pending. */
export type Wanted =
  | { readonly after: number; readonly maxEvents: number }
  | { readonly pending: ReadonlyArray<State.Pending> }

/**
 * Loads events of a run, up to so many bytes, metas too; `undefined` when its log has less than was said, or no longer
 * what was read of it.
 */
export const load = Effect.fnUntraced(function* (settings: Settings, run: State.Run, wanted: Wanted, maxBytes: number) {
  const log = yield* EventLog
  if ("after" in wanted) {
    // A live run also takes what came since its log told it.
    const end = run.replay === null ? Number.POSITIVE_INFINITY : run.head
    const maxEvents = Math.min(wanted.maxEvents, end - wanted.after)
    const page = yield* inTime(log.read(run.route, wanted.after, { maxEvents, maxBytes }))
    const { events, bytes, head, epochs = [] } = page
    if (!Epochs.continues(page, run.marks, wanted.after)) return undefined
    const own = yield* settings.open(
      run,
      events.filter(({ seq }) => seq <= end)
    )
    const last = own.at(-1)
    // Of a replay, what its log had and no longer holds is passed over. What a live run needs is never dropped.
    if (last === undefined && (run.replay === null || head < run.head)) return undefined
    const hi = last?.seq ?? run.head
    const known = run.marks.at(-1)?.epoch
    const begun = epochs.filter(({ id, first }) => id !== known && first <= hi)
    const window = {
      run: run.id,
      lo: wanted.after + 1,
      hi,
      seqs: null,
      ...(begun.length === 0 ? {} : { epochs: begun })
    }
    return { window, items: yield* readItems(settings, run, own), bytes }
  }
  const all = wanted.pending.map(({ seq }) => seq)
  const { events, bytes, through, history } = yield* inTime(log.get(run.route, all, maxBytes))
  if (history !== undefined && !Epochs.continues(history, run.marks, run.cursor)) return undefined
  const pending = wanted.pending.filter(({ seq }) => seq <= through)
  const seqs = pending.map(({ seq }) => seq)
  // The log is nobody's, so it looked for none of them.
  if (seqs.length === 0) return undefined
  const window = { run: run.id, lo: seqs[0]!, hi: through, seqs }
  return { window, items: pendingItems(run, pending, yield* settings.open(run, events)), bytes }
})

const sizeOf = ({ event }: Item): number => event?.body.length ?? 0
const bytesOf = (items: ReadonlyArray<Item>): number => items.reduce((sum, item) => sum + sizeOf(item), 0)

/** A part of a step, loaded. */
export interface LoadedPart extends Loaded {
  readonly part: Plan.Part
}

/**
 * Loads the parts of a window, some logs at once, until its bytes are spent: what is left has its turn in the next one.
 * `unread` is told of parts whose log could not be read (with why), or has less than was said or read.
 */
export const loadParts = Effect.fnUntraced(function* (
  settings: Settings,
  parts: ReadonlyArray<Plan.Part>,
  unread: (run: State.Run, error: UnavailableError | undefined) => Effect.Effect<void>
) {
  const atOnce = Math.min(LOGS_AT_ONCE, parts.length)
  let left = settings.policy.window.bytes
  const loaded = yield* Effect.forEach(
    parts,
    Effect.fnUntraced(function* (part) {
      if (left <= 0) return []
      const { run } = part
      const wanted = "items" in part ? { pending: part.items } : { after: run.cursor, maxEvents: part.maxEvents }
      const found = yield* load(settings, run, wanted, Math.ceil(left / atOnce)).pipe(
        Effect.catchTag("UnavailableError", (error) => Effect.as(unread(run, error), null))
      )
      if (found === null) return []
      if (found === undefined) {
        yield* unread(run, undefined)
        return []
      }
      const { window, items, bytes } = found
      left -= bytes
      return [{ part, window, items } satisfies LoadedPart]
    }),
    { concurrency: atOnce }
  )
  return loaded.flat()
})

/** What of each part may not be sent now: events are dealt in turn, so that no part takes all that is allowed. */
const dealt = (
  parts: ReadonlyArray<LoadedPart>,
  maxEvents: number,
  { requests, records, bytes }: Allowance.Allowance
): ReadonlyArray<ReadonlyArray<Item>> => {
  const most = Math.min(records, requests * maxEvents)
  let [count, size] = [0, 0]
  // What is held is not sent, but it becomes pending: it is one of those that a replay may send.
  const hands = parts.map(({ part, items }) => ({
    most: part.records,
    items: items.filter(({ decided }) => decided?._tag !== "Filtered"),
    own: 0
  }))
  let open = hands
  while (open.length > 0) {
    open = open.filter((hand) => {
      const item = hand.items[hand.own]
      if (item === undefined || hand.own >= hand.most) return false
      if (item.decided === undefined) {
        if (count >= most || (count > 0 && size >= bytes)) return false
        count++
        size += sizeOf(item)
      }
      hand.own++
      return true
    })
  }
  return hands.map(({ items, own }) => items.slice(own))
}

/** A part up to this event; nothing where it is the first of all. */
const upTo = ({ window, items: all }: Loaded, end: Item): ReadonlyArray<Loaded> => {
  const items = all.slice(0, all.indexOf(end))
  const last = items.at(-1)
  if (last === undefined) return []
  const seqs = window.seqs === null ? null : items.map(({ seq }) => seq)
  return [{ window: { ...window, hi: last.seq, seqs }, items }]
}

/**
 * As much of each part as may be sent now: what is not sent is not planned, so that nobody takes it for sent after a
 * crash.
 */
const within = (
  parts: ReadonlyArray<LoadedPart>,
  maxEvents: number,
  allowed: Allowance.Allowance
): ReadonlyArray<Loaded> => {
  const left = dealt(parts, maxEvents, allowed)
  return parts.flatMap(({ window, items }, i) => {
    const [end] = left[i]!
    return end === undefined ? [{ window, items }] : upTo({ window, items }, end)
  })
}

const isToSend = ({ decided }: Item): boolean => decided === undefined

/**
 * Whether a window is the next event of a live run and no more, and sent under no limit and for no probe. Who comes
 * next knows without a plan what it may have been (`Turn.doubts`).
 */
const isLone = (
  parts: ReadonlyArray<Loaded>,
  { pause, breaker }: State.Control,
  rates: Facts.Rates | null
): boolean => {
  const [part] = parts
  const [item] = part?.items ?? []
  if (item === undefined || parts.length > 1 || part!.items.length > 1) return false
  const isNext = part!.window.seqs === null && item.run.replay === null && isToSend(item)
  return isNext && rates === null && pause === null && breaker.state === "closed"
}

/**
 * Plans as much of a window as may be sent now. It stands in the journal before its first send, so that a crash leaves
 * it open, and whoever comes next knows that its outcomes are unknown. A lone event needs no plan.
 */
export const plan = Effect.fnUntraced(function* (
  { configVersion, driver, policy }: Settings,
  loaded: ReadonlyArray<LoadedPart>,
  { allowed, probe }: { readonly allowed: Allowance.Allowance; readonly probe: boolean }
) {
  const journal = yield* DeliveryJournal
  const parts = within(loaded, driver.batch.maxEvents, allowed)
  const plannedAt = yield* Clock.currentTimeMillis
  const control = yield* journal.control
  let lone: Facts.RunId | null = null
  const toSend = parts.flatMap(({ items }) => items).filter(isToSend)
  if (toSend.length > 0) {
    const most = {
      requests: Math.min(allowed.requests, toSend.length),
      records: Math.min(allowed.records, toSend.length),
      bytes: bytesOf(toSend)
    }
    const rates = Allowance.spend(control, policy.limits, most, plannedAt)
    const [{ window }] = parts as readonly [Loaded]
    // To ask the storage is also what an instance fails at whose place another has taken.
    if (isLone(parts, control, rates) && (yield* journal.pendingAmong(window.run, [window.lo])).length === 0) {
      lone = window.run
    } else {
      const planned = parts
        .filter(({ items }) => items.some(isToSend))
        .map(({ window }, i): Facts.Fact => {
          return { _tag: "WindowPlanned", ...window, configVersion, rates: i === 0 ? rates : null }
        })
      yield* journal.commit(probe ? [{ _tag: "BreakerHalfOpened" }, ...planned] : planned)
    }
  }
  return { parts, allowed, control, plannedAt, lone } satisfies Planned
})
