/**
 * The pump of a destination: plan → read → filter → send → settle, again and again, until nothing is due.
 *
 * A pass of it starts no send after {@link PASS_BUDGET}, but waits for those in flight. It keeps nothing in memory
 * between two windows but whose turn it is: what to do next is asked of the journal each time, so it may end anywhere
 * and another goes on.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { UnavailableError } from "../Errors.ts"
import { DeliveryJournal } from "../journal/DeliveryJournal.ts"
import { partsOf } from "../journal/internal/deliveryTelling.ts"
import * as Log from "../LogLine.ts"
import type { Settings } from "./DestinationSettings.ts"
import { dispatch } from "./Dispatch.ts"
import type * as Facts from "./Facts.ts"
import * as Plan from "./Plan.ts"
import { settle } from "./Recorder.ts"
import type * as Settle from "./Settle.ts"
import * as State from "./State.ts"
import * as Window from "./Window.ts"

/** Milliseconds after which a pass starts no further send. */
export const PASS_BUDGET = 30_000
/** Milliseconds until a log that could not be read is asked again. */
const LOG_RETRY = 1000
/** Beside other runs, at least so many times as long as it took to fail: all that time it has held them up. */
const LOG_RETRY_FACTOR = 3

/**
 * Whose turn it is. Who keeps it from pass to pass lets each run have one, also where so little is allowed that a pass
 * is one request, and where one log takes all the time.
 */
export interface Turn {
  /** The last run that had a part of a window. */
  last: Facts.RunId | undefined
  /** Runs whose log could not be read, and until when they are left out. */
  readonly away: Map<Facts.RunId, number>
  /**
   * Runs whose next event may have been sent, and nobody knows what came of it: its send began without a plan and did
   * not come to its end. An event that was accepted after the time beside it, in milliseconds since 1970, was not sent.
   * `undefined`: of an instance that ended in the midst of its work, every run may be one.
   */
  doubts: Map<Facts.RunId, number> | undefined
}

/** Milliseconds by which the clock of a log may be ahead of ours. */
const CLOCK_SKEW = 10_000

/** `isAfterEnd`: the instance before may have ended in the midst of its work. */
export const newTurn = (isAfterEnd = false): Turn => ({
  last: undefined,
  away: new Map(),
  doubts: isAfterEnd ? undefined : new Map()
})

/**
 * The runs of which an instance that has ended may have sent an event without a plan. Whether they are behind is not
 * known while their logs do not answer.
 */
const doubtful = ({ runs, control }: Plan.View, { policy }: Settings, now: number): Map<Facts.RunId, number> => {
  const { pause, breaker, windows } = control
  const { requests, records, bytes } = policy.limits
  const isLimited = requests !== null || records !== null || bytes !== null
  // A person may have paused it since; nothing else did.
  const isPaused = pause !== null && pause.reason !== "user"
  if (isLimited || isPaused || breaker.state !== "closed") return new Map()
  const may = runs.filter(
    ({ id, replay, pending }) =>
      replay === null && (policy.ordering !== "strict" || pending === 0) && !windows.some(({ run }) => run === id)
  )
  return new Map(may.map(({ id }) => [id, now]))
}

/** Shows the next event of these runs as a window that was left open, once they go on. */
const withDoubts = (view: Plan.View, doubts: ReadonlyMap<Facts.RunId, number>): Plan.View => {
  const { control, runs } = view
  if (doubts.size === 0 || control.pause !== null) return view
  const left = runs
    .filter(({ id, enabled, cursor, head }) => doubts.has(id) && enabled && cursor < head)
    .map(({ id, cursor }) => ({ run: id, lo: cursor + 1, hi: cursor + 1, seqs: null }))
  return { ...view, control: { ...control, windows: [...control.windows, ...left] } }
}

/** Each run in turn: those after the last one served come first. */
const rotated = (view: Plan.View, last: string | undefined): Plan.View => {
  const i = view.runs.findIndex(({ id }) => last !== undefined && id > last)
  return i <= 0 ? view : { ...view, runs: [...view.runs.slice(i), ...view.runs.slice(0, i)] }
}

/** What is left without the runs whose log could not be read; their pending events are not in it. */
const without = (view: Plan.View, away: ReadonlySet<Facts.RunId>): Plan.View =>
  away.size === 0
    ? view
    : {
        ...view,
        control: { ...view.control, windows: view.control.windows.filter(({ run }) => !away.has(run)) },
        runs: view.runs.filter(({ id }) => !away.has(id))
      }

/**
 * Settles a window whose outcomes nobody knows: its events are sent again. `false`: the log has less than was said.
 * `until`: nothing of it was sent that was accepted later.
 */
