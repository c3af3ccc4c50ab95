import { createHash, generateKeyPairSync, type KeyObject, sign as signWith } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as Signature from "@hookstream/ingest/Signature"
import { TEMPLATE_NAMES, TEMPLATES } from "@hookstream/ingest/SourceTemplate"
import { Effect, Redacted, Schema } from "effect"
import { getExpectedTwilioSignature, validateRequestWithBody } from "twilio/lib/webhooks/webhooks.js"
import { bytes, hmac, outcome, received, type Sent, SIGNED_AT, settings, verify, WHSEC, WHSEC_NEXT } from "./support.ts"

const keyOf = (whsec: string) => Buffer.from(whsec.slice("whsec_".length), "base64")
const v1 = (body: Uint8Array, { secret = WHSEC, id = "msg_1", time = String(SIGNED_AT) } = {}) =>
  `v1,${hmac("sha256", keyOf(secret), "base64", `${id}.${time}.`, body)}`
const standard = (body: Uint8Array, signature: string, change: Sent["headers"] = {}): Sent => ({
  headers: {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(SIGNED_AT),
    "webhook-signature": signature,
    ...change
  },
  body
})
const STANDARD = { template: "standard_webhooks", secrets: [WHSEC] }
const EMPTY = new Uint8Array()

const github = (body: Uint8Array): Sent => ({
  headers: { "x-hub-signature-256": `sha256=${hmac("sha256", "s", "hex", body)}` },
  body
})
const GITHUB = { template: "github", secrets: ["s"] }

const stripe = (time: number, change: (header: string) => string = (header) => header): Sent => {
  const body = bytes("{}")
  const signature = hmac("sha256", "whsec_1", "hex", `${time}.`, body)
  return { headers: { "stripe-signature": change(`t=${time},v1=${signature},v0=${"0".repeat(64)}`) }, body }
}
const STRIPE = { template: "stripe", secrets: ["whsec_1"] }

describe("a body", () => {
  it.effect.prop("is verified as the bytes that came, text or not, none or many", [Schema.Uint8Array], ([body]) =>
    Effect.gen(function* () {
      expect(yield* outcome(STANDARD, standard(body, v1(body)))).toBe("ok")
      expect(yield* outcome(GITHUB, github(body))).toBe("ok")
      const longer = new Uint8Array([...body, 0])
      expect(yield* outcome(GITHUB, { ...github(body), body: longer })).toBe("no_secret_matches")
    })
  )
  it.effect("that is empty, or no UTF-8, is no exception", () =>
    Effect.gen(function* () {
      for (const body of [EMPTY, new Uint8Array([0xff, 0xfe, 0x00, 0xc3])]) {
        expect(yield* outcome(STANDARD, standard(body, v1(body)))).toBe("ok")
      }
      // As text both would be the same.
      const [one, other] = [new Uint8Array([0xff]), new Uint8Array([0xfe])]
      expect(yield* outcome(GITHUB, { ...github(one), body: other })).toBe("no_secret_matches")
    })
  )
})

