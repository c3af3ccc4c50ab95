import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as Dedup from "@hookstream/ingest/Dedup"
import { TEMPLATE_NAMES, TEMPLATES } from "@hookstream/ingest/SourceTemplate"
import { Effect, Schema } from "effect"
import { bytes, issuesOf, received, type Sent } from "./support.ts"

const sent = (text: string, headers: Sent["headers"] = {}) => received({ headers, body: bytes(text) })
const key = (
  dedup: Dedup.Dedup,
  request: ReturnType<typeof sent>,
  template: Parameters<typeof Dedup.keyOf>[2] = null
) => Effect.promise(() => Dedup.keyOf(dedup, request, template))
const byHash = { strategy: "payload_hash" } as const
const byHeader = { strategy: "header_field", field: "X-Request-Id" } as const
const byField = { strategy: "body_field", field: "data.id" } as const
const byTemplate = { strategy: "template_id" } as const

describe("the key of an event", () => {
  it.effect.prop("by its body is the hash of the bytes", [Schema.Uint8Array], ([body]) =>
    Effect.gen(function* () {
      const hash = body.length === 0 ? undefined : createHash("sha256").update(body).digest("base64")
      expect(yield* key(byHash, received({ headers: {}, body }))).toBe(hash)
    })
  )
  it.effect("by a header is that of the header, whatever else differs", () =>
    Effect.gen(function* () {
      const one = yield* key(byHeader, sent("a", { "x-request-id": "r-1" }))
      expect(one).toHaveLength(44)
      expect(yield* key(byHeader, sent("b", { "x-request-id": "r-1", other: "x" }))).toBe(one)
      expect(yield* key(byHeader, sent("a", { "x-request-id": "r-2" }))).not.toBe(one)
      expect(yield* key(byHeader, sent("a", { "x-request-id": " " }))).toBeUndefined()
      expect(yield* key(byHeader, sent("a"))).toBeUndefined()
    })
  )
  it.effect("by a field of the body is that of its value and its type", () =>
    Effect.gen(function* () {
      const keys = yield* Effect.forEach(
        ['"1"', "1", "true", '"true"', "false", "0", "-1", "9007199254740991"].map((id) => `{"data":{"id":${id}}}`),
        (text) => key(byField, sent(text))
      )
      expect(keys).not.toContain(undefined)
      expect(new Set(keys).size).toBe(keys.length)
      expect(yield* key(byField, sent('{ "data": { "n": 2, "id": 1 } }'))).toBe(keys[1])
    })
  )
  it.effect("is none where there is no such value: nothing is a duplicate by what it has not", () =>
    Effect.gen(function* () {
      // The last two are one number in JavaScript.
      for (const id of ["null", "{}", "[1]", '""', "1.5", "1e400", "9007199254740993", "9007199254740992"]) {
        expect(yield* key(byField, sent(`{"data":{"id":${id}}}`))).toBeUndefined()
      }
      for (const text of ["{}", "[]", "no JSON", "", '{"data":"id"}']) {
        expect(yield* key(byField, sent(text))).toBeUndefined()
      }
    })
  )
  it.effect.each(TEMPLATE_NAMES)("by the template %s is the provider's id, where it has one", (template) =>
    Effect.gen(function* () {
      const path = TEMPLATES[template].eventId
      const { scheme } = TEMPLATES[template]
      const request = (id: string) =>
        path?.startsWith("headers.")
          ? sent("{}", { [path.slice("headers.".length)]: id, [scheme.header]: "s" })
          : sent(JSON.stringify(path === null ? {} : { [path.slice("payload.".length)]: id }))
      const one = yield* key(byTemplate, request("e-1"), template)
      if (path === null) return expect(one).toBeUndefined()
      expect(one).toHaveLength(44)
      expect(yield* key(byTemplate, request("e-1"), template)).toBe(one)
      expect(yield* key(byTemplate, request("e-2"), template)).not.toBe(one)
      expect(yield* key(byTemplate, sent("{}"), template)).toBeUndefined()
    })
  )
  it.effect("is none by a template that is not there", () =>
    Effect.gen(function* () {
      expect(yield* key(byTemplate, sent('{"id":"1"}', { "webhook-id": "1" }), null)).toBeUndefined()
      expect(yield* key(byTemplate, sent('{"id":"1"}', { "webhook-id": "1" }), "custom")).toBeUndefined()
    })
  )
})

describe("a strategy", () => {
  const issues = issuesOf(Dedup.Dedup)
  const strategy = 'must have the strategy "payload_hash", "header_field", "body_field" or "template_id"'
  const name = "must be a header name: 1 to 128 letters, digits and hyphens, without spaces or colons"
  const path = "must be names separated by dots, such as data.id"
  it.each([
    [byHash, {}],
    [byHeader, {}],
    [byField, {}],
    [byTemplate, {}],
    [{ strategy: "body_field", field: "id" }, {}],
    [{}, { "": strategy }],
    [{ strategy: "body" }, { "": strategy }],
    [{ strategy: "header_field", field: "X Id" }, { field: name }],
    [{ strategy: "body_field", field: "" }, { field: path }],
    [{ strategy: "body_field", field: "a..b" }, { field: path }],
    [{ strategy: "body_field", field: "x".repeat(257) }, { field: "must be at most 256 characters" }]
  ])("%j has the issues %j", (input, expected) => {
    expect(issues(input)).toEqual(expected)
  })
  it("by the template's id needs a template that has one", () => {
    expect(Dedup.issueOf(byTemplate, "github")).toBeUndefined()
    expect(Dedup.issueOf(byHash, null)).toBeUndefined()
    expect(Dedup.issueOf(byTemplate, "sendgrid")).toMatch(/SendGrid has no id of a request; take payload_hash/)
    for (const template of [null, "custom"] as const) {
      expect(Dedup.issueOf(byTemplate, template)).toMatch(/^must not be template_id: no provider's template says/)
    }
  })
})
