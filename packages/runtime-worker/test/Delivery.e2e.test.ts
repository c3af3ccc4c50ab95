import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { newWorkspace } from "@hookstream/devkit/ApiClient"
import { startGateway } from "@hookstream/devkit/Gateway"
import type { StoredRecord } from "@hookstream/kafka-rest-emulator/Topic"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { connect, eventually, kafkaConfig, type Rig, startRig, TOPIC } from "./gateway.ts"

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
beforeEach(() => rig.emulator.setFault(undefined))
afterAll(() => rig.close())

const post = (source: { readonly ingest_url: string }, body: string | Uint8Array, type = "application/json") =>
  fetch(rig.gateway.url + new URL(source.ingest_url).pathname, {
    method: "POST",
    headers: { "Content-Type": type },
    body
  })
const send = async (
  source: { readonly ingest_url: string },
  body: string | Uint8Array,
  type?: string
): Promise<string> => {
  const response = await post(source, body, type)
  expect(response.status).toBe(200)
  return ((await response.json()) as { event_id: string }).event_id
}
const header = (record: StoredRecord, name: string) => record.headers.find((one) => one.name === name)?.value
const recordsOf = (event: string) =>
  rig.emulator.records(TOPIC).filter((one) => header(one, "hookstream-event-id") === event)
const landed = (event: string) =>
  eventually(
    () => recordsOf(event),
    (found) => found.length > 0
  )
const eventOf = async (id: string) => (await rig.client.need("GET", `/v1/events/${id}`)).event
const destinationOf = async (id: string) => (await rig.client.need("GET", `/v1/destinations/${id}`)).destination

describe("a webhook becomes a record", () => {
  it("with the bytes that came, the event's id as key, and both headers", async () => {
    const { source, destination } = await connect(rig)
    const body = '{ "total": 10.00, "id": 12345678901234567890, "name": "\\u00e9é" }'
    const id = await send(source, body)
    const [record] = await landed(id)
    expect(record).toMatchObject({ raw_value_data: body, key: { type: "STRING", text: id } })
    expect(record!.headers).toEqual([
      { name: "hookstream-event-id", value: id },
      { name: "hookstream-destination-id", value: destination.id }
    ])
  })
  it("without a key when none is wanted: the seed's record, byte for byte", async () => {
    const { source, destination } = await connect(rig, {}, { key: "none" })
    const id = await send(source, '{"a":1}')
    const [record] = await landed(id)
    const base64 = (text: string) => Buffer.from(text).toString("base64")
    expect(record!.raw_request).toBe(
      `{"value":{"type":"JSON","data":{"a":1}},"headers":[{"name":"hookstream-event-id","value":"${base64(id)}"},` +
        `{"name":"hookstream-destination-id","value":"${base64(destination.id)}"}]}`
    )
  })
  it.each([
    ["text", "plain text", "STRING", "plain text"],
    ["a form", "a=1&b=2", "STRING", "a=1&b=2"],
    ["nothing", "", "STRING", ""],
    ["the JSON text null", "null", "STRING", "null"],
    ["bytes", Uint8Array.of(0xff, 0x00), "BINARY", "/wA="]
  ])("of %s", async (_, body, type, data) => {
    const { source } = await connect(rig)
    const [record] = await landed(await send(source, body, "application/octet-stream"))
    expect([record!.value!.type, JSON.parse(record!.raw_value_data!)]).toEqual([type, data])
  })
  it("for every destination of the source, and only for events accepted after the connection", async () => {
    const { source } = await connect(rig)
    const before = await send(source, '"before"')
    await landed(before)
    const { destination } = await rig.client.need("POST", "/v1/destinations", {
      name: "Second",
      type: "kafka",
      config: kafkaConfig(rig.emulator)
    })
    await rig.client.need("POST", "/v1/connections", { source_id: source.id, destination_id: destination.id })
    const after = await send(source, '"after"')
    const records = await eventually(
      () => recordsOf(after),
      (found) => found.length === 2
    )
    expect(records).toHaveLength(2)
    expect(recordsOf(before)).toHaveLength(1)
    const both = await eventually(
      () => eventOf(after),
      ({ deliveries }) => deliveries.delivered === 2
    )
    expect(both.deliveries.delivered).toBe(2)
  })
})