describe("several signatures in a header", () => {
  it.effect("are tried each, with each secret, and the verdict names the secret", () =>
    Effect.gen(function* () {
      const body = bytes("{}")
      const both = `${v1(body, { secret: WHSEC_NEXT })} ${v1(body)}`
      for (const [secrets, secret] of [
        [[WHSEC], 0],
        [[WHSEC_NEXT], 0],
        [[`whsec_${"A".repeat(32)}`, WHSEC], 1]
      ] as const) {
        expect(yield* verify({ template: "standard_webhooks", secrets }, standard(body, both))).toEqual({
          template: "standard_webhooks",
          secret,
          signedAt: SIGNED_AT * 1000
        })
      }
    })
  )
  it.effect("of versions that are not known stand beside those that are", () =>
    Effect.gen(function* () {
      const body = bytes("{}")
      expect(yield* outcome(STANDARD, standard(body, `v2,${"A".repeat(44)} nonsense ${v1(body)}`))).toBe("ok")
      expect(yield* outcome(STANDARD, standard(body, v1(body).replace("v1,", "v2,")))).toBe("malformed_header")
      expect(yield* outcome(STANDARD, standard(body, v1(body).replace("v1,", "v1a,")))).toBe("no_secret_matches")
      expect(yield* outcome(STRIPE, stripe(SIGNED_AT))).toBe("ok")
      const old = (header: string) => header.replace("v1=", "v0=")
      expect(yield* outcome(STRIPE, stripe(SIGNED_AT, old))).toBe("malformed_header")
      const rotated = (header: string) => header.replace("v1=", `v1=${"0".repeat(64)},v1=`)
      expect(yield* outcome(STRIPE, stripe(SIGNED_AT, rotated))).toBe("ok")
      const spaced = (header: string) => header.replaceAll(",", ", ")
      expect(yield* outcome(STRIPE, stripe(SIGNED_AT, spaced))).toBe("ok")
    })
  )
  it.effect("of Paddle are tried all, which its own library does not", () =>
    Effect.gen(function* () {
      const body = bytes("{}")
      const right = `h1=${hmac("sha256", "pdl_1", "hex", `${SIGNED_AT}:`, body)}`
      const other = `h1=${"0".repeat(64)}`
      for (const signatures of [`${right};${other}`, `${other};${right}`]) {
        const sent = { headers: { "paddle-signature": `ts=${SIGNED_AT};${signatures}` }, body }
        expect(yield* outcome({ template: "paddle", secrets: ["pdl_1"] }, sent)).toBe("ok")
      }
    })
  )
  it.effect("are not tried without end: each costs a pass over the body", () =>
    Effect.gen(function* () {
      const body = bytes("{}")
      const many = (count: number) => `${`v1,${"A".repeat(44)} `.repeat(count)}${v1(body)}`
      expect(yield* outcome(STANDARD, standard(body, many(7)))).toBe("ok")
      expect(yield* outcome(STANDARD, standard(body, many(8)))).toBe("malformed_header")
    })
  )
})

