/** What the cron trigger is for, on workerd: alarms are deleted from the disk, and nothing else comes. */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
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

it("an event that waits behind a lost alarm is delivered by the sweep, though nothing else comes", async () => {
  rig.emulator.setFault(() => ({ _tag: "Respond", status: 503, body: "" }))
  const settings = { retry_backoff_type: "fixed", retry_intervals: [1], retry_max_attempts: 100 }
  const { source, destination } = await connect(rig, { ...settings, circuit_breaker_enabled: false })
  const url = rig.gateway.url + new URL(source.ingest_url).pathname
  expect((await fetch(url, { method: "POST", body: "{}" })).status).toBe(200)
  await eventually(
    async () => (await rig.client.need("GET", `/v1/destinations/${destination.id}`)).destination,
    ({ pending }) => pending === 1
  )
  await rig.gateway.stop("SIGKILL")
  rig.emulator.setFault(undefined)
  expect(loseAlarms("Destination")).toBe(1)
  for (const one of ["SourceLog", "Workspace"]) loseAlarms(one)

  rig.gateway = await startGateway({ modules, dir: rig.dir, port: 0 })
  // Long after its retry is due.
  await new Promise((resolve) => setTimeout(resolve, 4000))
  expect(rig.emulator.records(TOPIC)).toEqual([])
  expect((await fetch(`${rig.gateway.url}/scheduled`, { method: "POST" })).status).toBe(204)
  await eventually(
    () => rig.emulator.records(TOPIC),
    (records) => records.length === 1
  )
})
