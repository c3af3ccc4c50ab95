import { describe, expect, it } from "@effect/vitest"
import * as EventPath from "@hookstream/core/event/EventPath"
import * as Filter from "@hookstream/core/event/Filter"
import { Result, Schema } from "effect"

const event = (payload: unknown, change: object = {}) =>
  EventPath.viewOf({
    id: "evt_1",
    sourceId: "src_1",
    seq: 1,
    receivedAt: 1,
    bodyKind: payload === undefined ? "binary" : "json",
    method: "POST",
    query: "a=1&a=2&empty=",
    contentType: "application/json",
    sourceIp: null,
    headers: [["x-github-event", "push"]],
    body: new TextEncoder().encode(JSON.stringify(payload) ?? ""),
    ...change
  } as EventPath.EventView["event"])
const read = (path: string, payload: unknown = { a: { b: [10, { c: null }] }, "x.y": 1 }) =>
  EventPath.compile(path)!(event(payload))

describe("a path", () => {
  it.each([
    ["payload", { a: { b: [10, { c: null }] }, "x.y": 1 }],
    ["payload.a.b.0", 10],
    ["payload.a.b.1.c", null],
    ["payload.a.b.2", undefined],
    ["payload.a.b.length", 2],
    ["payload.a.__proto__", undefined],
    ["payload.a.toString", undefined],
    ["headers.X-GitHub-Event", "push"],
    ["headers.missing", undefined],
    ["query.a", "1"],
    ["query.empty", ""],
    ["query.b", undefined],
    ["method", "POST"],
    ["content_type", "application/json"],
    ["source_ip", undefined]
  ])("%s leads to %j", (path, value) => {
    expect(read(path)).toEqual(value)
  })
  const inForm = (contentType: string, body: string | Uint8Array<ArrayBuffer>, path: string, bodyKind = "utf8") =>
    EventPath.compile(path)!(
      event(undefined, {
        bodyKind,
        contentType,
        body: typeof body === "string" ? new TextEncoder().encode(body) : body
      })
    )
  const urlencoded = "application/x-www-form-urlencoded"
  const parts = (...all: ReadonlyArray<string>) => [...all.map((part) => `--b\r\n${part}\r\n`), "--b--\r\n"].join("")
  const field = (name: string, value: string) => `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`
  it.each([
    [urlencoded, "CallSid=CA1&Body=Gr%C3%BC%C3%9Fe+all&CallSid=CA2", "form.CallSid", "CA1"],
    [`${urlencoded}; charset=UTF-8`, "Body=Gr%C3%BC%C3%9Fe+all", "form.Body", "Grüße all"],
    [urlencoded, "a=1", "form.b", undefined],
    [urlencoded, "a=1", "form.constructor", undefined],
    ["text/plain", "a=1", "form.a", undefined],
    ["multipart/form-data; boundary=b", parts(field("a", "1"), field("a.b", "ü")), "form.a.b", "ü"],
    ["multipart/form-data; boundary=b", parts(field("a", "1")).slice(0, -9), "form.a", undefined],
    ["multipart/form-data", parts(field("a", "1")), "form.a", undefined]
  ])("into a form of %s, %j: %s is %j", (type, body, path, value) => {
    expect(inForm(type, body, path)).toBe(value)
  })
  it("into a form of more than a thousand fields is not followed", () => {
    const multipart = (count: number) => parts(...Array.from({ length: count }, (_, i) => field(`n${i}`, "1")))
    const read = (type: string, body: string) => () => inForm(type, body, "form.n999")
    for (const [type, make] of [
      ["multipart/form-data; boundary=b", multipart],
      [urlencoded, (count: number) => Array.from({ length: count }, (_, i) => `n${i}=1`).join("&")]
    ] as const) {
      expect(read(type, make(1000))()).toBe("1")
      expect(read(type, make(1001))).toThrow("more than 1000 fields")
    }
  })
  it.each([
    ["application/json; charset=iso-8859-1", Uint8Array.from([123, 34, 97, 34, 58, 34, 252, 34, 125]), "ü"],
    ['application/vnd.x+json;charset="utf-16le"', new Uint8Array(Uint16Array.from(Buffer.from('{"a":1}')).buffer), 1],
    ["application/json; charset=utf-8", Uint8Array.from([123, 34, 97, 34, 58, 34, 252, 34, 125]), undefined],
    ["application/json; charset=nonsense", Uint8Array.from([123, 34, 97, 34, 58, 49, 255, 125]), undefined],
    ["text/plain; charset=iso-8859-1", Uint8Array.from([123, 34, 97, 34, 58, 34, 252, 34, 125]), undefined],
    ["application/json; charset=iso-8859-1", Uint8Array.from([123, 252]), undefined]
  ])("into a body of %s leads to %j", (type, body, value) => {
    expect(inForm(type, body, "payload.a", "binary")).toBe(value)
  })
  it("into a body that is no JSON leads nowhere", () => {
    expect(EventPath.compile("payload.a")!(event(undefined))).toBeUndefined()
  })
  it.each([
    "",
    "form",
    "form.",
    "payloads",
    "payload.",
    "payload..a",
    "headers",
    "headers.",
    ".a",
    "body.a",
    "constructor"
  ])("is not %j", (text) => {
    expect(EventPath.compile(text)).toBeUndefined()
  })
})

