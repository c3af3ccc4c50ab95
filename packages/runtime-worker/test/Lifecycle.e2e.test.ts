/** Repairing, deleting, cancelling and changing, on workerd: what a user sees of what waits. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { startGateway } from "@hookstream/devkit/Gateway"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { connect, eventually, kafkaConfig, type Rig, startRig, TOPIC } from "./gateway.ts"

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
beforeEach(() => rig.emulator.setFault(undefined))
afterAll(() => rig.close())

const send = async (source: { readonly ingest_url: string }, body: string): Promise<string> => {
  const url = rig.gateway.url + new URL(source.ingest_url).pathname
  const response = await fetch(url, { method: "POST", body, headers: { "Content-Type": "application/json" } })
  expect(response.status).toBe(200)
  return ((await response.json()) as { event_id: string }).event_id
}
const recordsWith = (header: string, value: string) =>
  rig.emulator.records(TOPIC).filter(({ headers }) => headers.some((one) => one.name === header && one.value === value))
const landed = (event: string) =>
  eventually(
    () => recordsWith("hookstream-event-id", event),
    (found) => found.length > 0
  )
const eventOf = async (id: string) => (await rig.client.need("GET", `/v1/events/${id}`)).event
const destinationOf = async (id: string) => (await rig.client.need("GET", `/v1/destinations/${id}`)).destination
const timelineOf = async (id: string) => (await rig.client.need("GET", `/v1/events/${id}/timeline`)).timeline
/** Nobody waits so long in a test: what comes earlier was woken. */
const HOUR = {
  retry_backoff_type: "fixed",
  retry_intervals: [3600],
  retry_jitter: false,
  circuit_breaker_enabled: false
}
const waits = (destination: { readonly id: string }, count: number) =>
  eventually(
    () => destinationOf(destination.id),
    ({ pending }) => pending === count
  )

describe("what waits for its retry", () => {
  /** Two events of which the first try failed. */
  const failing = async (settings: object = HOUR, config: object = {}) => {
    if (Object.keys(config).length === 0) {
      rig.emulator.setFault(() => ({ _tag: "Respond", status: 503, body: "" }))
    }
    const { source, destination, connection } = await connect(rig, settings, config)
    const ids = [await send(source, "1"), await send(source, "2")]
    expect((await waits(destination, 2)).pending).toBe(2)
    rig.emulator.setFault(undefined)
    return { ids, connection, path: `/v1/destinations/${destination.id}`, id: destination.id }
  }
  const arrives = async (ids: ReadonlyArray<string>) => {
    for (const id of ids) expect(await landed(id)).toHaveLength(1)
  }

  it("goes out when a PATCH fixes the host that could not be reached, under the number of its next try", async () => {
    const { ids, path } = await failing(HOUR, { rest_endpoint: "http://127.0.0.1:9" })
    const { rest_endpoint, api_secret } = kafkaConfig(rig.emulator)
    await rig.client.need("PATCH", path, { config: { rest_endpoint, api_secret } })
    await arrives(ids)
    const event = await eventually(
      () => eventOf(ids[0]!),
      ({ status }) => status === "delivered"
    )
    expect(event.delivery_attempts.map(({ attempt }: { attempt: number }) => attempt)).toEqual([1, 2])
  })
  it("goes out on resume, on a reset of the closed circuit, and when its connection is enabled again", async () => {
    const paused = await failing()
    await rig.client.need("POST", `${paused.path}/pause`)
    await rig.client.need("POST", `${paused.path}/resume`)
    await arrives(paused.ids)
    const closed = await failing()
    expect((await rig.client.need("POST", `${closed.path}/circuit/reset`)).circuit.state).toBe("closed")
    await arrives(closed.ids)
    const disabled = await failing()
    const connection = `/v1/connections/${disabled.connection.id}`
    await rig.client.need("PATCH", connection, { enabled: false })
    await rig.client.need("PATCH", connection, { enabled: true })
    await arrives(disabled.ids)
  })
  it("goes out when somebody asks for all of it, by connection and reason", async () => {
    const { ids, path, connection, id } = await failing()
    const [reason] = (await destinationOf(id)).last_error.split(":")
    const ask = (body: object) => rig.client.need("POST", `${path}/retry`, body)
    expect(await ask({ reason: "Throttled" })).toEqual({ retried: 0 })
    expect(await ask({ connection_id: `conn_${"0".repeat(32)}` })).toEqual({ retried: 0 })
    expect(await ask({ connection_id: connection.id, reason })).toEqual({ retried: 2 })
    await arrives(ids)
    const types = (await timelineOf(ids[0]!)).map(({ type }: { type: string }) => type)
    expect(types.slice(0, 3)).toEqual(["accepted", "failed", "redriven"])
    const wrong = await rig.client.call("POST", `${path}/retry`, { reason: "Tired" })
    expect([wrong.status, wrong.body.issues[0].path]).toEqual([400, "reason"])
  })
  it("goes out behind an open circuit too: a change of the config lets it ask at once", async () => {
    const day = { circuit_breaker_threshold: 2, circuit_breaker_reset_ms: 86_400_000, circuit_breaker_enabled: true }
    const { ids, path } = await failing({ ...HOUR, ...day })
    expect((await rig.client.need("GET", `${path}/circuit`)).circuit.state).toBe("open")
    await rig.client.need("PATCH", path, { timeout_ms: 20_000 })
    await arrives(ids)
  })
  it("is not hurried by another name", async () => {
    const { path, id } = await failing()
    const before = (await destinationOf(id)).next_attempt_at
    await rig.client.need("PATCH", path, { name: "Another" })
    expect((await destinationOf(id)).next_attempt_at).toBe(before)
  })
})

