import * as Alarm from "@hookstream/core/Alarm"
import { describe, expect, it } from "vitest"

const setUp = (now = 100_000) => {
  const sets: Array<number> = []
  const clock = { now }
  return {
    clock,
    sets,
    alarm: Alarm.make(
      () => clock.now,
      (at) => sets.push(at),
      async () => sets.at(-1) ?? null
    )
  }
}

describe("the alarm of an object", () => {
  it("is set only when it must fire earlier: each setting costs a row", () => {
    const { alarm, sets } = setUp()
    for (const at of [102_000, 103_000, 101_000, 101_000]) alarm.atLatest(at)
    expect(sets).toEqual([102_000, 101_000])
  })
  it("is set anew once it has fired", () => {
    const { alarm, sets } = setUp()
    alarm.atLatest(101_000)
    alarm.fired()
    alarm.atLatest(105_000)
    expect(sets).toEqual([101_000, 105_000])
  })
  it("is never set to the present or the past: the platform may then fire it late", () => {
    const { alarm, sets } = setUp()
    alarm.atLatest(50_000)
    expect(sets).toEqual([100_001])
  })
  it("that should have fired long ago is taken for lost", () => {
    const { alarm, clock, sets } = setUp()
    alarm.atLatest(101_000)
    clock.now = 161_000
    alarm.atLatest(170_000)
    clock.now = 161_001
    alarm.atLatest(170_000)
    expect(sets).toEqual([101_000, 170_000])
  })
})
