/**
 * Each way in which a REST Proxy can answer, on workerd: what the event's first try is called, and what becomes of the
 * event.
 */
import type { FaultRule } from "@hookstream/kafka-rest-emulator/Fault"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { connect, eventually, kafkaConfig, type Rig, startRig } from "./gateway.ts"

interface Mode {
  readonly fault: FaultRule
  /** Reason of the first try; `null`: it is delivered. */
  readonly reason: string | null
  /** `paused`: until its configuration is touched. */
  readonly then: "delivered" | "dead" | "paused"
  /** Records that are in the topic at the end. */
  readonly records: number
}

const mode = (fault: FaultRule, reason: Mode["reason"], then: Mode["then"], records: number): Mode => ({
  fault: { ...fault, times: 1 },
  reason,
  then,
  records
})
const respond = (status: number, rest: object = {}): FaultRule => ({ _tag: "Respond", status, ...rest })
const receipt = (code: number, rest: object = {}): FaultRule => ({ _tag: "Receipt", code, ...rest })
const stream = (rest: object): FaultRule => ({ _tag: "Stream", ...rest })
const html = { contentType: "text/html" }

const MODES: Readonly<Record<string, Mode>> = {
  "a body that it refuses (HTTP 400)": mode(respond(400), "Rejected", "dead", 0),
  "wrong credentials (401)": mode(respond(401, { code: 40101 }), "Unauthorized", "paused", 1),
  "a page that asks for a login (401)": mode(respond(401, html), "Unauthorized", "paused", 1),
  "no right to the topic (403)": mode(respond(403, { code: 40301 }), "Unauthorized", "paused", 1),
  "an unknown cluster (404)": mode(respond(404), "Misconfigured", "paused", 1),
  "no REST Proxy (405)": mode(respond(405, html), "Misconfigured", "paused", 1),
  "a request that took too long (408)": mode(respond(408), "Unknown", "delivered", 1),
  "a request that is too large (413)": mode(respond(413), "TooLarge", "dead", 0),
  "another content type wanted (415)": mode(respond(415), "Misconfigured", "paused", 1),
  "a request without sense (422)": mode(respond(422), "Rejected", "dead", 0),
  "too many requests, as a page (429)": mode(respond(429, html), "Throttled", "delivered", 1),
  "an error of its own (500)": mode(respond(500), "Unavailable", "delivered", 1),
  "a gateway that gave up (502)": mode(respond(502, html), "Unknown", "delivered", 1),
  "a gateway that gave up after producing (504)": mode(
    respond(504, { ...html, after: "produce" }),
    "Unknown",
    "delivered",
    2
  ),
  "HTTP 200 without a body": mode(respond(200), "Unknown", "delivered", 1),
  "HTTP 200 with a page": mode(respond(200, { ...html, body: "<p>Welcome" }), "Unknown", "delivered", 1),
  "HTTP 207": mode(respond(207, { body: "{}" }), "Misconfigured", "paused", 1),
  "a redirect": mode(respond(302, { headers: { Location: "/elsewhere" } }), "Misconfigured", "paused", 1),
  "a malformed record (receipt 400)": mode(receipt(400), "Malformed", "dead", 0),
  "a record against the policy (40002)": mode(receipt(40002), "Rejected", "dead", 0),
  "no right to the topic (40301)": mode(receipt(40301), "Unauthorized", "paused", 1),
  "no such topic (40401)": mode(receipt(40401), "Misconfigured", "paused", 1),
  "a stream that is too old, and the record produced (408)": mode(
    receipt(408, { produced: true }),
    "Unknown",
    "delivered",
    2
  ),
  "a record that is too large (413)": mode(receipt(413), "TooLarge", "dead", 0),
  "a type that it does not know (422)": mode(receipt(422), "Malformed", "dead", 0),
  "too many records (429)": mode(receipt(429), "Throttled", "delivered", 1),
  "a quota of the broker (42901)": mode(receipt(42901), "Throttled", "delivered", 1),
  "an error without a name (500)": mode(receipt(500), "Unavailable", "delivered", 1),
  "an error that stays (50002)": mode(receipt(50002), "Rejected", "dead", 0),
  "a delivery that timed out (50003)": mode(receipt(50003), "Unknown", "delivered", 1),
  "a delivery that timed out, and was made (50003)": mode(
    receipt(50003, { produced: true }),
    "Unknown",
    "delivered",
    2
  ),
  "a broker that is away (50302)": mode(receipt(50302), "Unavailable", "delivered", 1),
  "no receipt": mode(stream({ endAfter: 0, produceRest: true }), "Unknown", "delivered", 2),
  "a receipt too many": mode(stream({ extra: "Bad Request: Error processing message: idle" }), null, "delivered", 1),
  "a stream that failed instead of a receipt": mode(
    stream({ endAfter: 0, extra: "Bad Request: Error processing message: idle" }),
    "Unknown",
    "delivered",
    1
  ),
  "a receipt byte by byte": mode(stream({ chunkBytes: 1 }), null, "delivered", 1),
  "a receipt without error_code (7.0 to 7.2)": mode(stream({ withoutErrorCode: true }), null, "delivered", 1),
  "a slow answer": mode({ _tag: "Delay", ms: 500 }, null, "delivered", 1),
  "a connection that breaks before": mode({ _tag: "Cut", after: "nothing" }, "Unknown", "delivered", 1),
  "a connection that breaks after producing": mode({ _tag: "Cut", after: "produce" }, "Unknown", "delivered", 2),
  "a connection that breaks in the receipt": mode({ _tag: "Cut", after: 20 }, "Unknown", "delivered", 2)
}
const names = Object.keys(MODES)
const topicOf = (name: string) => `topic-${names.indexOf(name)}`
const BATCHED = "batched"
const BITWISE = "bitwise"

