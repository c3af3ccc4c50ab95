import { startGateway } from "@hookstream/devkit/Gateway"
import type { FaultPlan } from "@hookstream/kafka-rest-emulator/Fault"
import type { StoredRecord } from "@hookstream/kafka-rest-emulator/Topic"
import { afterAll, beforeAll, expect, it } from "vitest"
import { connect, eventually, type Rig, startRig, TOPIC } from "./gateway.ts"

const WRITERS = 32
/** `npm run soak` makes it 20. */
const ROUNDS = Number(process.env["HOOKSTREAM_KILL_ROUNDS"] ?? 2)
/** Milliseconds of load before each kill. */
const LOAD_MS = 1500

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig.close())

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A sink that flaps: well, down, and losing its replies after it has produced, in turn. */
const flapping: FaultPlan = () => {
  const phase = Date.now() % 1000
  if (phase < 600) return undefined
  return phase < 750 ? { _tag: "Respond", status: 503, body: "" } : { _tag: "Cut", after: "produce" }
}

interface Sent {
  readonly writer: number
  readonly i: number
}

it("killed and stopped under load with a flapping sink: nothing is lost, and each key keeps its order", async () => {
  const { source, destination, connection } = await connect(
    rig,
    {
      ordering: "key",
      retry_intervals: [1],
      retry_max_attempts: 100,
      retry_backoff_type: "fixed",
      circuit_breaker_reset_ms: 1000
    },
    { key: "source_id" }
  )
  await rig.client.need("PATCH", `/v1/connections/${connection.id}`, { ordering_key: "payload.writer" })
  const path = new URL(source.ingest_url).pathname
  const acknowledged = new Set<string>()
  const port = Number(new URL(rig.gateway.url).port)
  const next = Array.from({ length: WRITERS }, () => 0)

  for (let round = 0; round < ROUNDS; round++) {
    let writing = true
    const writer = async (n: number) => {
      while (writing) {
        try {
          // The number goes up even when the reply is lost: each is sent once.
          const sent: Sent = { writer: n, i: next[n]!++ }
          const response = await fetch(rig.gateway.url + path, { method: "POST", body: JSON.stringify(sent) })
          if (response.status === 200) acknowledged.add(((await response.json()) as { event_id: string }).event_id)
        } catch {
          // The connection broke: this one was not acknowledged.
          return
        }
      }
    }
    rig.emulator.setFault(flapping)
    const writers = Array.from({ length: WRITERS }, (_, n) => writer(n))
    await sleep(LOAD_MS / 2)
    rig.gateway.signal("SIGSTOP")
    await sleep(500)
    rig.gateway.signal("SIGCONT")
    await sleep(LOAD_MS / 2)
    await rig.gateway.stop("SIGKILL")
    writing = false
    await Promise.all(writers)
    rig.gateway = await startGateway({ dir: rig.dir, port })
  }
  rig.emulator.setFault(undefined)

  const idOf = ({ headers }: StoredRecord) => headers.find(({ name }) => name === "hookstream-event-id")!.value!
  const seen = () => new Set(rig.emulator.records(TOPIC).map(idOf))
  const lost = () => {
    const found = seen()
    return [...acknowledged].filter((id) => !found.has(id))
  }
  await eventually(lost, (ids) => ids.length === 0, 60_000)
  const view = await eventually(
    async () => (await rig.client.need("GET", `/v1/destinations/${destination.id}`)).destination,
    ({ lag, pending }) => lag[0].lag === 0 && pending === 0,
    60_000
  )

  const records = rig.emulator.records(TOPIC)
  const counts = Map.groupBy(records, idOf)
  const twice = [...counts].filter(([, all]) => all.length > 1).map(([id]) => id)
  const firsts = [...counts.values()].map(([first]) => JSON.parse(first!.raw_value_data!) as Sent)
  const violations = [...Map.groupBy(firsts, ({ writer }) => writer).values()].filter((own) =>
    own.some(({ i }, at) => at > 0 && i < own[at - 1]!.i)
  ).length
  console.log(
    `acknowledged ${acknowledged.size}, lost ${lost().length}, records ${records.length}, ` +
      `events that came more than once ${twice.length}, keys out of order ${violations}`
  )
  expect(acknowledged.size).toBeGreaterThan(100)
  expect(lost()).toEqual([])
  expect(violations).toBe(0)
  expect(view).toMatchObject({ pending: 0, dead: 0 })

  // A duplicate only after an unknown outcome: whatever came twice has a try whose end nobody knew.
  for (const id of twice.slice(0, 20)) {
    const { event } = await rig.client.need("GET", `/v1/events/${id}`)
    const unknown = event.delivery_attempts.filter(
      ({ status, reason }: { status: string; reason: string }) => status === "unknown" || reason === "Unknown"
    )
    expect(unknown.length, id).toBeGreaterThanOrEqual(counts.get(id)!.length - 1)
  }
}, 600_000)
