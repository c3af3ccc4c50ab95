/** Stores as other releases left them: what an earlier one has accepted, and what a newer one has written. */
import { globSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { startGateway } from "@hookstream/devkit/Gateway"
import { afterAll, beforeAll, expect, it } from "vitest"
import { connect, eventually, type Rig, startRig, TOPIC } from "./gateway.ts"

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig.close())

/** Writes `after` for `before` wherever a text of the gateway's state has it; answers how many texts. */
const rewriteState = (before: string, after: string): number => {
  let changed = 0
  for (const file of globSync("**/*.sqlite", { cwd: rig.dir })) {
    const db = new DatabaseSync(join(rig.dir, file))
    const columns = db
      .prepare(
        `SELECT m.name AS "table", c.name AS "column" FROM sqlite_schema m, pragma_table_info(m.name) c
         WHERE m.type = 'table' AND c.type = 'TEXT'`
      )
      .all()
    for (const { table, column } of columns) {
      const statement = `UPDATE "${table}" SET "${column}" = replace("${column}", ?, ?) WHERE instr("${column}", ?) > 0`
      changed += Number(db.prepare(statement).run(before, after, before).changes)
    }
    db.close()
  }
  return changed
}

it("goes on to deliver and to be changed; only its config must be fixed before it is changed", async () => {
  const { source, destination } = await connect(rig, {}, { cluster_id: "lkc-before" })
  const port = Number(new URL(rig.gateway.url).port)
  await rig.gateway.stop()
  expect(rewriteState('"lkc-before"', '"my cluster/1"')).toBeGreaterThan(0)
  rig.gateway = await startGateway({ dir: rig.dir, port })

  const path = `/v1/destinations/${destination.id}`
  const renamed = (await rig.client.need("PATCH", path, { name: "Renamed" })).destination
  expect([renamed.name, renamed.config.cluster_id]).toEqual(["Renamed", "my cluster/1"])
  const ingest = rig.gateway.url + new URL(source.ingest_url).pathname
  const { event_id: id } = (await (await fetch(ingest, { method: "POST", body: "{}" })).json()) as { event_id: string }
  const { event } = await eventually(
    () => rig.client.need("GET", `/v1/events/${id}`),
    (answer) => answer.event.status === "delivered"
  )
  expect(event.status).toBe("delivered")
  expect(rig.emulator.requests().at(-1)!.url).toBe(`/v3/clusters/my%20cluster%2F1/topics/${TOPIC}/records`)

  const refused = await rig.client.call("PATCH", path, { config: { key: "source_id" } })
  expect([refused.status, refused.body.issues.map((one: { path: string }) => one.path)]).toEqual([
    400,
    ["config.cluster_id"]
  ])
  const fixed = await rig.client.need("PATCH", path, { config: { key: "source_id", cluster_id: "lkc-after" } })
  expect(fixed.destination.config).toMatchObject({ key: "source_id", cluster_id: "lkc-after" })
})

/** Makes every database of a class that of a newer release, or again that of this one. */
const age = (className: string, versions: 1 | -1): void => {
  for (const file of globSync("**/*.sqlite", { cwd: rig.dir }).filter((one) => one.includes(className))) {
    const db = new DatabaseSync(join(rig.dir, file))
    if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'").all().length > 0) {
      db.prepare("UPDATE schema_versions SET version = version + ?").run(versions)
    }
    db.close()
  }
}
const restart = async (meanwhile: () => void) => {
  const port = Number(new URL(rig.gateway.url).port)
  await rig.gateway.stop()
  meanwhile()
  rig.gateway = await startGateway({ dir: rig.dir, port })
}

it.each(["SourceLog", "Destination", "Workspace"])(
  "stays shut where a newer release wrote it, and goes on when that is back: nothing is lost (%s)",
  async (className) => {
    const { source, destination } = await connect(rig)
    const url = () => rig.gateway.url + new URL(source.ingest_url).pathname
    const post = async () => {
      const response = await fetch(url(), { method: "POST", body: "{}" })
      const body = (await response.json()) as { readonly event_id: string }
      return { status: response.status, retryAfter: response.headers.get("retry-after"), id: body.event_id }
    }
    const accepted = [(await post()).id]
    await restart(() => age(className, 1))
    const answer = await post()
    const refused = { status: 503, retryAfter: "5" }
    expect(answer).toMatchObject(className === "SourceLog" ? refused : { status: 200 })
    if (answer.status === 200) accepted.push(answer.id)
    const paths = {
      SourceLog: `/v1/events?source_id=${source.id}`,
      Destination: `/v1/destinations/${destination.id}/dlq`,
      Workspace: "/v1/sources"
    }
    expect((await rig.client.call("GET", paths[className as keyof typeof paths])).status).toBe(503)
    await restart(() => age(className, -1))
    for (const id of accepted) {
      const { event } = await eventually(
        () => rig.client.need("GET", `/v1/events/${id}`),
        (found) => found.event.status === "delivered"
      )
      expect(event.status).toBe("delivered")
    }
    expect((await post()).status).toBe(200)
  }
)
