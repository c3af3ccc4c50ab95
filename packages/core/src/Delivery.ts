/**
 * The decider of delivery: what a destination does next, and what follows from what a sink said. Pure: time and
 * randomness are arguments.
 *
 * `plan` chooses, `settle` turns outcomes into facts; what people ask for becomes facts in `DeliveryCommands.ts`;
 * `evolve` (in `DeliveryFacts.ts`) folds facts into state.
 */
import * as CircuitBreaker from "./CircuitBreaker.ts"
import {
  type Control,
  eventKey,
  evolveControl,
  type Fact,
  isOutage,
  type PauseReason,
  type Pending,
  type Rates,
  type Run,
  type RunId,
  type Settlement,
  type Window
} from "./DeliveryFacts.ts"
import type { Ordering } from "./Destination.ts"
import * as RateLimit from "./RateLimit.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import type { Outcome, Reason } from "./Sink.ts"

/** Of each kind so many in a second; `null` without a limit. */
export interface PerSecond {
  readonly requests: number | null
  readonly records: number | null
  readonly bytes: number | null
}

export const unlimited: PerSecond = { requests: null, records: null, bytes: null }

/** What a destination is set to. */
export interface Policy {
  readonly ordering: Ordering
  readonly retry: RetryPolicy.RetryPolicy
  readonly breaker: CircuitBreaker.BreakerSettings
  readonly limits: PerSecond
  /** Events pending (waiting for a retry or behind their key) above which reading stops. */
  readonly maxPending: number
  /** Events that are loaded and sent together at most, and their bytes. */
  readonly window: { readonly events: number; readonly bytes: number }
}

// ---------------------------------------------------------------------------------------------------------------------
// Plan

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

/** Sends that may start now. The first is made whatever its bytes. */
export interface Allowance {
  readonly requests: number
  readonly records: number
  readonly bytes: number
}

export type Plan =
  /** A process ended between planning and settling this window. */
  | { readonly _tag: "Recover"; readonly window: Window }
  | {
      readonly _tag: "Retry"
      readonly run: Run
      readonly items: ReadonlyArray<Pending>
      readonly allowed: Allowance
      readonly probe: boolean
    }
  | {
      readonly _tag: "Read"
      readonly run: Run
      readonly maxEvents: number
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

/** What a window holds unless the sink takes larger requests. */
export const WINDOW_EVENTS = 100
export const WINDOW_BYTES = 1024 * 1024
/** A destination paused for its credentials or configuration tries one event again at this interval. */
export const PROBE_INTERVAL = 5 * 60_000
/** An event that was being sent at this many process ends is sent alone from then on: it may be what ends them. */
export const ISOLATE_AFTER = 2

const wait = (until: number | null, because: Extract<Plan, { readonly _tag: "Wait" }>["because"]): Plan => ({
  _tag: "Wait",
  until,
  because
})

/** What the token buckets let through now. */
const allowanceOf = ({ rates }: Control, limits: PerSecond, now: number): Allowance => {
  const of = (kind: keyof Rates) =>
    limits[kind] === null ? Number.POSITIVE_INFINITY : RateLimit.allowance(rates[kind], limits[kind], now)
  return { requests: of("requests"), records: of("records"), bytes: of("bytes") }
}

/** When each token bucket lets something through. */
const allowedAt = ({ rates }: Control, limits: PerSecond, now: number): number =>
  Math.max(
    ...(["requests", "records", "bytes"] as const).map((kind) =>
      limits[kind] === null ? now : RateLimit.nextAt(rates[kind], limits[kind], now)
    )
  )

/** The token buckets after these sends; `null` without a limit. */
export const spend = ({ rates }: Control, limits: PerSecond, sent: Allowance, now: number): Rates | null => {
  if (limits.requests === null && limits.records === null && limits.bytes === null) return null
  const of = (kind: keyof Rates) =>
    limits[kind] === null ? rates[kind] : RateLimit.spend(rates[kind], limits[kind], sent[kind], now)
  return { requests: of("requests"), records: of("records"), bytes: of("bytes") }
}

type ViewedRun = View["runs"][number]

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
  if (item !== undefined && run !== undefined) return { _tag: "Retry", run, items: [item], allowed: ONE, probe: true }
  return behind === undefined
    ? wait(null, "idle")
    : { _tag: "Read", run: behind, maxEvents: 1, allowed: ONE, probe: true }
}

/**
 * What is due of one run, in order of sequence. An event that may be what ends the process goes alone, after the others
 * are done with; those of its key stay behind it.
 */
