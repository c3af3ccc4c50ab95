import { get, request } from "node:http"
import { type Answer, apiClient, newWorkspace } from "@hookstream/devkit/ApiClient"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { connect, eventually, kafkaConfig, type Rig, startRig } from "./gateway.ts"

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig.close())

const call = (...args: Parameters<Rig["client"]["call"]>) => rig.client.call(...args)
const paths = ({ body }: Answer) => (body.issues ?? []).map(({ path }: { path: string }) => path).sort()
const ID = "0".repeat(32)

describe("who may call", () => {
  it.each([
    ["no key", {}],
    ["nonsense", { "X-API-Key": "nonsense" }],
    ["a forged key", { "X-API-Key": `hs_live_${"0".repeat(64)}` }]
  ])("nobody with %s", async (_, headers) => {
    const answer = await apiClient(rig.gateway.url, headers).call("GET", "/v1/sources")
    expect(answer).toMatchObject({ status: 401, body: { status: 401, error: expect.stringContaining("API key") } })
    expect(answer.body.request_id).toMatch(/^req_[0-9a-f]{32}$/)
    expect(answer.headers.get("x-request-id")).toBe(answer.body.request_id)
    expect(answer.body).not.toHaveProperty("_tag")
  })
  it("whoever has a key, as X-API-Key or as a bearer", async () => {
    const bearer = apiClient(rig.gateway.url, { Authorization: `Bearer ${rig.key}` })
    expect((await bearer.call("GET", "/v1/sources")).status).toBe(200)
    expect((await call("GET", "/v1/sources")).status).toBe(200)
  })
  it("a GET with a body is answered as without", async () => {
    const status = await new Promise((resolve, reject) => {
      request(`${rig.gateway.url}/v1/sources`, {
        method: "GET",
        headers: { "X-API-Key": rig.key, "Content-Type": "application/json", "Content-Length": "2" }
      })
        .on("response", (response) => resolve(response.resume().statusCode))
        .on("error", reject)
        .end("{}")
    })
    expect(status).toBe(200)
  })
  it("a workspace is made with the root key only", async () => {
    for (const headers of [{}, { "X-Root-Key": "wrong" }]) {
      expect(
        (await apiClient(rig.gateway.url, headers as Record<string, string>).call("POST", "/v1/workspaces", {})).status
      ).toBe(401)
    }
  })
  it("a workspace may be near a region, and within a jurisdiction where there are any: workerd has none", async () => {
    const root = apiClient(rig.gateway.url, { "X-Root-Key": rig.gateway.rootKey })
    const refused = await root.call("POST", "/v1/workspaces", { jurisdiction: "eu", region: "weur" })
    expect([refused.status, refused.body.error]).toEqual([
      400,
      "jurisdiction: must be left out: this platform has no eu (Cloudflare has)"
    ])
    const { client } = await newWorkspace(rig.gateway.url, rig.gateway.rootKey, { region: "weur" })
    const { source } = await client.need("POST", "/v1/sources", { name: "near" })
    expect(source).toMatchObject({ jurisdiction: null, region: "weur" })
    const sent = await fetch(source.ingest_url, { method: "POST", body: "{}" })
    const { event_id } = (await sent.json()) as { readonly event_id: string }
    expect((await client.need("GET", `/v1/events/${event_id}`)).event.source_id).toBe(source.id)
  })
  it("a key has its scopes, is shown once, and is dead when deleted", async () => {
    const { api_key } = await rig.client.need("POST", "/v1/auth/api-keys", { name: "reader", scopes: ["read"] })
    expect(api_key.key).toMatch(/^hs_live_[0-9a-f]{64}$/)
    const reader = apiClient(rig.gateway.url, { "X-API-Key": api_key.key })
    expect((await reader.call("GET", "/v1/sources")).status).toBe(200)
    expect((await reader.call("POST", "/v1/sources", { name: "no" })).status).toBe(403)
    expect((await reader.call("GET", "/v1/auth/api-keys")).status).toBe(403)
    const listed = await rig.client.need("GET", "/v1/auth/api-keys")
    expect(JSON.stringify(listed)).not.toContain(api_key.key)
    expect(listed.api_keys.map(({ name }: { name: string }) => name)).toContain("reader")
    await rig.client.need("DELETE", `/v1/auth/api-keys/${api_key.id}`)
    expect((await reader.call("GET", "/v1/sources")).status).toBe(401)
    expect((await call("DELETE", `/v1/auth/api-keys/${api_key.id}`)).status).toBe(404)
  })
  it("the last key that may do everything stays, and the root key makes others", async () => {
    const root = apiClient(rig.gateway.url, { "X-Root-Key": rig.gateway.rootKey })
    const { workspace, api_key } = await root.need("POST", "/v1/workspaces", {})
    const own = apiClient(rig.gateway.url, { "X-API-Key": api_key.key })
    expect((await own.call("DELETE", `/v1/auth/api-keys/${api_key.id}`)).status).toBe(409)
    const made = await root.need("POST", `/v1/workspaces/${workspace.id}/api-keys`, { name: "second" })
    const second = apiClient(rig.gateway.url, { "X-API-Key": made.api_key.key })
    expect((await second.call("DELETE", `/v1/auth/api-keys/${api_key.id}`)).status).toBe(200)
    expect((await root.call("POST", "/v1/workspaces/00000000/api-keys", { name: "k" })).status).toBe(404)
  })
  it("nobody sees another workspace's things", async () => {
    const { source, destination, connection } = await connect(rig)
    const { event_id } = await rig.client.need("POST", new URL(source.ingest_url).pathname, {})
    const other = (await newWorkspace(rig.gateway.url, rig.gateway.rootKey)).client
    const theirs = [
      `sources/${source.id}`,
      `destinations/${destination.id}`,
      `connections/${connection.id}`,
      `events/${event_id}`
    ]
    for (const path of theirs) expect((await other.call("GET", `/v1/${path}`)).status, path).toBe(404)
    expect((await other.call("GET", `/v1/events?source_id=${source.id}`)).status).toBe(404)
    expect((await other.call("DELETE", `/v1/sources/${source.id}`)).status).toBe(404)
    expect(
      (await other.call("POST", "/v1/connections", { source_id: source.id, destination_id: destination.id })).status
    ).toBe(404)
  })
})

