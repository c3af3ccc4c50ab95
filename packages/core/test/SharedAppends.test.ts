import type { Line } from "@hookstream/core/LogLine"
import type { AppendReply, FirstAppend } from "@hookstream/core/log/LogContract"
import * as SharedAppends from "@hookstream/core/log/SharedAppends"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { nodeTimer } from "./NodeTimer.ts"

const ROUTE = "0123abcde"
const KiB = 1024

const append = (token: string, bytes = 1): FirstAppend => ({
  sourceId: "src_1",
  generation: 1,
  token,
  redacted: [],
  checked: 0,
  event: { kind: "binary", meta: "[]", body: new Uint8Array(bytes) }
})
const accepted = (token: string): AppendReply => ({ _tag: "Accepted", id: `evt_${token}` })

/** A log that answers when the test says so; the tokens of each call, `alone` for a single append. */
const log = (reply: (token: string) => AppendReply = accepted) => {
  const calls: Array<ReadonlyArray<string>> = []
  const open: Array<{ readonly answer: () => void; readonly fail: (error: unknown) => void }> = []
  const call = <A>(tokens: ReadonlyArray<string>, answer: A): Promise<A> => {
    const { promise, resolve, reject } = Promise.withResolvers<A>()
    calls.push(tokens)
    open.push({ answer: () => resolve(answer), fail: reject })
    return promise
  }
  const lines: Array<Line> = []
  const ports = { timer: nodeTimer, log: (line: Line) => lines.push(line) }
  const appends = SharedAppends.make(ports, (_, all) => {
    const tokens = all.map(({ token }) => token)
    return call(tokens, tokens.map(reply))
  })
  const kept: Array<Promise<void>> = []
  const add = (token: string, bytes = 1, route = ROUTE) =>
    appends.add(
      route,
      append(token, bytes),
      () => call(["alone", token], reply(token)),
      (work) => kept.push(work)
    )
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    calls,
    lines,
    kept,
    add,
    answer: async () => {
      open.shift()!.answer()
      await settled()
    },
    fail: async (error: unknown) => {
      open.shift()!.fail(error)
      await settled()
    }
  }
}

describe("appends to one log", () => {
  it("go alone one after the other, and share the next call while one is on its way, in order", async () => {
    const { calls, add, answer } = log()
    const first = add("a")
    const others = ["b", "c", "d"].map((token) => add(token))
    expect(calls).toEqual([["alone", "a"]])
    await answer()
    expect(await first).toEqual(accepted("a"))
    const later = add("e")
    expect(calls.slice(1)).toEqual([["b", "c", "d"]])
    await answer()
    expect(await Promise.all(others)).toEqual(["b", "c", "d"].map(accepted))
    expect(calls.slice(2)).toEqual([["e"]])
    await answer()
    expect(await later).toEqual(accepted("e"))
    const lone = add("f")
    expect(calls.slice(3)).toEqual([["alone", "f"]])
    await answer()
    expect(await lone).toEqual(accepted("f"))
  })
  it("are answered before the calls that their request makes for others, which it keeps alive to the end", async () => {
    const { kept, add, answer } = log()
    const first = add("a")
    const second = add("b")
    await answer()
    await first
    let isDone = false
    expect(kept).toHaveLength(1)
    void kept[0]!.then(() => {
      isDone = true
    })
    await Promise.resolve()
    expect(isDone).toBe(false)
    await answer()
    await second
    expect(isDone).toBe(true)
  })
  it("do not wait for those to another log", () => {
    const { calls, add } = log()
    void add("a")
    void add("b", 1, "0123abcdf")
    expect(calls).toEqual([
      ["alone", "a"],
      ["alone", "b"]
    ])
  })
  it("are refused each for itself", async () => {
    const paths = ["payload.card"]
    const { add, answer } = log((token) => (token === "b" ? { _tag: "Redact", paths } : accepted(token)))
    const all = ["a", "b", "c"].map((token) => add(token))
    await answer()
    await answer()
    expect(await Promise.all(all)).toEqual([accepted("a"), { _tag: "Redact", paths }, accepted("c")])
  })
  it("fail with the call that they share, and only with it", async () => {
    const { calls, lines, add, answer, fail } = log()
    const all = ["a", "b", "c"].map((token) => add(token))
    await answer()
    const next = add("d")
    const cause = new Error("the object was reset")
    const lost = Promise.allSettled(all.slice(1))
    await fail(cause)
    for (const one of await lost) expect(one).toMatchObject({ status: "rejected", reason: { reason: cause } })
    expect(lines).toMatchObject([{ level: "warn", fields: { events: 2 } }])
    expect(calls.at(-1)).toEqual(["d"])
    await answer()
    expect(await next).toEqual(accepted("d"))
  })
  it("go on when the one ahead of them has failed", async () => {
    const { add, answer, fail } = log()
    const [first, second] = [add("a"), add("b")]
    const lost = expect(first).rejects.toThrow("reset")
    await fail(new Error("reset"))
    await lost
    await answer()
    expect(await second).toEqual(accepted("b"))
  })
  it("are at most 256 and 1 MiB in one call, and a larger body goes alone", async () => {
    const { calls, add, answer } = log()
    void add("a")
    for (let i = 0; i < 300; i++) void add(`${i}`)
    for (const token of ["x", "y", "z"]) void add(token, 400 * KiB)
    void add("large", 1024 * KiB + 1)
    expect(calls.at(-1)).toEqual(["alone", "large"])
    for (let i = 0; i < 3; i++) await answer()
    await answer()
    expect(calls.slice(2).map(({ length }) => length)).toEqual([256, 46, 1])
    expect(calls.at(-1)).toEqual(["z"])
  })
  it("are called for by another request after 32 calls: the platform lets each make so many and no more", async () => {
    const { calls, kept, add, answer } = log()
    void add("first")
    for (let i = 0; i < 33; i++) {
      void add(`${i}`)
      await answer()
    }
    expect(kept).toHaveLength(1)
    void add("next")
    expect(kept).toHaveLength(2)
    expect(calls.slice(-2)).toEqual([["32"], ["alone", "next"]])
  })
})

describe("an append whose call does not come back", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0, toFake: ["setTimeout", "clearTimeout"] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  it("goes on alone, whether it was on its way or not, and nobody comes to wait any more", async () => {
    const { calls, add, answer } = log()
    void add("a")
    const sent = expect(add("b")).rejects.toMatchObject({ reason: undefined })
    await answer()
    const unsent = expect(add("c")).rejects.toMatchObject({ reason: undefined })
    await vi.advanceTimersByTimeAsync(5000)
    await Promise.all([sent, unsent])
    void add("d")
    expect(calls.at(-1)).toEqual(["alone", "d"])
    await answer()
    expect(calls.flat()).not.toContain("c")
  })
  it("leaves no timer behind when it did", async () => {
    const { add, answer } = log()
    void add("a")
    const second = add("b")
    await answer()
    await answer()
    await second
    expect(vi.getTimerCount()).toBe(0)
  })
})