const retryItems = (view: View, run: Run, size: number): ReadonlyArray<Pending> => {
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
  return safe.length === 0 && suspect !== undefined ? [suspect] : safe.slice(0, size)
}

/** Chooses the next step: recover, wait, probe, retry what is due, read on, finish a replay. */
export const plan = (
  view: View,
  now: number,
  policy: Pick<Policy, "ordering" | "limits" | "maxPending" | "window">
): Plan => {
  const { control } = view
  const { pause, breaker } = control
  if (control.window !== null) return { _tag: "Recover", window: control.window }
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
  const retrying = view.runs.find(({ id }) => id === view.due[0]?.run)
  if (retrying !== undefined) {
    return { _tag: "Retry", run: retrying, items: retryItems(view, retrying, size), allowed, probe: false }
  }
  const room = policy.maxPending - view.pendingCount
  const behind = room > 0 ? view.runs.filter((run) => mayRead(run, policy.ordering)) : []
  const next = behind.find((run) => replayAt(run, now) <= now)
  if (next !== undefined) {
    const records = Math.min(allowed.records, recordsOf(next, now))
    const maxEvents = Math.min(size, room)
    return { _tag: "Read", run: next, maxEvents, allowed: { ...allowed, records }, probe: false }
  }
  const times = [...behind.map((run) => replayAt(run, now)), ...(view.nextDue === null ? [] : [view.nextDue])]
  if (times.length === 0) return wait(null, "idle")
  const until = Math.min(...times)
  return wait(until, until === view.nextDue ? "retry due" : "rate limit")
}

// ---------------------------------------------------------------------------------------------------------------------
// Settle

/** What a reason means for the event and for its destination. The compiler keeps the table complete. */
interface Consequence {
  readonly spendsAttempt: boolean
  readonly next: "dead" | "pause" | "throttle" | "schedule"
}

const CONSEQUENCES: { readonly [R in Reason]: Consequence } = {
  Malformed: { spendsAttempt: true, next: "dead" },
  TooLarge: { spendsAttempt: true, next: "dead" },
  Rejected: { spendsAttempt: true, next: "dead" },
  Unauthorized: { spendsAttempt: false, next: "pause" },
  Misconfigured: { spendsAttempt: false, next: "pause" },
  Throttled: { spendsAttempt: false, next: "throttle" },
  Unavailable: { spendsAttempt: true, next: "schedule" },
  TimedOut: { spendsAttempt: true, next: "schedule" },
  Unknown: { spendsAttempt: true, next: "schedule" }
}

/** Whether this failure is a dead letter at once. */
export const isFinal = (reason: Reason): boolean => CONSEQUENCES[reason].next === "dead"

/** Whether this outcome pauses the destination: it holds for every event. */
export const pauses = (outcome: Outcome): boolean =>
  outcome._tag === "Failed" && CONSEQUENCES[outcome.reason].next === "pause"

/** What came of an event of a window: the sink's word, or why it was not asked. */
export type Result =
  | Outcome
  | { readonly _tag: "Filtered"; readonly rule: number }
  /** An earlier event of its key is pending. */
  | { readonly _tag: "Held" }
  /** Sending stopped before its turn. */
  | { readonly _tag: "NotStarted" }
  /** The process ended while it was being sent; `behind`: after an earlier event of its key. */
  | { readonly _tag: "Lost"; readonly behind: boolean }

/**
 * Whether the next of its key may follow in the same window. Not behind a dead letter: its death is not on record
 * before the window is settled, and after a crash it would be sent again, behind its successor.
 */
export const letsFollow = (result: Result): boolean => result._tag === "Delivered" || result._tag === "Filtered"

/** An answer, as far as the breaker cares; `undefined` of an event that was not sent, or whose end nobody saw. */
const answered = (result: Result): boolean | undefined => {
  if (result._tag === "Delivered") return true
  return result._tag === "Failed" ? !isOutage(result.reason) : undefined
}

/**
 * What the breaker sees: each request once, good when the sink answered for any of its events. A request of several
 * events that failed says nothing of one of them.
 */
const observations = (run: RunId, all: ReadonlyArray<Settled>): ReadonlyArray<CircuitBreaker.Observation> => {
  const requests = Map.groupBy(
    all.filter(({ request }) => request !== null),
    ({ request }) => request
  )
  return [...requests.values()].flatMap((events) => {
    const seen = events.flatMap(({ result }) => answered(result) ?? [])
    const event = `${eventKey(run, events[0]!.seq)}${events.length > 1 ? `-${events.at(-1)!.seq}` : ""}`
    return seen.length === 0 ? [] : [{ event, ok: seen.includes(true) }]
  })
}

