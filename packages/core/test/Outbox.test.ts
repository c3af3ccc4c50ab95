import { describe, expect, it } from "@effect/vitest"
import * as Outbox from "@hookstream/core/workspace/Outbox"
import type { Outbox as Entry } from "@hookstream/core/workspace/Registry"
import { Effect, Fiber, Logger } from "effect"
import { TestClock } from "effect/testing"
import { idOfVersion1 } from "./fixtures.ts"

/** An outbox with a config for each of these targets, and targets that fail, or hang for ever. */
const given = (targets: ReadonlyArray<string>, bad: Readonly<Record<string, "fails" | "hangs" | "dies">> = {}) => {
  let left: ReadonlyArray<Entry> = targets.map((target) => ({ target, version: 1, replay: null }))
  const told: Array<string> = []
  const sizes: Array<number> = []
  let inFlight = 0
  let most = 0
  const store = {
    outbox: () => left,
    acknowledged: (entry: Entry) => {
      left = left.filter((one) => one !== entry)
    }
  }
  const tell = (target: string, entries: ReadonlyArray<Entry>) =>
    Effect.gen(function* () {
      most = Math.max(most, ++inFlight)
      sizes.push(entries.length)
      if (bad[target] === "fails") return yield* Effect.fail("no")
      if (bad[target] === "dies") return yield* Effect.die("broken")
      if (bad[target] === "hangs") return yield* Effect.never
      yield* Effect.sleep(10)
      told.push(target)
    }).pipe(Effect.ensuring(Effect.sync(() => inFlight--)))
  return {
    add: (entries: ReadonlyArray<Entry>) => {
      left = [...left, ...entries]
    },
    left: () => left.map(({ target }) => target),
    told,
    sizes,
    most: () => most,
    flush: (only: ReadonlyArray<string> | null) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Outbox.flush(store, only, tell))
        yield* TestClock.adjust("1 minute")
        return yield* Fiber.join(fiber)
      }),
    start: (only: ReadonlyArray<string> | null) => Effect.forkChild(Outbox.flush(store, only, tell))
  }
}
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

describe("the outbox", () => {
  it.effect("a change waits for its own targets only, though others hang", () =>
    Effect.gen(function* () {
      const box = given(["src_1", "dst_1", "dst_2"], { dst_2: "hangs" })
      const fiber = yield* box.start(["src_1", "dst_1"])
      yield* TestClock.adjust("20 millis")
      expect(fiber.pollUnsafe()).toBeDefined()
      expect(yield* Fiber.join(fiber)).toEqual([])
      expect(box.told).toEqual(["src_1", "dst_1"])
      expect(box.left()).toEqual(["dst_2"])
    })
  )
  it.effect.each(["fails", "hangs", "dies"] as const)(
    "one that %s holds up no other, and stays to be told again",
    (how) =>
      Effect.gen(function* () {
        const box = given(["src_1", "src_2", "dst_1", "dst_2", "dst_3"], { src_1: how, dst_2: how })
        expect(yield* box.flush(null)).toEqual(["src_1", "dst_2"])
        expect(box.told).toEqual(["src_2", "dst_1", "dst_3"])
        expect(box.left()).toEqual(["src_1", "dst_2"])
      })
  )
  it.effect("one that hangs costs its deadline and no more", () =>
    Effect.gen(function* () {
      const box = given(["dst_1"], { dst_1: "hangs" })
      const fiber = yield* box.start(null)
      yield* TestClock.adjust(Outbox.TELL_DEADLINE - 1)
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(fiber)).toEqual(["dst_1"])
    })
  )
  it.effect("tells logs before destinations, and few at once", () =>
    Effect.gen(function* () {
      const box = given([...names("dst_", 20), ...names("src_", 20)])
      expect(yield* box.flush(null)).toEqual([])
      expect(box.told.map((target) => target.slice(0, 3))).toEqual([
        ...names("src_", 20).map(() => "src"),
        ...names("dst_", 20).map(() => "dst")
      ])
      expect(box.most()).toBeLessThanOrEqual(8)
      expect(box.left()).toEqual([])
    })
  )
  it.effect("tells many replays page by page", () =>
    Effect.gen(function* () {
      const box = given(["dst_1"])
      box.add(names("rpl_", 250).map((replay) => ({ target: "dst_1", version: 2, replay })))
      expect(yield* box.flush(null)).toEqual([])
      expect(box.sizes).toEqual([100, 100, 51])
      expect(box.left()).toEqual([])
    })
  )
  it.effect("logs no id that events can be sent to when a log cannot be told", () =>
    Effect.gen(function* () {
      const id = idOfVersion1("89abcdef", "0123abcde")
      const logged: Array<string> = []
      const logger = Logger.make(({ message }) => void logged.push(JSON.stringify(message)))
      const unreached = yield* Effect.provide(given([id], { [id]: "fails" }).flush(null), Logger.layer([logger]))
      expect(unreached).toEqual([id])
      expect(logged).toEqual([expect.stringContaining("src_89abcdef0123abcde")])
      expect(logged[0]).not.toContain(id)
    })
  )
})
