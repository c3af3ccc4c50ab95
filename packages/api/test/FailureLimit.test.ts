import { describe, expect, it } from "@effect/vitest"
import * as FailureLimit from "@hookstream/api/FailureLimit"
import { Effect } from "effect"
import { TestClock } from "effect/testing"

const many = (take: FailureLimit.Take, key: string, count: number) =>
  Effect.map(
    Effect.forEach(Array.from({ length: count }), () => take(key)),
    (taken) => taken.filter(Boolean).length
  )

describe("who fails", () => {
  it.effect("may do so for a burst, then at a rate, each address for itself", () =>
    Effect.gen(function* () {
      const take = FailureLimit.makeMemory(60)
      yield* TestClock.setTime(1_700_000_000_000)
      expect(yield* many(take, "192.0.2.1", 100)).toBe(60)
      expect(yield* many(take, "192.0.2.2", 1)).toBe(1)
      yield* TestClock.adjust("10 seconds")
      expect(yield* many(take, "192.0.2.1", 100)).toBe(10)
      yield* TestClock.adjust("5 minutes")
      expect(yield* many(take, "192.0.2.1", 100)).toBe(60)
    })
  )
  it.effect("is forgotten when too many others fail: memory is bounded", () =>
    Effect.gen(function* () {
      const take = FailureLimit.makeMemory(1)
      yield* TestClock.setTime(1_700_000_000_000)
      expect(yield* many(take, "first", 2)).toBe(1)
      for (let n = 0; n < 9_999; n++) yield* take(`other ${n}`)
      expect(yield* take("first")).toBe(false)
      yield* take("one more")
      expect(yield* take("first")).toBe(true)
    })
  )
})

describe("the address of a sender", () => {
  const address = (value: string | undefined, trusted: string | undefined = "X-Real-IP") =>
    FailureLimit.addressOf(new Headers(value === undefined ? {} : { "x-real-ip": value }), trusted)
  it("is believed of the trusted header alone, of a list its last entry", () => {
    expect(address("192.0.2.1")).toBe("192.0.2.1")
    expect(address("203.0.113.7, 192.0.2.1")).toBe("192.0.2.1")
    expect(FailureLimit.addressOf(new Headers({ "cf-connecting-ip": "192.0.2.1" }), undefined)).toBeNull()
    expect(FailureLimit.addressOf(new Headers({ "cf-connecting-ip": "192.0.2.1" }), "X-Real-IP")).toBeNull()
    expect(address("")).toBeNull()
    expect(address(undefined)).toBeNull()
  })
  it.each([
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["::FFFF:203.0.113.7", "203.0.113.7"],
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8:1:2::6", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["2001:db8::", "2001:db8:0:0"],
    [null, "unknown"]
  ])("%s is counted as %s", (given, counted) => {
    expect(FailureLimit.keyOf(given)).toBe(counted)
  })
})