describe("when the sink fails", () => {
  const retry = { retry_backoff_type: "fixed", retry_intervals: [1], retry_jitter: false }

  it("the event is tried again until it is delivered, and every try is told", async () => {
    const { source } = await connect(rig, retry)
    let failures = 2
    rig.emulator.setFault(() => (failures-- > 0 ? { _tag: "Receipt", code: 50302, message: "broker away" } : undefined))
    const id = await send(source, "{}")
    const event = await eventually(
      () => eventOf(id),
      ({ status }) => status === "delivered"
    )
    expect(
      event.delivery_attempts.map((one: { attempt: number; status: string; reason: string }) => [
        one.attempt,
        one.status,
        one.reason
      ])
    ).toEqual([
      [1, "failed", "Unavailable"],
      [2, "failed", "Unavailable"],
      [3, "delivered", null]
    ])
    expect(event.delivery_attempts[0].error).toContain("broker away")
    expect(recordsOf(id)).toHaveLength(1)
  })
  it("after the last try the event is a dead letter with its reason", async () => {
    const { source, destination } = await connect(rig, { ...retry, retry_max_attempts: 1 })
    rig.emulator.setFault(() => ({ _tag: "Respond", status: 500, body: '{"error_code":500,"message":"no"}' }))
    const id = await send(source, "{}")
    const event = await eventually(
      () => eventOf(id),
      ({ status }) => status === "failed"
    )
    expect(event.delivery_attempts.map((one: { status: string }) => one.status)).toEqual(["failed", "dead"])
    expect(await destinationOf(destination.id)).toMatchObject({ pending: 0, dead: 1 })
  })
  it("a record that the proxy calls malformed is dead at once, its neighbours are not", async () => {
    const { source } = await connect(rig, retry)
    rig.emulator.setFault(({ body }) =>
      body.includes("poison") ? { _tag: "Receipt", code: 400, message: "bad" } : undefined
    )
    const ids = await Promise.all(['"a"', '"poison"', '"b"'].map((body) => send(source, body)))
    const statuses = await eventually(
      () => Promise.all(ids.map(async (id) => (await eventOf(id)).status)),
      (all) => all.every((status) => status === "delivered" || status === "failed")
    )
    expect(statuses).toEqual(["delivered", "failed", "delivered"])
  })
  it("a reply lost after producing is an unknown outcome: the record comes twice with the same event id", async () => {
    const { source } = await connect(rig, retry)
    let cuts = 1
    rig.emulator.setFault(() => (cuts-- > 0 ? { _tag: "Cut", after: "produce" } : undefined))
    const id = await send(source, "{}")
    const records = await eventually(
      () => recordsOf(id),
      (found) => found.length === 2
    )
    expect(records).toHaveLength(2)
    expect(
      (
        await eventually(
          () => eventOf(id),
          ({ status }) => status === "delivered"
        )
      ).delivery_attempts[0].reason
    ).toBe("Unknown")
  })
  it("wrong credentials pause the destination with the reason; new ones resume it, and nothing is lost", async () => {
    const { source, destination } = await connect(rig, {}, { api_secret: "a-wrong-secret" })
    const ids = await Promise.all([1, 2, 3].map((n) => send(source, String(n))))
    const paused = await eventually(
      () => destinationOf(destination.id),
      ({ status }) => status === "paused"
    )
    expect(paused.paused_reason).toContain("check api_key and api_secret")
    await rig.client.need("PATCH", `/v1/destinations/${destination.id}`, {
      config: { api_secret: kafkaConfig(rig.emulator).api_secret }
    })
    for (const id of ids) expect(await landed(id)).toHaveLength(1)
    expect(
      await eventually(
        () => destinationOf(destination.id),
        ({ status }) => status === "active"
      )
    ).toMatchObject({
      status: "active",
      paused_reason: null,
      pending: 0,
      dead: 0
    })
  })
  it("a paused destination shows how far it is behind, whenever events come", async () => {
    const { source, destination } = await connect(rig)
    await rig.client.need("POST", `/v1/destinations/${destination.id}/pause`)
    for (let n = 0; n < 5; n++) await send(source, String(n))
    const shown = await eventually(
      () => destinationOf(destination.id),
      ({ lag }) => lag[0].lag === 5
    )
    expect(shown.lag[0].lag).toBe(5)
  })
  it("a paused destination keeps its place and goes on from there", async () => {
    const { source, destination } = await connect(rig)
    const path = `/v1/destinations/${destination.id}`
    expect((await rig.client.need("PATCH", path, { status: "paused" })).destination).toMatchObject({
      status: "paused",
      paused_reason: "user"
    })
    const ids = [await send(source, "1"), await send(source, "2")]
    const waiting = await eventually(
      () => destinationOf(destination.id),
      ({ lag }) => lag[0].lag === 2
    )
    expect(waiting.lag[0].lag).toBe(2)
    expect(ids.flatMap(recordsOf)).toEqual([])
    await rig.client.need("PATCH", path, { status: "active" })
    for (const id of ids) expect(await landed(id)).toHaveLength(1)
  })
  it("a deleted connection delivers nothing more, and its history can still be asked for", async () => {
    const { source, destination, connection } = await connect(rig)
    const before = await send(source, "1")
    await eventually(
      () => eventOf(before),
      ({ status }) => status === "delivered"
    )
    // The same destination goes on with what another source sends it.
    const other = (await rig.client.need("POST", "/v1/sources", { name: "Beside a deleted connection" })).source
    await rig.client.need("POST", "/v1/connections", { source_id: other.id, destination_id: destination.id })
    await rig.client.need("DELETE", `/v1/connections/${connection.id}`)
    const after = await send(source, "2")
    for (const body of ["3", "4", "5"]) expect(await landed(await send(other, body))).toHaveLength(1)
    expect(recordsOf(after)).toEqual([])
    expect((await eventOf(after)).delivery_attempts).toEqual([])
    expect((await eventOf(before)).delivery_attempts).toHaveLength(1)
  })
})