/** The same for the breaker, and short: what came before the last good answer does not matter. */
const sinceLastGood = (seen: ReadonlyArray<CircuitBreaker.Observation>): ReadonlyArray<CircuitBreaker.Observation> =>
  seen.slice(
    Math.max(
      0,
      seen.findLastIndex(({ ok }) => ok)
    )
  )

/** The breaker after a request of a window has come to its end. */
export const observe = (
  breaker: CircuitBreaker.Breaker,
  run: RunId,
  request: ReadonlyArray<Settled>
): CircuitBreaker.Breaker => CircuitBreaker.observe(breaker, observations(run, request))

/** Whether to start no further send of this window: the breaker will open, or the destination waits or pauses. */
export const mustStop = (
  request: ReadonlyArray<Settled>,
  breaker: CircuitBreaker.Breaker,
  settings: CircuitBreaker.BreakerSettings
): boolean =>
  CircuitBreaker.mustOpen(breaker, settings) ||
  request.some(
    ({ result }) => result._tag === "Failed" && ["pause", "throttle"].includes(CONSEQUENCES[result.reason].next)
  )

export interface Settled {
  readonly seq: number
  /** Tries spent before this one. */
  readonly spent: number
  readonly restarts: number
  /** When it first failed; `null` when it never did. */
  readonly since: number | null
  readonly key: string | null
  /** Which request of the window it went with; `null` when it was not sent, or nobody knows. */
  readonly request: number | null
  readonly latency: number
  readonly result: Result
  /**
   * It shared its request with an event whose outcome pauses the destination. What is unknown of it then is no fault of
   * the event: no try is spent.
   */
  readonly besideRefusal?: boolean
}

export interface SettleContext {
  readonly now: number
  readonly policy: Pick<Policy, "retry" | "breaker">
  readonly control: Control
  /** The token buckets after what was sent; `null`: as planned. */
  readonly rates: Rates | null
  /** What of the window is still on its way. */
  readonly rest: Window | null
  /** The config that the sends used. An outcome of an older version neither pauses nor opens the breaker. */
  readonly configVersion: number
  /** Uniform in [0, 1); asked once for each retry. */
  readonly random: () => number
}

const THROTTLE_MIN = 1000
const THROTTLE_MAX = 60_000
const RETRY_AFTER_MAX = 3_600_000

/** Sent by a config from before the last repair: how it failed says nothing of the present one. */
const isOutdated = ({ configVersion, control }: SettleContext): boolean => configVersion < control.repairedIn

const throttle = (settled: ReadonlyArray<Settled>, context: SettleContext) => {
  if (isOutdated(context)) return undefined
  const { now, control, random } = context
  const throttled = settled.flatMap(({ result }) =>
    result._tag === "Failed" && result.reason === "Throttled" ? [result] : []
  )
  if (throttled.length === 0) return undefined
  const asked = Math.max(...throttled.map(({ retryAfter }) => retryAfter ?? 0))
  // Never before the time that was asked for, at most twice as late, so that many destinations do not return at once.
  if (asked > 0) {
    const later = Math.round(Math.min(asked * (1 + random()), RETRY_AFTER_MAX))
    return { until: now + later, streak: control.throttleStreak }
  }
  const streak = control.throttleStreak + 1
  return { until: now + Math.min(THROTTLE_MIN * 2 ** (streak - 1), THROTTLE_MAX), streak }
}

