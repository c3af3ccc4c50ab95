import * as FactLines from "@hookstream/core/delivery/FactLines"
import type { Fact, Settlement } from "@hookstream/core/delivery/Facts"
import type { Line } from "@hookstream/core/LogLine"
import * as DeliveryMemory from "@hookstream/core/testing/DeliveryMemory"
import { describe, expect, it } from "vitest"

const given = () => {
  const lines: Array<Line> = []
  const store = FactLines.logged(
    DeliveryMemory.makeMemory(),
    () => "dst_1",
    (line) => lines.push(line)
  )
  store.commit([{ _tag: "ConnectionStarted", connection: "conn_1", sourceId: "src_1", route: "r", after: 0 }], 0)
  return { store, lines }
}
const failure = { attempt: 1, latency: 5, key: null, detail: "down", reason: "Unavailable" } as const
const retry = (seq: number): Settlement => ({
  _tag: "Retry",
  seq,
  ...failure,
  spent: 1,
  due: 9000,
  restarts: 0,
  since: 1
})
const dead = (seq: number, reason: "Rejected" | "TooLarge" = "Rejected", detail = "no"): Settlement => ({
  _tag: "Dead",
  seq,
  ...failure,
  reason,
  detail
})
const settled = (all: ReadonlyArray<Settlement>, run = "conn_1"): Fact => ({
  _tag: "WindowSettled",
  run,
  lo: all[0]!.seq,
  hi: all.at(-1)!.seq,
  seqs: null,
  at: 5000,
  settled: all,
  seen: [
    { event: "a", ok: false },
    { event: "b", ok: false }
  ],
  rates: null,
  rest: null
})
const paused = (reason: "user" | "Unauthorized", detail: string): Fact => ({
  _tag: "Paused",
  reason,
  detail,
  probeAt: reason === "user" ? null : 300_000
})
const messages = (lines: ReadonlyArray<Line>) => lines.map(({ level, message }) => [level, message])

describe("a destination logs", () => {
  it("a pause and its end once each, with the reason, and nothing of the probes between", () => {
    const { store, lines } = given()
    store.commit([settled([retry(1)]), paused("Unauthorized", "401: no such key")], 1)
    for (let probe = 0; probe < 9; probe++) store.commit([paused("Unauthorized", "401: no such key")], 1)
    store.commit([{ _tag: "Resumed" }], 2)
    store.commit([{ _tag: "Resumed" }], 2)
    store.commit([paused("user", "paused by its status")], 3)
    expect(lines).toEqual([
      {
        level: "warn",
        message: "a destination paused",
        fields: {
          destination: "dst_1",
          reason: "Unauthorized",
          detail: "401: no such key",
          next_probe_at: "1970-01-01T00:05:00.000Z"
        }
      },
      {
        level: "info",
        message: "a destination resumed",
        fields: { destination: "dst_1", reason: "Unauthorized" }
      },
      {
        level: "info",
        message: "a destination paused",
        fields: { destination: "dst_1", reason: "user", detail: "paused by its status", next_probe_at: null }
      }
    ])
  })

  it("a circuit that opens and one that closes, once each, with the failure that opened it", () => {
    const { store, lines } = given()
    const opened = (probes: number): Fact => ({ _tag: "BreakerOpened", at: 5000, until: 65_000, probes })
    store.commit([settled([retry(1), retry(2)]), opened(0)], 5000)
    store.commit([{ _tag: "BreakerHalfOpened" }], 65_000)
    store.commit([opened(1)], 65_000)
    store.commit([{ _tag: "BreakerClosed", at: 125_000 }], 125_000)
    store.commit([{ _tag: "BreakerClosed", at: 125_000 }], 125_000)
    expect(messages(lines)).toEqual([
      ["warn", "a circuit opened"],
      ["info", "a circuit closed"]
    ])
    expect(lines[0]!.fields).toEqual({
      destination: "dst_1",
      connection: "conn_1",
      reason: "Unavailable",
      detail: "down",
      failures: 2,
      next_probe_at: "1970-01-01T00:01:05.000Z"
    })
    expect(lines[1]!.fields).toEqual({ destination: "dst_1", open_ms: 120_000, probes: 1 })
  })

  it("500 dead letters of a window in one line, with their count and the first of them", () => {
    const { store, lines } = given()
    const letters = Array.from({ length: 500 }, (_, i) => dead(i + 1, i % 5 === 0 ? "Rejected" : "TooLarge"))
    store.commit([settled([...letters, retry(501)], "conn_1:rpl_1")], 1)
    store.commit([settled([retry(502)])], 1)
    expect(lines).toEqual([
      {
        level: "warn",
        message: "events died",
        fields: {
          destination: "dst_1",
          connection: "conn_1",
          replay: "rpl_1",
          count: 500,
          sequences: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
          reason: "Rejected",
          detail: "no",
          reasons: { Rejected: 100, TooLarge: 400 }
        }
      }
    ])
  })

  it("nothing of what was not committed, and no words that give access", () => {
    const { store, lines } = given()
    const broken = { ...settled([dead(1)]), settled: null } as object as Fact
    expect(() => store.commit([paused("user", ""), broken], 1)).toThrow()
    expect(lines).toEqual([])
    const source = `src_${"0123456789abcdef".repeat(2)}`
    store.commit([settled([dead(1, "Rejected", `echoed ${source} and hs_live_${"0".repeat(64)}`)])], 1)
    expect(lines[0]!.fields["detail"]).toBe(`echoed src_0123456789abcdef0${"0".repeat(15)} and hs_live_…`)
  })
})
