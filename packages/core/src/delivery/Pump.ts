/**
 * The pump of a destination: plan → read → filter → send → settle, again and again, until nothing is due.
 *
 * A pass of it starts no send after {@link PASS_BUDGET}, but waits for those in flight. It keeps nothing in memory
 * between two windows: what to do next is asked of the journal each time, so it may end anywhere and another goes on.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
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

/** Settles a window whose outcomes nobody knows: its events are sent again. `false` when the log has less than was said. */
const recover = Effect.fnUntraced(function* (settings: Settings, view: Plan.View, window: Facts.Window) {
  const journal = yield* DeliveryJournal
  const { run: id, lo, hi, seqs } = window
  const run = view.runs.find((one) => one.id === id)
  // The run has ended: nothing of it is sent any more, and its history stays as it is.
  if (run === undefined) return yield* Effect.as(settle(settings, { ...window, seqs: seqs ?? [] }, []), true)
  const pending = seqs === null ? [] : yield* journal.pendingAmong(id, seqs)
  if (seqs !== null && pending.length === 0) return yield* Effect.as(settle(settings, window, []), true)
  const what = seqs === null ? { after: lo - 1, maxEvents: hi - lo + 1 } : { pending }
  const loaded = yield* Window.load(settings, run, what)
  if (loaded === undefined) return false
  const seen = new Set<string>()
  const settled = loaded.items.map(({ seq, key, spent, restarts, since, decided }): Settle.Handled => {
    // Behind what has become pending of its key since, it may have been sent all the same.
    const isHeld = decided?._tag === "Held"
    const behind = isHeld || (key !== null && seen.has(key))
    if (key !== null) seen.add(key)
    const result = decided === undefined || isHeld ? ({ _tag: "Lost", behind } as const) : decided
    return { seq, key, spent, restarts, since, request: null, latency: 0, result }
  })
  const { hi: last } = loaded.window
  const left = { run: id, lo: last + 1, hi, seqs: seqs?.filter((seq) => seq > last) ?? null }
  yield* settle(settings, loaded.window, settled, null, last < hi ? left : null)
  return true
})

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
  const loaded = yield* Window.load(settings, run, what)
  if (loaded === undefined) return false
  // What was planned before a change is planned again.
  if (State.isChanged(view.control, yield* journal.control)) return true
  yield* dispatch(settings, yield* Window.plan(settings, loaded, step), deadline)
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
 * One pass: goes on until nothing is due or the budget is spent. Answers when the next one is due, in milliseconds since
 * 1970 (`null`: when something wakes or changes the destination). `current` answers `undefined` when the destination is
 * gone.
 */
export const pass = Effect.fn("Pump.pass")(function* <R>(current: Effect.Effect<Settings | undefined, never, R>) {
  const journal = yield* DeliveryJournal
  const startedAt = yield* Clock.currentTimeMillis
  let lastServed: string | undefined
  /** Runs whose log could not be read: those of other logs go on. */
  const away = new Set<Facts.RunId>()

  while (true) {
    const settings = yield* current
    if (settings === undefined) return null
    const now = yield* Clock.currentTimeMillis
    if (now - startedAt >= PASS_BUDGET) return now
    const view = without(rotated(yield* journal.view, lastServed), away)
    const step = Plan.plan(view, now, settings.policy)
    if (step._tag === "Wait") {
      return away.size === 0 ? step.until : Math.min(step.until ?? Number.POSITIVE_INFINITY, now + LOG_RETRY)
    }

    const done = yield* carryOut(settings, view, step, startedAt + PASS_BUDGET).pipe(
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
