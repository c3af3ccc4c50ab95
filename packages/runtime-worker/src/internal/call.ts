import { UnavailableError } from "@hookstream/core/Errors"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/**
 * Cloudflare marks the errors of its objects:
 * https://developers.cloudflare.com/durable-objects/best-practices/error-handling/
 */
interface ObjectError {
  readonly retryable?: boolean
  readonly overloaded?: boolean
}

/** Whether an idempotent call to an object may simply be made again. */
export const isRetryable = (error: unknown): boolean => {
  const { retryable, overloaded } = (error ?? {}) as ObjectError
  return retryable === true && overloaded !== true
}

const backoff = Schedule.exponential("20 millis").pipe(Schedule.upTo({ times: 3 }))

/**
 * Calls an object, again when it was merely reset. `attempt` must take a new stub each time (some errors break the old
 * one) and be idempotent.
 */
export const call = <A>(what: string, attempt: () => Promise<A>): Effect.Effect<A, UnavailableError> =>
  Effect.tryPromise({ try: attempt, catch: (cause) => cause }).pipe(
    Effect.retry({ schedule: backoff, while: isRetryable }),
    Effect.mapError((cause) =>
      cause instanceof UnavailableError
        ? cause
        : new UnavailableError({ message: `${what} did not answer: try again`, cause })
    )
  )
