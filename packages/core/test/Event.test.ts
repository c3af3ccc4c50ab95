import { bodyKind, isSecretHeader, MAX_JSON_DEPTH } from "@hookstream/core/Event"
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
})

describe("headers that are never shown again", () => {
  it.each([
    "authorization",
    "cookie",
    "stripe-signature",
    "x-hub-signature-256",
    "x-shopify-hmac-sha256",
    "webhook-signature"
  ])("%s", (name) => {
    expect(isSecretHeader(name)).toBe(true)
  })
  it("content-type and delivery ids are shown", () => {
    expect(["content-type", "x-github-delivery", "webhook-id"].some(isSecretHeader)).toBe(false)
  })
})
