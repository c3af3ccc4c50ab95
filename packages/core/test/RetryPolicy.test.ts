import { describe, expect, it } from "@effect/vitest"
import * as RetryPolicy from "@hookstream/core/delivery/RetryPolicy"
import { Duration, Effect, Random, Result, Schedule } from "effect"

/** The delays that stepping the Schedule gives, until it ends. */
const stepped = (policy: RetryPolicy.RetryPolicy, random01: number) =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(RetryPolicy.schedule(policy))
    const delays: Array<number> = []
    for (let i = 0; i < 200; i++) {
      const next = yield* Effect.result(step(i, undefined))
      if (Result.isFailure(next)) return delays
      delays.push(Duration.toMillis(next.success[1]))
    }
    return delays
  }).pipe(Effect.provideService(Random.Random, { nextDoubleUnsafe: () => random01, nextIntUnsafe: () => 0 }))

/** The delays that the pure function gives, until it ends. */
const computed = (policy: RetryPolicy.RetryPolicy, random01: number) => {
  const delays: Array<number> = []
  for (let attempt = 1; ; attempt++) {
    const delay = RetryPolicy.delayAfter(policy, attempt, random01)
    if (delay === undefined) return delays
    delays.push(delay)
  }
}

describe("the retry policy", () => {
  it.effect.prop("the Schedule and the pure function wait alike", [RetryPolicy.RetryPolicy], ([policy]) =>
    Effect.gen(function* () {
      for (const random01 of [0, 0.5, 0.999]) {
        expect(yield* stepped(policy, random01)).toEqual(computed(policy, random01))
      }
    })
  )

  const seconds = (policy: Partial<RetryPolicy.RetryPolicy>) =>
    computed({ ...RetryPolicy.defaultPolicy, jitter: false, ...policy }, 0.5).map((millis) => millis / 1000)

  it("by default makes six tries over a good day", () => {
    expect(seconds({})).toEqual([30, 300, 1800, 7200, 86_400])
  })
  it("exponential repeats the last interval", () => {
    expect(seconds({ maxRetries: 4, intervals: [1, 5] })).toEqual([1, 5, 5, 5])
  })
  it("linear multiplies the first interval, fixed repeats it", () => {
    expect(seconds({ backoff: "linear", maxRetries: 3, intervals: [10, 99] })).toEqual([10, 20, 30])
    expect(seconds({ backoff: "fixed", maxRetries: 3, intervals: [10, 99] })).toEqual([10, 10, 10])
  })
  it("without retries the first failure is the last", () => {
    expect(seconds({ enabled: false })).toEqual([])
    expect(seconds({ maxRetries: 0 })).toEqual([])
  })
  it("jitter stays within ±10 %", () => {
    const at = (random01: number) => RetryPolicy.delayAfter(RetryPolicy.defaultPolicy, 1, random01)
    expect([at(0), at(0.5), at(1)]).toEqual([27_000, 30_000, 33_000])
  })
})
