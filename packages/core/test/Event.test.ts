import {
  bodyKind,
  type Event,
  type EventMeta,
  MAX_JSON_DEPTH,
  MAX_JSON_NAME,
  MAX_JSON_NUMBER,
  make,
  newEvent,
  readMeta
} from "@hookstream/core/event/Event"
import { viewOf } from "@hookstream/core/event/EventPath"
import { EMPTY, shortener, whole } from "@hookstream/core/event/HeaderDictionary"
import { makeSourceId, parseEventId } from "@hookstream/core/Ids"
import { describe, expect, it } from "vitest"

const bytes = (text: string) => new TextEncoder().encode(text)
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

describe("the kind of a body", () => {
  it.each([
    ['{"a":1}', "json"],
    [" \n [1, 2] \r\n", "json"],
    ["null", "json"],
    ['"text"', "json"],
    ["12345678901234567890123.5e-400", "json"],
    ['{"a":1}{"a":2}', "utf8"],
    ["a=1&b=2", "utf8"],
    ["", "utf8"],
    ["\u{feff}{}", "utf8"],
    ["{'a':1}", "utf8"]
  ])("%j is %s", (text, kind) => {
    expect(bodyKind(bytes(text))).toBe(kind)
  })
  it("bytes that are no UTF-8 are binary", () => {
    expect(bodyKind(Uint8Array.of(0x22, 0xff, 0x22))).toBe("binary")
    expect(bodyKind(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22))).toBe("binary")
  })
  it("JSON that would break a recursive parser is text", () => {
    expect(bodyKind(bytes(nested(MAX_JSON_DEPTH)))).toBe("json")
    expect(bodyKind(bytes(nested(MAX_JSON_DEPTH + 1)))).toBe("utf8")
    expect(bodyKind(bytes(JSON.stringify({ text: '\\"[['.repeat(2000) })))).toBe("json")
  })
  const digits = (count: number) => "7".repeat(count)
  it.each([
    ["an integer", (n: number) => digits(n), MAX_JSON_NUMBER],
    ["a fraction", (n: number) => `[-0.${digits(n - 5)}e5]`, MAX_JSON_NUMBER - 1],
    ["a number in an object", (n: number) => `{"a":${digits(n)},"b":1}`, MAX_JSON_NUMBER],
    ["a number behind others", (n: number) => `[${"1,".repeat(2000)}${digits(n)}]`, MAX_JSON_NUMBER],
    ["a name", (n: number) => `{"${"x".repeat(n)}":1}`, MAX_JSON_NAME],
    ["a name with escapes", (n: number) => `{"a":{"${'\\"'.repeat(n / 2)}" \n : 1}}`, MAX_JSON_NAME]
  ])("JSON with %s that common readers refuse is told from other JSON, and read all the same", (_, make, most) => {
    expect(bodyKind(bytes(make(most)))).toBe("json")
    const long = bytes(make(most + 2))
    expect(bodyKind(long)).toBe("long_json")
    const event = { body: long, bodyKind: "long_json" } as Event
    expect(viewOf(event).payload()).toEqual(JSON.parse(make(most + 2)))
  })
  it.each([
    ["many short numbers", `[${"12345,".repeat(1000)}1]`, "json"],
    ["a long string", JSON.stringify(["x".repeat(60_000), digits(2000), `${"y".repeat(60_000)}:`]), "json"],
    ["a long number that is none", digits(600).concat(".", digits(600), "."), "utf8"]
  ])("%s is not taken for it", (_, text, kind) => {
    expect(bodyKind(bytes(text))).toBe(kind)
  })
})

describe("the meta of an event", () => {
  const meta: EventMeta = { method: "POST", headers: [["x-a", "1"]], query: "", contentType: null, sourceIp: null }
  const verified = { template: "stripe", secret: 1, at: 1_700_000_000_000 }
  it.each([
    ["as older versions stored it", meta],
    ["with what is sealed", { ...meta, sealed: "1.abc" }],
    ["with how it was verified", { ...meta, verified }],
    ["with both", { ...meta, sealed: "1.abc", verified }]
  ])("is read as it was stored, whole and short: %s", (_, one) => {
    const stored = newEvent(one, bytes("{}")).meta
    expect(readMeta(stored)).toEqual({ sealed: undefined, verified: undefined, ...one })
    const { shorten, dictionary } = shortener(EMPTY)
    const short = [stored, stored].map(shorten)
    for (const text of short) {
      expect(readMeta(text, dictionary())).toEqual(readMeta(stored))
      expect(whole(text, dictionary())).toBe(stored)
    }
  })
  it("has five fields, and more only where there is more to say", () => {
    expect(JSON.parse(newEvent(meta, bytes("{}")).meta)).toHaveLength(5)
  })
})

describe("an event of one's own", () => {
  const numbered = { sourceId: makeSourceId("00000000", "0123abcde"), seq: 7, receivedAt: 1_700_000_000_000 }
  it("has the id that a log would give it, and the kind of its body", () => {
    const event = make({ ...numbered, body: '{"a":1}' })
    expect(parseEventId(event.id)).toEqual({ receivedAt: 1_700_000_000_000, seq: 7, route: "0123abcde" })
    expect([event.bodyKind, event.method, event.headers, event.query]).toEqual(["json", "POST", [], ""])
    expect(new TextDecoder().decode(event.body)).toBe('{"a":1}')
  })
  it("keeps what is said of its request, and bytes as they are", () => {
    const meta = { method: "PUT", headers: [["x-a", "1"]], query: "b=2", contentType: "a/b", sourceIp: "::1" } as const
    const body = Uint8Array.of(0xff)
    expect(make({ ...numbered, ...meta, body })).toMatchObject({ ...meta, body, bodyKind: "binary" })
  })
})
