/** The drill of `docs/operations.md`: the database of a log is put back to an earlier time, and all else goes on. */
import { cpSync, rmSync } from "node:fs"
import { join } from "node:path"
import { apiClient } from "@hookstream/devkit/ApiClient"
import { startGateway } from "@hookstream/devkit/Gateway"
import { afterAll, beforeAll, expect, it } from "vitest"
import { connect, eventually, type Rig, startRig, TOPIC } from "./gateway.ts"

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig.close())

it("all that a restored log holds arrives, and the API says what happened", async () => {
  const { source, destination, connection } = await connect(rig)
  const send = async (count: number): Promise<ReadonlyArray<string>> => {
    const ids: Array<string> = []
    for (let i = 0; i < count; i++) {
      const url = rig.gateway.url + new URL(source.ingest_url).pathname
      const response = await fetch(url, { method: "POST", body: "{}" })
      expect(response.status).toBe(200)
      ids.push(((await response.json()) as { readonly event_id: string }).event_id)
    }
    return ids
  }
  const arrived = () =>
    rig.emulator.records(TOPIC).flatMap(({ key }) => (key?.type === "STRING" && key.text !== null ? [key.text] : []))
  const client = () => apiClient(rig.gateway.url, { "X-API-Key": rig.key })
  const told = async () => (await client().need("GET", `/v1/destinations/${destination.id}`)).destination
  /** They have come, and the destination has written it down. */
  const allOf = async (ids: ReadonlyArray<string>): Promise<void> => {
    await eventually(arrived, (keys) => ids.every((id) => keys.includes(id)))
    await eventually(told, ({ lag, pending }) => lag[0].lag === 0 && pending === 0)
  }

  const first = await send(3)
  await allOf(first)
  await rig.gateway.stop()
  const logs = join(rig.dir, "state/v3/do/hookstream-SourceLog")
  const backup = join(rig.dir, "backup")
  cpSync(logs, backup, { recursive: true })

  rig.gateway = await startGateway({ dir: rig.dir, port: 0 })
  const lost = await send(4)
  await allOf(lost)
  await rig.gateway.stop()
  rmSync(logs, { recursive: true })
  cpSync(backup, logs, { recursive: true })

  rig.gateway = await startGateway({ dir: rig.dir, port: 0 })
  const next = await send(2)
  await allOf(next)
  expect((await told()).log_restored).toMatchObject({ connection_id: connection.id, from: 7, to: 3 })
  const { status, body } = await client().call("GET", `/v1/events/${lost[0]}`)
  expect([status, JSON.stringify(body)]).toEqual([410, expect.stringContaining("restored to an earlier time")])
  const { events } = await client().need("GET", "/v1/events")
  expect(events.map(({ id }: { readonly id: string }) => id)).toEqual([...next.toReversed(), ...first.toReversed()])
  expect(new Set(events.map(({ status }: { readonly status: string }) => status))).toEqual(new Set(["delivered"]))
})