describe("the seed's example", () => {
  it("answers 201 with the masked destination", async () => {
    const answer = await call("POST", "/v1/destinations", {
      name: "Event Stream",
      type: "kafka",
      config: {
        bootstrap_servers: "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092",
        cluster_id: "lkc-xxxxx",
        topic: "webhook-events",
        api_key: "ABCDEFGHIJKLMNOP",
        api_secret: "ABCdef123..."
      }
    })
    expect(answer.status).toBe(201)
    expect(answer.body.destination).toMatchObject({
      name: "Event Stream",
      slug: "event-stream",
      type: "kafka",
      status: "active",
      timeout_ms: 65_000,
      config: { topic: "webhook-events", api_key: "ABCDEFGHIJKLMNOP", api_secret: "****3..." },
      retry_max_attempts: 5,
      retry_intervals: [30, 300, 1800, 7200, 86_400]
    })
    expect(answer.body.destination.id).toMatch(/^dst_[0-9a-f]{32}$/)
  })
})

describe("bad input", () => {
  const create = (config: unknown, more: object = {}) =>
    call("POST", "/v1/destinations", { name: "Bad", type: "kafka", config, ...more })

  it.each(["{", "", "[]", '"text"', "null"])("a body of %j is no destination", async (body) => {
    expect((await call("POST", "/v1/destinations", body)).status).toBe(400)
    expect((await call("POST", "/v1/sources", body)).status).toBe(400)
  })
  it("every wrong field is named at once, inside the config and outside", async () => {
    const answer = await create({ topic: "a/b", nonsense: 1 }, { name: "", retry_max_attempts: -1, unknown: true })
    expect(answer.status).toBe(400)
    expect(paths(answer)).toEqual([
      "config.api_key",
      "config.api_secret",
      "config.bootstrap_servers",
      "config.cluster_id",
      "config.nonsense",
      "config.topic",
      "name",
      "retry_max_attempts",
      "unknown"
    ])
    expect(answer.body.error).toContain("config.topic: must be 1 to 249 letters")
    expect(answer.body.error).toContain("config.api_key: is required")
  })
  it.each([
    ["an empty topic", { topic: "" }, "config.topic"],
    ["a topic with a slash", { topic: "a/b" }, "config.topic"],
    ["a bootstrap server without host", { bootstrap_servers: ":9092" }, "config.bootstrap_servers"],
    ["an endpoint with a password", { rest_endpoint: "https://a:hunter2@example.com" }, "config.rest_endpoint"],
    ["a batch of nothing", { batch: { max_records: 0 } }, "config.batch.max_records"]
  ])("%s is refused", async (_, change, path) => {
    const answer = await create({ ...kafkaConfig(rig.emulator), ...change })
    expect([answer.status, paths(answer)]).toEqual([400, [path]])
    expect(JSON.stringify(answer.body)).not.toMatch(/hunter2|ABCdef1234567890/)
  })
  it("a config is required, and its type must be registered", async () => {
    expect(paths(await create(undefined))).toEqual(["config"])
    const answer = await call("POST", "/v1/destinations", { name: "n", type: "websocket", config: {} })
    expect(answer.body.issues).toEqual([{ path: "type", message: "not supported yet: use one of kafka, http" }])
  })
  it.each([
    ["/v1/sources", { name: "n", verification_type: "hmac_sha256" }, "verification_type"],
    ["/v1/sources", { name: "n", dedup_strategy: "payload_hash" }, "dedup_strategy"],
    ["/v1/sources", { name: "n", ip_allowlist: ["1.2.3.4"] }, "ip_allowlist"],
    ["/v1/sources", { name: "n", json_schema: {} }, "json_schema"],
    [
      "/v1/connections",
      { source_id: `src_${ID}`, destination_id: `dst_${ID}`, transform_expression: "$" },
      "transform_expression"
    ]
  ])("%s refuses what is not built yet: %j", async (path, body, field) => {
    const answer = await call("POST", path, body)
    expect([answer.status, answer.body.issues]).toEqual([400, [{ path: field, message: "not supported yet" }]])
  })
  it("ordering needs a record key that keeps it, at creation and at a change", async () => {
    const config = kafkaConfig(rig.emulator)
    const refused = await create(config, { ordering: "key" })
    expect([refused.status, paths(refused)]).toEqual([400, ["config.key"]])
    expect(refused.body.error).toContain('must be "source_id"')
    const { destination } = (await create({ ...config, key: "source_id" }, { ordering: "key", name: "Ordered" })).body
    expect(destination.ordering).toBe("key")
    expect(paths(await call("PATCH", `/v1/destinations/${destination.id}`, { config: { key: "none" } }))).toEqual([
      "config.key"
    ])
    const plain = (await create(config, { name: "Plain" })).body.destination
    expect(paths(await call("PATCH", `/v1/destinations/${plain.id}`, { ordering: "strict" }))).toEqual(["config.key"])
  })
  it.each([
    [{ filter_rules: [{ field: "payload.a", op: "like", value: 1 }] }, "filter_rules.0.op"],
    [{ filter_rules: [{ field: "body.a", op: "eq", value: 1 }] }, "filter_rules.0.field"],
    [{ filter_rules: [{ field: "payload.a", op: "in", value: 1 }] }, "filter_rules.0.value"],
    [{ ordering_key: "nonsense" }, "ordering_key"]
  ])("a connection with %j is refused at %s", async (change, path) => {
    const answer = await call("POST", "/v1/connections", {
      source_id: `src_${ID}`,
      destination_id: `dst_${ID}`,
      ...change
    })
    expect([answer.status, paths(answer)]).toEqual([400, [path]])
  })
  it("an id of another kind, a wrong limit and a wrong cursor are named", async () => {
    expect(paths(await call("GET", `/v1/sources/dst_${ID}`))).toEqual(["id"])
    expect(paths(await call("GET", "/v1/sources?limit=0"))).toEqual(["limit"])
    expect((await call("GET", "/v1/sources?cursor=x")).status).toBe(400)
    expect((await call("GET", "/v1/events?cursor=x")).status).toBe(400)
  })
  it("a POST without a body asks for the defaults", async () => {
    const { body } = await create(kafkaConfig(rig.emulator))
    const url = `${rig.gateway.url}/v1/destinations/${body.destination.id}/dlq/redrive`
    const response = await fetch(url, { method: "POST", headers: { "X-API-Key": rig.key } })
    expect([response.status, await response.json()]).toEqual([200, { redriven: 0 }])
    const missing = await fetch(`${rig.gateway.url}/v1/sources`, { method: "POST", headers: { "X-API-Key": rig.key } })
    expect([missing.status, ((await missing.json()) as { error: string }).error]).toEqual([400, "name: is required"])
  })
  it("an unknown path, method or content type is answered in JSON", async () => {
    expect((await call("GET", "/nowhere")).body).toMatchObject({ status: 404, request_id: expect.any(String) })
    const other = await call("PUT", "/v1/sources", {})
    expect([other.status, other.headers.get("allow"), other.body.status]).toEqual([405, "POST, GET, HEAD", 405])
    const answer = await call("POST", "/v1/sources", "name=x", { "Content-Type": "text/plain" })
    expect(answer.body).toMatchObject({ status: 415, error: expect.stringContaining("application/json") })
  })
})

