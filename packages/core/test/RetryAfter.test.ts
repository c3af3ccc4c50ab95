import { describe, expect, it, vi } from "@effect/vitest"
import { parse } from "@hookstream/core/sink/RetryAfter"
import { Schema } from "effect"

const NOW = Date.UTC(2026, 0, 1, 12, 0, 0)

describe("Retry-After", () => {
  it.each([
    ["0", 0],
    ["7", 7000],
    ["120", 120_000],
    ["9".repeat(400), 365 * 86_400_000],
    // RFC 9110 §5.6.7: the form of today, of RFC 850, and of asctime.
    ["Thu, 01 Jan 2026 12:00:30 GMT", 30_000],
    ["Thursday, 01-Jan-26 12:00:30 GMT", 30_000],
    ["Thu Jan  1 12:00:30 2026", 30_000],
    ["Wed, 31 Dec 2025 12:00:00 GMT", 0],
    ["Fri, 01 Jan 9999 00:00:00 GMT", 365 * 86_400_000]
  ])("%s is %d ms", (text, expected) => {
    expect(parse(text, NOW)).toBe(expected)
  })
  it("without a zone is GMT, wherever the gateway runs", () => {
    vi.stubEnv("TZ", "America/New_York")
    expect(new Date(NOW).getHours()).toBe(7)
    expect(parse("Thu Jan  1 12:00:30 2026", NOW)).toBe(30_000)
    vi.unstubAllEnvs()
  })
  it.each(["", " ", "-1", "1.5", "5 GMT", "soon", "2026-01-01T12:00:30Z", "Thu, 99 Foo 2026 12:00:30 GMT"])(
    "%j is not read",
    (text) => {
      expect(parse(text, NOW)).toBeUndefined()
    }
  )
  it("that is not there asks for no wait", () => {
    expect(parse(undefined, NOW)).toBeUndefined()
  })
  it.prop("never asks for a negative, endless or unreadable wait", [Schema.String, Schema.Int], ([text, now]) => {
    const wait = parse(text, now)
    expect(wait === undefined || (Number.isFinite(wait) && wait >= 0)).toBe(true)
  })
})
