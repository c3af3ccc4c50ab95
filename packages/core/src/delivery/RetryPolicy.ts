/**
 * When a failed delivery is tried again. The rule is an Effect `Schedule` without a state of its own: what the journal
 * keeps of a failed try is its input, so that it is stepped over days, by whichever process. `delayAfter` is one step.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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

export interface FailedTry {
  readonly policy: RetryPolicy
  /** 1 is the first try. */
  readonly attempt: number
  /** Uniform in [0, 1). */
  readonly random01: number
}

/** Seconds after a failed try, without jitter. */
const interval = ({ backoff, intervals }: RetryPolicy, attempt: number): number => {
  const first = intervals[0]
  switch (backoff) {
    case "exponential":
      return intervals[Math.min(attempt, intervals.length) - 1] ?? first
    case "linear":
      return first * attempt
    case "fixed":
      return first
  }
}

/** Ends when no try is left. Its output is the number of the failed try. */
export const schedule: Schedule.Schedule<number, FailedTry> = Schedule.fromStep(
  Effect.succeed((_now: number, { policy, attempt, random01 }: FailedTry) => {
    if (!policy.enabled || attempt > policy.maxRetries) return Cause.done(attempt)
    const spread = policy.jitter ? 1 - JITTER + 2 * JITTER * random01 : 1
    const delay = Duration.millis(Math.round(interval(policy, attempt) * 1000 * spread))
    return Effect.succeed<[number, Duration.Duration]>([attempt, delay])
  })
)
const step = Effect.runSync(Schedule.toStep(schedule))

/**
 * Milliseconds to wait after failed try number `attempt` (1 is the first try), or `undefined` when no try is left.
 * `random01` is uniform in [0, 1). A step has its result at once, so no fiber is made for it: a window of failures asks
 * once for each of its events.
 */
export const delayAfter = (policy: RetryPolicy, attempt: number, random01: number): number | undefined => {
  const next = Effect.runSyncExit(step(0, { policy, attempt, random01 }))
  return Exit.isSuccess(next) ? Duration.toMillis(next.value[1]) : undefined
}