describe("filter rules can be tried before they are used", () => {
  const rules = [
    { field: "payload.type", op: "in", value: ["paid", "refunded"] },
    { field: "headers.X-Mode", op: "neq", value: "test" }
  ]
  it.each([
    [{ payload: { type: "paid" } }, null],
    [{ payload: { type: "other" } }, 0],
    [{ payload: { type: "paid" }, headers: { "x-mode": "test" } }, 1]
  ])("on %j: rule %j fails", async (event, failed) => {
    const answer = await call("POST", "/v1/connections/test", { filter_rules: rules, event })
    expect(answer.body).toEqual({ passes: failed === null, failed_rule: failed })
  })
})

describe("sources, destinations and connections", () => {
  it("are made, shown, listed newest first, changed and deleted", async () => {
    const names = ["List A", "List B", "List C"]
    const { client } = await newWorkspace(rig.gateway.url, rig.gateway.rootKey)
    for (const name of names) await client.need("POST", "/v1/sources", { name })
    const first = await client.need("GET", "/v1/sources?limit=2")
    expect(first.sources.map(({ name }: { name: string }) => name)).toEqual(["List C", "List B"])
    expect(first.has_more).toBe(true)
    const second = await client.need("GET", `/v1/sources?limit=2&cursor=${first.cursor}`)
    expect([second.sources.length, second.has_more, second.cursor]).toEqual([1, false, null])
    const { id } = second.sources[0]
    const { source } = await client.need("PATCH", `/v1/sources/${id}`, { name: "Renamed", description: "d" })
    expect(source).toMatchObject({ name: "Renamed", slug: "list-a", description: "d" })
    expect(await client.need("GET", `/v1/sources/${id}`)).toMatchObject({ source: { name: "Renamed" } })
    expect(await client.need("DELETE", `/v1/sources/${id}`)).toEqual({ success: true, cancelled: 0 })
    expect((await client.call("GET", `/v1/sources/${id}`)).status).toBe(404)
  })
  it("a name may be taken, a slug that was written may not", async () => {
    const { client } = await newWorkspace(rig.gateway.url, rig.gateway.rootKey)
    const made = await Promise.all(["Same", "same", "SAME"].map((name) => client.need("POST", "/v1/sources", { name })))
    expect(made.map(({ source }) => source.slug).sort()).toEqual(["same", "same-2", "same-3"])
    const refused = await client.call("POST", "/v1/sources", { name: "Other", slug: "same-2" })
    expect([refused.status, refused.body.error]).toEqual([409, 'slug: another source has the slug "same-2"'])
  })
  it("an Idempotency-Key makes one thing of a repeated request, and refuses another", async () => {
    const post = (name: string) => call("POST", "/v1/sources", { name }, { "Idempotency-Key": "once" })
    const [first, again, other] = [await post("Once"), await post("Once"), await post("Other")]
    expect([first.status, again.status, other.status]).toEqual([201, 201, 409])
    expect(again.body.source.id).toBe(first.body.source.id)
  })
  it("a masked secret sent back changes nothing; another does", async () => {
    const { destination } = await connect(rig)
    const path = `/v1/destinations/${destination.id}`
    expect(destination.config.api_secret).toBe("****7890")
    const same = await rig.client.need("PATCH", path, { name: "Same", config: destination.config })
    expect(same.destination).toMatchObject({ name: "Same", config: destination.config })
    const next = await rig.client.need("PATCH", path, { config: { api_secret: "another-secret-4321" } })
    expect(next.destination.config).toEqual({ ...destination.config, api_secret: "****4321" })
    expect(paths(await call("PATCH", path, { config: { topic: "a/b" } }))).toEqual(["config.topic"])
    expect(paths(await call("PATCH", path, { type: "http" }))).toEqual(["type"])
  })
  it("connecting what does not exist says which", async () => {
    const { source } = await rig.client.need("POST", "/v1/sources", { name: "Lonely" })
    const answer = await call("POST", "/v1/connections", { source_id: source.id, destination_id: `dst_${ID}` })
    expect(answer).toMatchObject({ status: 404, body: { error: expect.stringContaining("destination_id") } })
  })
})