describe("filters and order", () => {
  it("an event that a rule keeps out is told so, and is not sent", async () => {
    const { source, connection } = await connect(rig)
    await rig.client.need("PATCH", `/v1/connections/${connection.id}`, {
      filter_rules: [{ field: "payload.type", op: "eq", value: "paid" }]
    })
    const [kept, passed] = [await send(source, '{"type":"draft"}'), await send(source, '{"type":"paid"}')]
    expect(await landed(passed)).toHaveLength(1)
    expect(await eventOf(kept)).toMatchObject({
      status: "received",
      deliveries: { filtered: 1 },
      delivery_attempts: []
    })
    const { timeline } = await rig.client.need("GET", `/v1/events/${kept}/timeline`)
    expect(timeline).toMatchObject([
      { type: "accepted" },
      { type: "filtered", failed_rule: 0, connection_id: connection.id }
    ])
    expect(recordsOf(kept)).toEqual([])
  })
  it("of a key arrives in the order of the log, though a try fails in between", async () => {
    const { source, connection } = await connect(
      rig,
      { ordering: "key", retry_backoff_type: "fixed", retry_intervals: [1], circuit_breaker_enabled: false },
      { key: "source_id" }
    )
    await rig.client.need("PATCH", `/v1/connections/${connection.id}`, { ordering_key: "payload.customer" })
    let calls = 0
    rig.emulator.setFault(() => (calls++ % 5 === 1 ? { _tag: "Receipt", code: 50302, message: "away" } : undefined))
    const sent: Array<string> = []
    for (let n = 0; n < 40; n++) sent.push(await send(source, JSON.stringify({ customer: n % 4, n })))
    const own = () =>
      rig.emulator.records(TOPIC).filter((one) => sent.includes(header(one, "hookstream-event-id") ?? ""))
    await eventually(own, (records) => records.length >= 40, 40_000)
    const bodies = own().map(({ raw_value_data }) => JSON.parse(raw_value_data!) as { customer: number; n: number })
    expect(bodies).toHaveLength(40)
    for (const customer of [0, 1, 2, 3]) {
      const ns = bodies.filter((one) => one.customer === customer).map(({ n }) => n)
      expect(ns).toEqual(ns.toSorted((a, b) => a - b))
    }
  })
})

