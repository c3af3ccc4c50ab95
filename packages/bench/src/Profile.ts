/** A CPU profile of workerd while a load runs, from its inspector: which functions take the time. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { addKafka, addSource, type Gateway, startGateway } from "./Gateway.ts"
import { load } from "./Generator.ts"
import { inspect } from "./Inspector.ts"
import { RESULTS } from "./Result.ts"
import { startSink } from "./Sink.ts"
import { freePort } from "./Workerd.ts"

interface Node {
  readonly id: number
  readonly hitCount: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}
interface CpuProfile {
  readonly nodes: ReadonlyArray<Node>
}

const SECONDS = 5
/** Events a second, well within what one core holds. */
const RATE = 1500
const LOADS: Readonly<Record<string, (gateway: Gateway) => Promise<() => Promise<unknown>>>> = {
  ingest: async (gateway) => {
    const source = await addSource(gateway)
    return () => load({ url: source.url, connections: 64, until: { seconds: SECONDS }, size: 1000 })
  },
  "end-to-end": async (gateway) => {
    const sink = await startSink()
    const source = await addSource(gateway)
    await addKafka(gateway, source.id, sink.port, {}, { batch: { max_records: 100 } })
    return async () => {
      await load({ url: source.url, connections: 64, until: { seconds: SECONDS }, size: 1000, rate: RATE })
      await sink.stop()
    }
  },
  "deliver-kafka": async (gateway) => {
    const sink = await startSink()
    const source = await addSource(gateway)
    const settings = { status: "paused", max_in_flight: 6 }
    const id = await addKafka(gateway, source.id, sink.port, settings, { batch: { max_records: 100 } })
    await load({ url: source.url, connections: 64, until: { requests: 60_000 }, size: 1000 })
    return async () => {
      await gateway.client.need("POST", `/v1/destinations/${id}/resume`)
      await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000))
      await sink.stop()
    }
  }
}

/** Writes `results/<case>.cpuprofile` and shows the functions with the most time of their own. */
export const profile = async (name = "ingest"): Promise<void> => {
  const prepare = LOADS[name]
  if (prepare === undefined) throw new Error(`there is no profile of ${name}: use ${Object.keys(LOADS).join(", ")}`)
  const port = await freePort()
  const gateway = await startGateway({ inspectorPort: port, minify: false })
  try {
    const run = await prepare(gateway)
    const { call, close } = await inspect(port)
    await call("Profiler.enable")
    await call("Profiler.setSamplingInterval", { interval: 200 })
    await call("Profiler.start")
    await run()
    const { profile: found } = await call<{ readonly profile: CpuProfile }>("Profiler.stop")
    close()
    mkdirSync(RESULTS, { recursive: true })
    writeFileSync(join(RESULTS, `${name}.cpuprofile`), JSON.stringify(found))
    const hits = new Map<string, number>()
    for (const { hitCount, callFrame } of found.nodes) {
      const where = `${callFrame.functionName || "(anonymous)"}:${callFrame.lineNumber + 1}`
      hits.set(where, (hits.get(where) ?? 0) + hitCount)
    }
    const all = [...hits.values()].reduce((a, b) => a + b, 0)
    for (const [where, count] of [...hits].sort((a, b) => b[1] - a[1]).slice(0, 25)) {
      console.log(`${((count * 100) / all).toFixed(1).padStart(5)} %  ${where}`)
    }
  } finally {
    await gateway.stop()
  }
}