describe("ingest", () => {
  const ingest = (path: string, init: RequestInit) => fetch(rig.gateway.url + path, init)

  it("takes nothing by a forged URL, nor by the source's id", async () => {
    const { source } = await connect(rig)
    const path = new URL(source.ingest_url).pathname
    const forged = `${path.slice(0, -1)}${path.endsWith("0") ? "1" : "0"}`
    for (const one of [forged, `/v1/ingest/${source.id}`, "/v1/ingest/"]) {
      expect([one, (await ingest(one, { method: "POST", body: "{}" })).status]).toEqual([one, 404])
    }
    expect((await ingest(path, { method: "POST", body: "{}" })).status).toBe(200)
  })
  it("goes on by the old URL for the grace of a rotation, and by the new one at once", async () => {
    const { source } = await rig.client.need("POST", "/v1/sources", { name: "Rotated" })
    const send = async (url: string) => (await ingest(new URL(url).pathname, { method: "POST", body: "{}" })).status
    const rotate = async (grace_seconds: number) =>
      (await rig.client.need("POST", `/v1/sources/${source.id}/rotate-url`, { grace_seconds })).source
    const second = await rotate(2)
    expect(second.previous_ingest_urls).toMatchObject([{ ingest_url: source.ingest_url }])
    expect([await send(second.ingest_url), await send(source.ingest_url)]).toEqual([200, 200])
    expect(
      await eventually(
        () => send(source.ingest_url),
        (status) => status === 404
      )
    ).toBe(404)
    const third = await rotate(0)
    expect([await send(third.ingest_url), await send(second.ingest_url)]).toEqual([200, 404])
  })
  it("has a URL whose host nobody chooses by a header", async () => {
    const { hostname, port } = new URL(rig.gateway.url)
    const [status, body] = await new Promise<[number | undefined, string]>((resolve, reject) => {
      const headers = { Host: "evil.example", "X-API-Key": rig.key }
      const asked = get({ host: hostname, port, path: "/v1/sources?limit=1", headers }, (response) => {
        let text = ""
        response.on("data", (chunk) => {
          text += chunk
        })
        response.on("end", () => resolve([response.statusCode, text]))
      })
      asked.on("error", reject)
    })
    expect([status, body]).toEqual([200, expect.stringContaining('"ingest_url":"/v1/ingest/ing_')])
    expect(body).not.toContain("evil.example")
  })
  it("takes every method, and bodies up to 10 MiB", async () => {
    const { source } = await rig.client.need("POST", "/v1/sources", { name: "Methods" })
    const path = new URL(source.ingest_url).pathname
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      expect((await ingest(`${path}?a=1`, { method })).status, method).toBe(200)
    }
    const largest = Buffer.alloc(10 * 1024 * 1024, 0xff)
    const stored = await ingest(path, { method: "POST", body: largest })
    expect(stored.status).toBe(200)
    const { event_id } = (await stored.json()) as { event_id: string }
    const { event } = await rig.client.need("GET", `/v1/events/${event_id}`)
    expect([event.body_kind, Buffer.compare(Buffer.from(event.body, "base64"), largest)]).toEqual(["binary", 0])
    const tooLarge = Buffer.alloc(10 * 1024 * 1024 + 1, 0x20)
    expect((await ingest(path, { method: "POST", body: tooLarge })).status).toBe(413)
    const streamed = new ReadableStream({
      start: (controller) => {
        controller.enqueue(tooLarge)
        controller.close()
      }
    })
    expect((await ingest(path, { method: "POST", body: streamed, duplex: "half" } as RequestInit)).status).toBe(413)
    expect((await rig.client.need("GET", `/v1/sources/${source.id}`)).source.event_count).toBe(6)
  })
  it("a paused source asks to be sent again, a disabled or deleted one is not there", async () => {
    const { source } = await rig.client.need("POST", "/v1/sources", { name: "Paused" })
    const path = new URL(source.ingest_url).pathname
    const status = async (change: string) => {
      await rig.client.need("PATCH", `/v1/sources/${source.id}`, { status: change })
      return await ingest(path, { method: "POST", body: "{}" })
    }
    const paused = await status("paused")
    expect([paused.status, Number(paused.headers.get("retry-after"))]).toEqual([503, 5])
    expect((await status("disabled")).status).toBe(404)
    expect((await status("active")).status).toBe(200)
    await rig.client.need("DELETE", `/v1/sources/${source.id}`)
    expect((await ingest(path, { method: "POST", body: "{}" })).status).toBe(404)
  })
})

