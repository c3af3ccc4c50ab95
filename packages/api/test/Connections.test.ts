import { describe, expect, it } from "vitest"
import { connect, paths, startApi } from "./support.ts"

/** A rule that is right. */
const rule = { field: "method", op: "eq", value: "POST" }
const absent = (prefix: string) => `${prefix}_${"0".repeat(32)}`

describe("a connection", () => {
  it("is made, shown, changed and deleted", async () => {
    const { call } = await startApi().workspace()
    const { source, destination, connection } = await connect(call)
    expect(connection).toEqual({
      id: expect.stringMatching(/^conn_[0-9a-f]{32}$/),
      source_id: source.id,
      destination_id: destination.id,
      name: null,
      description: null,
      enabled: true,
      ordering_key: null,
      filter_rules: [],
      created_at: "2026-11-24T10:00:00.000Z",
      updated_at: "2026-11-24T10:00:00.000Z"
    })
    const path = `/v1/connections/${connection.id}`
    const change = {
      name: "n",
      enabled: false,
      ordering_key: "payload.id",
      filter_rules: [{ field: "method", op: "eq", value: "POST" }]
    }
    expect((await call("PATCH", path, change)).body.connection).toEqual({ ...connection, ...change })
    expect((await call("PATCH", path, { name: null, ordering_key: null })).body.connection).toMatchObject({
      name: null,
      ordering_key: null,
      enabled: false
    })
    expect((await call("GET", "/v1/connections")).body.connections).toMatchObject([{ id: connection.id }])
    expect((await call("DELETE", path)).body).toEqual({ success: true, cancelled: 0 })
    expect((await call("GET", path)).status).toBe(404)
  })
  it("between the same two is another one, and never a conflict", async () => {
    const { call } = await startApi().workspace()
    const { source, destination, connection } = await connect(call)
    const input = { source_id: source.id, destination_id: destination.id }
    const again = await call("POST", "/v1/connections", input)
    expect([again.status, again.body.connection.id === connection.id]).toEqual([201, false])
  })
  it("says which of its ends is not there, or is another workspace's", async () => {
    const api = startApi()
    const { call } = await api.workspace()
    const { source, destination } = await connect(call)
    const theirs = await connect((await api.workspace()).call)
    const ask = (source_id: string, destination_id: string) =>
      call("POST", "/v1/connections", { source_id, destination_id })
    for (const id of [absent("src"), theirs.source.id]) {
      expect(await ask(id, destination.id)).toMatchObject({
        status: 404,
        body: { error: expect.stringContaining("source_id") }
      })
    }
    for (const id of [absent("dst"), theirs.destination.id]) {
      expect(await ask(source.id, id)).toMatchObject({
        status: 404,
        body: { error: expect.stringContaining("destination_id") }
      })
    }
  })
  it.each([
    [{ filter_rules: [{ field: "payload.a", op: "like", value: 1 }] }, ["filter_rules.0.op"]],
    [{ filter_rules: [{ field: "body.a", op: "eq", value: 1 }] }, ["filter_rules.0.field"]],
    [{ filter_rules: [{ field: "payload.a", op: "in", value: 1 }] }, ["filter_rules.0.value"]],
    [{ filter_rules: [{ any: [{ field: "payload.a", op: "like" }] }] }, ["filter_rules.0.any.0.op"]],
    [{ filter_rules: [{ not: { field: "body.a", op: "eq", value: 1 } }] }, ["filter_rules.0.not.field"]],
    [{ filter_rules: [{ any: [] }] }, ["filter_rules.0.any.0"]],
    [{ filter_rules: [{}] }, ["filter_rules.0.field", "filter_rules.0.op"]],
    [{ filter_rules: [{ not: { not: { not: { not: { not: { not: rule } } } } } }] }, ["filter_rules"]],
    [{ filter_rules: [{ any: Array(51).fill(rule) }] }, ["filter_rules"]],
    [
      { ordering_key: "nonsense", enabled: 1, transform_expression: "$", more: 1 },
      ["enabled", "more", "ordering_key", "transform_expression"]
    ]
  ])("with %j is refused by its fields, made or changed", async (change, fields) => {
    const { call } = await startApi().workspace()
    const { source, destination, connection } = await connect(call)
    const input = { source_id: source.id, destination_id: destination.id, ...change }
    for (const answer of [
      await call("POST", "/v1/connections", input),
      await call("PATCH", `/v1/connections/${connection.id}`, change)
    ]) {
      expect([answer.status, paths(answer)]).toEqual([400, fields])
    }
  })
  it("has rules that can be tried before", async () => {
    const { call } = await startApi().workspace()
    const filter_rules = [{ field: "payload.type", op: "in", value: ["paid"] }]
    const ask = async (event: object) => (await call("POST", "/v1/connections/test", { filter_rules, event })).body
    expect(await ask({ payload: { type: "paid" } })).toEqual({ passes: true, failed_rule: null })
    expect(await ask({ payload: { type: "other" } })).toEqual({ passes: false, failed_rule: 0 })
    expect(paths(await call("POST", "/v1/connections/test", {}))).toEqual(["event", "filter_rules"])
  })
})
