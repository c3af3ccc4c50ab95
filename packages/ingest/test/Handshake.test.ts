import * as Handshake from "@hookstream/ingest/Handshake"
import { describe, expect, it } from "vitest"
import { bytes, received, settings } from "./support.ts"

const slack = settings({ template: "slack", secrets: ["s"] })
const intercom = settings({ template: "intercom", secrets: ["s"] })
const github = settings({ template: "github", secrets: ["s"] })
const custom = settings({ template: "custom", secrets: ["s"], header: "X-Sig", algorithm: "hmac_sha256" })

const posted = (value: unknown) => received({ headers: {}, body: bytes(JSON.stringify(value)) })
const challenge = { type: "url_verification", challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P" }

describe("a handshake", () => {
  it("of Slack is answered with its challenge, once its signature was verified", () => {
    expect(Handshake.answer(slack, posted(challenge), true)).toBe(challenge.challenge)
    expect(Handshake.answer(slack, posted(challenge), false)).toBeUndefined()
  })
  it("of Intercom is its HEAD request, which nobody signs, and its ping", () => {
    const head = received({ method: "HEAD", headers: {}, body: bytes("") })
    expect(Handshake.answer(intercom, head, false)).toBe("")
    expect(Handshake.answer(intercom, head, true)).toBeUndefined()
    const ping = posted({ type: "notification_event", topic: "ping" })
    expect(Handshake.answer(intercom, ping, true)).toBe("")
    expect(Handshake.answer(intercom, ping, false)).toBeUndefined()
  })
  it("is no event, and an event is none", () => {
    const event = { type: "event_callback", challenge: "x", event: { type: "url_verification" } }
    for (const request of [
      posted(event),
      posted(null),
      received({ headers: {}, body: bytes("type=url_verification") })
    ]) {
      expect(Handshake.answer(slack, request, true)).toBeUndefined()
    }
    expect(Handshake.answer(github, posted(challenge), true)).toBeUndefined()
    expect(Handshake.answer(custom, posted(challenge), true)).toBeUndefined()
  })
  it("sends back nothing but a short text", () => {
    for (const other of [undefined, 7, { a: 1 }, "x".repeat(1025)]) {
      expect(Handshake.answer(slack, posted({ ...challenge, challenge: other }), true)).toBeUndefined()
    }
  })
})
