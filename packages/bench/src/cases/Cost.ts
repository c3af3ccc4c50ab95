/** What the platform bills for an event, by its own counters, at list prices. */
import { addKafka, addSource, type Gateway, startGateway } from "../Gateway.ts"
import { load } from "../Generator.ts"
import type { Figure, Result } from "../Result.ts"
import { type Sink, startSink } from "../Sink.ts"
import { sampleOf } from "../Stats.ts"
import { bundledWorker, cpuOf } from "../Workerd.ts"

const EVENTS = 1000
const CONNECTIONS = 16
const DESTINATIONS = [1, 3, 10]
const RECORDS = [1, 100]
/**
 * Dollars for a million, from developers.cloudflare.com: durable-objects/platform/pricing and workers/platform/pricing.
 * The time for which an object is in memory is left out: it is billed by the second, busy or not, and not by the event.
 */
const PRICE = { rowsWritten: 1, rowsRead: 0.001, objectRequests: 0.15, workerRequests: 0.3, cpuMillis: 0.02 }
/** Until the alarms behind a delivery have rung: the log's after 2 s, the destination's after 5 s. */
const SETTLED_AFTER_MS = 6000

/** As `workers/Cost.ts` counts. */
interface Counted {
  readonly workerRequests: number
  readonly objectRequests: number
  readonly rowsRead: number
  readonly rowsWritten: number
  readonly alarmsSet: number
}

interface Rig {
  readonly what: string
  readonly destinations: number
  readonly gateway: Gateway
  readonly source: string
}

const settled = () => new Promise((resolve) => setTimeout(resolve, SETTLED_AFTER_MS))

const makeRig = async (sink: Sink, destinations: number, records: number): Promise<Rig> => {
  const gateway = await startGateway({ main: bundledWorker("Cost") })
  const source = await addSource(gateway)
  for (let i = 0; i < destinations; i++) {
    await addKafka(gateway, source.id, sink.port, {}, { batch: { max_records: records } })
  }
  const what = `${destinations} destination${destinations === 1 ? "" : "s"}, ${records} a request`
  return { what, destinations, gateway, source: source.url }
}

const countsOf = async ({ gateway }: Rig): Promise<Counted & { readonly cpuMillis: number }> => {
  const counted = (await (await fetch(`${gateway.url}/counted`)).json()) as Counted
  return { ...counted, cpuMillis: cpuOf(gateway.pid) }
}

export const run = async (): Promise<Result> => {
  const sink = await startSink()
  const rigs: Array<Rig> = []
  try {
    for (const destinations of DESTINATIONS) {
      for (const records of RECORDS) rigs.push(await makeRig(sink, destinations, records))
    }
    await settled()
    const before = new Map<Rig, Awaited<ReturnType<typeof countsOf>>>()
    for (const rig of rigs) {
      console.log(`  ${rig.what}`)
      before.set(rig, await countsOf(rig))
      await sink.read("?reset")
      await load({ url: rig.source, connections: CONNECTIONS, until: { requests: EVENTS }, size: 1000 })
      await sink.wait(EVENTS * rig.destinations)
    }
    await settled()
    const figures: Array<Figure> = []
    for (const rig of rigs) {
      const [was, is] = [before.get(rig)!, await countsOf(rig)]
      const per = (name: keyof typeof was) => (is[name] - was[name]) / EVENTS
      // An alarm that is set is a row written.
      const dollars =
        (per("rowsWritten") + per("alarmsSet")) * PRICE.rowsWritten +
        per("rowsRead") * PRICE.rowsRead +
        per("objectRequests") * PRICE.objectRequests +
        per("workerRequests") * PRICE.workerRequests +
        per("cpuMillis") * PRICE.cpuMillis
      const goal = rig.destinations > 1 ? {} : { goal: { atMost: rig.what.includes(" 100 ") ? 1.2 : 1.5 } }
      figures.push(
        { name: `${rig.what}: rows written`, value: sampleOf([per("rowsWritten")]), unit: "an event", ...goal },
        { name: `${rig.what}: rows read`, value: sampleOf([per("rowsRead")]), unit: "an event" },
        { name: `${rig.what}: object requests`, value: sampleOf([per("objectRequests")]), unit: "an event" },
        { name: `${rig.what}: alarms set`, value: sampleOf([per("alarmsSet") * 1000]), unit: "in 1,000 events" },
        { name: `${rig.what}: CPU`, value: sampleOf([per("cpuMillis")]), unit: "ms an event" },
        { name: `${rig.what}: price`, value: sampleOf([dollars]), unit: "$ a million events" }
      )
    }
    return { figures }
  } finally {
    await Promise.all([sink.stop(), ...rigs.map(({ gateway }) => gateway.stop())])
  }
}
