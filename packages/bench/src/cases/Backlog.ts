/**
 * A sink that was down for long: how fast what waited is delivered, from the first to the last, and what memory that
 * takes.
 */
import { addKafka, addSource, startGateway } from "../Gateway.ts"
import { load } from "../Generator.ts"
import { heapOf, inspect } from "../Inspector.ts"
import type { Result } from "../Result.ts"
import { startSink } from "../Sink.ts"
import { sampleOf } from "../Stats.ts"
import { freePort, memoryOf } from "../Workerd.ts"

const EVENTS = 100_000
const FILL_STEP = 10_000
const SIZE = 1000
const LOOK_EVERY_MS = 150
/** A drain takes seconds; longer is a fault. */
const LOOKS_MAX = 300

interface Look {
  readonly at: number
  readonly records: number
  /** MiB: resident of the process, and of the isolate's heap after a collection. */
  readonly memory: number
  readonly heap: number
}

/** Records a second while `from` to `to` of all were delivered. */
const rateBetween = (looks: ReadonlyArray<Look>, from: number, to: number): number => {
  const first = looks.findLast(({ records }) => records <= from * EVENTS) ?? looks[0]!
  const last = looks.find(({ records }) => records >= to * EVENTS)!
  return ((last.records - first.records) * 1000) / (last.at - first.at)
}

export const run = async (): Promise<Result> => {
  const sink = await startSink()
  const inspectorPort = await freePort()
  const gateway = await startGateway({ inspectorPort })
  const inspector = await inspect(inspectorPort)
  try {
    const source = await addSource(gateway)
    // It asks for the sink every second, so that little time passes between the sink's return and the first record.
    const settings = { max_in_flight: 6, circuit_breaker_reset_ms: 1000 }
    await addKafka(gateway, source.id, sink.port, settings, { batch: { max_records: 100 } })
    await sink.read("?up=false")
    for (let sent = 0; sent < EVENTS; sent += FILL_STEP) {
      await load({ url: source.url, connections: 64, until: { requests: FILL_STEP }, size: SIZE })
      console.log(`  the sink is down: ${sent + FILL_STEP} of ${EVENTS} events`)
    }
    const before = memoryOf(gateway.pid)
    await sink.read("?reset&up=true")
    const looks: Array<Look> = []
    for (let records = 0; records < EVENTS; ) {
      if (looks.length > LOOKS_MAX) throw new Error(`${records} of ${EVENTS} events came`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      records = (await sink.read()).records
      const look = { at: performance.now(), records, memory: memoryOf(gateway.pid) }
      looks.push({ ...look, heap: await heapOf(inspector) })
    }

    const heaps = looks.map(({ heap }) => heap)
    const most = Math.max(...looks.map(({ memory }) => memory))
    const seconds = ({ at }: Look) => (at - looks[0]!.at) / 1000
    const [early, late] = [rateBetween(looks, 0.05, 0.35), rateBetween(looks, 0.65, 0.95)]
    const title = `${EVENTS} events behind a sink that was down`
    return {
      figures: [
        { name: "drain", value: sampleOf([rateBetween(looks, 0.05, 0.95)]), unit: "records/s" },
        { name: "drain rate, late / early", value: sampleOf([late / early]), unit: "x" },
        {
          name: "heap after a collection while draining, most - least",
          unit: "MiB",
          goal: { atMost: 16 },
          value: sampleOf([Math.max(...heaps) - Math.min(...heaps)])
        },
        { name: "heap after a collection, most", value: sampleOf([Math.max(...heaps)]), unit: "MiB" },
        { name: "resident memory of workerd before", value: sampleOf([before]), unit: "MiB" },
        { name: "most while draining", value: sampleOf([most]), unit: "MiB" }
      ],
      plots: [
        {
          title,
          x: "seconds",
          y: "events not delivered",
          lines: [{ name: "lag", points: looks.map((look) => [seconds(look), EVENTS - look.records]) }]
        },
        {
          title: `Memory, ${title}`,
          x: "seconds",
          y: "MiB",
          lines: [
            { name: "resident", points: looks.map((look) => [seconds(look), look.memory]) },
            { name: "heap after a collection", points: looks.map((look) => [seconds(look), look.heap]) }
          ]
        }
      ]
    }
  } finally {
    inspector.close()
    await Promise.all([sink.stop(), gateway.stop()])
  }
}