describe("the time", () => {
  const at = (template: string) => {
    const body = bytes(JSON.stringify({ webhookTimestamp: SIGNED_AT * 1000 }))
    const slack = hmac("sha256", "s", "hex", `v0:${SIGNED_AT}:`, body)
    const paddle = hmac("sha256", "s", "hex", `${SIGNED_AT}:`, body)
    const sent: Record<string, Sent> = {
      standard_webhooks: standard(body, v1(body)),
      stripe: stripe(SIGNED_AT),
      slack: {
        headers: { "x-slack-signature": `v0=${slack}`, "x-slack-request-timestamp": String(SIGNED_AT) },
        body
      },
      linear: { headers: { "linear-signature": hmac("sha256", "s", "hex", body) }, body },
      paddle: { headers: { "paddle-signature": `ts=${SIGNED_AT};h1=${paddle}` }, body }
    }
    return sent[template]!
  }
  const secretOf = (template: string) =>
    template === "standard_webhooks" ? WHSEC : template === "stripe" ? "whsec_1" : "s"
  it.effect.each([
    ["standard_webhooks", 300, true],
    ["stripe", 300, false],
    ["slack", 300, true],
    ["linear", 60, true],
    ["paddle", 5, false]
  ] as const)("of %s may be %i seconds away, and ahead of it too: %s", ([template, tolerance, ahead]) =>
    Effect.gen(function* () {
      const verification = { template, secrets: [secretOf(template)] }
      const came = (late: number) => outcome(verification, at(template), late)
      expect(yield* came(tolerance)).toBe("ok")
      expect(yield* came(tolerance + 1)).toBe("timestamp_too_old")
      expect(yield* came(-tolerance)).toBe("ok")
      expect(yield* came(-tolerance - 1)).toBe(ahead ? "timestamp_in_future" : "ok")
      const wider = { ...verification, tolerance_seconds: 3600 }
      expect(yield* outcome(wider, at(template), 3600)).toBe("ok")
      expect(yield* outcome(wider, at(template), 3601)).toBe("timestamp_too_old")
    })
  )
  it.effect("of SendGrid is limited only where the source says so", () =>
    Effect.gen(function* () {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const body = bytes("[]\r\n")
      const content = Buffer.concat([bytes(String(SIGNED_AT)), body])
      const secrets = [publicKey.export({ type: "spki", format: "der" }).toString("base64")]
      const sent = {
        headers: {
          "x-twilio-email-event-webhook-signature": signWith("sha256", content, privateKey).toString("base64"),
          "x-twilio-email-event-webhook-timestamp": String(SIGNED_AT)
        },
        body
      }
      expect(yield* outcome({ template: "sendgrid", secrets }, sent, 1_000_000)).toBe("ok")
      expect(yield* outcome({ template: "sendgrid", secrets, tolerance_seconds: 60 }, sent, 61)).toBe(
        "timestamp_too_old"
      )
    })
  )
  it.effect("that is none is refused, and so is an id that could be read as another", () =>
    Effect.gen(function* () {
      const body = bytes("{}")
      const changed = (change: { id?: string; time?: string }) =>
        outcome(
          STANDARD,
          standard(body, v1(body, change), {
            "webhook-id": change.id ?? "msg_1",
            "webhook-timestamp": change.time ?? String(SIGNED_AT)
          })
        )
      expect(yield* changed({})).toBe("ok")
      for (const time of ["soon", "-1", "1e9", `${SIGNED_AT}.5`, "1".repeat(17)]) {
        expect(yield* changed({ time })).toBe("malformed_header")
      }
      expect(yield* changed({ id: "msg.1" })).toBe("malformed_header")
      const untimed = (header: string) => header.replace(/t=\d+,/, "")
      expect(yield* outcome(STRIPE, stripe(SIGNED_AT, untimed))).toBe("malformed_header")
    })
  )
  it.effect("of Linear must stand in the body: its header is not signed", () =>
    Effect.gen(function* () {
      const verification = { template: "linear", secrets: ["s"] }
      for (const text of ["{}", "no JSON", '{"webhookTimestamp":"1700000000000"}', '{"webhookTimestamp":-1}']) {
        const body = bytes(text)
        const headers = {
          "linear-signature": hmac("sha256", "s", "hex", body),
          "linear-timestamp": String(SIGNED_AT * 1000)
        }
        expect(yield* outcome(verification, { headers, body })).toBe("missing_timestamp")
        // Nothing is said of a body that nobody signed.
        expect(yield* outcome({ ...verification, secrets: ["t"] }, { headers, body })).toBe("no_secret_matches")
      }
    })
  )
})

describe("Ed25519 signatures of Standard Webhooks", () => {
  const pair = () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519")
    const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32)
    return { privateKey, text: `whpk_${raw.toString("base64")}` }
  }
  const signed = (key: KeyObject, body: Uint8Array) => {
    const content = Buffer.concat([bytes(`msg_1.${SIGNED_AT}.`), body])
    return `v1a,${signWith(null, content, key).toString("base64")}`
  }
  it.effect("are verified with the public key, beside symmetric ones", () =>
    Effect.gen(function* () {
      const [one, other] = [pair(), pair()]
      const body = new Uint8Array([0xff, 0x00])
      const both = `${v1(body)} ${signed(one.privateKey, body)}`
      const by = (...secrets: ReadonlyArray<string>) => ({ template: "standard_webhooks", secrets })
      expect(yield* outcome(by(one.text), standard(body, signed(one.privateKey, body)))).toBe("ok")
      expect(yield* outcome(by(one.text), standard(body, both))).toBe("ok")
      expect(yield* outcome(by(WHSEC), standard(body, both))).toBe("ok")
      expect(yield* outcome(by(other.text, one.text), standard(body, both))).toBe("ok")
      expect(yield* outcome(by(other.text), standard(body, both))).toBe("no_secret_matches")
      expect(yield* outcome(by(one.text), standard(bytes(""), both))).toBe("no_secret_matches")
    })
  )
})