describe("what waits when its way is deleted", () => {
  it("needs ?force=true, which tells how many events will not be delivered; each of them says so", async () => {
    rig.emulator.setFault(() => ({ _tag: "Respond", status: 503, body: "" }))
    const { source, destination, connection } = await connect(rig, HOUR)
    const retrying = await send(source, "1")
    await waits(destination, 1)
    await rig.client.need("POST", `/v1/destinations/${destination.id}/pause`)
    const unread = [await send(source, "2"), await send(source, "3")]
    const path = `/v1/connections/${connection.id}`
    const refused = await rig.client.call("DELETE", path)
    expect([refused.status, refused.body.error]).toEqual([409, expect.stringContaining("3 deliveries wait")])
    expect((await rig.client.call("DELETE", `${path}?force=yes`)).status).toBe(400)
    expect(await rig.client.need("DELETE", `${path}?force=true`)).toEqual({ success: true, cancelled: 3 })
    for (const id of [retrying, ...unread]) {
      expect(await eventOf(id)).toMatchObject({ status: "cancelled", deliveries: { cancelled: 1, waiting: 0 } })
      const last = (await timelineOf(id)).at(-1)
      expect(last).toMatchObject({ type: "cancelled", connection_id: connection.id, error: null })
      expect(last.what).toContain("connection deleted")
      expect((await rig.client.call("POST", `/v1/events/${id}/retry`)).status).toBe(409)
    }
    expect(await destinationOf(destination.id)).toMatchObject({ pending: 0, lag: [], next_attempt_at: null })
    expect(await rig.client.need("POST", `/v1/destinations/${destination.id}/retry`, {})).toEqual({ retried: 0 })
    const later = await send(source, "4")
    expect(await eventOf(later)).toMatchObject({ status: "received", deliveries: { cancelled: 0, waiting: 0 } })
  })
  it("goes without when nothing waits", async () => {
    const { source, destination, connection } = await connect(rig)
    const id = await send(source, "1")
    await landed(id)
    await eventually(
      () => destinationOf(destination.id),
      ({ lag }) => lag[0].lag === 0
    )
    expect(await rig.client.need("DELETE", `/v1/connections/${connection.id}`)).toEqual({ success: true, cancelled: 0 })
    expect((await eventOf(id)).status).toBe("delivered")
  })
  it("of a source is cancelled on every connection, and its events can still be listed", async () => {
    const { source, destination } = await connect(rig, { status: "paused" })
    const second = await connect(rig, { status: "paused" })
    await rig.client.need("POST", "/v1/connections", {
      source_id: source.id,
      destination_id: second.destination.id
    })
    const ids = [await send(source, "1"), await send(source, "2")]
    const path = `/v1/sources/${source.id}`
    expect((await rig.client.call("DELETE", path)).body.error).toContain("4 deliveries wait")
    expect(await rig.client.need("DELETE", `${path}?force=true`)).toEqual({ success: true, cancelled: 4 })
    const { events } = await rig.client.need("GET", `/v1/events?source_id=${source.id}`)
    expect(events.map(({ id, status }: { id: string; status: string }) => [id, status])).toEqual(
      ids.toReversed().map((id) => [id, "cancelled"])
    )
    const told = (await timelineOf(ids[0]!)).filter(({ type }: { type: string }) => type === "cancelled")
    expect(new Set(told.map(({ destination_id }: { destination_id: string }) => destination_id))).toEqual(
      new Set([destination.id, second.destination.id])
    )
    expect(told[0].what).toContain("source deleted")
    expect((await rig.client.call("DELETE", path)).status).toBe(404)
  })
  it("of a destination is cancelled; its dead letters and tries stay readable, and none is brought back", async () => {
    const { source, destination } = await connect(rig, HOUR)
    rig.emulator.setFault(({ body }) =>
      body.includes("bad")
        ? { _tag: "Receipt", code: 400, message: "no good" }
        : { _tag: "Respond", status: 503, body: "" }
    )
    const [dead, waiting] = [await send(source, '"bad"'), await send(source, '"good"')]
    await eventually(
      () => destinationOf(destination.id),
      (one) => one.dead === 1 && one.pending === 1
    )
    const path = `/v1/destinations/${destination.id}`
    expect((await rig.client.call("DELETE", path)).body.error).toContain("1 delivery waits")
    expect(await rig.client.need("DELETE", `${path}?force=true`)).toEqual({ success: true, cancelled: 1 })
    rig.emulator.setFault(undefined)
    expect((await timelineOf(waiting)).at(-1).what).toContain("destination deleted")
    expect(await eventOf(dead)).toMatchObject({ status: "failed" })
    const { dead_letters } = await rig.client.need("GET", `${path}/dlq`)
    expect(dead_letters.map(({ event_id }: { event_id: string }) => event_id)).toEqual([dead])
    const { delivery_attempts: attempts } = await rig.client.need(
      "GET",
      `/v1/delivery-attempts?destination_id=${destination.id}`
    )
    expect(attempts).toHaveLength(2)
    for (const id of [dead, waiting]) expect((await rig.client.call("POST", `/v1/events/${id}/retry`)).status).toBe(409)
    expect((await rig.client.call("POST", `${path}/dlq/redrive`)).status).toBe(404)
  })
})

