import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { JsonReader } from "../src/internal/JsonReader.ts"
import { rewriteJson } from "../src/internal/rewriteJson.ts"

const rewrite = (text: string): string => {
  const reader = new JsonReader(Buffer.from(text))
  reader.next()
  return rewriteJson(reader)
}

/** What a JSON text is made of: white space and numbers in any form. */
const Space = Schema.Literals(["", " ", "\n", "\r\n", "\t"])
const Leaf = Schema.Union([
  Schema.Int.check(Schema.isBetween({ minimum: -1e9, maximum: 1e9 })),
  Schema.Literals([0.5, -12.25, 1e-9, 1e21, 123456.75]),
  Schema.Boolean,
  Schema.Null,
  Schema.String
])
const Tree = Schema.Struct({
  list: Schema.Array(Leaf),
  object: Schema.Record(Schema.String, Schema.Array(Leaf)),
  leaf: Leaf
})

describe("JSON that is written anew", () => {
  it.each([
    ["1.10", "1.1"],
    ["2e3", "2000.0"],
    ["0.1e1", "1.0"],
    ["1E5", "100000.0"],
    ["-0", "0"],
    ["-0.0", "-0.0"],
    ["1e400", '"Infinity"'],
    ["-1e400", '"-Infinity"'],
    ["1e-400", "0.0"],
    ["9007199254740993", "9007199254740993"],
    [`-${"9".repeat(1000)}`, `-${"9".repeat(1000)}`],
    ['"\\u00e9\\ud83d\\ude00é😀"', '"é\\uD83D\\uDE00é\\uD83D\\uDE00"'],
    ['"\\ud800x\\udc00"', '"\\uD800x\\uDC00"'],
    ['"\\/\\u002f\\u2028\\u007f<>&\'"', '"//\u2028\u007f<>&\'"'],
    ['"\\b\\f\\n\\r\\t\\u0000\\u001f\\u0022\\\\"', '"\\b\\f\\n\\r\\t\\u0000\\u001F\\"\\\\"'],
    ['{"b":1,"a":2,"b":{"c":[ ]}}', '{"b":{"c":[]},"a":2}'],
    ['{"\\u0061":1,"a":2,"1":3,"__proto__":4}', '{"a":2,"1":3,"__proto__":4}']
  ])("%s becomes %s", (given, written) => {
    expect(rewrite(given)).toBe(written)
  })
  it.prop(
    "says the same as before, without white space, and stays so",
    [Tree, Space, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 }))],
    ([tree, space, indent]) => {
      const written = rewrite(space + JSON.stringify(tree, null, indent) + space)
      expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(tree)))
      expect(rewrite(written)).toBe(written)
      expect(written.replace(/"(?:[^"\\]|\\.)*"/g, "")).not.toMatch(/\s/)
    }
  )
})
