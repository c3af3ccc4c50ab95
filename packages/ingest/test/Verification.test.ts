import * as SealedConfig from "@hookstream/core/secret/SealedConfig"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import { STORED } from "@hookstream/core/sink/Sink"
import { TEMPLATE_NAMES, TEMPLATES } from "@hookstream/ingest/SourceTemplate"
import { schemeOf, Verification } from "@hookstream/ingest/Verification"
import { Effect, Redacted, Schema } from "effect"
import { describe, expect, it } from "vitest"
import { issuesOf, settings, WHSEC, WHSEC_NEXT } from "./support.ts"

const issues = issuesOf(Verification)

const WHPK = `whpk_${Buffer.alloc(32, 7).toString("base64")}`
const P256 = `MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE${"A".repeat(86)}==`
const custom = (change: object = {}) => ({
  template: "custom",
  secrets: ["s"],
  header: "X-Sig",
  algorithm: "hmac_sha256",
  ...change
})

/** A secret in the form of each template. */
const secretOf = { utf8: "s", stripe: "whsec_1", standard: WHSEC, p256: P256, ed25519: WHPK }

describe("the verification of a source", () => {
  it.each(TEMPLATE_NAMES)("may be by %s", (template) => {
    const { scheme, eventId, eventType, documentation } = TEMPLATES[template]
    expect(issues({ template, secrets: [secretOf[scheme.secret]] })).toEqual({})
    expect(scheme.header).toBe(scheme.header.toLowerCase())
    expect(scheme.signed.some(({ _tag }) => _tag === "body" || _tag === "form")).toBe(true)
    for (const path of [eventId, eventType]) expect(path ?? "payload.a").toMatch(/^(headers|payload)\.[a-z_.-]+$/)
    expect(new URL(documentation).protocol).toBe("https:")
  })
  it.each([
    [custom()],
    [custom({ encoding: "base64", prefix: "sha256=", signed_payload: "{url}.{body}" })],
    [custom({ signed_payload: "{timestamp}.{body}", timestamp_header: "X-Time", tolerance_seconds: 60 })],
    [custom({ signed_payload: "{url}{form}", algorithm: "hmac_sha1" })],
    [custom({ algorithm: "token", prefix: "Bearer " })],
    [custom({ algorithm: "ed25519", secrets: ["ab".repeat(32), WHPK, WHPK.slice(5)] })],
    [custom({ algorithm: "ecdsa_p256_sha256", secrets: [P256] })],
    [{ template: "standard_webhooks", secrets: [WHSEC, WHSEC_NEXT, WHPK], tolerance_seconds: 600 }]
  ])("may be %j", (input) => {
    expect(issues(input)).toEqual({})
  })

  const standard = 'must be "whsec_" and 24 to 64 bytes in base64, or the public key, "whpk_" and 32 bytes in base64'
  const ed25519 = "must be the public key of an Ed25519 pair: 32 bytes in base64 or hex"
  const p256 = "must be the public key of a P-256 pair in base64 (SPKI), as the provider shows it"
  const stripe = 'must be the signing secret of the endpoint, which begins with "whsec_": no API key'
  const placeholders =
    "must have the placeholders {body}, {timestamp}, {url}, {method}, {form} and {header:<name>} only"
  const unsigned = "must have {body} in it, or {form}: else anyone could send another body with the same signature"
  const token = "must be left out: a token signs nothing"
  const name = "must be a header name: 1 to 128 letters, digits and hyphens, without spaces or colons"

  it.each([
    ["github", [], "secrets", "must be 1 to 5 secrets: leave out those that the provider signs with no more"],
    [
      "github",
      ["1", "2", "3", "4", "5", "6"],
      "secrets",
      "must be 1 to 5 secrets: leave out those that the provider signs with no more"
    ],
    ["github", [""], "secrets.0", "must not be empty"],
    ["github", [7], "secrets.0", "must be a text"],
    [
      "github",
      ["****cret"],
      "secrets.0",
      "must be the secret itself, not a masked value: leave the field out to keep what is stored"
    ],
    ["github", ["s".repeat(4097)], "secrets.0", "must be at most 4096 characters"],
    ["standard_webhooks", [WHSEC, WHSEC.slice(6)], "secrets.1", standard],
    ["svix", ["whsec_AAAA"], "secrets.0", standard],
    ["svix", [`whsec_${Buffer.alloc(65).toString("base64")}`], "secrets.0", standard],
    ["clerk", ["whsec_no base64 at all"], "secrets.0", standard],
    ["resend", [WHPK.replace("whpk", "whsk")], "secrets.0", standard],
    ["resend", [`${WHPK.slice(0, 40)}=`], "secrets.0", standard],
    ["stripe", ["sk_live_1"], "secrets.0", stripe],
    ["sendgrid", ["a secret"], "secrets.0", p256],
    ["sendgrid", [P256.replace("MFkw", "MFkx")], "secrets.0", p256],
    ["sendgrid", [P256.slice(0, -8)], "secrets.0", p256]
  ])("with %s refuses the secrets %j", (template, secrets, path, message) => {
    expect(issues({ template, secrets })).toEqual({ [path]: message })
  })
  it.each([
    [{ header: "X Sig" }, "header", name],
    [{ header: "" }, "header", name],
    [{ timestamp_header: "X:Time", signed_payload: "{timestamp}{body}" }, "timestamp_header", name],
    [
      { algorithm: "md5" },
      "algorithm",
      "must be one of hmac_sha256, hmac_sha1, hmac_sha512, ecdsa_p256_sha256, ed25519, token"
    ],
    [{ encoding: "base32" }, "encoding", 'must be "hex" or "base64"'],
    [{ prefix: "é" }, "prefix", "must be at most 32 printable ASCII characters"],
    [{ signed_payload: "{timestamp}", timestamp_header: "X-T" }, "signed_payload", unsigned],
    [{ signed_payload: "" }, "signed_payload", unsigned],
    [{ signed_payload: "{body}{id}" }, "signed_payload", placeholders],
    [{ signed_payload: "{body}{header:x y}" }, "signed_payload", placeholders],
    [{ signed_payload: "{body}}" }, "signed_payload", "must have { and } around placeholders only"],
    [{ signed_payload: `{body}${"x".repeat(251)}` }, "signed_payload", "must be at most 256 characters"],
    [{ signed_payload: "{timestamp}.{body}" }, "timestamp_header", "must say which header holds the signed time"],
    [{ tolerance_seconds: 60 }, "timestamp_header", "must say which header holds the signed time"],
    [
      { timestamp_header: "X-Time" },
      "signed_payload",
      "must have {timestamp} in it: a time that is not signed can be changed"
    ],
    [{ algorithm: "token", encoding: "hex" }, "encoding", token],
    [{ algorithm: "token", signed_payload: "{body}" }, "signed_payload", token],
    [{ algorithm: "token", timestamp_header: "X-Time" }, "timestamp_header", token],
    [{ algorithm: "token", tolerance_seconds: 5 }, "tolerance_seconds", token],
    [{ algorithm: "ed25519" }, "secrets.0", ed25519],
    [{ algorithm: "ed25519", secrets: [WHPK, "ab".repeat(31)] }, "secrets.1", ed25519],
    [{ algorithm: "ecdsa_p256_sha256" }, "secrets.0", p256]
  ])("of its own refuses %j", (change, path, message) => {
    expect(issues(custom(change))).toEqual({ [path]: message })
  })
  it("must name a template that there is", () => {
    const message = `must have a template: ${TEMPLATE_NAMES.join(", ")} or custom`
    for (const input of [{}, { template: "gitlab", secrets: ["s"] }, { template: null }, "github", null]) {
      expect(issues(input)).toEqual({ "": message })
    }
  })
  it.each([
    [0, "must be 1 to 86400 seconds"],
    [86_401, "must be 1 to 86400 seconds"],
    [1.5, "must be a whole number of seconds"]
  ])("has no tolerance of %s s", (tolerance_seconds, message) => {
    expect(issues({ template: "slack", secrets: ["s"], tolerance_seconds })).toEqual({ tolerance_seconds: message })
  })
  it("has no tolerance where no time is signed", () => {
    for (const template of ["github", "shopify", "twilio", "typeform", "intercom"] as const) {
      expect(issues({ template, secrets: ["s"], tolerance_seconds: 60 })).toEqual({
        tolerance_seconds: expect.stringMatching(
          /^must be left out: \w+ signs no time, so that only duplicates tell of a replay$/
        )
      })
    }
  })
  it("tells no secret in what it refuses", () => {
    const secret = "a-secret-that-is-none"
    for (const input of [
      { template: "svix", secrets: [secret] },
      { template: "github", secrets: [secret], more: 1 },
      custom({ algorithm: "ed25519", secrets: [secret] })
    ]) {
      const refused = Schema.decodeUnknownResult(Verification)(input, { errors: "all", onExcessProperty: "error" })
      expect(`${JSON.stringify(issues(input))} ${String(refused)} ${JSON.stringify(refused)}`).not.toContain(secret)
    }
  })
})