const span = () => ({
  from: new Date(Date.now() - 3_600_000).toISOString(),
  to: new Date().toISOString()
})

describe("replays", () => {
  it("of which there are more than a hundred: the oldest is cancelled, the others come to their end", async () => {
    const { source, destination } = await connect(rig)
    await landed(await send(source, "1"))
    const path = `/v1/destinations/${destination.id}`
    await rig.client.need("POST", `${path}/pause`)
    const jobs: Array<string> = []
    for (let n = 0; n < 104; n++) {
      const asked = { destination_id: destination.id, ...span() }
      jobs.push((await rig.client.need("POST", "/v1/replay", asked)).replay.id)
    }
    expect(await rig.client.need("DELETE", `/v1/replay/${jobs[0]}`)).toEqual({ success: true })
    await rig.client.need("POST", `${path}/resume`)
    const statusOf = async (id: string) => (await rig.client.need("GET", `/v1/replay/${id}`)).replay.status
    for (const id of jobs.slice(1)) {
      expect(
        await eventually(
          () => statusOf(id),
          (status) => status === "finished"
        )
      ).toBe("finished")
    }
    expect(await statusOf(jobs[0]!)).toBe("cancelled")
    expect(recordsWith("hookstream-replay-id", jobs[0]!)).toEqual([])
    expect(recordsWith("hookstream-replay-id", jobs[1]!)).toHaveLength(1)
  })
  it("end with their connection, and their events say so", async () => {
    const { source, destination, connection } = await connect(rig)
    const ids: Array<string> = []
    for (let n = 0; n < 3; n++) ids.push(await send(source, String(n)))
    await landed(ids[2]!)
    await eventually(
      () => destinationOf(destination.id),
      ({ lag }) => lag[0].lag === 0
    )
    await rig.client.need("POST", `/v1/destinations/${destination.id}/pause`)
    const { replay: job } = await rig.client.need("POST", "/v1/replay", { destination_id: destination.id, ...span() })
    const path = `/v1/connections/${connection.id}`
    expect((await rig.client.call("DELETE", path)).body.error).toContain("3 deliveries wait")
    expect(await rig.client.need("DELETE", `${path}?force=true`)).toEqual({ success: true, cancelled: 3 })
    expect((await rig.client.need("GET", `/v1/replay/${job.id}`)).replay).toMatchObject({
      status: "cancelled",
      pending: 0
    })
    expect(await eventOf(ids[0]!)).toMatchObject({ status: "delivered", deliveries: { delivered: 1, cancelled: 0 } })
    expect((await timelineOf(ids[0]!)).at(-1)).toMatchObject({ type: "cancelled", replay_id: job.id })
  })
})

