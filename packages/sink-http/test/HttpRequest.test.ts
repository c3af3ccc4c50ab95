import { describe, expect, it } from "@effect/vitest"
import { HttpConfig } from "@hookstream/sink-http/HttpConfig"
import * as HttpRequest from "@hookstream/sink-http/HttpRequest"
import { Effect, Schema } from "effect"
import { event, outbound, WHSEC } from "./support.ts"

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const url = "https://hooks.example.com/a%2Fb?sig=a%2Bb&x=%20&y"

const build = Effect.fnUntraced(function* (change: object, one = outbound("{}"), now = NOW) {
  const config = Schema.decodeUnknownSync(HttpConfig)({ url, ...change })
  return yield* (yield* HttpRequest.make(config))(one, now)
})

describe("the request", () => {
  it.effect("of a plain config has the contract's headers and no others", () =>
    Effect.gen(function* () {
      const { method, headers, ...request } = yield* build({})
      expect([method, request.url]).toEqual(["POST", url])
      expect({ ...headers }).toEqual({
        "content-type": "application/json",
        "content-length": "2",
        "x-hookstream-event-id": event("").id,
        "x-hookstream-delivery-attempt": "1",
        "x-hookstream-timestamp": "2026-01-02T03:04:05.678Z"
      })
    })
  )
  it.effect.prop(
    "holds the bytes and the content type that came, whatever they are",
    [Schema.Uint8Array, Schema.NullOr(Schema.Literals(["text/plain; charset=latin1", "image/png", ""]))],
    ([body, contentType]) =>
      Effect.gen(function* () {
        const request = yield* build({}, outbound(body, { event: event(body, { contentType }) }))
        expect(request.body).toMatchObject({ _tag: "Raw", body })
        expect(request.headers["content-type"]).toBe(contentType ?? undefined)
        expect(request.headers["content-length"]).toBe(String(body.length))
      })
  )
  it.effect.prop(
    "says which attempt it is, and when",
    [
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })),
      Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4e12 })),
      Schema.NullOr(Schema.Literal("rpl_1"))
    ],
    ([attempt, now, replayId]) =>
      Effect.gen(function* () {
        const { headers } = yield* build({}, outbound("{}", { attempt, replayId }), now)
        expect(headers["x-hookstream-delivery-attempt"]).toBe(String(attempt))
        expect(new Date(headers["x-hookstream-timestamp"]!).getTime()).toBe(now)
        expect(headers["x-hookstream-replay-id"]).toBe(replayId ?? undefined)
      })
  )
  it.effect("keeps the encoding of a compressed body, and no other header of the sender", () =>
    Effect.gen(function* () {
      const headers = [
        ["content-encoding", "gzip"],
        ["authorization", "Bearer sender"],
        ["x-other", "y"]
      ] as const
      const one = outbound("{}", { event: event("{}", { headers }) })
      const request = yield* build({}, one)
      expect(request.headers["content-encoding"]).toBe("gzip")
      expect(Object.keys(request.headers)).not.toEqual(expect.arrayContaining(["authorization"]))
      expect(Object.keys(request.headers)).not.toEqual(expect.arrayContaining(["x-other"]))
    })
  )
  it.effect.prop("of the same event and time is the same, signature and all", [Schema.String], ([body]) =>
    Effect.gen(function* () {
      const config = { signing: { type: "standard_webhooks", secrets: [WHSEC] } }
      const [one, two] = [yield* build(config, outbound(body)), yield* build(config, outbound(body))]
      expect(one.headers).toEqual(two.headers)
    })
  )
  it.effect("has the config's method and headers", () =>
    Effect.gen(function* () {
      const request = yield* build({ method: "PATCH", headers: { "X-Environment": "production" } })
      expect([request.method, request.headers["x-environment"]]).toEqual(["PATCH", "production"])
    })
  )
  it.effect.each([
    [{ type: "none" }, undefined],
    [{ type: "bearer", token: "abc" }, ["authorization", "Bearer abc"]],
    // RFC 7617 §2.1: the example with a pound sign, in UTF-8.
    [{ type: "basic", username: "test", password: "123£" }, ["authorization", "Basic dGVzdDoxMjPCow=="]],
    [{ type: "header", name: "X-API-Key", value: "abc" }, ["x-api-key", "abc"]]
  ] as const)("authenticates by %j", ([auth, header]) =>
    Effect.gen(function* () {
      const { headers } = yield* build({ auth })
      if (header === undefined) expect(headers["authorization"]).toBeUndefined()
      else expect(headers[header[0]]).toBe(header[1])
    })
  )
  it("of a check is a HEAD with the credentials and without an event", () => {
    const config = Schema.decodeUnknownSync(HttpConfig)({ url, auth: { type: "bearer", token: "abc" } })
    const { method, headers, body } = HttpRequest.head(config)
    expect([method, { ...headers }, body._tag]).toEqual(["HEAD", { authorization: "Bearer abc" }, "Empty"])
  })
})
