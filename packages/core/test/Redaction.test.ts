import { describe, expect, it } from "@effect/vitest"
import { PayloadTooLarge } from "@hookstream/core/Errors"
import { type EventMeta, newEvent, readMeta } from "@hookstream/core/event/Event"
import { MAX_PAYLOAD_VALUES } from "@hookstream/core/event/EventPath"
import * as EventSecrets from "@hookstream/core/event/EventSecrets"
import * as Redaction from "@hookstream/core/event/Redaction"
import { makeStore } from "@hookstream/core/log/EventLog"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import { makeMemory } from "@hookstream/core/testing/EventLogMemory"
import { log } from "@hookstream/core/testing/EventLogSuite"
import { Effect, Schema } from "effect"
import { nodeSql } from "./NodeSql.ts"

const key = (n: number) => `${n}:${Buffer.alloc(32, n).toString("base64")}`
const vault = SecretVault.make(key(1))
const meta = (change: Partial<EventMeta>): EventMeta => ({
  method: "POST",
  headers: [],
  query: "",
  contentType: "application/json",
  sourceIp: null,
  ...change
})
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (body: Uint8Array) => new TextDecoder().decode(body)

describe("the name of a header or a query parameter tells a credential", () => {
  it.each([
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "token",
    "x-auth",
    "x-gitlab-token",
    "x-telegram-bot-api-secret-token",
    "cf-access-jwt-assertion",
    "cf-access-client-secret",
    "x-webhook-key",
    "stripe-signature",
    "x-hub-signature-256",
    "x-shopify-hmac-sha256",
    "webhook-signature",
    "access_token",
    "X-Password",
    "client-cert",
    "x-credential",
    "sig",
    "x-goog-sig",
    "passwd",
    "hub.verify_token"
  ])("%s", (name) => {
    expect(Redaction.isSecretName(name)).toBe(true)
  })
  it.each([
    "content-type",
    "x-github-delivery",
    "webhook-id",
    "webhook-timestamp",
    "x-github-event",
    "user-agent",
    "idempotency-key",
    "Sec-WebSocket-Key",
    "design",
    "page"
  ])("and that of %s does not", (name) => {
    expect(Redaction.isSecretName(name)).toBe(false)
  })
})

const Names = Schema.Literals(["authorization", "x-id", "token", "accept", "a%20token", "%zz-key"])
const Pairs = Schema.Array(Schema.Tuple([Names, Schema.String]))

describe("what an event hides", () => {
  it.effect.prop("is shown nowhere, and comes back as it was", [Pairs, Pairs], ([headers, parameters]) =>
    Effect.promise(async () => {
      const query = parameters.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join("&")
      const given = meta({ headers, query })
      const { shown, hidden } = Redaction.mask(given)
      for (const [name, value] of shown.headers) if (Redaction.isSecretName(name)) expect(value).toBe("****")
      expect(shown.query.split("&").filter((one) => /token|key/.test(one) && !one.endsWith("=****"))).toEqual([])
      if (hidden === undefined) expect(shown).toBe(given)
      else expect({ ...shown, ...Redaction.unmask(shown, hidden) }).toEqual(given)
      const stored = await EventSecrets.seal(vault, log.sourceId, given)
      expect(stored.sealed === undefined).toBe(hidden === undefined)
    })
  )
  for (const [where, make] of Object.entries({
    "in memory": () => makeMemory(log),
    "on SQLite": () => makeStore(nodeSql(), log)
  })) {
    it.effect(`is stored sealed, and opened for who reads it: ${where}`, () =>
      Effect.gen(function* () {
        const came = meta({
          headers: [
            ["x-webhook-key", "the-key-of-a-sender"],
            ["x-id", "7"]
          ],
          query: "page=1&token=the-token-of-a-sender",
          verified: { template: "stripe", secret: 0, at: 1 }
        })
        const sealed = yield* Effect.promise(() => EventSecrets.seal(vault, log.sourceId, came))
        const event = newEvent(sealed, bytes("{}"))
        expect(event.meta).not.toMatch(/of-a-sender/)
        const store = make()
        store.append([{ event, token: "t", now: 1 }])
        const { events } = store.read(0, { maxEvents: 9, maxBytes: 99 })
        expect(events[0]).toMatchObject({ query: "page=1&token=****" })
        expect(events[0]!.headers).toEqual([
          ["x-webhook-key", "****"],
          ["x-id", "7"]
        ])
        const [opened] = yield* EventSecrets.open(vault)(events)
        expect(opened).toMatchObject({ headers: came.headers, query: came.query, verified: came.verified, seq: 1 })

        const grown = yield* EventSecrets.open(SecretVault.make(`${key(1)},${key(2)}`))(events)
        expect(grown[0]!.query).toBe(came.query)
        const failure = yield* Effect.flip(EventSecrets.open(SecretVault.make(key(2)))(events))
        expect(failure._tag).toBe("UnavailableError")
        const other = events.map(
          ({ id, seq, receivedAt, bodyKind, body, method, headers, query, contentType, sourceIp, sealed }) => ({
            id,
            seq,
            receivedAt,
            bodyKind,
            body,
            method,
            headers,
            query,
            contentType,
            sourceIp,
            sealed,
            sourceId: `src_${"1".repeat(32)}`
          })
        )
        expect((yield* Effect.flip(EventSecrets.open(vault)(other)))._tag).toBe("UnavailableError")
      })
    )
  }
  it.effect("costs nothing where there is none, and older events are read as they are", () =>
    Effect.gen(function* () {
      const plain = meta({ headers: [["x-id", "7"]] })
      expect(yield* Effect.promise(() => EventSecrets.seal(vault, log.sourceId, plain))).toBe(plain)
      const old = readMeta('["POST",[["authorization","Bearer old"]],"token=old",null,null]')
      expect(old).toMatchObject({ headers: [["authorization", "Bearer old"]], query: "token=old" })
      const { shown } = Redaction.mask(old)
      expect(shown).toMatchObject({ headers: [["authorization", "****"]], query: "token=****" })
    })
  )
})

