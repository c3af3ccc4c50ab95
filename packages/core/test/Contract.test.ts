import {
  asking,
  type Contract,
  list,
  listOf,
  number,
  oneOf,
  optional,
  record,
  serve,
  tagged,
  text
} from "@hookstream/core/Contract"
import { StoreTooNew, UnavailableError } from "@hookstream/core/Errors"
import { describe, expect, it } from "vitest"
import { fakeObject } from "./FakeObject.ts"

type Answer = { readonly _tag: "Some"; readonly items: ReadonlyArray<string> } | { readonly _tag: "None" }
interface Shop {
  readonly find: (name: string, limit: number) => Answer
  readonly size: () => Promise<number>
}

const shop = (version = 1): Contract<Shop> => ({
  name: "the shop",
  version,
  methods: {
    find: {
      args: 2,
      answer: tagged<Answer>({ Some: record({ _tag: text, items: list }), None: record({ _tag: text }) })
    },
    size: { args: 0, answer: number }
  }
})

const engine = () => {
  const calls: Array<ReadonlyArray<unknown>> = []
  return {
    calls,
    find: (...args: ReadonlyArray<unknown>): Answer => {
      calls.push(args)
      return { _tag: "Some", items: [String(args[0])] }
    },
    size: async (...args: ReadonlyArray<unknown>) => {
      calls.push(args)
      return 7
    },
    alarm: async () => {}
  }
}
/** An object of this version, as the platform shows it to others. */
const objectOf = (version: number, own = engine()) => {
  const { ask } = serve(shop(version), fakeObject().ports(), () => own)
  const method =
    (name: string) =>
    async (...args: ReadonlyArray<unknown>): Promise<unknown> =>
      ask(name, args)
  return { calls: own.calls, stub: { find: method("find"), size: method("size") } }
}
const again = new UnavailableError({ message: "the shop runs another version of hookstream: try again" })

describe("two objects of the same version", () => {
  it("understand each other, and the engine hears what was asked and nothing more", async () => {
    const { stub, calls } = objectOf(1)
    const peer = asking(shop())(stub)
    expect(await peer.find("a", 3)).toEqual({ _tag: "Some", items: ["a"] })
    expect(await peer.size()).toBe(7)
    expect(calls).toEqual([["a", 3], []])
  })
})

describe("who knows of no versions", () => {
  it("gets the bare answer of version 1, whatever of its arguments it leaves out", async () => {
    const { stub, calls } = objectOf(1)
    expect(await stub.find("a", 3)).toEqual({ _tag: "Some", items: ["a"] })
    expect(await stub.size()).toBe(7)
    await stub.find("a")
    expect(calls).toEqual([["a", 3], [], ["a"]])
  })
  it("is understood by version 1, and told to ask later by another", async () => {
    const bare = { find: async () => ({ _tag: "None" }), size: async () => 2 }
    expect(await asking(shop(1))(bare).find("a", 3)).toEqual({ _tag: "None" })
    expect(await asking(shop(1))(bare).size()).toBe(2)
    await expect(asking(shop(2))(bare).find("a", 3)).rejects.toEqual(again)
    const { stub, calls } = objectOf(2)
    await expect(stub.find("a", 3)).rejects.toEqual(again)
    expect(calls).toEqual([])
  })
})

describe("an object of another version", () => {
  it.each([
    [1, 2],
    [2, 1]
  ])("is to be asked later, and does nothing meanwhile: version %i asks version %i", async (asks, answers) => {
    const { stub, calls } = objectOf(answers)
    await expect(asking(shop(asks))(stub).find("a", 3)).rejects.toEqual(again)
    await expect(asking(shop(asks))(stub).size()).rejects.toEqual(again)
    expect(calls).toEqual([])
  })
  it.each([
    ["nothing", undefined],
    ["a null", null],
    ["another kind of value", "none"],
    ["a field less", { _tag: "Some" }],
    ["a field of another kind", { _tag: "Some", items: {} }],
    ["a case that is not known", { _tag: "Many", items: [] }],
    ["a case that any object has", { _tag: "constructor" }],
    ["the error of an answer", { protocol: 1 }],
    ["a value under a version", { protocol: 2, value: { _tag: "None" } }],
    ["an empty value under the version", { protocol: 1, value: undefined }]
  ])("is to be asked later, not believed, when it answers with %s", async (_, answer) => {
    await expect(asking(shop())({ find: async () => answer }).find("a", 3)).rejects.toEqual(again)
  })
  it("is not believed in a list of answers of which one is not understood", async () => {
    const many: Contract<{ readonly sizes: () => ReadonlyArray<number> }> = {
      name: "the shop",
      version: 1,
      methods: { sizes: { args: 0, answer: listOf(number) } }
    }
    expect(await asking(many)({ sizes: async () => [1, 2] }).sizes()).toEqual([1, 2])
    await expect(asking(many)({ sizes: async () => [1, "2"] }).sizes()).rejects.toEqual(again)
    await expect(asking(many)({ sizes: async () => 1 }).sizes()).rejects.toEqual(again)
  })
  it("is not taken to have nothing when it refuses", async () => {
    const maybe: Contract<{ readonly key: () => string | undefined }> = {
      name: "the shop",
      version: 1,
      methods: { key: { args: 0, answer: optional(text) } }
    }
    expect(await asking(maybe)({ key: async () => ({ protocol: 1, value: undefined }) }).key()).toBeUndefined()
    await expect(asking(maybe)({ key: async () => ({ protocol: 1 }) }).key()).rejects.toEqual(again)
  })
  it("is understood in a field more", async () => {
    const answer = { protocol: 1, value: { _tag: "None", since: 5 }, more: true }
    expect(await asking(shop())({ find: async () => answer }).find("a", 3)).toEqual({ _tag: "None", since: 5 })
  })
})

describe("an error of the platform", () => {
  it("comes through as it is: whoever asks decides by its marks", async () => {
    const error = Object.assign(new RangeError("reset"), { retryable: true })
    await expect(asking(shop())({ size: () => Promise.reject(error) }).size()).rejects.toBe(error)
  })
})

describe("a store that a newer version wrote", () => {
  const tooNew = new StoreTooNew({ store: "shop", stored: 3, known: 2 })
  const open = () => {
    throw tooNew
  }
  it("stays shut: whoever asks is told both versions", () => {
    const { ask } = serve(shop(), fakeObject().ports(), open)
    expect(() => ask("size", [1])).toThrow(tooNew)
    expect(tooNew.message).toContain("has version 3, known is 2")
  })
  it("keeps its alarm, which the newer version will need, and says so in the log", async () => {
    const object = fakeObject()
    const served = serve(shop(), object.ports(), open)
    object.ports().alarm.atLatest(object.now() + 10)
    await object.ring(() => served.alarm())
    expect(object.lines).toMatchObject([{ level: "error", fields: { object: "the shop" } }])
    expect(object.alarmAt()).toBe(object.now() + 60_000)
  })
  it("is no other error: one that nobody expects ends the object", () => {
    const broken = () => {
      throw new RangeError("as asked")
    }
    expect(() => serve(shop(), fakeObject().ports(), broken)).toThrow(RangeError)
  })
})

it("a shape lets through what it names and nothing else", () => {
  const one = oneOf("a", null)
  expect(["a", null, "b", undefined, 0].map(one)).toEqual([true, true, false, false, false])
})
