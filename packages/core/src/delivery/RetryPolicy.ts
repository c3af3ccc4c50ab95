/**
 * When a failed delivery is tried again. The policy is an Effect `Schedule`; `delayAfter` is the same rule as a pure
 * function, for the durable pump, which cannot hold a schedule in memory over days. A law test proves that both agree.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

const DAY_SECONDS = 86_400

export const RetryPolicy = Schema.Struct({
  /** Without retries the first failure is the last. */
  enabled: Schema.Boolean,
  /** Retries after the first try: 5 retries are 6 tries. */
  maxRetries: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 })),
  /**
   * `exponential` looks the n-th interval up and repeats the last; `linear` is `intervals[0] * n`; `fixed` is
   * `intervals[0]`.
   */
  backoff: Schema.Literals(["exponential", "linear", "fixed"]),
  /** Seconds. */
  intervals: Schema.NonEmptyArray(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 7 * DAY_SECONDS }))),
  /** ±10 %, so that what failed together does not come back together. */
  jitter: Schema.Boolean
})
export type RetryPolicy = typeof RetryPolicy.Type

export const defaultPolicy: RetryPolicy = {
  enabled: true,
  maxRetries: 5,
  backoff: "exponential",
  intervals: [30, 300, 1800, 7200, 86_400],
  jitter: true
}

const JITTER = 0.1

/** Milliseconds after failed try number `attempt` (from 1) without jitter, or `undefined` when it was the last. */
const baseDelay = (policy: RetryPolicy, attempt: number): number | undefined => {
  if (!policy.enabled || attempt > policy.maxRetries) return undefined
  const first = policy.intervals[0]
  const seconds = {
    exponential: policy.intervals[Math.min(attempt, policy.intervals.length) - 1] ?? first,
    linear: first * attempt,
    fixed: first
  }[policy.backoff]
  return seconds * 1000
}

const jittered = (policy: RetryPolicy, millis: number, random01: number): number =>
  policy.jitter ? Math.round(millis * (1 - JITTER + 2 * JITTER * random01)) : millis

/**
 * Milliseconds to wait after failed try number `attempt` (1 is the first try), or `undefined` when no try is left.
 * `random01` is uniform in [0, 1).
 */
export const delayAfter = (policy: RetryPolicy, attempt: number, random01: number): number | undefined => {
  const millis = baseDelay(policy, attempt)
  return millis === undefined ? undefined : jittered(policy, millis, random01)
}

/** The policy as a Schedule, whose output is the number of the failed try. */
export const schedule = (policy: RetryPolicy): Schedule.Schedule<number> =>
  Schedule.fromStepWithMetadata(
    Effect.succeed(({ attempt }: Schedule.InputMetadata<unknown>) => {
      const millis = baseDelay(policy, attempt)
      return millis === undefined
        ? Cause.done(attempt)
        : Effect.succeed<[number, Duration.Duration]>([attempt, Duration.millis(millis)])
    })
  ).pipe(
    Schedule.modifyDelay(({ duration }) =>
      Effect.map(Random.next, (random01) => Duration.millis(jittered(policy, Duration.toMillis(duration), random01)))
    )
  )