describe("what a source leaves out", () => {
  const paths = ["headers.X-Session", "query.email", "payload.card.number", "payload.items.1", "payload.none.x"]
  it("is gone before anything is stored, and the rest is as it was, to the last digit", () => {
    const { meta: shown, body } = Redaction.redact(
      paths,
      meta({
        headers: [
          ["x-session", "s"],
          ["x-id", "7"]
        ],
        query: "email=a%40b&page=1&email=c"
      }),
      bytes('{"big": 12345678901234567890.10, "card": {"number": 4111, "type": "v"}, "items": [1.0, "two", 3e2]}')
    )
    expect(shown.headers).toEqual([
      ["x-session", "[redacted]"],
      ["x-id", "7"]
    ])
    expect(shown.query).toBe("email=%5Bredacted%5D&page=1&email=%5Bredacted%5D")
    expect(text(body)).toBe(
      '{"big":12345678901234567890.10,"card":{"number":"[redacted]","type":"v"},"items":[1.0,"[redacted]",3e2]}'
    )
  })
  it.each(['{"card": {"numb": 1}}', "[1]", "null", "card=1", '{"card":"x"}'])(
    "leaves %s as the bytes that came",
    (body) => {
      const given = bytes(body)
      expect(Redaction.redact(paths, meta({}), given).body).toBe(given)
    }
  )
  it("is nothing where a path leads to the length of a list, which is no value", () => {
    const given = bytes('{"items":[1,2]}')
    expect(Redaction.redact(["payload.items.length"], meta({}), given).body).toBe(given)
    const named = bytes('{"items":{"length":2}}')
    expect(text(Redaction.redact(["payload.items.length"], meta({}), named).body)).toBe(
      '{"items":{"length":"[redacted]"}}'
    )
  })
  it("is looked for in no body that would fill the isolate, and no such body passes with it", () => {
    const large = bytes(`{"card":{"number":1},"more":[${"0,".repeat(MAX_PAYLOAD_VALUES)}0]}`)
    expect(() => Redaction.redact(paths, meta({}), large)).toThrow(PayloadTooLarge)
    expect(Redaction.redact(["headers.x", "query.y"], meta({}), large).body).toBe(large)
  })
  it("goes by paths that lead to one value", () => {
    for (const path of paths) expect(Redaction.isRedactable(path)).toBe(true)
    for (const path of ["form.a", "payload", "method", "headers.", "payload.a..b", "x.y", ""]) {
      expect(Redaction.isRedactable(path)).toBe(false)
    }
  })
})
