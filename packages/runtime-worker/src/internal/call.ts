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

/** Whether an idempotent call may be made again. An overloaded object is not asked again: that would make it worse. */
const isRetryable = (error: unknown): boolean => {
  const { retryable, overloaded } = (error ?? {}) as ObjectError
  return retryable === true && overloaded !== true
}

/**
 * 55 ms, then twice as long each time, ±20 %: an object that resets or moves is back within seconds, and most senders
 * of webhooks wait for five. Six repeats take 2.8 to 4.2 s.
 */
const pauses = Schedule.exponential("55 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 6 }))

/**
 * Asks an object again while it resets or moves. `ask` must take a new stub each time (some errors break the old one)
 * and be idempotent.
 */
const patiently = <A>(ask: Effect.Effect<A, unknown>): Effect.Effect<A, unknown> =>
  Effect.retry(ask, { schedule: pauses, while: isRetryable })

/** Goes on {@link patiently} after a first try that was made in plain code and failed with `lost`: after a pause. */
export const patientlyAfter = <A>(lost: unknown, ask: Effect.Effect<A, unknown>): Effect.Effect<A, unknown> => {
  let next: Effect.Effect<A, unknown> = Effect.fail(lost)
  return patiently(
    Effect.suspend(() => {
      const now = next
      next = ask
      return now
    })
  )
}

/**
 * Goes on after a call for several has failed with `reason`. Where that was no mark of the platform's, it is not known
 * whose fault it was (the object may not know such calls, or not bear one of the several): `ask` goes at once.
 */
export const patientlyAlone = <A>(reason: unknown, ask: Effect.Effect<A, unknown>): Effect.Effect<A, unknown> => {
  const { retryable, overloaded } = (reason ?? {}) as ObjectError
  return retryable === true || overloaded === true ? patientlyAfter(reason, ask) : patiently(ask)
}

/** Calls an object {@link patiently}. */
export const call = <A>(what: string, attempt: () => Promise<A>): Effect.Effect<A, UnavailableError> =>
  patiently(Effect.tryPromise({ try: attempt, catch: (cause) => cause })).pipe(
    Effect.mapError((cause) =>
      cause instanceof UnavailableError
        ? cause
        : new UnavailableError({ message: `${what} did not answer: try again`, cause })
    )
  )