let rig: Rig
beforeAll(async () => {
  rig = await startRig({
    topics: [...names.map((name) => ({ name: topicOf(name) })), { name: BATCHED }, { name: BITWISE }]
  })
  rig.emulator.setFault(names.map((name) => ({ ...MODES[name]!.fault, topic: topicOf(name) })))
})
afterAll(() => rig.close())

const post = (source: { readonly ingest_url: string }, body: string) =>
  fetch(rig.gateway.url + new URL(source.ingest_url).pathname, { method: "POST", body })

describe.concurrent("the proxy answers with", () => {
  it.each(names)("%s", async (name) => {
    const { reason, then, records } = MODES[name]!
    const topic = topicOf(name)
    const settings = { retry_intervals: [1], circuit_breaker_enabled: false }
    const { source, destination } = await connect(rig, settings, { topic })
    const { event_id: id } = (await (await post(source, '{"a":1}')).json()) as { event_id: string }
    const tried = await eventually(
      async () => (await rig.client.need("GET", `/v1/events/${id}`)).event,
      ({ delivery_attempts: attempts }) => attempts.length > 0
    )
    expect(tried.delivery_attempts[0]).toMatchObject(reason === null ? { status: "delivered" } : { reason })
    if (then === "paused") {
      const shown = (await rig.client.need("GET", `/v1/destinations/${destination.id}`)).destination
      expect(shown.paused_reason).toContain(reason)
      await rig.client.need("POST", `/v1/destinations/${destination.id}/resume`)
    }
    const end = await eventually(
      async () => (await rig.client.need("GET", `/v1/events/${id}`)).event,
      ({ status }) => status === (then === "dead" ? "failed" : "delivered")
    )
    expect(end.status).toBe(then === "dead" ? "failed" : "delivered")
    expect(rig.emulator.records(topic)).toHaveLength(records)
    for (const record of rig.emulator.records(topic)) expect(record.key?.text).toBe(id)
  })
})

describe("a destination with batches", () => {
  it("sends what waits in few requests, each record with its own receipt", async () => {
    const { source, destination } = await connect(rig, {}, { topic: BATCHED, batch: { max_records: 50 } })
    await rig.client.need("POST", `/v1/destinations/${destination.id}/pause`)
    const ids = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        return ((await (await post(source, JSON.stringify({ n }))).json()) as { event_id: string }).event_id
      })
    )
    const before = rig.emulator.requests().filter(({ url }) => url.includes(BATCHED)).length
    await rig.client.need("POST", `/v1/destinations/${destination.id}/resume`)
    await rig.emulator.waitForRecords(BATCHED, 100, 20_000)
    const requests = rig.emulator.requests().filter(({ url }) => url.includes(BATCHED))
    expect(requests.length - before).toBeLessThanOrEqual(4)
    expect(requests.at(-1)!.headers["content-length"]).toBe(String(Buffer.byteLength(requests.at(-1)!.body)))
    expect(new Set(rig.emulator.records(BATCHED).map(({ key }) => key!.text))).toEqual(new Set(ids))
    for (const id of [ids[0], ids[57]]) {
      const { event } = await eventually(
        () => rig.client.need("GET", `/v1/events/${id}`),
        (answer) => answer.event.status === "delivered"
      )
      const record = rig.emulator.records(BATCHED).find(({ key }) => key!.text === id)!
      expect(event.delivery_attempts[0].receipt).toMatchObject({
        partition: record.partition,
        offset: String(record.offset)
      })
    }
  })
  it("is refused with an order that it cannot keep", async () => {
    const { status, body } = await rig.client.call("POST", "/v1/destinations", {
      name: "Strict",
      type: "kafka",
      ordering: "strict",
      config: {
        bootstrap_servers: "a.example:9092",
        cluster_id: "lkc-1",
        topic: "t",
        api_key: "k",
        api_secret: "s",
        key: "source_id",
        batch: { max_records: 2 }
      }
    })
    expect([status, body.issues[0].path]).toEqual([400, "config.batch.max_records"])
  })
})

