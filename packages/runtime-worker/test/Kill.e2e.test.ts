import { afterAll, beforeAll, expect, it } from "vitest"
import { startGateway } from "../../../scripts/Gateway.ts"
import { connect, eventually, type Rig, startRig, TOPIC } from "./gateway.ts"

const WRITERS = 32
const ROUNDS = 2
/** Milliseconds of load before each kill. */
const LOAD_MS = 1500

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig.close())

it("killed under load and started again, every acknowledged event becomes a record", async () => {
  const { source, destination } = await connect(rig)
  const path = new URL(source.ingest_url).pathname
  const acknowledged = new Set<string>()
  const port = Number(new URL(rig.gateway.url).port)

  for (let round = 0; round < ROUNDS; round++) {
    let writing = true
    const writer = async (n: number) => {
      for (let i = 0; writing; i++) {
        try {
          const response = await fetch(rig.gateway.url + path, {
            method: "POST",
            body: JSON.stringify({ round, n, i })
          })
          if (response.status === 200) acknowledged.add(((await response.json()) as { event_id: string }).event_id)
        } catch {
          // The connection broke: this one was not acknowledged.
          return
        }
      }
    }
    const writers = Array.from({ length: WRITERS }, (_, n) => writer(n))
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS))
    await rig.gateway.stop("SIGKILL")
    writing = false
    await Promise.all(writers)
    rig.gateway = await startGateway({ dir: rig.dir, port })
  }

  const seen = () =>
    new Set(
      rig.emulator
        .records(TOPIC)
        .map(({ headers }) => headers.find(({ name }) => name === "hookstream-event-id")?.value)
    )
  const lost = () => [...acknowledged].filter((id) => !seen().has(id))
  await eventually(lost, (ids) => ids.length === 0, 45_000)
  const records = rig.emulator.records(TOPIC).length
  console.log(
    `acknowledged ${acknowledged.size}, lost ${lost().length}, records ${records}, duplicates ${records - seen().size}`
  )
  expect(acknowledged.size).toBeGreaterThan(100)
  expect(lost()).toEqual([])

  // A duplicate only after an unknown outcome: whatever came twice has a try whose end nobody knew.
  const counts = Map.groupBy(rig.emulator.records(TOPIC), ({ key }) => key?.text)
  const twice = [...counts].filter(([, all]) => all.length > 1).map(([id]) => id!)
  for (const id of twice.slice(0, 20)) {
    const { event } = await rig.client.need("GET", `/v1/events/${id}`)
    expect(
      event.attempts.map(({ status }: { status: string }) => status),
      id
    ).toContain("unknown")
  }
  const view = await eventually(
    async () => (await rig.client.need("GET", `/v1/destinations/${destination.id}`)).destination,
    ({ lag, pending }) => lag[0].lag === 0 && pending === 0
  )
  expect(view).toMatchObject({ pending: 0, dead: 0 })
}, 120_000)
