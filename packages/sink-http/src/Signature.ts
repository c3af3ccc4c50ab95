/**
 * Signatures over the exact bytes of a body, by Web Crypto.
 *
 * - `standard_webhooks` signs `{id}.{seconds}.{body}` by HMAC-SHA256 with each secret. Headers: `webhook-id`,
 *   `webhook-timestamp`, and `webhook-signature` with a `v1,{base64}` for each secret, separated by spaces.
 * - `hmac` signs the body, or `{seconds}.{body}` with `include_timestamp`. Headers: the signature as prefix and hex,
 *   and with `include_timestamp` the time.
 *
 * Source of the first: Standard Webhooks,
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Redacted from "effect/Redacted"
import { type Signing, signatureHeader, standardWebhooksKey, timestampHeader } from "./HttpConfig.ts"

type Headers = { readonly [name: string]: string }

/** Gives the headers that sign one request; `now` is the attempt's time in milliseconds since 1970. */
export type Sign = (id: string, now: number, body: Uint8Array) => Effect.Effect<Headers>

const encoder = new TextEncoder()

const HASHES = { sha1: "SHA-1", sha256: "SHA-256", sha512: "SHA-512" } as const

const importKey = (key: Uint8Array, algorithm: keyof typeof HASHES) =>
  Effect.promise(() =>
    crypto.subtle.importKey("raw", key as Uint8Array<ArrayBuffer>, { name: "HMAC", hash: HASHES[algorithm] }, false, [
      "sign"
    ])
  )

const hmac = (key: CryptoKey, content: Uint8Array) =>
  Effect.map(
    Effect.promise(() => crypto.subtle.sign("HMAC", key, content as Uint8Array<ArrayBuffer>)),
    (signature) => new Uint8Array(signature)
  )

const after = (prefix: string, body: Uint8Array): Uint8Array => {
  const start = encoder.encode(prefix)
  const out = new Uint8Array(start.length + body.length)
  out.set(start)
  out.set(body, start.length)
  return out
}

const standardWebhooks = Effect.fnUntraced(function* (secrets: ReadonlyArray<Redacted.Redacted<string>>) {
  const keys = yield* Effect.forEach(secrets, (secret) =>
    // The config's Schema has seen that it is one.
    importKey(standardWebhooksKey(Redacted.value(secret))!, "sha256")
  )
  return Effect.fnUntraced(function* (id: string, now: number, body: Uint8Array) {
    const seconds = Math.floor(now / 1000)
    const content = after(`${id}.${seconds}.`, body)
    const signatures = yield* Effect.forEach(keys, (key) => hmac(key, content))
    return {
      "webhook-id": id,
      "webhook-timestamp": String(seconds),
      "webhook-signature": signatures.map((signature) => `v1,${Base64.encode(signature)}`).join(" ")
    }
  })
})

const plainHmac = Effect.fnUntraced(function* (signing: Extract<Signing, { readonly type: "hmac" }>) {
  const { algorithm = "sha256", prefix = `${algorithm}=`, include_timestamp = false } = signing
  const key = yield* importKey(encoder.encode(Redacted.value(signing.secret)), algorithm)
  return Effect.fnUntraced(function* (_id: string, now: number, body: Uint8Array) {
    const seconds = Math.floor(now / 1000)
    const signature = yield* hmac(key, include_timestamp ? after(`${seconds}.`, body) : body)
    return {
      [signatureHeader(signing)]: prefix + Hex.encode(signature),
      ...(include_timestamp ? { [timestampHeader(signing)]: String(seconds) } : {})
    }
  })
})

/** Makes the signer of one destination: the keys are imported once. */
export const make = (signing: Signing | undefined): Effect.Effect<Sign> => {
  if (signing === undefined) return Effect.succeed(() => Effect.succeed({}))
  return signing.type === "hmac" ? plainHmac(signing) : standardWebhooks(signing.secrets)
}
