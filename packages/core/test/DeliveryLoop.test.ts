import * as DeliveryLoop from "@hookstream/core/delivery/DeliveryLoop"
import { describe, expect, it } from "vitest"

const NOW = 1000
const given = (...events: ReadonlyArray<"requested" | DeliveryLoop.Ended>) =>
  events.reduce<DeliveryLoop.Step>(
    ({ state }, event) => (event === "requested" ? DeliveryLoop.requested(state) : DeliveryLoop.ended(state, event)),
    { state: DeliveryLoop.initial, pass: false, alarmAt: null }
  )
const end = (next: number | null, headsKnown = true): DeliveryLoop.Ended => ({ next, now: NOW, headsKnown })

describe("the loop of a destination", () => {
  it("runs the pump when something is asked for, once at a time", () => {
    expect(given("requested").pass).toBe(true)
    expect(given("requested", "requested").pass).toBe(false)
    expect(given("requested", "requested", "requested").pass).toBe(false)
  })
  it("rests when nothing is left, and needs no alarm", () => {
    expect(given("requested", end(null))).toEqual({ state: DeliveryLoop.initial, pass: false, alarmAt: null })
  })
  it("rests until something is due, by the alarm", () => {
    expect(given("requested", end(5000))).toEqual({ state: DeliveryLoop.initial, pass: false, alarmAt: 5000 })
  })
  it("runs once more for what came meanwhile, whether something is due later or nothing is", () => {
    for (const next of [null, 5000]) expect(given("requested", "requested", end(next)).pass).toBe(true)
  })
  it("forgets what came before the pass that has seen it", () => {
    expect(given("requested", "requested", end(null), end(null)).pass).toBe(false)
  })
  it("leaves the rest to the alarm when the pump has used up its time, whatever came meanwhile", () => {
    for (const next of [NOW, NOW - 1]) {
      expect(given("requested", "requested", end(next))).toMatchObject({ pass: false, alarmAt: next })
    }
  })
  it("asks the logs before it rests, when they were not asked", () => {
    expect(given("requested", end(null, false)).pass).toBe(true)
    expect(given("requested", end(5000, false)), "what is due first").toMatchObject({ pass: false, alarmAt: 5000 })
  })
  it("starts anew after a rest", () => {
    expect(given("requested", end(null), "requested").pass).toBe(true)
  })
})
