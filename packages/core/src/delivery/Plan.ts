/** The first half of the decider: what a destination does next. Pure: time is an argument. */
import type { Ordering } from "../workspace/Destination.ts"
import { type Allowance, allowanceOf, allowedAt } from "./Allowance.ts"
import type { Window } from "./Facts.ts"
import { ISOLATE_AFTER, type Policy } from "./Policy.ts"
import * as RateLimit from "./RateLimit.ts"
import type { Control, Pending, Run } from "./State.ts"

/** What `plan` looks at: bounded, whatever the backlog. */
export interface View {
  readonly control: Control
  /** In the order in which they should take their turn, with the number of their pending events and dead letters. */
  readonly runs: ReadonlyArray<Run & { readonly pending: number; readonly dead: number }>
  /**
   * Pending events of enabled runs that are due, oldest due first, each followed by those that wait behind its key; at
   * most as many as one window holds.
   */
  readonly due: ReadonlyArray<Pending>
  /** Pending events of enabled runs that wait behind nothing, due or not, oldest first: a probe is one of them. */
  readonly oldest: ReadonlyArray<Pending>
  /** When the next pending event that is not due yet will be. */
  readonly nextDue: number | null
  readonly pendingCount: number
}

type ViewedRun = View["runs"][number]

/**
 * What one run has of a window. `records`: so many of its events may be sent, which for a replay are fewer than are
 * read.
 */
export type Part =
  /** What is pending and due, in order of sequence. */
  | { readonly run: ViewedRun; readonly records: number; readonly items: ReadonlyArray<Pending> }
  /** What comes next in its log. */
  | { readonly run: ViewedRun; readonly records: number; readonly maxEvents: number }

export type Plan =
  /** A process ended between planning and settling this. */
  | { readonly _tag: "Recover"; readonly window: Window }
  | {
      readonly _tag: "Send"
      /** Of each run one, never none. */
      readonly parts: ReadonlyArray<Part>
      readonly allowed: Allowance
      readonly probe: boolean
    }
  /** A replay has nothing left to do. */
  | { readonly _tag: "Finish"; readonly run: Run }
  /** Nothing to do before `until` (`null`: before a wake-up or a change). */
  | {
      readonly _tag: "Wait"
      readonly until: number | null
      readonly because: "idle" | "paused" | "circuit open" | "throttled" | "rate limit" | "retry due"
    }

const wait = (until: number | null, because: Extract<Plan, { readonly _tag: "Wait" }>["because"]): Plan => ({
  _tag: "Wait",
  until,
  because
})

/** Events that a replay may still send for the first time. */
export const remaining = ({ replay, delivered, pending, dead }: ViewedRun): number =>
  replay?.maxEvents == null ? Number.POSITIVE_INFINITY : replay.maxEvents - delivered - pending - dead

const isBehind = (run: ViewedRun): boolean => run.cursor < run.head && remaining(run) > 0

/** Whether this run may read on: it is behind, and no earlier event holds it up. */
const mayRead = (run: ViewedRun, ordering: Ordering): boolean =>
  run.enabled && isBehind(run) && (ordering !== "strict" || run.pending === 0)

/** When the token bucket of a replay lets the next event through; now for a live run. */
const replayAt = ({ replay, rateFullAt }: Run, now: number): number =>
  replay === null ? now : RateLimit.nextAt(rateFullAt, replay.ratePerSecond, now)

/** Records of this run that may be sent now. */
const recordsOf = (run: ViewedRun, now: number): number =>
  run.replay === null
    ? Number.POSITIVE_INFINITY
    : Math.min(remaining(run), RateLimit.allowance(run.rateFullAt, run.replay.ratePerSecond, now))

/** One request with one event. */
const ONE: Allowance = { requests: 1, records: 1, bytes: Number.POSITIVE_INFINITY }

/**
 * One event to ask whether the sink is back: the pending ones in turn, then the next of a log, so that no single event
 * that always fails keeps the circuit open.
 */
const probe = (view: View, ordering: Ordering, turn: number): Plan => {
  const behind = view.runs.find((run) => mayRead(run, ordering))
  const candidates = view.oldest.length + (behind === undefined ? 0 : 1)
  if (candidates === 0) return wait(null, "idle")
  const item = view.oldest[turn % candidates]
  const run = view.runs.find(({ id }) => id === item?.run)
  const part =
    item !== undefined && run !== undefined
      ? { run, records: 1, items: [item] }
      : behind && { run: behind, records: 1, maxEvents: 1 }
  return part === undefined ? wait(null, "idle") : { _tag: "Send", parts: [part], allowed: ONE, probe: true }
}