describe("when a person steps in", () => {
  it("the circuit opens on a sink that is down, shows itself, and closes by hand", async () => {
    const { source, destination } = await connect(rig, { circuit_breaker_threshold: 2 })
    const path = `/v1/destinations/${destination.id}`
    rig.emulator.setFault(() => ({ _tag: "Respond", status: 503, body: "" }))
    const ids = [await send(source, "1"), await send(source, "2"), await send(source, "3")]
    const open = await eventually(
      () => rig.client.need("GET", `${path}/circuit`),
      ({ circuit }) => circuit.state === "open"
    )
    expect(open.circuit).toMatchObject({ state: "open", next_probe_at: expect.any(String) })
    rig.emulator.setFault(undefined)
    expect((await rig.client.need("POST", `${path}/circuit/reset`)).circuit.state).toBe("closed")
    for (const id of ids) expect(await landed(id)).toHaveLength(1)
    expect(
      await eventually(
        () => destinationOf(destination.id),
        ({ pending }) => pending === 0
      )
    ).toMatchObject({ pending: 0, dead: 0 })
  })
  it("dead letters are listed with their reason and brought back", async () => {
    const { source, destination } = await connect(rig, { retry_max_attempts: 0, circuit_breaker_enabled: false })
    const path = `/v1/destinations/${destination.id}`
    rig.emulator.setFault(() => ({ _tag: "Receipt", code: 400, message: "no good" }))
    const ids = [await send(source, "1"), await send(source, "2"), await send(source, "3")]
    await eventually(
      () => destinationOf(destination.id),
      ({ dead }) => dead === 3
    )
    const first = await rig.client.need("GET", `${path}/dlq?limit=2`)
    const second = await rig.client.need("GET", `${path}/dlq?limit=2&cursor=${first.cursor}`)
    const letters = [...first.dead_letters, ...second.dead_letters]
    expect(letters.map(({ event_id }) => event_id)).toEqual(ids.toReversed())
    expect(letters[0]).toMatchObject({ reason: "Malformed", attempts: 1, error: expect.stringContaining("no good") })
    rig.emulator.setFault(undefined)
    expect(await rig.client.need("POST", `${path}/dlq/redrive`, { reason: "Rejected" })).toEqual({ redriven: 0 })
    expect(await rig.client.need("POST", `/v1/events/${ids[0]}/retry`)).toEqual({ retried: 1 })
    expect(await rig.client.need("POST", `${path}/dlq/redrive`, {})).toEqual({ redriven: 2 })
    for (const id of ids) expect(await landed(id)).toHaveLength(1)
    await eventually(
      () => eventOf(ids[1]!),
      ({ status }) => status === "delivered"
    )
    expect((await rig.client.call("POST", `/v1/events/${ids[1]}/retry`)).status).toBe(409)
    const { timeline } = await rig.client.need("GET", `/v1/events/${ids[1]}/timeline`)
    expect(timeline.map(({ type }: { type: string }) => type)).toEqual(["accepted", "dead", "redriven", "delivered"])
  })
  it("a destination is paused and resumed by one call each", async () => {
    const { source, destination } = await connect(rig)
    const path = `/v1/destinations/${destination.id}`
    expect((await rig.client.need("POST", `${path}/pause`)).destination.status).toBe("paused")
    const id = await send(source, "1")
    await eventually(
      () => destinationOf(destination.id),
      ({ lag }) => lag[0].lag === 1
    )
    expect(recordsOf(id)).toEqual([])
    expect((await rig.client.need("POST", `${path}/resume`)).destination.status).toBe("active")
    expect(await landed(id)).toHaveLength(1)
  })
  it("a rate limit spreads events over time", async () => {
    const { source } = await connect(rig, { rate_limit_per_second: 4 })
    const ids = await Promise.all(Array.from({ length: 10 }, (_, n) => send(source, String(n))))
    const startedAt = Date.now()
    await eventually(
      () => ids.flatMap(recordsOf),
      (found) => found.length === 10
    )
    // Four at once, then four a second: the last of ten comes after a second and a half.
    expect(Date.now() - startedAt).toBeGreaterThan(1000)
  })
})