describe("Twilio", () => {
  const TWILIO = { template: "twilio", secrets: ["12345"] }
  const URL_ = "https://in.example/v1/ingest/tok_1"
  const FORM = "application/x-www-form-urlencoded"
  const form = (signedUrl: string, url: string, fields: Record<string, string | Array<string>>): Sent => {
    const body = new URLSearchParams()
    for (const [name, value] of Object.entries(fields)) for (const one of [value].flat()) body.append(name, one)
    const headers = {
      "content-type": FORM,
      "x-twilio-signature": getExpectedTwilioSignature("12345", signedUrl, fields)
    }
    return { url, headers, body: bytes(body.toString()) }
  }
  const Fields = Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Array(Schema.String)]))
  const wellFormed = (text: string) => text.toWellFormed()

  it.effect.prop("signs every field, and a value that comes twice once", [Fields], ([generated]) =>
    Effect.gen(function* () {
      const fields = Object.fromEntries(
        Object.entries(generated).flatMap(([name, value]) => {
          const values = [value].flat().map(wellFormed)
          // A form has no field without a value; beyond U+FFFF texts sort by units there, and by bytes here.
          const isPlain = [name, ...values].every((text) => !/[\ud800-\udfff]/.test(text))
          return name === "" || values.length === 0 || !isPlain ? [] : [[name, values] as const]
        })
      )
      const sent = form(URL_, URL_, fields)
      expect(yield* outcome(TWILIO, sent)).toBe("ok")
      const more = { ...sent, body: bytes(`${new TextDecoder().decode(sent.body)}&zz=more`) }
      expect(yield* outcome(TWILIO, more)).toBe("no_secret_matches")
      for (const name of Object.keys(fields)) {
        const changed = form(URL_, URL_, { ...fields, [name]: "another value" })
        expect(yield* outcome(TWILIO, { ...sent, body: changed.body })).toBe("no_secret_matches")
      }
    })
  )
  it.effect("fields that are no UTF-8 are compared by their bytes", () =>
    Effect.gen(function* () {
      const body = (value: string) => bytes(`a=${value}`)
      const signature = hmac("sha1", "12345", "base64", URL_, "a", new Uint8Array([0xff]))
      const headers = { "content-type": FORM, "x-twilio-signature": signature }
      expect(yield* outcome(TWILIO, { url: URL_, headers, body: body("%ff") })).toBe("ok")
      expect(yield* outcome(TWILIO, { url: URL_, headers, body: body("%fe") })).toBe("no_secret_matches")
    })
  )
  it.effect.each([
    ["the port that its scheme has", "https://in.example:443/p", "https://in.example/p"],
    ["no port where one is named", "https://in.example/p", "https://in.example:8443/p"],
    ["http's own port", "http://in.example:80/p?a=1", "http://in.example/p?a=1"],
    ["a host in brackets", "https://[::1]:443/p", "https://[::1]/p"],
    ["a quote as it is", "https://in.example/p?a='b'", "https://in.example/p?a=%27b%27"],
    ["a space as %20", "https://in.example/p?a=b%20c", "https://in.example/p?a=b+c"],
    ["what the parser would escape", 'https://in.example/p?a="b"', 'https://in.example/p?a="b"'],
    ["what the parser escapes", "https://in.example/p?a=%22b%22&c=d:e", 'https://in.example/p?a="b"&c=d:e']
  ])("may have signed a URL with %s", ([, signedUrl = "", url = ""]) =>
    Effect.gen(function* () {
      expect(yield* outcome(TWILIO, form(signedUrl, url, { a: "1" }))).toBe("ok")
    })
  )
  it.effect.each([
    ["path", "https://in.example/v1/ingest/tok_2"],
    ["host", "https://in.example.org/v1/ingest/tok_1"],
    ["scheme", "http://in.example/v1/ingest/tok_1"],
    ["query", "https://in.example/v1/ingest/tok_1?a=1"]
  ])("refuses a signature for another %s", ([, url = ""]) =>
    Effect.gen(function* () {
      expect(yield* outcome(TWILIO, form(URL_, url, { a: "1" }))).toBe("no_secret_matches")
    })
  )
  it.effect("signs JSON by its hash in the URL", () =>
    Effect.gen(function* () {
      const text = '{"a":1}'
      const url = `${URL_}?bodySHA256=${createHash("sha256").update(text).digest("hex")}`
      const signature = getExpectedTwilioSignature("12345", url, {})
      expect(validateRequestWithBody("12345", signature, url, text)).toBe(true)
      const headers = { "content-type": "application/json", "x-twilio-signature": signature }
      expect(yield* outcome(TWILIO, { url, headers, body: bytes(text) })).toBe("ok")
      expect(yield* outcome(TWILIO, { url, headers, body: bytes(`${text} `) })).toBe("unsigned_body")
      const other = url.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"))
      expect(yield* outcome(TWILIO, { url: other, headers, body: bytes(text) })).toBe("unsigned_body")
      expect(yield* outcome({ ...TWILIO, secrets: ["1"] }, { url, headers, body: bytes(text) })).toBe(
        "no_secret_matches"
      )
    })
  )
  it.effect("leaves no body unsigned, and sorts no form without end", () =>
    Effect.gen(function* () {
      const headers = { "x-twilio-signature": getExpectedTwilioSignature("12345", URL_, {}) }
      expect(yield* outcome(TWILIO, { method: "GET", url: URL_, headers, body: EMPTY })).toBe("ok")
      const json = { ...headers, "content-type": "application/json" }
      expect(yield* outcome(TWILIO, { url: URL_, headers: json, body: bytes("{}") })).toBe("unsigned_body")
      const sent = form(URL_, URL_, { a: "x".repeat(256 * 1024 - 2) })
      expect(yield* outcome(TWILIO, sent)).toBe("ok")
      expect(yield* outcome(TWILIO, { ...sent, body: new Uint8Array(256 * 1024 + 1) })).toBe("form_too_large")
    })
  )
})

