/**
 * Requests signed by the providers' own packages, or by hand where a package only verifies, and then it verifies ours.
 * Each is let in; changed in any signed part it is not.
 */
import { generateKeyPairSync, sign as signWith } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it, vi } from "@effect/vitest"
import { TEMPLATE_NAMES, type TemplateName } from "@hookstream/ingest/SourceTemplate"
import { LinearWebhookClient } from "@linear/sdk/webhooks"
import * as Octokit from "@octokit/webhooks-methods"
import { Paddle } from "@paddle/paddle-node-sdk"
import { EventWebhook } from "@sendgrid/eventwebhook"
import { verifySlackRequest } from "@slack/bolt/dist/receivers/verify-request.js"
import { Effect, Schema } from "effect"
import { Webhook as StandardWebhook } from "standardwebhooks"
import Stripe from "stripe"
import { Webhook as SvixWebhook } from "svix"
import { getExpectedTwilioSignature } from "twilio/lib/webhooks/webhooks.js"
import { bytes, headersOf, hmac, outcome, type Sent, SIGNED_AT, WHSEC, WHSEC_NEXT } from "./support.ts"

// Some packages compare with the machine's clock.
beforeAll(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: SIGNED_AT * 1000 })
})
afterAll(() => {
  vi.useRealTimers()
})

interface Provider {
  readonly secrets: readonly [right: string, wrong: string]
  /** `text` goes into the body in the provider's way. */
  readonly send: (text: string, secret: string) => Promise<Sent>
  /** The header with the time, as another one would be signed. */
  readonly later?: (headers: Sent["headers"]) => Sent["headers"]
}

const TEXT_SECRETS = ["a secret of the provider", "another secret"] as const
const seconds = String(SIGNED_AT)

const p256 = () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  return { privateKey, text: publicKey.export({ type: "spki", format: "der" }).toString("base64") }
}
const [sendgrid, sendgridOther] = [p256(), p256()]

const svix: Provider = {
  secrets: [WHSEC, WHSEC_NEXT],
  send: async (text, secret) => ({
    headers: {
      "svix-id": "msg_1",
      "svix-timestamp": seconds,
      "svix-signature": new SvixWebhook(secret).sign("msg_1", new Date(SIGNED_AT * 1000), text)
    },
    body: bytes(text)
  }),
  later: (headers) => ({ ...headers, "svix-timestamp": String(SIGNED_AT + 1) })
}

const ofBody = (header: string, make: (body: Uint8Array, secret: string) => string): Provider => ({
  secrets: TEXT_SECRETS,
  send: async (text, secret) => ({ headers: { [header]: make(bytes(text), secret) }, body: bytes(text) })
})

const PROVIDERS: { readonly [N in TemplateName]: Provider } = {
  standard_webhooks: {
    secrets: [WHSEC, WHSEC_NEXT],
    send: async (text, secret) => ({
      headers: {
        "webhook-id": "msg_1",
        "webhook-timestamp": seconds,
        "webhook-signature": new StandardWebhook(secret).sign("msg_1", new Date(SIGNED_AT * 1000), text)
      },
      body: bytes(text)
    }),
    later: (headers) => ({ ...headers, "webhook-timestamp": String(SIGNED_AT + 1) })
  },
  svix,
  clerk: svix,
  resend: svix,
  stripe: {
    secrets: ["whsec_of_the_endpoint", "whsec_of_another"],
    send: async (text, secret) => ({
      headers: {
        "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload: text, secret, timestamp: SIGNED_AT })
      },
      body: bytes(text)
    }),
    later: (headers) => ({
      ...headers,
      "stripe-signature": headers["stripe-signature"]!.replace(seconds, String(SIGNED_AT + 1))
    })
  },
  github: {
    secrets: TEXT_SECRETS,
    send: async (text, secret) => ({
      headers: { "x-hub-signature-256": await Octokit.sign(secret, text) },
      body: bytes(text)
    })
  },
  shopify: ofBody("x-shopify-hmac-sha256", (body, secret) => hmac("sha256", secret, "base64", body)),
  slack: {
    secrets: TEXT_SECRETS,
    send: async (text, secret) => {
      const headers = {
        "x-slack-request-timestamp": seconds,
        "x-slack-signature": `v0=${hmac("sha256", secret, "hex", `v0:${seconds}:${text}`)}`
      }
      const at = { "x-slack-request-timestamp": SIGNED_AT, "x-slack-signature": headers["x-slack-signature"] }
      // It throws where they are not Slack's.
      verifySlackRequest({ signingSecret: secret, body: text, headers: at, nowMilliseconds: SIGNED_AT * 1000 })
      return { headers, body: bytes(text) }
    },
    later: (headers) => ({ ...headers, "x-slack-request-timestamp": String(SIGNED_AT + 1) })
  },
  twilio: {
    secrets: TEXT_SECRETS,
    send: async (text, secret) => {
      const url = "https://in.example/v1/ingest/tok_1?shop=1"
      const fields = { Body: text, From: "+14158675309" }
      return {
        url,
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          "x-twilio-signature": getExpectedTwilioSignature(secret, url, fields)
        },
        body: bytes(new URLSearchParams(fields).toString())
      }
    }
  },
  sendgrid: {
    secrets: [sendgrid.text, sendgridOther.text],
    send: async (text, secret) => {
      const { privateKey } = secret === sendgrid.text ? sendgrid : sendgridOther
      const body = `${JSON.stringify([{ text }])}\r\n`
      const signature = signWith("sha256", bytes(seconds + body), privateKey).toString("base64")
      const library = new EventWebhook()
      expect(library.verifySignature(library.convertPublicKeyToECDSA(secret), body, signature, seconds)).toBe(true)
      return {
        headers: {
          "x-twilio-email-event-webhook-signature": signature,
          "x-twilio-email-event-webhook-timestamp": seconds
        },
        body: bytes(body)
      }
    },
    later: (headers) => ({ ...headers, "x-twilio-email-event-webhook-timestamp": String(SIGNED_AT + 1) })
  },
  linear: {
    secrets: TEXT_SECRETS,
    send: async (text, secret) => {
      const body = Buffer.from(JSON.stringify({ text, webhookTimestamp: SIGNED_AT * 1000 }))
      const signature = hmac("sha256", secret, "hex", body)
      expect(new LinearWebhookClient(secret).verify(body, signature)).toBe(true)
      return { headers: { "linear-signature": signature }, body }
    }
  },
  paddle: {
    secrets: TEXT_SECRETS,
    send: async (text, secret) => {
      const signature = `ts=${seconds};h1=${hmac("sha256", secret, "hex", `${seconds}:${text}`)}`
      expect(await new Paddle("key").webhooks.isSignatureValid(text, secret, signature)).toBe(true)
      return { headers: { "paddle-signature": signature }, body: bytes(text) }
    },
    later: (headers) => ({
      ...headers,
      "paddle-signature": headers["paddle-signature"]!.replace(seconds, String(SIGNED_AT + 1))
    })
  },
  typeform: ofBody("typeform-signature", (body, secret) => `sha256=${hmac("sha256", secret, "base64", body)}`),
  intercom: ofBody("x-hub-signature", (body, secret) => `sha1=${hmac("sha1", secret, "hex", body)}`)
}