describe("a replay", () => {
  const span = () => ({
    from: new Date(Date.now() - 3_600_000).toISOString(),
    to: new Date().toISOString()
  })
  const finished = (id: string) =>
    eventually(
      async () => (await rig.client.need("GET", `/v1/replay/${id}`)).replay,
      ({ status }) => status === "finished"
    )
  it("tells first what it would send, then sends it again, marked, and says how far it is", async () => {
    const { source, destination, connection } = await connect(rig)
    const ids: Array<string> = []
    for (let n = 0; n < 6; n++) ids.push(await send(source, JSON.stringify({ n })))
    await landed(ids[5]!)
    const asked = {
      destination_id: destination.id,
      ...span(),
      filter: [{ field: "payload.n", op: "gte", value: 2 }],
      rate_limit: 100
    }
    const { preview } = await rig.client.need("POST", "/v1/replay", { ...asked, dry_run: true })
    expect(preview).toEqual({
      total: 6,
      scanned: 6,
      matching: 4,
      unreadable: 0,
      is_complete: true,
      first_event_ids: ids.slice(2)
    })
    const before = rig.emulator.records(TOPIC).length
    const { replay: job } = await rig.client.need("POST", "/v1/replay", asked)
    expect(await finished(job.id)).toMatchObject({
      destination_id: destination.id,
      total: 6,
      processed: 6,
      succeeded: 4,
      filtered: 2,
      failed: 0,
      rate_limit: 100
    })
    const again = rig.emulator.records(TOPIC).slice(before)
    expect(again.map((record) => header(record, "hookstream-event-id")).sort()).toEqual(ids.slice(2).sort())
    expect(new Set(again.map((record) => header(record, "hookstream-replay-id")))).toEqual(new Set([job.id]))
    const { timeline } = await rig.client.need("GET", `/v1/events/${ids[5]}/timeline`)
    expect(timeline.map(({ type, replay_id }: { type: string; replay_id: string }) => [type, replay_id])).toEqual([
      ["accepted", null],
      ["delivered", null],
      ["delivered", job.id]
    ])
    expect((await eventOf(ids[5]!)).deliveries).toMatchObject({ delivered: 1 })
    const { replays: jobs } = await rig.client.need("GET", "/v1/replay")
    expect(jobs[0].id).toBe(job.id)
    const elsewhere = await rig.client.call("POST", "/v1/replay", {
      ...asked,
      source_id: (await connect(rig)).source.id
    })
    expect(elsewhere.status).toBe(409)
    const wrong = await rig.client.call("POST", "/v1/replay", { ...asked, connection_id: connection.id, to: "soon" })
    expect(wrong.status).toBe(400)
    expect(wrong.body.issues[0].path).toBe("to")
  })
  it("keeps to its rate, goes on after a restart, and stops when it is cancelled", async () => {
    const { source, destination } = await connect(rig, { retry_backoff_type: "fixed", retry_intervals: [2] })
    let last = ""
    for (let n = 0; n < 30; n++) last = await send(source, JSON.stringify({ n }))
    await landed(last)
    await eventually(
      () => destinationOf(destination.id),
      ({ lag }) => lag[0].lag === 0
    )
    const before = rig.emulator.records(TOPIC).length
    const asked = { destination_id: destination.id, ...span(), rate_limit: 3 }
    const { replay: job } = await rig.client.need("POST", "/v1/replay", asked)
    const sent = () => rig.emulator.records(TOPIC).length - before
    await eventually(sent, (count) => count >= 3)
    const port = Number(new URL(rig.gateway.url).port)
    await rig.gateway.stop("SIGKILL")
    const atKill = sent()
    expect(atKill).toBeLessThan(20)
    rig.gateway = await startGateway({ dir: rig.dir, port })
    await eventually(sent, (count) => count >= atKill + 3)
    expect((await rig.client.call("DELETE", `/v1/replay/${job.id}`)).status).toBe(200)
    const atCancel = sent()
    // Two seconds later by the destination's own clock, in which the replay would have sent six: a failed event comes
    // back.
    let refused = 0
    rig.emulator.setFault(({ body }) =>
      body.includes("comes back") && refused++ === 0 ? { _tag: "Receipt", code: 50302, message: "away" } : undefined
    )
    expect(await landed(await send(source, '"comes back"'))).toHaveLength(1)
    expect(refused).toBe(2)
    expect(sent() - atCancel).toBeLessThanOrEqual(1 + 3)
    const after = (await rig.client.need("GET", `/v1/replay/${job.id}`)).replay
    expect(after.status).toBe("cancelled")
    expect(after.processed).toBeLessThan(30)
  })
})