describe("a request that the proxy answers bit by bit", () => {
  const TEN = Array.from({ length: 10 }, (_, n) => n)
  /** Ten events that wait for one request, which the proxy answers with a receipt every second. */
  const waiting = async (fault: ReadonlyArray<FaultRule>) => {
    const settings = { retry_intervals: [1], circuit_breaker_enabled: false, timeout_ms: 3500, status: "paused" }
    const { source, destination } = await connect(rig, settings, { topic: BITWISE, batch: { max_records: 10 } })
    const ids: Array<string> = []
    for (const n of TEN) ids.push(((await (await post(source, `{"n":${n}}`)).json()) as { event_id: string }).event_id)
    rig.emulator.setFault([{ _tag: "Stream", betweenMs: 1000, times: 1, topic: BITWISE }, ...fault])
    await rig.client.need("POST", `/v1/destinations/${destination.id}/resume`)
    type Tries = ReadonlyArray<{ attempt: number; reason: string | null; status: string }>
    const attempts = (): Promise<ReadonlyArray<Tries>> =>
      Promise.all(ids.map(async (id) => (await rig.client.need("GET", `/v1/events/${id}`)).event.delivery_attempts))
    const delivered = async () => {
      const all = await eventually(attempts, (one) => one.every((tries) => tries.at(-1)?.status === "delivered"))
      return all.map((tries) => tries.map(({ attempt, reason }) => `${attempt} ${reason ?? "delivered"}`).join(", "))
    }
    return { destination, ids, attempts, delivered }
  }

  it("a missing topic pauses the destination with the first receipt, and no event spends a try", async () => {
    const { destination, attempts, delivered } = await waiting([{ _tag: "Receipt", code: 40401, topic: BITWISE }])
    const shown = async () => (await rig.client.need("GET", `/v1/destinations/${destination.id}`)).destination
    const paused = await eventually(shown, ({ paused_reason }) => paused_reason !== null)
    expect(paused.paused_reason).toContain("Misconfigured: receipt 40401")
    const first = (await attempts()).map((tries) => tries[0]!.reason)
    expect(first).toEqual(["Misconfigured", ...TEN.slice(1).map(() => "Unknown")])
    rig.emulator.setFault(undefined)
    await rig.client.need("POST", `/v1/destinations/${destination.id}/resume`)
    expect(await delivered()).toEqual(first.map((reason) => `1 ${reason}, 1 delivered`))
  })
  it("receipts that came before the time-out stay: only the rest is sent again", async () => {
    const { ids, delivered } = await waiting([])
    const ends = await delivered()
    const came = ends.filter((one) => one === "1 delivered").length
    expect(came).toBeGreaterThan(0)
    expect(ends).toEqual(TEN.map((n) => (n < came ? "1 delivered" : "1 TimedOut, 2 delivered")))
    const keys = rig.emulator.records(BITWISE).map(({ key }) => key!.text)
    for (const [n, id] of ids.entries()) expect(keys.filter((key) => key === id)).toHaveLength(n < came ? 1 : 2)
  })
})

describe("a configuration that was pasted", () => {
  it("loses the white space around it, is shown as it is called, and delivers", async () => {
    const { api_secret } = kafkaConfig(rig.emulator)
    const pasted = { topic: `\n${BATCHED} `, api_secret: `${api_secret}\r\n`, cluster_id: "\u00a0lkc-xxxxx" }
    const rest_endpoint = `\t${rig.emulator.url.replace("http", "HTTP")}/v3/`
    const { source, destination } = await connect(rig, {}, { ...pasted, rest_endpoint })
    const shown = { topic: BATCHED, cluster_id: "lkc-xxxxx", rest_endpoint: rig.emulator.url }
    expect(destination.config).toMatchObject(shown)
    const changed = await rig.client.need("PATCH", `/v1/destinations/${destination.id}`, {
      config: { key: " source_id\n" }
    })
    expect(changed.destination.config).toMatchObject({ ...shown, key: "source_id" })
    const { event_id: id } = (await (await post(source, "{}")).json()) as { event_id: string }
    const { event } = await eventually(
      () => rig.client.need("GET", `/v1/events/${id}`),
      (answer) => answer.event.status === "delivered"
    )
    expect(event.status).toBe("delivered")
  })
  it("is refused with the right form where it cannot be fixed, each wrong field by its name", async () => {
    const { status, body } = await rig.client.call("POST", "/v1/destinations", {
      name: "Pasted",
      type: "kafka",
      config: {
        ...kafkaConfig(rig.emulator),
        bootstrap_servers: "https://pkc-1.confluent.cloud:443",
        cluster_id: "lkc-1/topics",
        rest_endpoint: `${rig.emulator.url}/v3/clusters/lkc-1`
      }
    })
    expect(status).toBe(400)
    expect(Object.fromEntries(body.issues.map(({ path, message }: Record<string, string>) => [path, message]))).toEqual(
      {
        "config.bootstrap_servers": expect.stringContaining("the URL of a REST Proxy goes to rest_endpoint"),
        "config.cluster_id": expect.stringContaining('such as "lkc-xxxxx"'),
        "config.rest_endpoint": expect.stringContaining('such as "https://rest-proxy.example.com:8082"')
      }
    )
  })
})

