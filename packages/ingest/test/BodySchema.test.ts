import { describe, expect, it } from "@effect/vitest"
import * as BodySchema from "@hookstream/ingest/BodySchema"
import { Result, Schema } from "effect"
import { bytes, issuesOf, received } from "./support.ts"

const issues = issuesOf(BodySchema.BodySchema)
const settings = (schema: unknown) => Schema.decodeUnknownSync(BodySchema.BodySchema)({ schema, action: "reject" })
const given = (text: string) => received({ headers: {}, body: bytes(text) })
const outcome = (schema: unknown, text: string): string => {
  const result = BodySchema.compile(settings(schema))(given(text))
  return Result.isSuccess(result) ? "ok" : `${result.failure.reason} ${result.failure.pointer}`
}

const ORDER = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "An order",
  type: "object",
  required: ["id", "lines"],
  properties: {
    id: { type: "string", format: "uuid" },
    lines: { type: "array", minItems: 1, items: { $ref: "#/$defs/line" } },
    total: { type: ["number", "null"], minimum: 0 }
  },
  additionalProperties: false,
  $defs: {
    line: { type: "object", required: ["sku"], properties: { sku: { type: "string", maxLength: 5 } } },
    "a/b c": true
  }
}
const ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

describe("a body", () => {
  it.each([
    [`{"id":"${ID}","lines":[{"sku":"a"}]}`, "ok"],
    [`{"id":"${ID}","lines":[{"sku":"a"}],"total":null}`, "ok"],
    [`{"id":"${ID}","lines":[]}`, "schema_invalid #/lines"],
    [`{"id":"${ID}","lines":[{"sku":"a"},{"sku":"abcdef"}]}`, "schema_invalid #/lines/1/sku"],
    [`{"id":"1","lines":[{"sku":"a"}]}`, "schema_invalid #/id"],
    [`{"id":"${ID}","lines":[{"sku":"a"}],"total":-1}`, "schema_invalid #/total"],
    [`{"id":"${ID}","lines":[{"sku":"a"}],"more":1}`, "schema_invalid #/more"],
    ["{}", "schema_invalid #"],
    ["null", "schema_invalid #"],
    ["", "not_json #"],
    ["{", "not_json #"],
    ["[1,".repeat(100), "not_json #"]
  ])("of %s: %s", (text, expected) => {
    expect(outcome(ORDER, text)).toBe(expected)
  })
  it("that has too many values is not parsed", () => {
    expect(outcome({}, `[${"1,".repeat(200_000)}1]`)).toBe("not_json #")
  })
  it("fits a schema that is true, and none that is false", () => {
    expect(outcome(true, "1")).toBe("ok")
    expect(outcome(false, "1")).toBe("schema_invalid #")
    expect(outcome({}, '{"a":1}')).toBe("ok")
  })
  it("is read by the draft that the schema names", () => {
    // From 2019-09 on what stands beside $ref counts.
    const beside = { definitions: { a: {} }, $ref: "#/definitions/a", type: "string" }
    expect(outcome({ ...beside, $schema: "http://json-schema.org/draft-07/schema#" }, "1")).toBe("ok")
    expect(outcome(beside, "1")).toBe("schema_invalid #")
  })
  it("is told of by where it does not fit, without its values", () => {
    const schema = { properties: { a: { maximum: 1 } }, additionalProperties: false }
    const result = BodySchema.compile(settings(schema))
    expect(Result.flip(result(given('{"a":1234567}')))).toMatchObject({
      success: { pointer: "#/a", message: "the body does not fit #/properties/a/maximum of the schema" }
    })
    const long = Result.flip(result(given(`{"${"x".repeat(10_000)}":"1234567"}`)))
    expect(JSON.stringify(long).length).toBeLessThan(1000)
    expect(JSON.stringify(long)).not.toContain("1234567")
  })
})

