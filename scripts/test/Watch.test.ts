import { describe, expect, it } from "vitest"
import { linesOf, plain } from "../Watch.ts"

const destination = {
  id: "dst_1",
  name: "Orders",
  status: "active" as const,
  paused_reason: null,
  circuit: { state: "closed" as const, next_probe_at: null },
  dead: 0,
  last_error: null,
  next_attempt_at: null
}
const { said: well } = linesOf(destination, [], {
  paused: null,
  isOpen: false,
  error: null,
  dead: 0,
  letters: new Set()
})
const letter = (event_id: string) => ({
  event_id,
  connection_id: "conn_1",
  replay_id: null,
  attempts: 6,
  reason: "Rejected",
  error: "the receiver answered 400"
})

describe("a line of what goes wrong", () => {
  it("is written once, and again only when something has changed", () => {
    const paused = { ...destination, status: "paused" as const, paused_reason: "Unauthorized: 401" }
    const first = linesOf(paused, [], well)
    expect(first.lines).toEqual(['paused  "Orders" (dst_1): Unauthorized: 401'])
    expect(linesOf(paused, [], first.said).lines).toEqual([])
    expect(linesOf({ ...paused, paused_reason: "user" }, [], first.said).lines).toEqual([
      'paused  "Orders" (dst_1): user'
    ])
    expect(linesOf(destination, [], first.said).lines).toEqual(['resumed  "Orders" (dst_1)'])
  })
  it("is not written for a probe of an open circuit", () => {
    const open = {
      ...destination,
      circuit: { state: "open" as const, next_probe_at: "T" },
      last_error: "Unavailable: 500"
    }
    const first = linesOf(open, [], well)
    expect(first.lines).toEqual(['circuit opened  "Orders" (dst_1): Unavailable: 500; next probe at T'])
    const half = { ...open, circuit: { state: "half_open" as const, next_probe_at: "T" } }
    expect(linesOf(half, [], first.said).lines).toEqual([])
    expect(linesOf(destination, [], first.said).lines).toEqual(['circuit closed  "Orders" (dst_1)'])
  })
  it("names each dead letter once, and of many the number", () => {
    const first = linesOf({ ...destination, dead: 1 }, [letter("evt_1")], well)
    expect(first.lines).toEqual([
      'dead letter  evt_1 at "Orders" (dst_1), tries 6: Rejected: the receiver answered 400'
    ])
    const second = linesOf({ ...destination, dead: 2 }, [letter("evt_2"), letter("evt_1")], first.said)
    expect(second.lines.map((line) => line.split(" ")[3])).toEqual(["evt_2"])
    expect(linesOf({ ...destination, dead: 2 }, [], second.said)).toEqual({ lines: [], said: second.said })
    expect(linesOf({ ...destination, dead: 2 }, [letter("evt_1")], first.said).lines).toEqual([
      'dead letters  1 more at "Orders" (dst_1); in all 2'
    ])
    const many = Array.from({ length: 30 }, (_, n) => letter(`evt_${n}`))
    const { lines } = linesOf({ ...destination, dead: 300 }, many, well)
    expect(lines).toHaveLength(11)
    expect(lines.at(-1)).toBe('dead letters  290 more at "Orders" (dst_1); in all 300')
  })
  it("tells a failed try with its next one, unless another line says it", () => {
    const failing = { ...destination, last_error: "Unavailable: 500", next_attempt_at: "T" }
    expect(linesOf(failing, [], well).lines).toEqual(['failed  "Orders" (dst_1): Unavailable: 500; tried again at T'])
    const dead = linesOf({ ...failing, dead: 1 }, [letter("evt_1")], well)
    expect(dead.lines).toHaveLength(1)
    expect(dead.lines[0]).toMatch(/^dead letter/)
  })
  it("stays one line, and moves no cursor, whatever a payload or a name holds", () => {
    expect(plain("a\n\u001b[2Jb\r\tc")).toBe("a [2Jb c")
    expect(plain("x".repeat(1000))).toHaveLength(160)
  })
})