describe("a signature of another form", () => {
  it.effect.each([
    ["github", { "x-hub-signature-256": "a".repeat(64) }],
    ["github", { "x-hub-signature-256": `sha1=${"a".repeat(40)}` }],
    ["github", { "x-hub-signature-256": `sha256=${"g".repeat(64)}` }],
    ["github", { "x-hub-signature-256": "sha256=" }],
    ["shopify", { "x-shopify-hmac-sha256": "a".repeat(43) }],
    ["intercom", { "x-hub-signature": `sha256=${"a".repeat(64)}` }]
  ])("is told from one of another secret: %s %j", ([template, headers]) =>
    Effect.gen(function* () {
      const sent = { headers: headers as Sent["headers"], body: EMPTY }
      expect(yield* outcome({ template, secrets: ["s"] }, sent)).toBe("malformed_header")
    })
  )
  it.effect.prop("of ECDSA is refused, whatever its bytes are", [Schema.Uint8Array], ([signature]) =>
    Effect.gen(function* () {
      const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const secrets = [publicKey.export({ type: "spki", format: "der" }).toString("base64")]
      for (const der of [signature, [0x30, signature.length, ...signature], [0x30, 4, 2, 1, 1, 2, ...signature]]) {
        const headers = {
          "x-twilio-email-event-webhook-signature": Buffer.from(der).toString("base64"),
          "x-twilio-email-event-webhook-timestamp": String(SIGNED_AT)
        }
        expect(yield* outcome({ template: "sendgrid", secrets }, { headers, body: EMPTY })).toMatch(
          /no_secret_matches|malformed_header|missing_header/
        )
      }
    })
  )
  it.effect.each([
    ["32 bytes", "MEQCIFeuJp9tviQ000IoH2sPr0ChXNbqWz+QUlqmw3TbdEiiAiB0uiyeyKS1YqGcpZd8NlgCNTa+uzE9dz6wooTtwIppNw=="],
    ["33 bytes", "MEYCIQD/B1iIBkiTSChWYge+Ewax0D3EwgminRvqYALoXlqTTQIhAPAwGb4Mx9d5ixPmGmgJMRKW4HxUbNBrmVObfG5gsZ0n"],
    ["31 bytes first", "MEMCH0azXWNb+ZD4wvuN08HbwHf5Ok43cf/nie3/LkZ0dxgCIBW6CDWAwyMhLPTn0SYVD42kV426EAj/xp/fVPWHZ9MU"],
    [
      "31 bytes last",
      "MEQCIQCLN1bHxXXiNcfA28UhxL6Q6LPKIOTgDqGS/NK4sfPiMQIfEtnMGxRtr6YjIsw/mUIfhcqAByaeLxzXF06NmNhR3w=="
    ]
  ])("of ECDSA is read with numbers of %s", ([, signature = ""]) =>
    Effect.gen(function* () {
      // Made by OpenSSL.
      const key =
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETVCwy5HAtHke9wvWr2F5qJ7o1kpiihMcbgV+RU8WzMWopSrHEeooJb8Hvg7EdWAB" +
        "0rMS//tbZ9TV2/fhqLG5Hw=="
      const given = (der: Uint8Array) => {
        const headers = {
          "x-twilio-email-event-webhook-signature": Buffer.from(der).toString("base64"),
          "x-twilio-email-event-webhook-timestamp": "1700000000"
        }
        return outcome({ template: "sendgrid", secrets: [key] }, { headers, body: bytes("{}") })
      }
      const der = Buffer.from(signature, "base64")
      expect(yield* given(der)).toBe("ok")
      // Its frame: the tags and the lengths.
      for (const place of [0, 1, 2, 3, 4 + der[3]!, 5 + der[3]!]) {
        expect(yield* given(der.map((byte, i) => (i === place ? byte + 1 : byte)))).toBe("no_secret_matches")
      }
      expect(yield* given(new Uint8Array([...der, 0]))).toBe("no_secret_matches")
      const long = [0x02, 40, ...Array.from({ length: 40 }, () => 1)]
      expect(yield* given(new Uint8Array([0x30, 2 * long.length, ...long, ...long]))).toBe("no_secret_matches")
    })
  )
})