/** What becomes of one event. */
const settlement = (one: Settled, context: SettleContext, throttledUntil: number, answeredAt: number): Settlement => {
  const { now, policy, control, random } = context
  const { seq, spent, restarts, key, latency, result } = one
  const later = (delay: number) => (isOutdated(context) ? now : now + delay)
  const attempt = spent + 1
  const since = one.since ?? now
  /** Tries again after try number `tried` by the schedule, as far as there are tries left. */
  const byPolicy = (
    failure: { readonly reason: Reason; readonly detail: string },
    tried: number,
    due: (delay: number) => number | null,
    ends: number
  ) => {
    const base = { seq, attempt, latency, key, ...failure }
    const delay = tried === 0 ? 0 : RetryPolicy.delayAfter(policy.retry, tried, random())
    if (delay !== undefined) {
      return { ...base, _tag: "Retry", spent: tried, due: due(delay), restarts: ends, since } as const
    }
    if (ends === 0 && context.policy.breaker.enabled && tried >= policy.breaker.threshold && answeredAt <= since) {
      // Nothing passed since it first failed: as far as anyone knows the sink is down, and that is not the event's
      // fault.
      const last = RetryPolicy.delayAfter(policy.retry, policy.retry.maxRetries, random()) ?? 0
      return { ...base, _tag: "Retry", spent, due: later(last), restarts: 0, since } as const
    }
    return { ...base, _tag: "Dead" } as const
  }
  switch (result._tag) {
    case "Delivered":
      return { _tag: "Delivered", seq, attempt, latency, receipt: result.receipt }
    case "Filtered":
      return { _tag: "Filtered", seq, rule: result.rule }
    case "Held":
    case "NotStarted":
      return { _tag: "Waiting", seq, key, spent, restarts, due: result._tag === "Held" ? null : now }
    case "Lost": {
      // The first end is nobody's fault, at the second the event is watched alone, each further one spends a try.
      const ends = restarts + 1
      const detail = "hookstream was stopped before the outcome was known; the event is sent again"
      return byPolicy(
        { reason: "Unknown", detail },
        ends > ISOLATE_AFTER ? attempt : spent,
        () => (result.behind ? null : now),
        ends
      )
    }
    case "Failed": {
      const { reason, detail } = result
      const { spendsAttempt, next } = CONSEQUENCES[reason]
      const base = { seq, attempt, latency, reason, detail, key }
      const free = (due: number): Settlement => ({ ...base, _tag: "Retry", spent, due, restarts: 0, since })
      if (next === "dead") return { ...base, _tag: "Dead" }
      if (next === "pause") return free(now)
      if (next === "throttle") return free(throttledUntil)
      // While the circuit is open the cause is the destination: a failed probe is no fault of the event.
      if (control.breaker.state !== "closed" || !spendsAttempt || one.besideRefusal === true) return free(now)
      return byPolicy({ reason, detail }, attempt, later, 0)
    }
  }
}

/** What the outcomes mean for the breaker. `control` has seen them already. */
const breakerFacts = (
  control: Control,
  seen: ReadonlyArray<CircuitBreaker.Observation>,
  { now, policy }: SettleContext
): ReadonlyArray<Fact> => {
  const { breaker } = control
  const { resetMs } = policy.breaker
  if (breaker.state === "closed") {
    return CircuitBreaker.mustOpen(breaker, policy.breaker)
      ? [{ _tag: "BreakerOpened", at: now, until: now + resetMs, probes: 0 }]
      : []
  }
  if (seen.some(({ ok }) => ok)) return [{ _tag: "BreakerClosed", at: now }]
  // The rest of the window that has opened it says nothing new.
  if (breaker.until > now) return []
  // A probe that was filtered out, say, has asked nothing: the next one may go at once.
  const until = seen.length === 0 ? now : now + resetMs
  return [{ _tag: "BreakerOpened", at: now, until, probes: breaker.probes + 1 }]
}

/** What the outcomes mean for the pause of a destination that a user has not paused. */
const pauseFacts = ({ pause }: Control, settled: ReadonlyArray<Settled>, now: number): ReadonlyArray<Fact> => {
  const probeAt = now + PROBE_INTERVAL
  const refused = settled.find(({ result }) => result._tag === "Failed" && pauses(result))?.result
  if (refused?._tag === "Failed") {
    return [{ _tag: "Paused", reason: refused.reason as PauseReason, detail: refused.detail, probeAt }]
  }
  if (pause === null) return []
  const fixed = settled.some(({ result }) => result._tag === "Delivered")
  return [fixed ? { _tag: "Resumed" } : { _tag: "Paused", ...pause, probeAt }]
}

/** The facts that follow from a window's outcomes: one `WindowSettled`, and what it means for the whole destination. */
export const settle = (window: Window, all: ReadonlyArray<Settled>, context: SettleContext): ReadonlyArray<Fact> => {
  const { now, control, rates, rest } = context
  const throttled = throttle(all, context)
  const answeredAt = all.some(({ result }) => answered(result) === true) ? now : control.lastAnswerAt
  const settled = all.map((one) => settlement(one, context, throttled?.until ?? now, answeredAt))
  const seen = observations(window.run, all)
  const fact: Fact = { _tag: "WindowSettled", ...window, at: now, settled, seen: sinceLastGood(seen), rates, rest }
  const facts: Array<Fact> = [fact]
  if (throttled !== undefined) facts.push({ _tag: "ThrottledUntil", ...throttled })
  if (context.configVersion !== control.configVersion) return facts
  facts.push(...breakerFacts(evolveControl(control, fact), seen, context))
  if (control.pause?.reason !== "user") facts.push(...pauseFacts(control, all, now))
  return facts
}
