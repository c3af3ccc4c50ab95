/**
 * The second half of the decider: what follows from what a sink said. Pure: time and randomness are arguments.
 *
 * The sink says an `Outcome` of each event. A `Disposition` is that, or why the sink was not asked. A `Settlement` is
 * what becomes of the event; it is part of the fact that the journal keeps.
 */
import type { Outcome, Reason } from "../sink/Sink.ts"
import * as CircuitBreaker from "./CircuitBreaker.ts"
import type { Fact, PauseReason, Rates, RunId, Settlement, Window } from "./Facts.ts"
import { ISOLATE_AFTER, type Policy } from "./Policy.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import { type Control, eventKey, evolveControl, isOutage } from "./State.ts"

/** A destination paused for its credentials or configuration tries one event again at this interval. */
export const PROBE_INTERVAL = 5 * 60_000

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
export type Disposition =
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
export const letsFollow = ({ _tag }: Disposition): boolean => LETS_FOLLOW[_tag]
const LETS_FOLLOW: Readonly<Record<Disposition["_tag"], boolean>> = {
  Delivered: true,
  Filtered: true,
  Failed: false,
  Held: false,
  NotStarted: false,
  Lost: false
}

/** An answer, as far as the breaker cares; `undefined` for an event that was not sent, or whose end is unknown. */
const answered = (result: Disposition): boolean | undefined => {
  switch (result._tag) {
    case "Delivered":
      return true
    case "Failed":
      return !isOutage(result.reason)
    case "Filtered":
    case "Held":
    case "NotStarted":
    case "Lost":
      return undefined
  }
}

/**
 * What the breaker sees: each request once, good when the sink answered for any of its events. A request of several
 * events that failed says nothing of one of them.
 */
const observations = (all: ReadonlyArray<Handled>): ReadonlyArray<CircuitBreaker.Observation> => {
  const requests = Map.groupBy(
    all.filter(({ request }) => request !== null),
    ({ request }) => request
  )
  const inOrder = [...requests].sort(([a], [b]) => a! - b!)
  return inOrder.flatMap(([, events]) => {
    const seen = events.flatMap(({ result }) => answered(result) ?? [])
    const [first, last] = [events[0]!, events.at(-1)!]
    const event = eventKey(first.run, first.seq)
    const through = first.run === last.run ? `${last.seq}` : eventKey(last.run, last.seq)
    return seen.length === 0 ? [] : [{ event: first === last ? event : `${event}-${through}`, ok: seen.includes(true) }]
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
export const observe = (breaker: CircuitBreaker.Breaker, request: ReadonlyArray<Handled>): CircuitBreaker.Breaker =>
  CircuitBreaker.observe(breaker, observations(request))

/** Whether to start no further send of this window: the breaker will open, or the destination waits or pauses. */
export const mustStop = (
  request: ReadonlyArray<Handled>,
  breaker: CircuitBreaker.Breaker,
  settings: CircuitBreaker.BreakerSettings
): boolean =>
  CircuitBreaker.mustOpen(breaker, settings) ||
  request.some(
    ({ result }) => result._tag === "Failed" && ["pause", "throttle"].includes(CONSEQUENCES[result.reason].next)
  )

export interface Handled {
  readonly run: RunId
  readonly seq: number
  /** Tries spent before this one. */
  readonly spent: number
  readonly restarts: number
  /** When it first failed; `null` when it never did. */
  readonly since: number | null
  readonly key: string | null
  /** Which request of the window it went with; `null` when it was not sent, or is unknown. */
  readonly request: number | null
  readonly latency: number
  readonly result: Disposition
  /**
   * It shared its request with an event whose outcome pauses the destination. What is unknown of it then is no fault of
   * the event: no try is spent.
   */
  readonly besideRefusal?: boolean
}

/** What of a window has come to its end, of one run. */
export interface Ended {
  readonly window: Window
  readonly handled: ReadonlyArray<Handled>
  /** What of the run is still on its way. */
  readonly rest: Window | null
}

export interface SettleContext {
  readonly now: number
  readonly policy: Pick<Policy, "retry" | "breaker">
  readonly control: Control
  /** The token buckets after what was sent; `null`: as planned. */
  readonly rates: Rates | null
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

const throttle = (settled: ReadonlyArray<Handled>, context: SettleContext) => {
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
const settlement = (one: Handled, context: SettleContext, throttledUntil: number, answeredAt: number): Settlement => {
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
      // The first end blames no event, after the second the event is sent alone, each further one spends an attempt.
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
      switch (next) {
        case "dead":
          return { ...base, _tag: "Dead" }
        case "pause":
          return free(now)
        case "throttle":
          return free(throttledUntil)
        case "schedule":
          // While the circuit is open the cause is the destination: a failed probe is no fault of the event.
          if (control.breaker.state !== "closed" || !spendsAttempt || one.besideRefusal === true) return free(now)
          return byPolicy({ reason, detail }, attempt, later, 0)
      }
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
const pauseFacts = ({ pause }: Control, settled: ReadonlyArray<Handled>, now: number): ReadonlyArray<Fact> => {
  const probeAt = now + PROBE_INTERVAL
  const refused = settled.find(({ result }) => result._tag === "Failed" && pauses(result))?.result
  if (refused?._tag === "Failed") {
    return [{ _tag: "Paused", reason: refused.reason as PauseReason, detail: refused.detail, probeAt }]
  }
  if (pause === null) return []
  const fixed = settled.some(({ result }) => result._tag === "Delivered")
  return [fixed ? { _tag: "Resumed" } : { _tag: "Paused", ...pause, probeAt }]
}

/**
 * The facts that follow from a window's outcomes: one `WindowSettled` for each run, and what they mean for the whole
 * destination. What the breaker has seen stands in the last of them, for requests have events of several runs. `asked`:
 * all events of the requests that it has not seen yet, for those of one request may be settled one after another.
 */
export const settle = (
  parts: ReadonlyArray<Ended>,
  context: SettleContext,
  asked: ReadonlyArray<Handled> = parts.flatMap(({ handled }) => handled)
): ReadonlyArray<Fact> => {
  const { now, control, rates } = context
  const all = parts.flatMap(({ handled }) => handled)
  const throttled = throttle(all, context)
  const answeredAt = all.some(({ result }) => answered(result) === true) ? now : control.lastAnswerAt
  const seen = observations(asked)
  const facts: Array<Fact> = parts.map(({ window, handled, rest }, i) => ({
    _tag: "WindowSettled",
    ...window,
    at: now,
    settled: handled.map((one) => settlement(one, context, throttled?.until ?? now, answeredAt)),
    seen: i === parts.length - 1 ? sinceLastGood(seen) : [],
    rates: i === 0 ? rates : null,
    rest
  }))
  const after = facts.reduce(evolveControl, control)
  if (throttled !== undefined) facts.push({ _tag: "ThrottledUntil", ...throttled })
  if (context.configVersion !== control.configVersion) return facts
  facts.push(...breakerFacts(after, seen, context))
  if (control.pause?.reason !== "user") facts.push(...pauseFacts(control, all, now))
  return facts
}