describe("the custom template", () => {
  it.effect("verifies what its fields say", () =>
    Effect.gen(function* () {
      const body = bytes("{}")
      const pattern = "{method}\n{url}\n{header:x-request}\n{timestamp}\n{body}"
      const verification = {
        template: "custom",
        secrets: ["s"],
        header: "X-Sign",
        algorithm: "hmac_sha512",
        encoding: "base64",
        prefix: "sign=",
        signed_payload: pattern,
        timestamp_header: "X-Time",
        tolerance_seconds: 10
      }
      const url = "https://in.example/v1/ingest/tok_1?a=1"
      const millis = SIGNED_AT * 1000 + 999
      const content = `POST\n${url}\nr-1\n${millis}\n{}`
      const headers = {
        "x-sign": `sign=${hmac("sha512", "s", "base64", content)}`,
        "x-time": String(millis),
        "x-request": "r-1"
      }
      const sent: Sent = { url, headers, body }
      expect(yield* verify(verification, sent)).toEqual({ template: "custom", secret: 0, signedAt: millis })
      expect(yield* outcome(verification, sent, 10)).toBe("ok")
      expect(yield* outcome(verification, sent, 11)).toBe("timestamp_too_old")
      expect(yield* outcome(verification, sent, -11)).toBe("timestamp_in_future")
      for (const changed of [
        { ...sent, method: "PUT" },
        { ...sent, url: `${url}0` },
        { ...sent, headers: { ...headers, "x-request": "r-2" } },
        { ...sent, headers: { ...headers, "x-time": String(millis + 1) } },
        { ...sent, body: bytes("[]") }
      ]) {
        expect(yield* outcome(verification, changed)).toBe("no_secret_matches")
      }
      const broken = { ...sent, headers: { ...headers, "x-request": "r\n1" } }
      expect(yield* outcome(verification, broken)).toBe("malformed_header")
    })
  )
  it.effect("compares a token, by itself or behind a prefix", () =>
    Effect.gen(function* () {
      const verification = { template: "custom", secrets: ["old", "glsecret é"], header: "X-Token", algorithm: "token" }
      const given = (value: string, change: object = {}) =>
        outcome({ ...verification, ...change }, { headers: { "x-token": value }, body: bytes("{}") })
      expect(yield* given("glsecret é")).toBe("ok")
      expect(yield* given("old")).toBe("ok")
      for (const other of ["glsecret", "glsecret éé", "OLD", "o"]) {
        expect(yield* given(other)).toBe("no_secret_matches")
      }
      expect(yield* given("Bearer old", { prefix: "Bearer " })).toBe("ok")
      expect(yield* given("old", { prefix: "Bearer " })).toBe("malformed_header")
    })
  )
  it.effect.prop("takes no other token for the right one", [Schema.NonEmptyString, Schema.NonEmptyString], (two) =>
    Effect.gen(function* () {
      const [secret, token] = two.map((text) => `t${text.replace(/[^ -~]/g, "x")}t`) as [string, string]
      const verification = { template: "custom", secrets: [secret], header: "X-Token", algorithm: "token" }
      const given = outcome(verification, { headers: { "x-token": token }, body: EMPTY })
      expect(yield* given).toBe(secret === token ? "ok" : "no_secret_matches")
    })
  )
  it.effect("verifies public keys: Ed25519 in hex, as Discord signs, and ECDSA", () =>
    Effect.gen(function* () {
      const ed = generateKeyPairSync("ed25519")
      const ec = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const body = bytes("{}")
      const content = Buffer.concat([bytes(String(SIGNED_AT)), body])
      const common = {
        template: "custom",
        header: "X-Sig",
        signed_payload: "{timestamp}{body}",
        timestamp_header: "X-T"
      }
      const sent = (signature: Buffer): Sent => ({
        headers: { "x-sig": signature.toString("hex"), "x-t": String(SIGNED_AT) },
        body
      })
      const hexKey = ed.publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("hex")
      const byEd = { ...common, algorithm: "ed25519", secrets: [hexKey] }
      expect(yield* outcome(byEd, sent(signWith(null, content, ed.privateKey)))).toBe("ok")
      expect(yield* outcome(byEd, sent(signWith(null, body, ed.privateKey)))).toBe("no_secret_matches")
      const pem = ec.publicKey.export({ type: "spki", format: "pem" }).toString()
      const byEc = { ...common, algorithm: "ecdsa_p256_sha256", secrets: [pem] }
      expect(yield* outcome(byEc, sent(signWith("sha256", content, ec.privateKey)))).toBe("ok")
      expect(yield* outcome(byEc, sent(signWith("sha256", body, ec.privateKey)))).toBe("no_secret_matches")
    })
  )
})

