import { describe, expect, it } from "vitest"
import { connect, paths, START, startApi } from "./support.ts"

const at = (millis: number) => new Date(START + millis).toISOString()
const HOUR = 3_600_000

const world = async () => {
  const api = startApi()
  const mine = await api.workspace()
  const made = await connect(mine.call)
  for (const n of [1, 2, 3]) api.append(made.source.id, `{"n":${n}}`)
  api.pass(1000)
  return { api, ...mine, ...made, input: { destination_id: made.destination.id, from: at(-HOUR), to: at(1000) } }
}

describe("a replay", () => {
  it("is previewed, made, shown, listed and cancelled", async () => {
    const { call, input, destination } = await world()
    const filter = [{ field: "payload.n", op: "gte", value: 2 }]
    const preview = await call("POST", "/v1/replay", { ...input, filter, dry_run: true })
    expect([preview.status, preview.body.preview]).toMatchObject([200, { total: 3, scanned: 3, matching: 2 }])
    const made = await call("POST", "/v1/replay", { ...input, filter })
    expect(made.status).toBe(201)
    expect(made.body.replay).toMatchObject({
      destination_id: destination.id,
      source_id: null,
      connection_id: null,
      from: at(-HOUR),
      to: at(1000),
      filter,
      rate_limit: 10,
      max_events: null,
      total: 3
    })
    const path = `/v1/replay/${made.body.replay.id}`
    expect((await call("GET", path)).body).toEqual(made.body)
    expect((await call("GET", "/v1/replay")).body.replays).toEqual([made.body.replay])
    expect((await call("DELETE", path)).body).toEqual({ success: true })
    expect((await call("GET", path)).body.replay.status).toBe("cancelled")
  })
  it.each([
    ["lies in the future", { to: at(1001) }, "to", /^must not lie in the future.*2026-11-24T10:00:01\.000Z$/],
    ["is not after from", { to: at(-HOUR) }, "to", /^must be after from$/],
    ["is no time", { to: "tomorrow" }, "to", /ISO 8601/],
    ["comes too fast", { rate_limit: 0 }, "rate_limit", /from 1 to 1000/]
  ])("whose span %s is refused, and nothing is made", async (_, change, path, message) => {
    const { call, input } = await world()
    for (const dry_run of [true, false]) {
      const answer = await call("POST", "/v1/replay", { ...input, ...change, dry_run })
      expect(answer.status).toBe(400)
      expect(answer.body.issues).toEqual([{ path, message: expect.stringMatching(message) }])
    }
    expect((await call("GET", "/v1/replay")).body.replays).toEqual([])
  })
  it("up to this very moment is taken", async () => {
    const { call, input } = await world()
    expect((await call("POST", "/v1/replay", { ...input, to: at(1000) })).status).toBe(201)
  })
  it("names every wrong field at once", async () => {
    const { call } = await world()
    const wrong = { destination_id: "d", from: 1, filter: [{ field: "x", op: "eq", value: 1 }], max_events: 0, more: 1 }
    expect(paths(await call("POST", "/v1/replay", wrong))).toEqual([
      "destination_id",
      "filter.0.field",
      "from",
      "max_events",
      "more",
      "to"
    ])
  })
  it("over no connection is a conflict", async () => {
    const { call, input, connection } = await world()
    const absent = { connection_id: `conn_${"0".repeat(32)}`, source_id: `src_${"0".repeat(32)}` }
    for (const [name, value] of Object.entries(absent)) {
      expect((await call("POST", "/v1/replay", { ...input, [name]: value })).status).toBe(409)
    }
    await call("DELETE", `/v1/connections/${connection.id}`)
    expect((await call("POST", "/v1/replay", input)).status).toBe(409)
  })
})
