/**
 * What a gateway on workerd tells and stores of credentials: of those of destinations, and of those that senders send.
 */
import { readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import Stripe from "stripe"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { connect, eventually, type Rig, startRig } from "./gateway.ts"

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig.close())

/**
 * Files of the gateway's objects that hold one of these texts. The development server's own traces, with URLs, are not
 * ours.
 */
const filesWith = (...texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  readdirSync(join(rig.dir, "state/v3/do"), { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .filter((file) => {
      const bytes = readFileSync(file)
      return texts.some((text) => bytes.includes(text))
    })

const send = async (
  source: { readonly ingest_url: string },
  { query = "", ...init }: RequestInit & { readonly query?: string }
): Promise<string> => {
  const url = rig.gateway.url + new URL(source.ingest_url).pathname + query
  const response = await fetch(url, { method: "POST", ...init })
  expect(response.status).toBe(200)
  return ((await response.json()) as { event_id: string }).event_id
}

describe("a receiver that echoes the request", () => {
  it("gets no credential into attempts, timelines, the test's answer or onto the disk", async () => {
    const password = "pässword-of-the-test-0815"
    const server = createServer((request, response) => {
      const given = request.headers.authorization ?? ""
      const decoded = Buffer.from(given.slice(6), "base64")
      const words = [given, decoded.toString(), decoded.toString("latin1"), encodeURIComponent(decoded.toString())]
      response.writeHead(request.method === "HEAD" ? 200 : 500).end(JSON.stringify(words))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    try {
      const { source } = await rig.client.need("POST", "/v1/sources", { name: "Echoed" })
      const { destination } = await rig.client.need("POST", "/v1/destinations", {
        name: "Echo",
        type: "http",
        config: {
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
          auth: { type: "basic", username: "sender", password }
        }
      })
      await rig.client.need("POST", "/v1/connections", { source_id: source.id, destination_id: destination.id })
      const id = await send(source, { body: "{}" })
      const { delivery_attempts: attempts } = await eventually(
        () => rig.client.need("GET", `/v1/delivery-attempts?event_id=${id}`),
        (answer) => answer.delivery_attempts.length > 0
      )
      const shown = JSON.stringify([
        attempts,
        await rig.client.need("GET", `/v1/events/${id}/timeline`),
        await rig.client.need("GET", `/v1/destinations/${destination.id}`),
        await rig.client.need("POST", `/v1/destinations/${destination.id}/test`, { produce: true })
      ])
      expect(attempts[0].error).toContain("HTTP 500")
      expect(shown).toContain("****")
      const told = [
        "word-of-the-test",
        Buffer.from(`sender:${password}`).toString("base64").slice(12, 32),
        Buffer.from(password).toString("base64").slice(0, 20)
      ]
      for (const text of told) expect(shown).not.toContain(text)
      expect(filesWith(...told)).toEqual([])
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })
})

describe("credentials that a sender sends", () => {
  it("are shown to nobody, are not on the disk, and filters and record headers read them all the same", async () => {
    const { source, connection } = await connect(
      rig,
      {},
      { record_headers: { tenant: { path: "headers.x-webhook-key" } } }
    )
    await rig.client.need("PATCH", `/v1/connections/${connection.id}`, {
      filter_rules: [
        { field: "headers.x-webhook-key", op: "eq", value: "the-key-of-a-sender" },
        { field: "query.token", op: "eq", value: "the-token-of-a-sender" }
      ]
    })
    const headers = { "x-webhook-key": "the-key-of-a-sender", "x-plain": "plain" }
    const query = "?token=the-token-of-a-sender&page=2"
    const id = await send(source, { body: '{"n":1}', headers, query })
    const other = await send(source, { body: '{"n":2}', headers: { ...headers, "x-webhook-key": "wrong" }, query })
    const statusOf = async (event: string) => (await rig.client.need("GET", `/v1/events/${event}`)).event
    const event = await eventually(
      () => statusOf(id),
      ({ status }) => status === "delivered"
    )
    expect(event.status).toBe("delivered")
    expect(
      (
        await eventually(
          () => statusOf(other),
          ({ deliveries }) => deliveries.filtered === 1
        )
      ).deliveries
    ).toMatchObject({
      filtered: 1
    })
    const shown = Object.fromEntries(event.headers.map(({ name, value }: Record<string, string>) => [name, value]))
    expect(shown).toMatchObject({ "x-webhook-key": "****", "x-plain": "plain" })
    expect(event.query).toBe("token=****&page=2")
    expect(JSON.stringify(event)).not.toContain("of-a-sender")
    // The sealed rows are there, for the clear ones of the same event are.
    expect(filesWith("x-plain").length).toBeGreaterThan(0)
    const [record] = rig.emulator.records("webhook-events").filter(({ raw_value_data }) => raw_value_data === '{"n":1}')
    expect(record!.headers).toContainEqual({ name: "tenant", value: "the-key-of-a-sender" })
  })
  it("are not in any file of a gateway that only stored them", async () => {
    const { source } = await rig.client.need("POST", "/v1/sources", { name: "Sealed" })
    await send(source, { body: "{}", headers: { "api-key": "stored-nowhere-in-the-clear", "x-seen": "seen-marker" } })
    expect(filesWith("seen-marker").length).toBeGreaterThan(0)
    expect(filesWith("stored-nowhere-in-the-clear")).toEqual([])
  })
  it("and what the source names is not stored at all, from the next request on", async () => {
    const { source } = await rig.client.need("POST", "/v1/sources", { name: "Redacting" })
    await send(source, { body: '{"card":1}' })
    await rig.client.need("PATCH", `/v1/sources/${source.id}`, {
      redact: ["headers.x-session", "query.email", "payload.card.number"]
    })
    const id = await send(source, {
      body: '{"card":{"number":"4111-redact-me","n":1.10}}',
      headers: { "x-session": "redact-me-session" },
      query: "?email=redact-me-mail"
    })
    const { event } = await rig.client.need("GET", `/v1/events/${id}`)
    expect(event.body).toBe('{"card":{"number":"[redacted]","n":1.10}}')
    expect(event.query).toBe("email=%5Bredacted%5D")
    expect(filesWith("redact-me")).toEqual([])
    const wrong = await rig.client.call("PATCH", `/v1/sources/${source.id}`, { redact: ["payload"] })
    expect(wrong.status).toBe(400)
  })
})

describe("a source that verifies signatures", () => {
  const SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"] as const
  const [first, second] = SECRETS
  const body = '{"id":"evt_1","type":"invoice.paid"}'

  it("takes what the provider's library signs, by either secret of a rotation, and stores nothing else", async () => {
    const { source } = await rig.client.need("POST", "/v1/sources", {
      name: "Stripe",
      verification: { template: "stripe", secrets: [first] }
    })
    const path = `/v1/sources/${source.id}`
    const change = (verification: object | null) => rig.client.need("PATCH", path, { verification })
    const post = async (secret: string, sent = body) => {
      const signature = new Stripe("sk_test_1").webhooks.generateTestHeaderString({ payload: body, secret })
      const url = rig.gateway.url + new URL(source.ingest_url).pathname
      const response = await fetch(url, { method: "POST", body: sent, headers: { "stripe-signature": signature } })
      return { status: response.status, answer: (await response.json()) as Record<string, unknown> }
    }
    const accepted = await post(first)
    expect(accepted.status).toBe(200)
    const { event } = await rig.client.need("GET", `/v1/events/${accepted.answer["event_id"]}`)
    const { verified_at } = event.verification
    expect([event.body, event.verification]).toEqual([body, { template: "stripe", secret: 0, verified_at }])
    expect(Math.abs(Date.parse(verified_at) - Date.parse(event.received_at))).toBeLessThan(60_000)

    const tampered = await post(first, body.replace("paid", "void"))
    expect(tampered).toEqual({
      status: 401,
      answer: { error: "the signature could not be verified", status: 401, request_id: expect.any(String) }
    })
    expect((await post(second)).status).toBe(401)
    await change({ secrets: [second, "****LaSw"] })
    expect([(await post(first)).status, (await post(second)).status]).toEqual([200, 200])
    await change({ secrets: ["****b7oD"] })
    expect([(await post(first)).status, (await post(second)).status]).toEqual([401, 200])
    expect((await rig.client.need("GET", path)).source).toMatchObject({
      event_count: 4,
      verification: { template: "stripe", secrets: ["****b7oD"] }
    })
    expect(filesWith("invoice.paid").length).toBeGreaterThan(0)
    expect(filesWith(...SECRETS, "invoice.void")).toEqual([])
    await change(null)
    expect((await post(first, "{}")).status).toBe(200)
  })
})

describe("a change that moves a destination to another host", () => {
  const refused = (answer: { readonly status: number; readonly body: { readonly issues?: unknown } }) => ({
    status: answer.status,
    paths: ((answer.body.issues ?? []) as ReadonlyArray<{ readonly path: string }>).map(({ path }) => path)
  })
  it("demands the secrets again, whichever sink it is", async () => {
    const { destination } = await connect(rig)
    const kafka = (config: object) => rig.client.call("PATCH", `/v1/destinations/${destination.id}`, { config })
    const moved = { rest_endpoint: "http://127.0.0.1:9" }
    expect(refused(await kafka(moved))).toEqual({ status: 409, paths: ["config.api_secret"] })
    expect(refused(await kafka({ ...moved, api_secret: destination.config.api_secret }))).toMatchObject({ status: 409 })
    expect(refused(await kafka({ rest_endpoint: null }))).toMatchObject({ status: 409 })
    expect(refused(await kafka({ topic: "another" }))).toMatchObject({ status: 200 })
    expect(refused(await kafka({ rest_endpoint: `${rig.emulator.url}/v3` }))).toMatchObject({ status: 200 })
    expect(refused(await kafka({ ...moved, api_secret: "another-secret" }))).toMatchObject({ status: 200 })

    const url = "http://127.0.0.1:9/a"
    const auth = { type: "bearer", token: "a-token-of-the-test" }
    const signing = { type: "hmac", secret: "a-key-of-the-test" }
    const { destination: http } = await rig.client.need("POST", "/v1/destinations", {
      name: "Moving",
      type: "http",
      config: { url, auth, signing }
    })
    const patch = (config: object) => rig.client.call("PATCH", `/v1/destinations/${http.id}`, { config })
    expect(refused(await patch({ url: "http://127.0.0.1:10/a" }))).toEqual({
      status: 409,
      paths: ["config.auth.token", "config.signing.secret"]
    })
    expect(refused(await patch({ url: "http://127.0.0.1:10/a", auth }))).toEqual({
      status: 409,
      paths: ["config.signing.secret"]
    })
    expect(refused(await patch({ url: "http://127.0.0.1:9/b" }))).toMatchObject({ status: 200 })
    expect(refused(await patch({ url: "http://127.0.0.1:10/a", auth, signing }))).toMatchObject({ status: 200 })
    expect(refused(await patch({ url: "http://127.0.0.1:11/a", auth: { type: "none" }, signing: null }))).toMatchObject(
      {
        status: 200
      }
    )
  })
})

describe("forged ids", () => {
  it("wake no object and leave no file, whatever they name", async () => {
    // Of each object one: those beside it come and go while it is awake.
    const files = () =>
      readdirSync(join(rig.dir, "state/v3/do"), { recursive: true }).filter((name) => `${name}`.endsWith(".sqlite"))
        .length
    const { source, destination } = await connect(rig)
    const id = await send(source, { body: "{}" })
    await eventually(
      () => rig.client.need("GET", `/v1/events/${id}`),
      ({ event }) => event.status === "delivered"
    )
    const before = files()
    const hex = (n: number, digits: number) => n.toString(16).padStart(digits, "0")
    for (let n = 1; n <= 8; n++) {
      const event = `${id.slice(0, 27)}${hex(n, 9)}`
      const other = hex(n, 32)
      for (const path of [
        `events/${event}`,
        `events/${event}/timeline`,
        `delivery-attempts?event_id=${event}`,
        `destinations/dst_${other}`,
        `destinations/dst_${other}/dlq`,
        `destinations/dst_${other}/circuit`,
        `delivery-attempts?destination_id=dst_${other}`,
        `delivery-attempts?connection_id=conn_${other}`,
        `connections/conn_${other}`,
        `replay/rpl_${other}`,
        `sources/src_${other}`,
        `events?source_id=src_${other}`
      ]) {
        expect((await rig.client.call("GET", `/v1/${path}`)).status, path).toBe(404)
      }
      for (const path of [
        `events/${event}/retry`,
        `destinations/dst_${other}/test`,
        `destinations/dst_${other}/dlq/redrive`,
        `destinations/dst_${other}/circuit/reset`,
        `delivery-attempts/att_${other}${hex(1, 21)}/retry`
      ]) {
        expect((await rig.client.call("POST", `/v1/${path}`)).status, path).toBe(404)
      }
      const made = { source_id: `src_${other}`, destination_id: destination.id }
      expect((await rig.client.call("POST", "/v1/connections", made)).status).toBe(404)
    }
    expect(files()).toBe(before)
    expect((await rig.client.call("GET", `/v1/events/${id}`)).status).toBe(200)
  })
})

describe("requests that would hold up everybody", () => {
  const raw = (path: string, init: RequestInit) => fetch(`${rig.gateway.url}${path}`, init)
  const headers = () => ({ "Content-Type": "application/json", "X-API-Key": rig.key })
  it("are refused: without a good key unread, too large, too deep, too many", async () => {
    const large = "x".repeat(2 * 1024 * 1024)
    const unknown = await raw("/v1/workspaces", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Root-Key": "no" },
      body: `{"name":"${large}"`
    })
    expect(unknown.status).toBe(401)
    const named = { "X-Root-Key": "no", ...headers() }
    for (const [method, path] of [
      ["POST", "/v1/connections/test"],
      ["POST", "/v1/destinations"],
      ["PATCH", `/v1/destinations/dst_${"0".repeat(32)}`]
    ] as const) {
      const status = async (body: string) => (await raw(path, { method, headers: named, body })).status
      expect(await status(`{"name":"${large}"}`)).toBe(413)
      expect(await status(`{"config":${'{"a":'.repeat(40_000)}1${"}".repeat(40_001)}`)).toBe(400)
      expect(await status(`{"filter_rules":[${"{},".repeat(30_000)}{}]}`)).toBe(400)
    }
    const issues = await rig.client.call("POST", "/v1/connections/test", {
      filter_rules: Array.from({ length: 5000 }, () => ({})),
      event: {}
    })
    expect(issues.status).toBe(400)
    expect(issues.body.issues.length).toBe(100)
  })
  it("fields, lists and rules have limits of their own, which the answer names", async () => {
    const { destination, connection } = await connect(rig)
    const path = `/v1/destinations/${destination.id}`
    const issues = async (method: string, at: string, body: object) => {
      const answer = await rig.client.call(method, at, body)
      return [answer.status, (answer.body.issues ?? []).map((one: { readonly path: string }) => one.path)]
    }
    expect(await issues("PATCH", path, { retry_intervals: Array.from({ length: 101 }, () => 1) })).toEqual([
      400,
      ["retry_intervals"]
    ])
    expect(await issues("PATCH", path, { config: { cluster_id: "x".repeat(300_000) } })).toEqual([400, ["config"]])
    const rules = [{ field: "payload.a", op: "eq", value: "x".repeat(40_000) }]
    expect(await issues("PATCH", `/v1/connections/${connection.id}`, { filter_rules: rules })).toEqual([
      400,
      ["filter_rules"]
    ])
    expect(
      await issues("PATCH", `/v1/connections/${connection.id}`, { ordering_key: `payload.${"x".repeat(600)}` })
    ).toEqual([400, ["ordering_key"]])
  })
  it("a sender's own word for its address is not believed", async () => {
    const { source } = await rig.client.need("POST", "/v1/sources", { name: "Addressed" })
    const id = await send(source, { body: "{}", headers: { "CF-Connecting-IP": "203.0.113.7" } })
    expect((await rig.client.need("GET", `/v1/events/${id}`)).event.source_ip).toBe("127.0.0.1")
  })
})

describe("masked values", () => {
  it("cannot be guessed by previews, letter by letter", async () => {
    const { source, destination } = await connect(rig)
    await send(source, { body: "{}", headers: { "x-webhook-key": "a-secret-of-a-sender" } })
    const replay = (value: string, dryRun: boolean) =>
      rig.client.call("POST", "/v1/replay", {
        destination_id: destination.id,
        from: "2026-01-01T00:00:00Z",
        to: new Date().toISOString(),
        filter: [{ field: "headers.x-webhook-key", op: "contains", value }],
        dry_run: dryRun
      })
    const preview = (value: string) => replay(value, true)
    // A replay ends before `to`: the clock must have gone on.
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect((await preview("a-secret-of-a-sender")).body.preview).toMatchObject({ scanned: 1, matching: 1 })
    const statuses: Array<number> = []
    for (const letter of "abcdefghij") statuses.push((await preview(letter)).status)
    expect(statuses.slice(0, 4)).toEqual([200, 200, 200, 200])
    expect(statuses.at(-1)).toBe(429)
    expect((await replay("a", false)).status).toBe(429)
    const { api_key } = await rig.client.need("POST", "/v1/auth/api-keys", { name: "reader", scopes: ["read"] })
    expect((await rig.client.call("POST", "/v1/replay", {}, { "X-API-Key": api_key.key })).status).toBe(403)
  })
})

describe("who fails again and again", () => {
  it("is told to stop, and valid senders and keys behind the same address are not", async () => {
    const { source } = await rig.client.need("POST", "/v1/sources", { name: "Valid" })
    const forged = `${rig.gateway.url}/v1/ingest/src_${"0".repeat(32)}`
    const ingest = await Promise.all(
      Array.from({ length: 80 }, async () => (await fetch(forged, { method: "POST", body: "{}" })).status)
    )
    expect(new Set(ingest)).toEqual(new Set([404, 429]))
    const wrong = await rig.client.call("GET", "/v1/sources", undefined, { "X-API-Key": "hs_live_wrong" })
    expect([wrong.status, wrong.headers.get("retry-after")]).toEqual([429, "60"])
    expect(wrong.body).toMatchObject({ status: 429, error: expect.stringContaining("wrong keys") })
    await send(source, { body: "{}" })
    expect((await rig.client.call("GET", "/v1/sources")).status).toBe(200)
  })
})
