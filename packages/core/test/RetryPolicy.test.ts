import { describe, expect, it } from "@effect/vitest"
import * as RetryPolicy from "@hookstream/core/delivery/RetryPolicy"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"

/** Seconds after each failed try, until no try is left. */
const seconds = (changes: Partial<RetryPolicy.RetryPolicy>, random01 = 0.5) => {
  const policy = { ...RetryPolicy.defaultPolicy, jitter: false, ...changes }
  const delays: Array<number> = []
  for (let attempt = 1; ; attempt++) {
    const delay = RetryPolicy.delayAfter(policy, attempt, random01)
    if (delay === undefined) return delays
    delays.push(delay / 1000)
  }
}

describe("the retry policy", () => {
  it("by default makes six tries over a good day", () => {
    expect(seconds({})).toEqual([30, 300, 1800, 7200, 86_400])
  })
  it("exponential repeats the last interval, and leaves out those that it has no tries for", () => {
    expect(seconds({ maxRetries: 4, intervals: [1, 5] })).toEqual([1, 5, 5, 5])
    expect(seconds({ maxRetries: 2, intervals: [1, 5, 9] })).toEqual([1, 5])
  })
  it("linear multiplies the first interval, fixed repeats it", () => {
    expect(seconds({ backoff: "linear", maxRetries: 3, intervals: [10, 99] })).toEqual([10, 20, 30])
    expect(seconds({ backoff: "fixed", maxRetries: 3, intervals: [10, 99] })).toEqual([10, 10, 10])
  })
  it("without retries the first failure is the last", () => {
    expect(seconds({ enabled: false })).toEqual([])
    expect(seconds({ maxRetries: 0 })).toEqual([])
  })
  it("jitter stays within ±10 %, to the millisecond", () => {
    const jittered = (random01: number) => seconds({ jitter: true, maxRetries: 2, intervals: [1, 300] }, random01)
    expect([0, 0.5, 0.25, 1].map(jittered)).toEqual([
      [0.9, 270],
      [1, 300],
      [0.95, 285],
      [1.1, 330]
    ])
    expect(seconds({ jitter: true, maxRetries: 1, intervals: [1] }, 0.1234)).toEqual([0.925])
  })
  it("may be asked for any try, in any order, by a process that saw none before", () => {
    const at = (attempt: number) => RetryPolicy.delayAfter(RetryPolicy.defaultPolicy, attempt, 0.5)
    expect([at(5), at(1), at(6), at(5)]).toEqual([86_400_000, 30_000, undefined, 86_400_000])
  })
  it.effect("is a Schedule that Effect waits by", () =>
    Effect.gen(function* () {
      const policy = { ...RetryPolicy.defaultPolicy, backoff: "linear", maxRetries: 3, jitter: false } as const
      const tries: Array<number> = []
      const failing = Effect.map(Clock.currentTimeMillis, (now) => {
        tries.push(now / 1000)
        return { policy, attempt: tries.length, random01: 0.5 }
      })
      const fiber = yield* Effect.forkChild(Effect.repeat(failing, RetryPolicy.schedule))
      yield* TestClock.adjust("1 hour")
      expect(yield* Fiber.join(fiber)).toBe(4)
      expect(tries).toEqual([0, 30, 90, 180])
    })
  )
})