describe("a schema", () => {
  const regular = "not supported yet: regular expressions, which a sender could make take very long"
  const itself = "not supported yet: schemas that lead back to themselves"
  const within = "must lead to a schema within this one, such as #/$defs/name"
  it.each([
    [ORDER, {}],
    [{ $ref: "#/$defs/a~1b%20c", $defs: ORDER.$defs }, {}],
    [{ $ref: "#/$defs/line", $defs: ORDER.$defs }, {}],
    [
      { properties: { type: { $ref: "#/properties/id" }, id: {} }, "x-own": { type: "none" }, default: { type: 7 } },
      {}
    ],
    [{ enum: [{ type: 7 }], const: { pattern: "(" }, examples: [{ type: 7 }] }, {}],
    [
      { type: "strng" },
      { type: "must be one of array, boolean, integer, null, number, object, string, or a list of them" }
    ],
    [{ type: [] }, { type: "must be one of array, boolean, integer, null, number, object, string, or a list of them" }],
    [{ properties: 7 }, { properties: "must be an object" }],
    [{ properties: { a: 7 } }, { "properties.a": "must be a schema: an object, true or false" }],
    [{ properties: { a: { required: "b" } } }, { "properties.a.required": "must be a list of texts" }],
    [{ anyOf: [] }, { anyOf: "must be a list of schemas" }],
    [{ allOf: [true, null] }, { "allOf.1": "must be a schema: an object, true or false" }],
    [{ items: [{ minLength: -1 }] }, { "items.0.minLength": "must be a whole number from 0" }],
    [
      { minimum: "1", multipleOf: 0 },
      { minimum: "must be a number", multipleOf: "must be a number above 0" }
    ],
    [{ enum: 7 }, { enum: "must be a list" }],
    [
      { format: "regex" },
      { format: "must be one of date, time, date-time, duration, email, hostname, ipv4, ipv6, uri, uuid" }
    ],
    [{ pattern: "^a$" }, { pattern: regular }],
    [{ not: { patternProperties: {} } }, { "not.patternProperties": regular }],
    [{ uniqueItems: true }, { uniqueItems: "not supported yet: each item is compared with each other one" }],
    [{ uniqueItems: false }, {}],
    [{ $ref: "https://a.example/schema" }, { $ref: "must be a reference within this schema, such as #/$defs/name" }],
    [{ $ref: "#/$defs/none" }, { $ref: within }],
    [{ not: { $ref: "#/properties" }, properties: {} }, { "not.$ref": within }],
    [{ $ref: "#" }, { "": itself }],
    [{ properties: { child: { $ref: "#" } } }, { "": itself }],
    [{ $defs: { a: { $ref: "#/$defs/b" }, b: { items: { $ref: "#/$defs/a" } } } }, { "$defs.a": itself }],
    [{ $dynamicRef: "#a" }, { $dynamicRef: itself }],
    [{ $id: "http://[" }, { $id: "must be a URL, and no schema may have the name of another" }],
    [{ not: { $id: "https://a.example/b" } }, { "not.$id": "not supported yet: only the whole schema has an $id" }],
    [{ $schema: 7 }, { $schema: "must be a text" }],
    [{ $schema: "constructor" }, { $schema: expect.stringMatching(/^must be one of http/) }],
    [
      { $schema: "http://json-schema.org/draft-04/schema#" },
      { $schema: expect.stringMatching(/^must be one of http/) }
    ],
    [{ title: "x".repeat(64 * 1024) }, { "": "must be at most 64 KiB" }],
    [7, { "": "must be a JSON Schema: an object, true or false" }]
  ] as ReadonlyArray<[unknown, object]>)("%j has the issues %j", (schema, expected) => {
    const inSchema = Object.fromEntries(
      Object.entries(expected).map(([path, issue]) => [path === "" ? "schema" : `schema.${path}`, issue])
    )
    expect(issues({ schema, action: "warn" })).toEqual(inSchema)
  })
  it("must not double its work with each reference", () => {
    const twice = (i: number) => ({ allOf: [{ $ref: `#/$defs/d${i}` }, { $ref: `#/$defs/d${i}` }] })
    const doubled = (times: number) => ({
      $defs: Object.fromEntries(Array.from({ length: times }, (_, i) => [`d${i}`, i === 0 ? {} : twice(i - 1)])),
      ...twice(times - 1)
    })
    expect(issues({ schema: doubled(5), action: "warn" })).toEqual({})
    expect(issues({ schema: doubled(20), action: "warn" })).toEqual({
      "schema.$defs.d9": "must not come to more than 2000 schemas"
    })
  })
  it("must not lead from one to the next without end: each takes of the stack", () => {
    const chain = (length: number) => ({
      // The last first, so that what is known already counts too.
      $defs: Object.fromEntries(
        Array.from({ length }, (_, i) => [`d${i}`, i === 0 ? { type: "string" } : { $ref: `#/$defs/d${i - 1}` }])
      ),
      properties: { a: { $ref: `#/$defs/d${length - 1}` } }
    })
    expect(issues({ schema: chain(62), action: "warn" })).toEqual({})
    expect(outcome(chain(62), '{"a":1}')).toBe("schema_invalid #/a")
    expect(issues({ schema: chain(1000), action: "warn" })).toEqual({
      "schema.$defs.d64": "must not come to more than 64 levels"
    })
  })
  it("must not be too deep to be walked", () => {
    let deep: object = {}
    for (let i = 0; i < 100; i++) deep = { not: deep }
    expect(Object.values(issues({ schema: deep, action: "warn" }))).toEqual(["must not be so deep"])
  })
  it("is rejected or warned of, nothing else", () => {
    expect(issues({ schema: {}, action: "drop" })).toEqual({ action: 'must be "reject" or "warn"' })
  })
  it("is not changed by what is made of it", () => {
    const check = BodySchema.compile({ schema: Object.freeze(structuredClone(ORDER)), action: "reject" })
    expect(Result.isSuccess(check(given(`{"id":"${ID}","lines":[{"sku":"a"}]}`)))).toBe(true)
  })
})
