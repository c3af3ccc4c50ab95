import { describe, expect, it } from "vitest"
import { type Answer, connect, deadAt, mirrorConfig, paths, SECRET, startApi } from "./support.ts"

const kafka = {
  bootstrap_servers: "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092",
  cluster_id: "lkc-xxxxx",
  topic: "webhook-events",
  api_key: "ABCDEFGHIJKLMNOP",
  api_secret: "ABCdef123..."
}
const masked = { answer: "ok", token: "****9876", keys: ["****76-1", "****76-2"] }

describe("a destination", () => {
  it("of the README answers 201 with its secret masked, as often as it is made", async () => {
    const { call } = await startApi().workspace()
    for (const slug of ["event-stream", "event-stream-2"]) {
      const answer = await call("POST", "/v1/destinations", { name: "Event Stream", type: "kafka", config: kafka })
      expect([answer.status, answer.body.destination]).toMatchObject([
        201,
        { name: "Event Stream", slug, type: "kafka", status: "active", config: { ...kafka, api_secret: "****3..." } }
      ])
    }
  })
  it("shows its secrets to nobody, wherever it is shown, and keeps those that are sent back masked", async () => {
    const { call, read } = await startApi().workspace()
    const { destination } = await connect(call)
    const path = `/v1/destinations/${destination.id}`
    const answers: ReadonlyArray<Answer> = [
      await read("GET", path),
      await read("GET", "/v1/destinations"),
      await call("GET", path),
      await call("PATCH", path, { name: "Same", config: masked }),
      await call("POST", `${path}/pause`),
      await call("POST", `${path}/resume`),
      await call("POST", `${path}/test`, { produce: true })
    ]
    for (const { status, text } of answers) expect([status, text]).toEqual([200, expect.not.stringContaining(SECRET)])
    for (const { body } of answers.slice(2, 6)) expect(body.destination.config).toEqual(masked)
    const next = await call("PATCH", path, { config: { token: "another-secret-4321", keys: ["****76-2"] } })
    expect(next.body.destination.config).toEqual({ answer: "ok", token: "****4321", keys: ["****76-2"] })
  })
  it("names every wrong field at once, and repeats no secret", async () => {
    const { call } = await startApi().workspace()
    const config = { answer: "maybe", token: "****abcd", keys: [SECRET, ""], more: SECRET }
    const wrong = { name: "", type: "mirror", config, retry_max_attempts: -1, timeout_ms: 1.5, more: 1 }
    const answer = await call("POST", "/v1/destinations", wrong)
    expect([answer.status, paths(answer)]).toEqual([
      400,
      [
        "config.answer",
        "config.keys.1",
        "config.more",
        "config.token",
        "more",
        "name",
        "retry_max_attempts",
        "timeout_ms"
      ]
    ])
    expect(answer.text).not.toContain(SECRET)
    expect(paths(await call("POST", "/v1/destinations", { name: "n", type: "mirror" }))).toEqual(["config"])
    expect(paths(await call("POST", "/v1/destinations", {}))).toEqual(["config", "name", "type"])
    const { body } = await call("POST", "/v1/destinations", { name: "n", type: "carrier_pigeon", config: {} })
    expect(body.issues).toEqual([{ path: "type", message: "not supported yet: use one of kafka, mirror" }])
  })
  it("says of a number that is wrong in two ways one thing", async () => {
    const { call } = await startApi().workspace()
    const wrong = { name: "n", type: "mirror", config: mirrorConfig, max_in_flight: 99.5, retry_intervals: [0.5] }
    const { body } = await call("POST", "/v1/destinations", wrong)
    expect(body.issues.map(({ path }: { readonly path: string }) => path)).toEqual([
      "retry_intervals.0",
      "max_in_flight"
    ])
  })
  it("keeps its type, and names what a change gets wrong", async () => {
    const { call } = await startApi().workspace()
    const { destination } = await connect(call)
    const answer = await call("PATCH", `/v1/destinations/${destination.id}`, {
      type: "kafka",
      config: { answer: "maybe" },
      ordering: "some"
    })
    expect([answer.status, paths(answer)]).toEqual([400, ["config.answer", "ordering", "type"]])
  })
  it("is tested step by step, and its test record proved", async () => {
    const { call } = await startApi().workspace()
    const { destination } = await connect(call)
    const path = `/v1/destinations/${destination.id}`
    const reach = { name: "reach", result: "ok", detail: "reached", fix: null }
    expect((await call("POST", `${path}/test`)).body).toEqual({ ok: true, steps: [reach], receipt: null })
    const produced = (await call("POST", `${path}/test`, { produce: true })).body
    expect(produced).toMatchObject({
      ok: true,
      steps: [reach, { name: "produce", result: "ok" }],
      receipt: { at: "here" }
    })
    await call("PATCH", path, { config: { answer: "down" } })
    const failed = (await call("POST", `${path}/test`, { produce: true })).body
    expect(failed).toMatchObject({
      ok: false,
      steps: [reach, { result: "failed", detail: "Unavailable: down for the test" }]
    })
    expect(paths(await call("POST", `${path}/test`, { produce: "yes" }))).toEqual(["produce"])
  })
  it("is paused and resumed, and shows its circuit", async () => {
    const api = startApi()
    const { call } = await api.workspace()
    const { destination } = await connect(call)
    const path = `/v1/destinations/${destination.id}`
    expect((await call("POST", `${path}/pause`)).body.destination).toMatchObject({
      status: "paused",
      paused_reason: "user"
    })
    expect((await call("POST", `${path}/resume`)).body.destination).toMatchObject({
      status: "active",
      paused_reason: null
    })
    api.commit(destination.id, { _tag: "BreakerOpened", at: api.now(), until: api.now() + 60_000, probes: 0 })
    const open = { state: "open", opened_at: "2026-11-24T10:00:00.000Z", next_probe_at: "2026-11-24T10:01:00.000Z" }
    expect((await call("GET", `${path}/circuit`)).body.circuit).toMatchObject(open)
    expect((await call("POST", `${path}/circuit/reset`)).body.circuit).toMatchObject({ state: "closed" })
  })
  it("takes its connections with it", async () => {
    const { call } = await startApi().workspace()
    const { destination, connection } = await connect(call)
    expect((await call("DELETE", `/v1/destinations/${destination.id}`)).status).toBe(200)
    expect((await call("GET", `/v1/connections/${connection.id}`)).status).toBe(404)
  })
  it("of every type is described with its secrets marked", async () => {
    const { read } = await startApi().workspace()
    const types = (await read("GET", "/v1/destination-types")).body.destination_types
    expect(types.map(({ type }: { readonly type: string }) => type)).toEqual(["kafka", "mirror"])
    const { token, answer } = types[1].config_schema.properties
    expect([token.writeOnly, token.format, answer.writeOnly]).toEqual([true, "password", undefined])
  })
})

