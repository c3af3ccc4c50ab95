import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { call } from "../src/internal/call.ts"

const reset = Object.assign(new Error("the object was reset"), { retryable: true })
const overloaded = Object.assign(new Error("too many requests"), { retryable: true, overloaded: true })

/** Calls an object that fails with these errors, one after the other, and then answers; with the times of its calls. */
const given = Effect.fnUntraced(function* (...errors: ReadonlyArray<Error>) {
  const clock = yield* Clock.Clock
  const calls: Array<number> = []
  const attempt = async () => {
    const error = errors[calls.length]
    calls.push(clock.currentTimeMillisUnsafe())
    if (error !== undefined) throw error
    return "an answer"
  }
  const fiber = yield* Effect.forkChild(Effect.result(call<string>("the object", attempt)))
  // A promise is no part of virtual time: each try has its turn before the clock goes on.
  for (let i = 0; i < 100 && fiber.pollUnsafe() === undefined; i++) {
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    yield* TestClock.adjust(100)
  }
  return { result: yield* Fiber.join(fiber), calls }
})

describe("a call of an object", () => {
  it.effect("that resets is made again until it has its answer", () =>
    Effect.gen(function* () {
      const { result, calls } = yield* given(reset, reset, reset)
      expect(result).toEqual(Result.succeed("an answer"))
      expect(calls).toHaveLength(4)
      expect(new Set(calls).size).toBe(4)
    })
  )
  it.effect("that does not come back ends within seconds, in an error that names it", () =>
    Effect.gen(function* () {
      const { result, calls } = yield* given(...Array.from({ length: 20 }, () => reset))
      expect(calls).toHaveLength(7)
      expect(calls.at(-1)).toBeLessThan(5000)
      expect(result).toMatchObject({
        failure: { _tag: "UnavailableError", message: "the object did not answer: try again", cause: reset }
      })
    })
  )
  it.effect.each([overloaded, new Error("a defect")])("that fails with %s is made once", (error) =>
    Effect.gen(function* () {
      const { result, calls } = yield* given(error)
      expect(Result.isFailure(result)).toBe(true)
      expect(calls).toHaveLength(1)
    })
  )
})