const passes = (payload: unknown, ...rules: ReadonlyArray<Filter.FilterRule>) => Filter.compile(rules)(event(payload))

describe("filter rules", () => {
  it("without any pass everything; of several the first that fails is named", () => {
    expect(passes({})).toBeUndefined()
    const rules = [
      { field: "payload.a", op: "eq", value: 1 },
      { field: "payload.b", op: "gt", value: 5 }
    ] as const
    expect([passes({ a: 1, b: 6 }, ...rules), passes({ a: 1, b: 5 }, ...rules), passes({}, ...rules)]).toEqual([
      undefined,
      1,
      0
    ])
  })
  it.each([
    ["eq", { x: [1, { y: 2 }] }, { x: [1, { y: 2 }] }, true],
    ["eq", "1", 1, false],
    ["eq", undefined, null, false],
    ["neq", undefined, 1, true],
    ["neq", 1, 1, false],
    ["contains", "payment.succeeded", "payment", true],
    ["contains", ["a", { b: 1 }], { b: 1 }, true],
    ["contains", 12, 1, false],
    ["gt", 2, 1, true],
    ["gt", "2", 1, false],
    ["gte", 1, 1, true],
    ["lt", 0, 1, true],
    ["lte", 2, 1, false],
    ["lt", undefined, 1, false],
    ["exists", null, undefined, true],
    ["exists", undefined, undefined, false],
    ["exists", undefined, false, true],
    ["in", "b", ["a", "b"], true],
    ["in", undefined, ["a"], false],
    ["starts_with", "invoice.paid", "invoice.", true],
    ["starts_with", ["invoice"], "invoice", false],
    ["ends_with", "invoice.paid", ".paid", true],
    ["ends_with", "invoice.paid", ".pai", false],
    ["matches", "invoice.paid", "invoice.paid", true],
    ["matches", "invoice.paid", "invoice", false],
    ["matches", "invoice.paid", "*", true],
    ["matches", "", "*", true],
    ["matches", "invoice.line.paid", "in*.*.paid", true],
    ["matches", "aba", "ab*ba", false],
    ["matches", "abba", "ab*ba", true],
    ["matches", "a.b", "a?b", false],
    ["matches", "xaxb", "*a*a*", false],
    ["matches", "xa", "*xa*a", false],
    ["matches", undefined, "*", false]
  ] as const)("%s of %j and %j is %j", (op, actual, value, holds) => {
    const rule = { field: "payload.v", op, ...(value === undefined ? {} : { value }) } as Filter.FilterRule
    expect(passes({ v: actual }, rule) === undefined).toBe(holds)
  })

  const is = (field: string, value: Schema.Json) => ({ field, op: "eq", value }) as const
  it.each([
    [{ any: [is("payload.a", 1), is("payload.b", 1)] }, { b: 1 }, true],
    [{ any: [is("payload.a", 1), is("payload.b", 1)] }, {}, false],
    [{ all: [is("payload.a", 1), is("payload.b", 1)] }, { b: 1 }, false],
    [{ all: [is("payload.a", 1), is("payload.b", 1)] }, { a: 1, b: 1 }, true],
    [{ not: is("payload.a", 1) }, {}, true],
    [{ not: { any: [is("payload.a", 1), { not: is("payload.b", 2) }] } }, { b: 2 }, true],
    [{ not: { any: [is("payload.a", 1), { not: is("payload.b", 2) }] } }, { a: 1, b: 2 }, false]
  ])("%j passes %j: %j", (rule, payload, isPassed) => {
    expect(Schema.decodeUnknownSync(Filter.FilterRule)(rule)).toEqual(rule)
    expect(passes(payload, rule) === undefined).toBe(isPassed)
  })
  it("name the fields that they read, in whichever groups", () => {
    const rules = [is("method", "PUT"), { any: [{ not: is("headers.a", 1) }, { all: [is("query.b", 1)] }] }]
    expect(Filter.comparisonsOf(rules).map(({ field }) => field)).toEqual(["method", "headers.a", "query.b"])
    expect(rules.map(Filter.depthOf)).toEqual([1, 3])
  })

  // The oracle says each operator again in the plainest way, by JSON texts.
  const Value = Schema.Union([
    Schema.Null,
    Schema.Literals([true, 0, 1, 2, "", "a", "ab", "1", "abab", "a*b", "*b*", "**"]),
    Schema.Array(Schema.Literals([1, "a"])).check(Schema.isMaxLength(2))
  ])
  const text = (value: unknown) => JSON.stringify(value)
  const like = (a: string, pattern: string): boolean => {
    if (pattern === "") return a === ""
    if (pattern[0] === "*") return like(a, pattern.slice(1)) || (a !== "" && like(a.slice(1), pattern))
    return a[0] === pattern[0] && like(a.slice(1), pattern.slice(1))
  }
  const oracle = (op: Filter.Op, a: unknown, b: unknown): boolean => {
    if (op === "eq") return text(a) === text(b)
    if (op === "neq") return text(a) !== text(b)
    if (op === "exists") return (a !== undefined) === (b ?? true)
    if (op === "starts_with") return typeof a === "string" && a.indexOf(b as string) === 0
    if (op === "ends_with") return typeof a === "string" && a.slice(a.length - (b as string).length) === b
    if (op === "matches") return typeof a === "string" && like(a, b as string)
    if (op === "in") return (b as ReadonlyArray<unknown>).map(text).includes(text(a))
    if (op === "contains") {
      if (Array.isArray(a)) return a.map(text).includes(text(b))
      return typeof a === "string" && typeof b === "string" && a.indexOf(b) >= 0
    }
    const [x, y] = [typeof a === "number" ? a : Number.NaN, b as number]
    return op === "gt" ? x > y : op === "gte" ? x >= y : op === "lt" ? x < y : x <= y
  }
  it.prop(
    "agree with a naive oracle",
    [Filter.Op, Schema.UndefinedOr(Value), Value],
    ([op, actual, value]) => {
      const rule = { field: "payload.v", op, value }
      if (Result.isFailure(Schema.decodeUnknownResult(Filter.FilterRule)(rule))) return
      expect(passes({ v: actual }, rule as Filter.FilterRule) === undefined).toBe(oracle(op, actual, value))
    },
    { arbitrary: { runs: 1000 } }
  )
  it.each([
    [{ field: "nope", op: "eq", value: 1 }, "must be a path"],
    [{ field: "payload.a", op: "gt", value: "1" }, "gt compares with a number"],
    [{ field: "payload.a", op: "in", value: "a" }, "in needs a list"],
    [{ field: "payload.a", op: "eq" }, "eq needs a value"],
    [{ field: "payload.a", op: "exists", value: 1 }, "exists takes true or false"],
    [{ field: "payload.a", op: "matches", value: "*".repeat(257) }, "a pattern has at most 256 characters"],
    [{ field: "payload.a", op: "starts_with", value: 1 }, "starts_with compares with a text"],
    [{ any: [{ field: "payload.a", op: "gt", value: "1" }] }, "gt compares with a number"],
    [{ not: { not: { field: "nope", op: "eq", value: 1 } } }, "must be a path"],
    [{ any: [] }, "any"]
  ])("%j is refused: %s", (rule, message) => {
    const decoded = Schema.decodeUnknownResult(Filter.FilterRule)(rule)
    expect(Result.isFailure(decoded) && decoded.failure.message).toContain(message)
  })
})