describe("the secrets of a verification", () => {
  const owner = { workspace: "ws_1", object: "src_1" }
  const vault = SecretVault.layer(`1:${Buffer.alloc(32, 1).toString("base64")}`)

  it("are sealed at rest, masked in answers, and open again", async () => {
    const input = { template: "svix", secrets: [WHSEC, WHSEC_NEXT], tolerance_seconds: 60 }
    const [stored, opened] = await Effect.runPromise(
      Effect.gen(function* () {
        const stored = yield* SealedConfig.seal(owner, input, settings(input))
        return [stored, yield* SealedConfig.open(owner, stored)] as const
      }).pipe(Effect.provide(vault))
    )
    expect(JSON.stringify(stored)).not.toMatch(/MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw|C2FVsBQIhrscChlQIMV/)
    expect(SealedConfig.masked(stored)).toEqual({ ...input, secrets: ["****LaSw", "****b7oD"] })
    expect(opened).toEqual(input)
    const decoded = Schema.decodeUnknownSync(Verification)(opened, STORED)
    expect(decoded.secrets.map(Redacted.value)).toEqual([WHSEC, WHSEC_NEXT])
  })
  it("of a rotation keep their masks, and a new one comes first", () => {
    const next = SealedConfig.patch(
      { template: "github", secrets: ["an older secret"] },
      {
        secrets: ["the newer secret", "****cret"]
      }
    )
    expect(next).toEqual({ template: "github", secrets: ["the newer secret", "an older secret"] })
  })
})

describe("a scheme", () => {
  it("takes the tolerance of the source, else that of its template", () => {
    const toleranceOf = (change: object) =>
      schemeOf(settings({ template: "paddle", secrets: ["s"], ...change })).time?.tolerance
    expect(toleranceOf({})).toBe(5)
    expect(toleranceOf({ tolerance_seconds: 30 })).toBe(30)
    const timed = custom({ signed_payload: "{timestamp}{body}", timestamp_header: "X-Time" })
    expect(schemeOf(settings(timed)).time?.tolerance).toBe(300)
  })
})
