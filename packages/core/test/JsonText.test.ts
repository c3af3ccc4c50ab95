/**
 * The check of a body for JSON against the platform's own decoder and parser, which it must agree with on every text.
 */
import { execFileSync } from "node:child_process"
import { describe, expect, it } from "@effect/vitest"
import { PayloadTooLarge } from "@hookstream/core/Errors"
import { type BodyKind, bodyKind, type Event, MAX_JSON_DEPTH } from "@hookstream/core/event/Event"
import * as EventPath from "@hookstream/core/event/EventPath"
import { Schema } from "effect"

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** What the platform makes of a body that nests no deeper than it may. */
const expected = (body: Uint8Array): BodyKind => {
  let text: string
  try {
    text = utf8.decode(body)
  } catch {
    return "binary"
  }
  try {
    JSON.parse(text)
    return /\d{1001}/.test(text) ? "long_json" : "json"
  } catch {
    return "utf8"
  }
}

/** Parted by spaces. */
const numbers =
  "0 -0 - +1 01 -01 1. .5 1.5 1.5. 1e5 1E+05 1e 1e+ 1e5. 0e0 1, 1e400 -1e-400 NaN Infinity -Infinity 0x1 1_0 １ [1-2]"
const words = "true tru truex True false null nul nulll undefined [truefalse]"
const lists = "[] [,] [1,] [1,,2] [1 ] [[] []] [[],[[]]] [} {] [1} [[1]]1 [1]//x /**/1 [1]/**/"
const objects =
  '{} {"a":1} {"a":1,} {"a"} {"a":} {a:1} {1:1} {"a":1,,"b":2} {"a":1,"a":2} {"":0} {"__proto__":1} {"a\\u0000":1} ' +
  '{"a":{"b":[{"c":[]}]}} {"a":1}} {"a":1 {"a":[} {,} {"a":1;"b":2} ["a":1] {"a",1} {"a":tru}'
const strings =
  '"" " "a \'a\' "\\" "\\"" "\\\\" "\\/\\b\\f\\n\\r\\t" "\\a" "\\u12" "\\u12G4" "\\u00e9" "\\U0041" "\\ud800" ' +
  '"\\udc00\\ud800" ' +
  '"\\ud83d\\ude00" "😀" "\u{fffd}\u{ffff}\u{10ffff}" "\u0000" "\u001f" "\u007f" "\u2028\u2029" "\u{feff}" "a""b"'
const spaced = [
  "",
  " ",
  "1 2",
  "[1 2]",
  "[ ]",
  "{ }",
  '{"a" :1}',
  '{"a":1 "b":2}',
  " \t\r\n1\n\r\t ",
  "\t[\n1\r,\t2 ]\n",
  '"\t"',
  '"\n"',
  "\u{feff}1",
  "1\u{feff}",
  "\u00a01",
  "\u20281",
  "\u000b1",
  "\u000c1",
  "\u00001",
  "1\u0000",
  "9".repeat(2000)
]
const texts = [numbers, words, lists, objects, strings].flatMap((all) => all.split(" ")).concat(spaced)

/**
 * Parts of UTF-8 that no text has: bytes that stand alone, overlong forms, halves of surrogates, what is above
 * U+10FFFF.
 */
const sequences = [
  "80",
  "bf",
  "c080",
  "c1bf",
  "c2",
  "c241",
  "dfbf",
  "e09fbf",
  "e0a080",
  "e180",
  "ed9fbf",
  "eda080",
  "edbfbf",
  "efbfbf",
  "efbbbf",
  "f08fbfbf",
  "f0908080",
  "f18080",
  "f48fbfbf",
  "f4908080",
  "f5808080",
  "f888808080",
  "fe",
  "ff",
  "f0908041",
  "e282ac80"
]