describe("tries", () => {
  it("are listed with their ids, of an event or of a destination, and tried again by them", async () => {
    const { source, destination, connection } = await connect(rig)
    rig.emulator.setFault(({ body }) =>
      body.includes("bad") ? { _tag: "Receipt", code: 40002, message: "refused" } : undefined
    )
    const good = await send(source, '"good"')
    const bad = await send(source, '"bad"')
    await eventually(
      () => eventOf(bad),
      ({ status }) => status === "failed"
    )
    const list = async (query: string) =>
      (await rig.client.need("GET", `/v1/delivery-attempts?${query}`)).delivery_attempts
    const [dead] = await list(`destination_id=${destination.id}&is_dlq=true`)
    expect(dead).toMatchObject({
      event_id: bad,
      status: "dead",
      attempt: 1,
      connection_id: connection.id,
      replay_id: null
    })
    expect((await list(`event_id=${good}`)).map(({ status }: { status: string }) => status)).toEqual(["delivered"])
    expect(await list(`connection_id=${connection.id}`)).toHaveLength(2)
    const page = await rig.client.need("GET", `/v1/delivery-attempts?destination_id=${destination.id}&limit=1`)
    expect([page.delivery_attempts.length, page.has_more]).toEqual([1, true])
    rig.emulator.setFault(undefined)
    await rig.client.need("POST", `/v1/delivery-attempts/${dead.id}/retry`)
    await landed(bad)
    await eventually(
      () => eventOf(bad),
      ({ status }) => status === "delivered"
    )
    expect((await rig.client.call("POST", `/v1/delivery-attempts/${dead.id}/retry`)).status).toBe(409)
    expect((await rig.client.call("POST", "/v1/delivery-attempts/att_1/retry")).status).toBe(404)
    expect((await rig.client.call("GET", "/v1/delivery-attempts")).status).toBe(400)
  })
})

/** The database of a source's log, found by its owner. */
const withLogOf = (source: string, change: (db: DatabaseSync) => void) => {
  const found = readdirSync(join(rig.dir, "state"), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".sqlite") && name.includes("SourceLog"))
  for (const name of found) {
    const db = new DatabaseSync(join(rig.dir, "state", name))
    try {
      const owner = db.prepare("SELECT source_id FROM owner").get()
      if (owner?.["source_id"] === source) change(db)
    } catch {
      // The platform's own database.
    } finally {
      db.close()
    }
  }
}

describe("a log without room", () => {
  it("answers 503 with the reason, and keeps what it has accepted", async () => {
    const dir = mkdtempSync(join(tmpdir(), "hookstream-"))
    const gateway = await startGateway({ dir, port: 0, vars: { HOOKSTREAM_LOG_MAX_BYTES: "200000" } })
    try {
      const { client } = await newWorkspace(gateway.url, gateway.rootKey)
      const { source } = await client.need("POST", "/v1/sources", { name: "Small" })
      const url = gateway.url + new URL(source.ingest_url).pathname
      const statuses: Array<number> = []
      let last = await fetch(url, { method: "POST", body: "x".repeat(10_000) })
      for (; last.status === 200 && statuses.length < 100; statuses.push(200)) {
        last = await fetch(url, { method: "POST", body: "x".repeat(10_000) })
      }
      expect(last.status).toBe(503)
      expect(last.headers.get("retry-after")).not.toBeNull()
      expect(((await last.json()) as { error: string }).error).toContain("storage_full")
      expect((await client.need("GET", `/v1/sources/${source.id}`)).source.event_count).toBe(statuses.length)
    } finally {
      await gateway.stop()
      rmSync(dir, { recursive: true, force: true })
    }
  })
})

const DAY = 86_400_000

