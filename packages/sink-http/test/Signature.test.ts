import { createHmac } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { HttpConfig, type Signing } from "@hookstream/sink-http/HttpConfig"
import * as Signature from "@hookstream/sink-http/Signature"
import { Effect, Schema } from "effect"
import { Webhook } from "standardwebhooks"
import { Webhook as SvixWebhook } from "svix"
import { bytes, WHSEC, WHSEC_NEXT } from "./support.ts"

const signing = (input: unknown): Signing =>
  Schema.decodeUnknownSync(HttpConfig)({ url: "https://a.example", signing: input }).signing!
const sign = Effect.fnUntraced(function* (input: unknown, id: string, now: number, body: Uint8Array) {
  return yield* (yield* Signature.make(signing(input)))(id, now, body)
})
const standard = (...secrets: ReadonlyArray<string>) => ({ type: "standard_webhooks", secrets })

describe("Standard Webhooks signatures", () => {
  it.effect("are those of the specification's own vector", () =>
    Effect.gen(function* () {
      const body = bytes('{"test": 2432232314}')
      const headers = yield* sign(standard(WHSEC), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_999, body)
      expect(headers).toEqual({
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
      })
    })
  )
  it.effect.prop(
    "are accepted by the libraries of receivers, with the old secret and the new",
    [Schema.String],
    ([text]) =>
      Effect.gen(function* () {
        // The libraries compare with the machine's clock and read a body as JSON.
        const body = JSON.stringify({ text })
        const headers = yield* sign(standard(WHSEC, WHSEC_NEXT), "evt_1", Date.now(), bytes(body))
        for (const secret of [WHSEC, WHSEC_NEXT]) {
          expect(new Webhook(secret).verify(body, headers)).toEqual({ text: JSON.parse(body).text })
          expect(() => new SvixWebhook(secret).verify(body, headers)).not.toThrow()
          expect(() => new SvixWebhook(secret).verify(`${body} `, headers)).toThrow("No matching signature")
        }
        expect(headers["webhook-signature"]!.split(" ")).toHaveLength(2)
      })
  )
  it.effect("are refused by the libraries for another body, id, time or secret", () =>
    Effect.gen(function* () {
      const headers = yield* sign(standard(WHSEC), "evt_1", Date.now(), bytes("{}"))
      const verify = (secret: string, body: string, change: object = {}) =>
        new Webhook(secret).verify(body, { ...headers, ...change })
      expect(verify(WHSEC, "{}")).toEqual({})
      expect(() => verify(WHSEC, "{} ")).toThrow("No matching signature")
      expect(() => verify(WHSEC_NEXT, "{}")).toThrow("No matching signature")
      expect(() => verify(WHSEC, "{}", { "webhook-id": "evt_2" })).toThrow("No matching signature")
      const later = String(Number(headers["webhook-timestamp"]) + 1)
      expect(() => verify(WHSEC, "{}", { "webhook-timestamp": later })).toThrow("No matching signature")
    })
  )
})

describe("HMAC signatures", () => {
  it.effect("are GitHub's own vector, so its verifiers work", () =>
    Effect.gen(function* () {
      const input = { type: "hmac", secret: "It's a Secret to Everybody", header: "X-Hub-Signature-256" }
      expect(yield* sign(input, "evt_1", 0, bytes("Hello, World!"))).toEqual({
        "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
      })
    })
  )
  it.effect.prop(
    "are those of another implementation, over the exact bytes, for every algorithm",
    [Schema.Uint8Array, Schema.NonEmptyString, Schema.Literals(["sha1", "sha256", "sha512"])],
    ([body, secret, algorithm]) =>
      Effect.gen(function* () {
        const key = Buffer.from(secret)
        expect(yield* sign({ type: "hmac", secret, algorithm }, "evt_1", 0, body)).toEqual({
          "X-hookstream-Signature": `${algorithm}=${createHmac(algorithm, key).update(body).digest("hex")}`
        })
        const timed = { type: "hmac", secret, algorithm, prefix: "", include_timestamp: true }
        expect(yield* sign(timed, "evt_1", 1_700_000_000_999, body)).toEqual({
          "X-hookstream-Signature": createHmac(algorithm, key).update("1700000000.").update(body).digest("hex"),
          "X-hookstream-Signature-Timestamp": "1700000000"
        })
      })
  )
  it.effect("go under the names and prefix that were chosen", () =>
    Effect.gen(function* () {
      const input = { type: "hmac", secret: "s", header: "X-Sig", prefix: "v0=", include_timestamp: true }
      const headers = yield* sign({ ...input, timestamp_header: "X-Time" }, "evt_1", 5000, bytes(""))
      expect(headers).toEqual({ "X-Sig": expect.stringMatching(/^v0=[0-9a-f]{64}$/), "X-Time": "5" })
    })
  )
})

it.effect("nothing is signed unless it was asked for", () =>
  Effect.gen(function* () {
    expect(yield* (yield* Signature.make(undefined))("evt_1", 0, bytes("{}"))).toEqual({})
  })
)