/** Another body of the same length; a form whose first value is another. */
const flipped = (template: TemplateName, body: Uint8Array, at: number): Uint8Array => {
  if (template === "twilio") return bytes(new TextDecoder().decode(body).replace("Body=", "Body=x"))
  const i = at % body.length
  return body.map((byte, j) => (i === j ? byte ^ 1 : byte))
}

describe.each(TEMPLATE_NAMES)("a request of %s", (template) => {
  const { secrets, send, later } = PROVIDERS[template]
  const [right, wrong] = secrets
  const arbitrary = { arbitrary: { runs: 20 } }

  it.effect.prop(
    "is let in as its provider signs it, with any secret of a rotation",
    [Schema.NonEmptyString],
    ([text]) =>
      Effect.gen(function* () {
        const sent = yield* Effect.promise(() => send(text, right))
        expect(yield* outcome({ template, secrets: [right] }, sent)).toBe("ok")
        expect(yield* outcome({ template, secrets: [wrong, right] }, sent)).toBe("ok")
        expect(yield* outcome({ template, secrets: [wrong] }, sent)).toBe("no_secret_matches")
      }),
    arbitrary
  )
  it.effect.prop(
    "is refused with another body",
    [Schema.NonEmptyString, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))],
    ([text, at]) =>
      Effect.gen(function* () {
        const sent = yield* Effect.promise(() => send(text, right))
        const changed = { ...sent, body: flipped(template, sent.body, at) }
        expect(yield* outcome({ template, secrets: [right] }, changed)).toBe("no_secret_matches")
      }),
    arbitrary
  )
  it.effect("is refused without one of its headers", () =>
    Effect.gen(function* () {
      const sent = yield* Effect.promise(() => send("text", right))
      for (const name of headersOf(template)) {
        const { [name]: _, ...headers } = sent.headers
        expect(yield* outcome({ template, secrets: [right] }, { ...sent, headers })).toBe("missing_header")
        const emptied = { ...sent, headers: { ...headers, [name]: " " } }
        expect(yield* outcome({ template, secrets: [right] }, emptied)).toBe("missing_header")
      }
    })
  )
  if (later === undefined) return
  it.effect("is refused with another time", () =>
    Effect.gen(function* () {
      const sent = yield* Effect.promise(() => send("text", right))
      const changed = { ...sent, headers: later(sent.headers) }
      expect(changed.headers).not.toEqual(sent.headers)
      expect(yield* outcome({ template, secrets: [right] }, changed)).toBe("no_secret_matches")
    })
  )
})

it.effect.each([
  ["standard_webhooks", "webhook-id"],
  ["svix", "svix-id"]
] as const)("another id of %s is refused: it is signed", ([template, name]) =>
  Effect.gen(function* () {
    const sent = yield* Effect.promise(() => PROVIDERS[template].send("text", WHSEC))
    const changed = { ...sent, headers: { ...sent.headers, [name]: "msg_2" } }
    expect(yield* outcome({ template, secrets: [WHSEC] }, changed)).toBe("no_secret_matches")
  })
)
