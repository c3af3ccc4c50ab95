/** Sinks of two kinds beside each other, on workerd. */
import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { Webhook } from "standardwebhooks"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { connect, eventually, type Rig, startRig, TOPIC } from "./gateway.ts"

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}
/** A receiver that answers what it is told to, and remembers what it took. */
const startReceiver = async () => {
  const received: Array<Received> = []
  let answer: () => { readonly status: number; readonly headers?: Record<string, string> } = () => ({ status: 200 })
  const server = createServer(async (request, response) => {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { status, headers = {} } = answer()
    if (status === 200 && request.method === "POST") {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
    }
    response.writeHead(status, headers).end(status === 200 ? "thanks" : "not now")
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`,
    received,
    answer: (next: typeof answer) => {
      answer = next
    },
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}

const SECRET = `whsec_${Buffer.alloc(24, 5).toString("base64")}`
let rig: Rig
let first: Awaited<ReturnType<typeof startReceiver>>
let second: Awaited<ReturnType<typeof startReceiver>>
beforeAll(async () => {
  rig = await startRig()
  first = await startReceiver()
  second = await startReceiver()
})
afterAll(async () => {
  first.close()
  second.close()
  await rig.close()
})

const post = async (source: { readonly ingest_url: string }, body: string): Promise<string> => {
  const url = rig.gateway.url + new URL(source.ingest_url).pathname
  const response = await fetch(url, { method: "POST", body, headers: { "Content-Type": "application/json" } })
  return ((await response.json()) as { event_id: string }).event_id
}
const addHttp = async (source: { readonly id: string }, config: object, settings: object = {}) => {
  const { destination } = await rig.client.need("POST", "/v1/destinations", {
    name: `Receiver ${Math.random()}`,
    type: "http",
    config,
    ...settings
  })
  await rig.client.need("POST", "/v1/connections", { source_id: source.id, destination_id: destination.id })
  return destination
}
const viewOf = async (id: string) => (await rig.client.need("GET", `/v1/destinations/${id}`)).destination
const idsOf = (received: ReadonlyArray<Received>) => received.map(({ headers }) => headers["x-hookstream-event-id"])

describe("an HTTP destination", () => {
  it("gets the bytes that came, signed so that standardwebhooks verifies them", async () => {
    const { source } = await connect(rig)
    const destination = await addHttp(source, {
      url: first.url,
      signing: { type: "standard_webhooks", secrets: [SECRET] }
    })
    expect(JSON.stringify(destination)).not.toContain(SECRET)
    const body = '{ "total": 10.00, "id": 12345678901234567890 }'
    const id = await post(source, body)
    const [got] = await eventually(
      () => first.received,
      (all) => all.length > 0
    )
    expect(got!.body).toBe(body)
    expect(got!.headers).toMatchObject({
      "x-hookstream-event-id": id,
      "x-hookstream-delivery-attempt": "1",
      "content-type": "application/json"
    })
    const headers = Object.fromEntries(Object.entries(got!.headers).map(([name, value]) => [name, String(value)]))
    expect(new Webhook(SECRET).verify(got!.body, headers)).toEqual(JSON.parse(body))
    const { delivery_attempts: attempts } = await eventually(
      async () => (await rig.client.need("GET", `/v1/events/${id}`)).event,
      ({ status }) => status === "delivered"
    )
    expect(attempts.map(({ receipt }: { receipt: object }) => receipt)).toContainEqual({ status: 200, bytes: 6 })
    const { steps, ok } = await rig.client.need("POST", `/v1/destinations/${destination.id}/test`, {})
    expect([ok, steps[0].result]).toEqual([true, "ok"])
  })
  it("that answers 410 pauses, with the reason", async () => {
    const { source } = await connect(rig)
    second.answer(() => ({ status: 410 }))
    const destination = await addHttp(source, { url: second.url })
    await post(source, "{}")
    const paused = await eventually(
      () => viewOf(destination.id),
      ({ paused_reason }) => paused_reason !== null
    )
    expect(paused.paused_reason).toContain("410")
    await rig.client.need("DELETE", `/v1/destinations/${destination.id}?force=true`)
  })
  it("with a wrong config is refused, every field named", async () => {
    const { status, body } = await rig.client.call("POST", "/v1/destinations", {
      name: "Wrong",
      type: "http",
      config: {
        url: "ftp://example.com",
        headers: { Host: "a" },
        signing: { type: "standard_webhooks", secrets: ["x"] }
      }
    })
    expect(status).toBe(400)
    const paths = body.issues.map(({ path }: { path: string }) => path)
    expect(paths).toEqual(expect.arrayContaining(["config.headers.Host", "config.signing.secrets.0"]))
  })
})

describe("one source to Kafka and two HTTP destinations", () => {
  it("each gets every event once, though one is down for a while and another throttles", async () => {
    first.received.length = 0
    second.received.length = 0
    const topic = rig.emulator.records(TOPIC).length
    const { source, destination: kafka } = await connect(rig)
    const settings = { retry_intervals: [1], retry_max_attempts: 20, circuit_breaker_reset_ms: 1000 }
    const down = await addHttp(source, { url: first.url }, settings)
    const slow = await addHttp(
      source,
      { url: second.url, method: "POST", auth: { type: "bearer", token: "token-of-the-test" } },
      settings
    )
    first.answer(() => ({ status: 503 }))
    let calls = 0
    second.answer(() => (calls++ % 4 === 0 ? { status: 429, headers: { "Retry-After": "1" } } : { status: 200 }))

    const ids: Array<string> = []
    for (let n = 0; n < 20; n++) ids.push(await post(source, JSON.stringify({ n })))
    // The others' lag does not grow while one is down.
    await rig.emulator.waitForRecords(TOPIC, topic + 20, 20_000)
    const kafkaView = await eventually(
      () => viewOf(kafka.id),
      ({ lag }) => lag[0].lag === 0
    )
    expect([kafkaView.lag[0].lag, kafkaView.pending]).toEqual([0, 0])
    expect(first.received).toEqual([])
    const waiting = await eventually(
      () => viewOf(down.id),
      ({ pending, circuit }) => pending > 0 || circuit.state !== "closed"
    )
    expect(waiting.last_error).toContain("503")

    first.answer(() => ({ status: 200 }))
    second.answer(() => ({ status: 200 }))
    for (const receiver of [first, second]) {
      await eventually(
        () => receiver.received.length,
        (count) => count >= 20
      )
      expect(idsOf(receiver.received).sort()).toEqual([...ids].sort())
    }
    expect(second.received.every(({ headers }) => headers.authorization === "Bearer token-of-the-test")).toBe(true)
    for (const id of [down.id, slow.id]) {
      const view = await eventually(
        () => viewOf(id),
        ({ pending, lag }) => pending === 0 && lag[0].lag === 0
      )
      expect(view).toMatchObject({ pending: 0, dead: 0 })
    }
    const { event } = await eventually(
      () => rig.client.need("GET", `/v1/events/${ids[7]}`),
      (answer) => answer.event.deliveries.delivered === 3
    )
    expect(event.deliveries).toMatchObject({ delivered: 3, dead: 0 })
  })
})