describe("the keys of a source", () => {
  it.effect("are imported once for one configuration", () =>
    Effect.gen(function* () {
      const verification = settings(GITHUB)
      const first = yield* Signature.verifierOf(verification)
      expect(yield* Signature.verifierOf(verification)).toBe(first)
      expect(yield* Signature.verifierOf(settings(GITHUB))).not.toBe(first)
    })
  )
  it.effect("that are none are refused, each by its place, without a word of the secret", () =>
    Effect.gen(function* () {
      // The right form, and no point on the curve: only the import can tell.
      const offCurve = `MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE${"A".repeat(86)}==`
      const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const good = publicKey.export({ type: "spki", format: "der" }).toString("base64")
      const asked = Signature.verifierOf(settings({ template: "sendgrid", secrets: [good, offCurve] }))
      const refused = yield* Effect.flip(asked)
      expect(refused.reason).toBe("secret_unusable")
      expect(refused.message).toMatch(/^secrets\.1 must be the public key/)
      // As a stored one is decoded, whose form was not checked when it was written.
      const stored = { template: "svix" as const, secrets: [Redacted.make("no whsec")] }
      expect(yield* Effect.flip(Signature.verifierOf(stored))).toMatchObject({ reason: "secret_unusable" })
    })
  )
})

describe("a refusal", () => {
  it.effect("says nothing of the secret, nor of what the sender wrote", () =>
    Effect.gen(function* () {
      for (const template of TEMPLATE_NAMES) {
        const { header, secret } = TEMPLATES[template].scheme
        if (secret !== "utf8") continue
        const value = "what-the-sender-wrote"
        const sent = { headers: { [header]: value, "x-slack-request-timestamp": value }, body: bytes(value) }
        const verification = settings({ template, secrets: ["the-secret-itself"] })
        const refused = yield* Effect.flip(Signature.verify(verification, received(sent), SIGNED_AT * 1000))
        expect(JSON.stringify([refused, refused.message, String(refused)])).not.toMatch(/sender-wrote|secret-itself/)
        expect(JSON.stringify(verification)).not.toContain("secret-itself")
      }
    })
  )
})