describe("events", () => {
  it("show what came, without credentials, with every try and the receipt", async () => {
    const { source, connection, destination } = await connect(rig)
    const path = `${new URL(source.ingest_url).pathname}?a=1&b=2`
    const headers = { Authorization: "Bearer hunter2", "Stripe-Signature": "t=1,v1=abc", "X-Delivery": "d1" }
    const { event_id } = (await call("POST", path, '{"big": 12345678901234567890}', headers)).body
    const { event } = await eventually(
      () => rig.client.need("GET", `/v1/events/${event_id}`),
      (answer) => answer.event.status === "delivered"
    )
    expect(event).toMatchObject({
      id: event_id,
      source_id: source.id,
      method: "POST",
      query: "a=1&b=2",
      status: "delivered",
      body: '{"big": 12345678901234567890}',
      body_kind: "json",
      content_type: "application/json",
      deliveries: { waiting: 0, retrying: 0, delivered: 1, filtered: 0, dead: 0 }
    })
    const shown = Object.fromEntries(
      event.headers.map(({ name, value }: { name: string; value: string }) => [name, value])
    )
    expect(shown).toMatchObject({ authorization: "****", "stripe-signature": "****", "x-delivery": "d1" })
    expect(event.delivery_attempts).toMatchObject([
      {
        connection_id: connection.id,
        destination_id: destination.id,
        attempt: 1,
        status: "delivered",
        is_dlq: false,
        receipt: {
          partition: expect.any(Number),
          offset: expect.stringMatching(/^\d+$/),
          timestamp: expect.any(String)
        }
      }
    ])
    const view = (await rig.client.need("GET", `/v1/destinations/${destination.id}`)).destination
    expect(view).toMatchObject({ pending: 0, dead: 0, lag: [{ connection_id: connection.id, lag: 0 }] })
  })
  it("are listed newest first, of one source or merged, page by page", async () => {
    const { client } = await newWorkspace(rig.gateway.url, rig.gateway.rootKey)
    const ids: Array<string> = []
    const sources = [
      await client.need("POST", "/v1/sources", { name: "A" }),
      await client.need("POST", "/v1/sources", { name: "B" })
    ]
    for (let i = 0; i < 5; i++) {
      const { event_id } = await client.need("POST", new URL(sources[i % 2]!.source.ingest_url).pathname, { i })
      ids.unshift(event_id)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const listed: Array<string> = []
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page = await client.need("GET", `/v1/events?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`)
      listed.push(...page.events.map(({ id }: { id: string }) => id))
      cursor = page.cursor
    }
    expect(listed).toEqual(ids)
    const own = await client.need("GET", `/v1/events?source_id=${sources[1]!.source.id}`)
    expect(own.events.map(({ id, status }: { id: string; status: string }) => [id, status])).toEqual([
      [ids[1], "received"],
      [ids[3], "received"]
    ])
  })
  it("that do not exist are not found", async () => {
    expect((await call("GET", `/v1/events/evt_${ID}`)).status).toBe(404)
    const { source } = await rig.client.need("POST", "/v1/sources", { name: "One event" })
    const { event_id } = await rig.client.need("POST", new URL(source.ingest_url).pathname, {})
    const next = event_id.replace(/(.{9})$/, "000000000")
    expect((await call("GET", `/v1/events/${next}`)).status).toBe(404)
  })
})