describe("dead letters", () => {
  it("are listed page by page, and brought back by connection or reason", async () => {
    const api = startApi()
    const { call } = await api.workspace()
    const { source, destination, connection } = await connect(call)
    const events = [1, 2, 3].map((n) => api.append(source.id, `{"n":${n}}`))
    api.commit(destination.id, ...[1, 2, 3].map((seq) => deadAt(connection.id, seq, api.now())))
    const path = `/v1/destinations/${destination.id}/dlq`
    const ids = ({ body }: Answer) => body.dead_letters.map(({ event_id }: { readonly event_id: string }) => event_id)
    const first = await call("GET", `${path}?limit=2`)
    const second = await call("GET", `${path}?limit=2&cursor=${encodeURIComponent(first.body.cursor)}`)
    expect([ids(first), ids(second)]).toEqual([[events[2], events[1]], [events[0]]])
    expect([first.body.has_more, second.body.has_more, second.body.cursor]).toEqual([true, false, null])
    expect(first.body.dead_letters[0]).toMatchObject({
      connection_id: connection.id,
      source_id: source.id,
      replay_id: null,
      attempts: 1,
      reason: "Rejected",
      error: "refused for the test"
    })
    expect((await call("GET", `${path}?cursor=x`)).status).toBe(400)
    expect(paths(await call("POST", `${path}/redrive`, { reason: "Bored", connection_id: "x" }))).toEqual([
      "connection_id",
      "reason"
    ])
    expect((await call("POST", `${path}/redrive`, { reason: "Unknown" })).body).toEqual({ redriven: 0 })
    expect((await call("POST", `${path}/redrive`, { connection_id: connection.id })).body).toEqual({ redriven: 3 })
    expect((await call("GET", path)).body.dead_letters).toEqual([])
  })
  it("stay listed when their event is no longer stored", async () => {
    const api = startApi()
    const { call } = await api.workspace()
    const { source, destination, connection } = await connect(call)
    api.append(source.id, "{}")
    api.commit(destination.id, deadAt(connection.id, 1, api.now()))
    api.drop(source.id)
    const { body } = await call("GET", `/v1/destinations/${destination.id}/dlq`)
    expect(body.dead_letters).toMatchObject([{ event_id: null, source_id: source.id }])
  })
})