describe("the retention of a source", () => {
  it("drops what is older and delivered; it answers 410 then, and what is not delivered stays", async () => {
    const { source, destination } = await connect(rig)
    const held = await connect(rig)
    await rig.client.need("POST", `/v1/destinations/${held.destination.id}/pause`)
    const old = await send(source, '"old"')
    await send(held.source, '"kept"')
    await landed(old)
    await eventually(
      () => destinationOf(destination.id),
      ({ lag }) => lag[0].lag === 0
    )
    // The clock of workerd is the machine's: so the log is made older instead.
    const port = Number(new URL(rig.gateway.url).port)
    await rig.gateway.stop()
    for (const { id } of [source, held.source]) {
      withLogOf(id, (db) => {
        const tables = db.prepare("SELECT name FROM sqlite_master WHERE name GLOB 'groups_*'").all()
        for (const { name } of tables) {
          for (const { first, numbers } of db.prepare(`SELECT first, numbers FROM ${name}`).all()) {
            // The second of five numbers is the time of an event.
            const older = String(numbers)
              .split(",")
              .map((n, i) => (i % 5 === 1 ? Number(n) - 10 * DAY : Number(n)))
            db.prepare(`UPDATE ${name} SET at = at - ?, numbers = ? WHERE first = ?`).run(
              10 * DAY,
              older.join(),
              first!
            )
          }
        }
      })
    }
    rig.gateway = await startGateway({ dir: rig.dir, port })
    const fresh = [await send(source, '"new"'), await send(held.source, '"new"')]
    // Until it is dropped it has another id than it had, for a part of that is the time.
    await eventually(
      () => rig.client.call("GET", `/v1/events/${old}`),
      ({ status, body }) => status === 410 && body.error.includes("retention")
    )
    expect((await eventOf(fresh[0]!)).body).toBe('"new"')
    const left = (await rig.client.need("GET", `/v1/events?source_id=${source.id}`)).events
    expect(left).toHaveLength(1)
    expect((await rig.client.need("GET", `/v1/sources/${source.id}`)).source).toMatchObject({
      event_count: 2,
      retention_days: 7
    })
    await rig.client.need("POST", `/v1/destinations/${held.destination.id}/resume`)
    // Found by its body: an id tells the time, and that was changed.
    const seen = () => rig.emulator.records(TOPIC).filter((one) => one.raw_value_data === '"kept"')
    expect(await eventually(seen, (found) => found.length > 0)).toHaveLength(1)
  })
  it("is from 1 to 30 days", async () => {
    const wrong = await rig.client.call("POST", "/v1/sources", { name: "Long", retention_days: 31 })
    expect([wrong.status, wrong.body.issues[0].path]).toEqual([400, "retention_days"])
    const { source } = await rig.client.need("POST", "/v1/sources", { name: "Short", retention_days: 1 })
    expect(source.retention_days).toBe(1)
  })
})

describe("when the gateway is stopped and started again", () => {
  it("everything is where it was, and what waited is delivered", async () => {
    const { source, destination } = await connect(rig, { retry_backoff_type: "fixed", retry_intervals: [1] })
    rig.emulator.setFault(() => ({ _tag: "Respond", status: 503, body: "" }))
    const id = await send(source, '{"kept":true}')
    await eventually(
      () => destinationOf(destination.id),
      ({ pending }) => pending === 1
    )
    await rig.gateway.stop()
    rig.emulator.setFault(undefined)
    rig.gateway = await startGateway({ dir: rig.dir, port: Number(new URL(rig.gateway.url).port) })
    expect(await landed(id)).toHaveLength(1)
    expect(
      (
        await eventually(
          () => eventOf(id),
          ({ status }) => status === "delivered"
        )
      ).status
    ).toBe("delivered")
  })
  it("what a destination was told and never stored is asked of the log: lag at once, records on resume", async () => {
    const { source, destination } = await connect(rig, { status: "paused" })
    const ids: Array<string> = []
    for (let n = 0; n < 3; n++) ids.push(await send(source, JSON.stringify({ n })))
    await rig.gateway.stop("SIGKILL")
    rig.gateway = await startGateway({ dir: rig.dir, port: Number(new URL(rig.gateway.url).port) })
    expect((await destinationOf(destination.id)).lag[0].lag).toBe(3)
    await rig.client.need("POST", `/v1/destinations/${destination.id}/resume`)
    for (const id of ids) expect(await landed(id)).toHaveLength(1)
  })
})