describe("the description", () => {
  it("of the API names every path, with the shape of its errors", async () => {
    const { body } = await call("GET", "/openapi.json")
    expect(body.openapi).toMatch(/^3\.1/)
    expect(Object.keys(body.paths).sort()).toEqual(
      [
        "/v1/auth/api-keys",
        "/v1/auth/api-keys/{id}",
        "/v1/connections",
        "/v1/connections/test",
        "/v1/connections/{id}",
        "/v1/destinations",
        "/v1/destinations/{id}",
        "/v1/destinations/{id}/circuit",
        "/v1/destinations/{id}/circuit/reset",
        "/v1/destinations/{id}/dlq",
        "/v1/destinations/{id}/dlq/redrive",
        "/v1/destinations/{id}/pause",
        "/v1/destinations/{id}/resume",
        "/v1/destinations/{id}/retry",
        "/v1/events",
        "/v1/events/{id}",
        "/v1/events/{id}/retry",
        "/v1/events/{id}/timeline",
        "/v1/health",
        "/v1/delivery-attempts",
        "/v1/delivery-attempts/{id}/retry",
        "/v1/replay",
        "/v1/replay/{id}",
        "/v1/destination-types",
        "/v1/source-templates",
        "/v1/destinations/{id}/test",
        "/v1/ingest/{token}",
        "/v1/sources",
        "/v1/sources/{id}",
        "/v1/sources/{id}/rotate-url",
        "/v1/workspaces",
        "/v1/workspaces/{id}/api-keys"
      ].sort()
    )
    expect(Object.keys(body.paths["/v1/destinations"].post.responses)).toEqual(
      expect.arrayContaining(["201", "400", "401", "409"])
    )
  })
  it("is served as a page as well, and the root leads to both", async () => {
    const { docs, openapi } = (await apiClient(rig.gateway.url, {}).call("GET", "/")).body
    for (const [url, type] of [
      [docs, "text/html"],
      [openapi, "application/json"]
    ]) {
      const answer = await fetch(url)
      expect([answer.status, answer.headers.get("content-type")]).toEqual([200, expect.stringContaining(type)])
      await answer.body?.cancel()
    }
  })
  it("health needs no key", async () => {
    expect((await apiClient(rig.gateway.url, {}).call("GET", "/v1/health")).body.status).toBe("ok")
  })
})
