import { Webhook } from "standardwebhooks"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Nginx, startNginx } from "./nginx.ts"
import { check, event, outbound, send, WHSEC } from "./support.ts"

const enabled = process.env["HOOKSTREAM_TEST_SERVERS"] === "1"

describe.skipIf(!enabled)("the HTTP sink against nginx (only with HOOKSTREAM_TEST_SERVERS=1)", () => {
  let nginx: Nginx
  beforeAll(async () => {
    nginx = await startNginx()
  }, 300_000)
  afterAll(() => nginx?.stop())

  it("puts the bytes and headers on the wire that it promises", async () => {
    const body = '{"total": 10.00, "name": "é"}'
    const outcome = await send(
      {
        url: `${nginx.url}/ok?sig=a%2Bb`,
        auth: { type: "bearer", token: "abc" },
        signing: { type: "standard_webhooks", secrets: [WHSEC] }
      },
      outbound(body, { attempt: 2 })
    )
    expect(outcome).toEqual({ _tag: "Delivered", receipt: { status: 200, bytes: expect.any(Number) } })
    const line = nginx.log().at(-1)!
    expect(line).toMatchObject({
      method: "POST",
      uri: "/ok?sig=a%2Bb",
      length: String(Buffer.byteLength(body)),
      type: "application/json",
      body,
      event: event("").id,
      attempt: "2",
      auth: "Bearer abc"
    })
    const seconds = Math.floor(Date.parse(String(line["time"])) / 1000)
    const headers = {
      "webhook-id": event("").id,
      "webhook-timestamp": String(seconds),
      "webhook-signature": String(line["signature"])
    }
    expect(new Webhook(WHSEC).verify(String(line["body"]), headers)).toEqual(JSON.parse(body))
  })
  it.each([
    ["/moved", "Unavailable", "HTTP 301"],
    ["/gone", "Misconfigured", "HTTP 410"],
    ["/down", "Unavailable", "HTTP 503"],
    ["/no-backend", "Unknown", "HTTP 502"],
    ["/nowhere", "Unavailable", "HTTP 404"]
  ])("takes what %s answers as %s", async (path, reason, detail) => {
    const outcome = await send({ url: nginx.url + path })
    expect(outcome).toMatchObject({ reason, detail: expect.stringContaining(detail) })
  })
  it("waits as long as it is told to", async () => {
    expect(await send({ url: `${nginx.url}/busy` })).toMatchObject({ reason: "Throttled", retryAfter: 7000 })
  })
  it("of a body that is too large says so, permanent or not as it was set", async () => {
    const one = outbound(JSON.stringify("x".repeat(200_000)))
    const small = `${nginx.url}/small`
    expect(await send({ url: small }, one)).toMatchObject({
      reason: "Unavailable",
      detail: expect.stringContaining("413")
    })
    expect(await send({ url: small, permanent_statuses: [413] }, one)).toMatchObject({ reason: "TooLarge" })
    expect(await send({ url: small }, outbound("{}"))).toMatchObject({ _tag: "Delivered" })
  })
  it("of a connection closed without an answer knows no outcome", async () => {
    expect(await send({ url: `${nginx.url}/closed` })).toMatchObject({ reason: "Unknown" })
  })
  it("checks by a HEAD without an event", async () => {
    const steps = await check({ url: `${nginx.url}/ok` })
    expect(steps.map(({ result }) => result)).toEqual(["ok", "unknown", "ok"])
    expect(nginx.log().at(-1)).toMatchObject({ method: "HEAD", length: "", event: "", body: "" })
  })
})