describe("the check of a destination", () => {
  const check = async (id: string, body: object = {}) =>
    await rig.client.need("POST", `/v1/destinations/${id}/test`, body)
  const results = ({ steps }: { readonly steps: ReadonlyArray<{ readonly name: string; readonly result: string }> }) =>
    Object.fromEntries(steps.map(({ name, result }) => [name, result]))

  it("says step by step that all is well, and sends one marked record only when asked", async () => {
    const { destination } = await connect(rig, {}, { topic: BATCHED })
    const before = rig.emulator.records(BATCHED).length
    const report = await check(destination.id)
    expect(report).toMatchObject({ ok: true, receipt: null })
    expect(results(report)).toMatchObject({ endpoint: "ok", credentials: "ok", cluster: "ok", topic: "ok" })
    expect(rig.emulator.records(BATCHED)).toHaveLength(before)
    const produced = await check(destination.id, { produce: true })
    expect(produced).toMatchObject({ ok: true, receipt: { topic: BATCHED } })
    const record = rig.emulator.records(BATCHED).at(-1)!
    expect(JSON.parse(record.raw_value_data!)).toMatchObject({ hookstream_test: true, destination_id: destination.id })
    expect(produced.receipt.offset).toBe(String(record.offset))
  })
  it("names what is wrong and what would fix it, and looks no further", async () => {
    const { destination: secret } = await connect(rig, {}, { topic: BATCHED, api_secret: "not-the-right-one" })
    const wrong = await check(secret.id, { produce: true })
    expect(wrong.ok).toBe(false)
    expect(results(wrong)).toMatchObject({
      endpoint: "ok",
      credentials: "failed",
      cluster: "unknown",
      topic: "unknown"
    })
    expect(wrong.steps[1].fix).toContain("api_secret")
    expect(JSON.stringify(wrong)).not.toContain("not-the-right-one")
    const { destination: topic } = await connect(rig, {}, { topic: "missing" })
    expect(results(await check(topic.id))).toMatchObject({ cluster: "ok", topic: "failed" })
    const { destination: nowhere } = await connect(rig, {}, { rest_endpoint: "http://127.0.0.1:9" })
    expect(results(await check(nowhere.id))).toMatchObject({ endpoint: "failed", topic: "unknown" })
  })
})

describe("the types of destinations", () => {
  it("are listed with a schema from which a form can be made, secrets marked", async () => {
    const { destination_types: types } = await rig.client.need("GET", "/v1/destination-types")
    const kafka = types.find(({ type }: { type: string }) => type === "kafka")
    expect(kafka).toMatchObject({ title: expect.stringContaining("Kafka"), supports: { batch: true, receipts: true } })
    const { properties, required, additionalProperties } = kafka.config_schema
    expect(required).toEqual(["bootstrap_servers", "cluster_id", "topic", "api_key", "api_secret"])
    expect(additionalProperties).toBe(false)
    expect(properties.api_secret).toMatchObject({ type: "string", writeOnly: true, format: "password" })
    expect(properties.topic.writeOnly).toBeUndefined()
    for (const [name, field] of Object.entries<Record<string, unknown>>(properties)) {
      expect(Object.keys(field), name).toEqual(expect.arrayContaining(["title", "description"]))
    }
    const http = types.find(({ type }: { type: string }) => type === "http")
    expect(http.config_schema).toMatchObject({
      required: ["url"],
      properties: { url: { examples: [expect.any(String)] } }
    })
    const secrets = JSON.stringify(http.config_schema).match(/"writeOnly":true/g)
    // The token, the password, the header's value, the secrets of both kinds of signing.
    expect(secrets).toHaveLength(5)
  })
})