const recover = Effect.fnUntraced(function* (
  settings: Settings,
  view: Plan.View,
  window: Facts.Window,
  until = Number.POSITIVE_INFINITY
) {
  const journal = yield* DeliveryJournal
  const { run: id, lo, hi, seqs } = window
  const run = view.runs.find((one) => one.id === id)
  // The run has ended: nothing of it is sent any more, and its history stays as it is.
  if (run === undefined)
    return yield* Effect.as(
      settle(settings, [{ window: { ...window, seqs: seqs ?? [] }, handled: [], rest: null }]),
      true
    )
  const pending = seqs === null ? [] : yield* journal.pendingAmong(id, seqs)
  if (seqs !== null && pending.length === 0)
    return yield* Effect.as(settle(settings, [{ window, handled: [], rest: null }]), true)
  const wanted = seqs === null ? { after: lo - 1, maxEvents: hi - lo + 1 } : { pending }
  const loaded = yield* Window.load(settings, run, wanted, settings.policy.window.bytes)
  if (loaded === undefined) return false
  // A doubt is about one event.
  if ((loaded.items[0]?.event?.receivedAt ?? 0) > until + CLOCK_SKEW) return true
  const seen = new Set<string>()
  const handled = loaded.items.map(({ seq, key, spent, restarts, since, decided }): Settle.Handled => {
    // Behind what has become pending of its key since, it may have been sent all the same.
    const isHeld = decided?._tag === "Held"
    const behind = isHeld || (key !== null && seen.has(key))
    if (key !== null) seen.add(key)
    const result = decided === undefined || isHeld ? ({ _tag: "Lost", behind } as const) : decided
    return { run: id, seq, key, spent, restarts, since, request: null, latency: 0, result }
  })
  const { hi: last } = loaded.window
  const left = { run: id, lo: last + 1, hi, seqs: seqs?.filter((seq) => seq > last) ?? null }
  yield* settle(settings, [{ window: loaded.window, handled, rest: last < hi ? left : null }])
  return true
})

/** Sends a window; answers the last run that has a part of it. `unread`: see {@link Window.loadParts}. */
const advance = Effect.fnUntraced(function* (
  settings: Settings,
  view: Plan.View,
  step: Extract<Plan.Plan, { readonly _tag: "Send" }>,
  deadline: number,
  doubts: Map<Facts.RunId, number>,
  unread: Parameters<typeof Window.loadParts>[2]
) {
  const journal = yield* DeliveryJournal
  const loaded = yield* Window.loadParts(settings, step.parts, unread)
  // What was planned before a change is planned again.
  if (loaded.length === 0 || State.isChanged(view.control, yield* journal.control)) return undefined
  const planned = yield* Window.plan(settings, loaded, step)
  const { lone } = planned
  // Whatever ends this in between leaves the doubt.
  if (lone !== null) doubts.set(lone, planned.plannedAt)
  yield* dispatch(settings, planned, deadline)
  if (lone !== null) doubts.delete(lone)
  return planned.parts.at(-1)?.window.run
})

/**
 * One pass: until nothing is due or the budget is spent. Answers when the next one is due, in milliseconds since 1970
 * (`null`: when something wakes or changes the destination). `current` answers `undefined` when the destination is
 * gone. `told`: a log could not be read, or (without an error) has less than was said or read. `turn`: see
 * {@link Turn}.
 */
export const pass = Effect.fn("Pump.pass")(function* <R>(
  current: Effect.Effect<Settings | undefined, never, R>,
  told: (run: Facts.RunId, error: UnavailableError | undefined) => void = () => {},
  turn: Turn = newTurn()
) {
  const journal = yield* DeliveryJournal
  const startedAt = yield* Clock.currentTimeMillis

  while (true) {
    const settings = yield* current
    if (settings === undefined) return null
    const now = yield* Clock.currentTimeMillis
    if (now - startedAt >= PASS_BUDGET) return now
    for (const [run, until] of turn.away) if (until <= now) turn.away.delete(run)
    const away = new Set(turn.away.keys())
    const present = without(rotated(yield* journal.view(away), turn.last), away)
    turn.doubts ??= doubtful(present, settings, now)
    const { doubts } = turn
    const view = withDoubts(present, doubts)
    const step = Plan.plan(view, now, settings.policy)
    if (step._tag === "Wait") {
      return away.size === 0 ? step.until : Math.min(step.until ?? Number.POSITIVE_INFINITY, ...turn.away.values())
    }

    const unread = Effect.fnUntraced(function* (run: Facts.RunId, error: UnavailableError | undefined) {
      const at = yield* Clock.currentTimeMillis
      const pause = view.runs.length > 1 ? LOG_RETRY_FACTOR * (at - now) : 0
      turn.away.set(run, at + Math.max(LOG_RETRY, pause))
      told(run, error)
      if (error === undefined) return
      const fields = { destination: settings.destinationId, ...partsOf(run) }
      yield* Log.write(Log.line("warn", "a log could not be read", fields, error))
    })
    switch (step._tag) {
      case "Recover": {
        const { run } = step.window
        const isRead = yield* recover(settings, view, step.window, doubts.get(run)).pipe(
          Effect.tap((isDone) => Effect.sync(() => isDone && doubts.delete(run))),
          Effect.catchTag("UnavailableError", (error) => Effect.as(unread(run, error), true))
        )
        if (!isRead) yield* unread(run, undefined)
        break
      }
      case "Send":
        turn.last =
          (yield* advance(settings, view, step, startedAt + PASS_BUDGET, doubts, ({ id }, error) =>
            unread(id, error)
          )) ?? turn.last
        break
      case "Finish":
        yield* journal.commit([{ _tag: "ReplayFinished", run: step.run.id, at: yield* Clock.currentTimeMillis }])
    }
  }
})
