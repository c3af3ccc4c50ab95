import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { formatMillis, ofText, toMillis } from "../src/internal/javaInstant.ts"

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 253_402_300_799_999 }))
const Later = Schema.Int.check(Schema.isBetween({ minimum: 253_402_300_800_000, maximum: 8_640_000_000_000_000 }))
const Offset = Schema.Int.check(Schema.isBetween({ minimum: -1080, maximum: 1080 }))
const two = (value: number) => String(value).padStart(2, "0")
const read = (text: string): number | undefined => {
  const instant = ofText(text)
  const millis = instant === undefined ? undefined : toMillis(instant)
  return millis === undefined ? undefined : Number(millis)
}

describe("a time", () => {
  it.prop("is read from ISO 8601, with any offset", [Millis, Offset], ([millis, minutes]) => {
    const local = new Date(millis + minutes * 60_000).toISOString()
    if (local.startsWith("+") || local.startsWith("-")) return
    const size = Math.abs(minutes)
    const offset = `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`
    expect(read(local.replace("Z", offset))).toBe(millis)
  })
  it.prop("is written as it is read, far beyond the year 9999 too", [Schema.Union([Millis, Later])], ([millis]) => {
    expect(read(formatMillis(millis))).toBe(millis)
  })
  it("has no fraction that is zero", () => {
    expect(formatMillis(1_795_507_200_000)).toBe("2026-11-24T08:00:00Z")
    expect(formatMillis(1_795_507_200_120)).toBe("2026-11-24T08:00:00.120Z")
  })
  it("beyond what milliseconds can count is none", () => {
    expect(read("+292278994-08-17T07:12:55.807Z")).toBe(Number(2n ** 63n - 1n))
    expect(read("+292278994-08-17T07:12:55.808Z")).toBeUndefined()
  })
})
