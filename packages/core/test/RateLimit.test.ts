import { describe, expect, it } from "@effect/vitest"
import * as RateLimit from "@hookstream/core/delivery/RateLimit"
import { Schema } from "effect"

const Rate = Schema.Literals([0.5, 1, 3, 10, 25])
const Steps = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 900 })))

describe("the rate limit", () => {
  it.prop(
    "lets through at most one second's worth more than its rate, over any time",
    [Rate, Steps],
    ([rate, steps]) => {
      let [now, fullAt, sent] = [1_000_000, 0, 0]
      for (const step of steps) {
        now += step
        const allowed = RateLimit.allowance(fullAt, rate, now)
        fullAt = RateLimit.spend(fullAt, rate, allowed, now)
        sent += allowed
      }
      const seconds = (now - 1_000_000) / 1000
      expect(sent).toBeLessThanOrEqual(rate * seconds + Math.max(1, rate) + 1e-6)
    }
  )
  it.prop("lets one through at the time it names, and none before", [Rate], ([rate]) => {
    const now = 1_000_000
    const fullAt = RateLimit.spend(0, rate, RateLimit.allowance(0, rate, now), now)
    const at = RateLimit.nextAt(fullAt, rate, now)
    expect([RateLimit.allowance(fullAt, rate, at - 1), RateLimit.allowance(fullAt, rate, at)]).toEqual([0, 1])
  })
})
