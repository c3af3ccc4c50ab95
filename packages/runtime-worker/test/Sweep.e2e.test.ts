/** What the cron trigger is for, on workerd: alarms are deleted from the disk, and nothing else comes. */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { shardOf } from "@hookstream/core/directory/DirectoryContract"
import { routeOf, workspaceOf } from "@hookstream/core/Ids"
import { placementOf } from "@hookstream/core/Placement"
import { newWorkspace } from "@hookstream/devkit/ApiClient"
import { releaseBundle } from "@hookstream/devkit/Bundle"
import { startGateway } from "@hookstream/devkit/Gateway"
import { afterAll, beforeAll, expect, it } from "vitest"
import { connect, eventually, type Rig, startRig, TOPIC } from "./gateway.ts"

const modules = { worker: join(import.meta.dirname, "sweep/worker.js"), release: releaseBundle() }
let rig: Rig
beforeAll(async () => {
  rig = await startRig({}, { modules })
})
afterAll(() => rig.close())

/** Loses the alarms of all objects of a class; answers how many there were. */
const loseAlarms = (className: string): number => {
  const folder = join(rig.dir, `state/v3/do/hookstream-${className}`)
  const db = new DatabaseSync(join(folder, "metadata.sqlite"))
  const { changes } = db.prepare("DELETE FROM _cf_ALARM").run()
  db.close()
  return Number(changes)
}

const settings = {
  retry_backoff_type: "fixed",
  retry_intervals: [1],
  retry_max_attempts: 100,
  circuit_breaker_enabled: false
}

/** A source and a destination of a workspace, with an event that waits for its retry. */
const wait = async (placement: object, client: Rig["client"]) => {
  const { source, destination } = await connect({ ...rig, client }, { ...settings, ...placement })
  const url = rig.gateway.url + new URL(source.ingest_url).pathname
  expect((await fetch(url, { method: "POST", body: "{}" })).status).toBe(200)
  await eventually(
    async () => (await client.need("GET", `/v1/destinations/${destination.id}`)).destination,
    ({ pending }) => pending === 1
  )
  return { source, destination }
}

it("what waits behind lost alarms is delivered by the sweep, in any jurisdiction, and by nothing else", async () => {
  rig.emulator.setFault(() => ({ _tag: "Respond", status: 503, body: "" }))
  const eu = { jurisdiction: "eu", region: "weur" }
  const { client } = await newWorkspace(rig.gateway.url, rig.gateway.rootKey, eu)
  await wait({}, rig.client)
  const { source, destination } = await wait({ region: "eeur" }, client)

  // Whoever was the first to ask an object had it made where its id says.
  const made: Readonly<Record<string, object>> = await (await fetch(`${rig.gateway.url}/made`)).json()
  for (const [name, placement] of Object.entries(made)) expect(placement, name).toEqual({ ...placementOf(name) })
  expect(made).toMatchObject({
    [workspaceOf(source.id)]: eu,
    [routeOf(source.id)]: eu,
    [destination.id]: { jurisdiction: "eu", region: "eeur" },
    [shardOf(workspaceOf(source.id))]: { jurisdiction: "eu", region: null }
  })

  await rig.gateway.stop("SIGKILL")
  rig.emulator.setFault(undefined)
  expect(loseAlarms("Destination")).toBe(2)
  for (const one of ["SourceLog", "Workspace"]) loseAlarms(one)

  rig.gateway = await startGateway({ modules, dir: rig.dir, port: 0 })
  // Long after its retry is due.
  await new Promise((resolve) => setTimeout(resolve, 4000))
  expect(rig.emulator.records(TOPIC)).toEqual([])
  expect((await fetch(`${rig.gateway.url}/scheduled`, { method: "POST" })).status).toBe(204)
  await eventually(
    () => rig.emulator.records(TOPIC),
    (records) => records.length === 2
  )
})