/** Changes the stored config of a destination while the gateway stands still. */
const spoil = (destination: string, change: (config: string) => string) => {
  const files = readdirSync(join(rig.dir, "state"), { recursive: true }).map(String)
  for (const name of files.filter((one) => one.endsWith(".sqlite") && one.includes("Destination"))) {
    const db = new DatabaseSync(join(rig.dir, "state", name))
    const tables = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'destination_config'").all()
    const row = tables.length === 0 ? undefined : db.prepare("SELECT config FROM destination_config").get()
    const config = row?.["config"] as string | undefined
    if (config?.includes(`"id":"${destination}"`)) {
      db.prepare("UPDATE destination_config SET config = ?").run(change(config))
    }
    db.close()
  }
}

describe("a destination that cannot be reached", () => {
  it("holds up no change of another, and is told of its own once it is back", async () => {
    const [bad, good] = [await connect(rig), await connect(rig)]
    const port = Number(new URL(rig.gateway.url).port)
    const restart = async (change: (config: string) => string) => {
      await rig.gateway.stop()
      spoil(bad.destination.id, change)
      rig.gateway = await startGateway({ dir: rig.dir, port })
    }
    await restart((config) => `no JSON${config}`)
    const path = `/v1/destinations/${bad.destination.id}`
    const changed = await rig.client.call("PATCH", path, { status: "paused", name: "Away" })
    expect(changed.status).toBe(202)
    expect(changed.body).toMatchObject({
      destination: { name: "Away", pending: null, circuit: null },
      pending_on: [bad.destination.id]
    })
    const [again, other, made, listed] = [
      await rig.client.call("PATCH", path, { name: "Away again" }),
      await rig.client.call("PATCH", `/v1/destinations/${good.destination.id}`, { name: "Near" }),
      await rig.client.call("POST", "/v1/sources", { name: "New while one is away" }),
      await rig.client.call("GET", "/v1/destinations")
    ]
    expect([again.status, other.status, made.status, listed.status]).toEqual([202, 200, 201, 200])
    expect(other.body.pending_on).toBeUndefined()
    const unknown = await rig.client.call("DELETE", path)
    expect([unknown.status, unknown.body.error]).toEqual([409, expect.stringContaining("could not be asked")])
    await landed(await send(good.source, "1"))
    await restart((config) => config.slice("no JSON".length))
    const back = await eventually(
      () => destinationOf(bad.destination.id),
      ({ paused_reason }) => paused_reason === "user"
    )
    expect(back).toMatchObject({ name: "Away again", paused_reason: "user", pending: 0 })
    const told = await rig.client.call("PATCH", path, { name: "Back" })
    expect(told.status).toBe(200)
  })
})