/**
 * What is due of one run, in order of sequence: what may be sent with others, and the first event that may be what ends
 * the process. That one goes alone, after all others are done with; those of its key stay behind it.
 */
const dueOf = (view: View, run: ViewedRun) => {
  const items = view.due.filter((one) => one.run === run.id).sort((a, b) => a.seq - b.seq)
  const safe: Array<Pending> = []
  let suspect: Pending | undefined
  const held = new Set<string>()
  for (const item of items) {
    if (item.key !== null && held.has(item.key)) continue
    if (item.restarts < ISOLATE_AFTER) {
      safe.push(item)
      continue
    }
    if (item.key !== null) held.add(item.key)
    suspect ??= item
  }
  return { run, safe, suspect }
}

/** What is due, at most `size` events, of the run that waits longest first. */
const retries = (view: View, size: number): ReadonlyArray<Part> => {
  const order = [...new Set(view.due.map(({ run }) => run))]
  const due = order.flatMap((id) => {
    const run = view.runs.find((one) => one.id === id)
    return run === undefined ? [] : [dueOf(view, run)]
  })
  const parts: Array<Part> = []
  let left = size
  for (const { run, safe } of due) {
    const items = safe.slice(0, left)
    left -= items.length
    if (items.length > 0) parts.push({ run, records: items.length, items })
  }
  if (parts.length > 0) return parts
  const suspected = due.find(({ suspect }) => suspect !== undefined)
  return suspected === undefined ? [] : [{ run: suspected.run, records: 1, items: [suspected.suspect!] }]
}

/**
 * `total` events shared out among runs that are so far behind: equally, as far as each has so many. What is left over
 * is shared out too, for a log may have more than it has said.
 */
const shares = (behind: ReadonlyArray<number>, total: number): ReadonlyArray<number> => {
  const out = behind.map(() => 0)
  const order = behind.map((_, i) => i).sort((a, b) => behind[a]! - behind[b]!)
  let left = total
  order.forEach((i, n) => {
    out[i] = Math.min(behind[i]!, Math.floor(left / (order.length - n)))
    left -= out[i]
  })
  const more = Math.floor(left / out.length)
  return out.map((share) => share + more)
}

/** What comes next in the logs of these runs, at most `size` events; the first runs have their turn where it is few. */
const reads = (runs: ReadonlyArray<ViewedRun>, size: number, now: number): ReadonlyArray<Part> => {
  const turn = runs.slice(0, size)
  const behind = turn.map(({ head, cursor }) => head - cursor)
  return shares(behind, size).map((maxEvents, i) => ({
    run: turn[i]!,
    records: recordsOf(turn[i]!, now),
    maxEvents
  }))
}

/** Chooses the next step: recover, wait, probe, retry what is due, read on, finish a replay. */
export const plan = (
  view: View,
  now: number,
  policy: Pick<Policy, "ordering" | "limits" | "maxPending" | "window">
): Plan => {
  const { control } = view
  const { pause, breaker } = control
  const [left] = control.windows
  if (left !== undefined) return { _tag: "Recover", window: left }
  const over = view.runs.find(
    (run) => run.replay !== null && run.finishedAt === null && run.pending === 0 && !isBehind(run)
  )
  if (over !== undefined) return { _tag: "Finish", run: over }
  if (pause !== null && (pause.probeAt === null || pause.probeAt > now)) return wait(pause.probeAt, "paused")
  if (control.throttledUntil > now) return wait(control.throttledUntil, "throttled")

  const allowed = allowanceOf(control, policy.limits, now)
  if (Math.min(allowed.requests, allowed.records, allowed.bytes) <= 0) {
    return wait(allowedAt(control, policy.limits, now), "rate limit")
  }

  if (breaker.state !== "closed") {
    const step = probe(view, policy.ordering, breaker.probes)
    return breaker.until > now && step._tag !== "Wait" ? wait(breaker.until, "circuit open") : step
  }

  // A paused destination that may probe sends one event only.
  const size = pause === null ? policy.window.events : 1
  const due = retries(view, size)
  if (due.length > 0) return { _tag: "Send", parts: due, allowed, probe: false }
  const room = policy.maxPending - view.pendingCount
  const behind = room > 0 ? view.runs.filter((run) => mayRead(run, policy.ordering)) : []
  const next = behind.filter((run) => replayAt(run, now) <= now)
  if (next.length > 0) {
    return { _tag: "Send", parts: reads(next, Math.min(size, room), now), allowed, probe: false }
  }
  const times = [...behind.map((run) => replayAt(run, now)), ...(view.nextDue === null ? [] : [view.nextDue])]
  if (times.length === 0) return wait(null, "idle")
  const until = Math.min(...times)
  return wait(until, until === view.nextDue ? "retry due" : "rate limit")
}