describe("a body is JSON, text or bytes as the platform has it", () => {
  it.each(texts)("%j", (text) => {
    const body = encoder.encode(text)
    expect(bodyKind(body)).toBe(expected(body))
  })
  it.each(sequences)("the bytes %s, in a string, in a text and at an end", (hex) => {
    const sequence = Buffer.from(hex, "hex")
    const plain = (text: string) => [...encoder.encode(text)]
    for (const around of [
      [plain('"'), plain('"')],
      [plain('{"a'), plain('":1}')],
      [plain("a="), plain("&b")],
      [[], []],
      [plain('"x'), []]
    ] as const) {
      const body = Uint8Array.from([...around[0], ...sequence, ...around[1]])
      expect(bodyKind(body), String(body)).toBe(expected(body))
    }
  })

  const pieces: ReadonlyArray<string> =
    '{ } [ ] , : " "a" "a": \\ \\u 00e9 \\ud800 \\n - 0 1 12 .5 e E+ e-7 true false null é 漢 😀 /'
      .split(" ")
      .concat(" ", "\n", "\t", "\r", "\u{feff}", "\u00a0", "\u0001")
  const Pieces = Schema.Array(Schema.Literals(pieces)).check(Schema.isMaxLength(12))
  it.prop(
    "whatever pieces of JSON come together",
    [Pieces],
    ([some]) => {
      const body = encoder.encode(some.join(""))
      expect(bodyKind(body)).toBe(expected(body))
    },
    { arbitrary: { runs: 5000 } }
  )

  const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
  const STRUCTURE: ReadonlyArray<number> = [...encoder.encode('"\\,[]{} ')]
  const Change = Schema.Struct({
    what: Schema.Literals(["nothing", "replace", "insert", "remove", "truncate", "double"]),
    at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999 })),
    byte: Schema.Union([Byte, Schema.Literals(STRUCTURE)])
  })
  const changed = (body: Uint8Array, { what, at, byte }: typeof Change.Type): Uint8Array => {
    const i = Math.floor((body.length * at) / 1000)
    const [before, after] = [body.subarray(0, i), body.subarray(i)]
    switch (what) {
      case "nothing":
        return body
      case "replace":
        return Uint8Array.from([...before, byte, ...after.subarray(1)])
      case "insert":
        return Uint8Array.from([...before, byte, ...after])
      case "remove":
        return Uint8Array.from([...before, ...after.subarray(1)])
      case "truncate":
        return before
      case "double":
        return Uint8Array.from([...before, ...after.subarray(0, 3), ...after])
    }
  }
  it.prop(
    "whatever JSON comes, and however its bytes are changed",
    [Schema.Json, Schema.Literals([0, 1, "\t"]), Schema.Array(Change).check(Schema.isMaxLength(2))],
    ([json, space, changes]) => {
      const whole = encoder.encode(JSON.stringify(json, null, space))
      expect(bodyKind(whole)).toBe("json")
      const body = changes.reduce(changed, whole)
      expect(bodyKind(body), utf8.decode(whole)).toBe(expected(body))
    },
    { arbitrary: { runs: 3000 } }
  )
})

describe("a body of ten million bytes", () => {
  /** Runs in an isolate of its own whose heap holds the body and little more. */
  const kindIn = (megabytes: number, make: string): string =>
    execFileSync(
      process.execPath,
      [
        `--max-old-space-size=${megabytes}`,
        "--max-semi-space-size=1",
        "--input-type=module",
        "-e",
        `import { bodyKind } from ${JSON.stringify(new URL("../src/event/Event.ts", import.meta.url).href)}
         const body = Buffer.alloc(10 * 1024 * 1024, ${make})
         console.log(bodyKind(body))`
      ],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }
    ).trim()

  it.each([
    ["json", "a list of empty objects", `"[" + "{},".repeat(3495252) + "{}]"`],
    ["utf8", "the same without its end", `"{},"`],
    ["utf8", "a form", `"a=1&b=2&"`]
  ])("is told to be %s in a heap that could not hold what it says: %s", (kind, _, make) => {
    const text = make.startsWith('"[') ? `0).fill(0x20)\nBuffer.from(${make}).copy(body` : make
    expect(kindIn(40, text)).toBe(kind)
  })

  const view = (text: string) => EventPath.viewOf({ bodyKind: "json", body: encoder.encode(text) } as Event)
  const zeros = (count: number) => `{"a":"b","list":[${"0,".repeat(count - 4)}0]}`
  it("is parsed for a path as long as it has few values, and refused by name above", () => {
    const read = EventPath.compile("payload.a")!
    expect(read(view(`{"a":"b","blob":"${"x".repeat(3_000_000)}"}`))).toBe("b")
    expect(read(view(zeros(EventPath.MAX_PAYLOAD_VALUES)))).toBe("b")
    const large = view(zeros(EventPath.MAX_PAYLOAD_VALUES + 1))
    expect(() => read(large)).toThrow(PayloadTooLarge)
    expect(() => read(large)).toThrow("more than 200000 JSON values")
    expect(EventPath.compile("method")!(large)).toBe(undefined)
  })
  it("may nest as deep as any", () => {
    const nested = (depth: number) =>
      encoder.encode(`[${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}${" ".repeat(1e6)}]`)
    expect([bodyKind(nested(MAX_JSON_DEPTH)), bodyKind(nested(MAX_JSON_DEPTH + 1))]).toEqual(["json", "utf8"])
  })
})
