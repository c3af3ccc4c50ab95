/** Accepting events against the platform's own limits for one hop, in interleaved rounds of one run. */
import { addKafka, addSource, startGateway } from "../Gateway.ts"
import { load } from "../Generator.ts"
import type { Load } from "../Load.ts"
import type { Figure, Plot, Result } from "../Result.ts"
import { startSink } from "../Sink.ts"
import { ratios, sampleOf } from "../Stats.ts"
import { bareWorker, serve } from "../Workerd.ts"

const CONNECTIONS = [1, 16, 64, 256]
const ROUNDS = 3
const SECONDS = 1.2

const GOALS: Readonly<Record<string, Figure["goal"]>> = {
  "1000 B, 1 connection: ingest / insert": { atLeast: 0.85 },
  "1000 B, 64 connections: ingest / insert": { atLeast: 1.6 },
  "1000 B, 64 connections: ingest / no-op": { atLeast: 0.6 }
}

export const run = async (): Promise<Result> => {
  const target = { TARGET: "Target" }
  const noop = await serve({ main: bareWorker("noop"), objects: target })
  const insert = await serve({ main: bareWorker("insert"), objects: target })
  const gateway = await startGateway()
  const figures: Array<Figure> = []
  const plots: Array<Plot> = []
  try {
    const lone = await addSource(gateway)
    const connected = await addSource(gateway)
    await addKafka(gateway, connected.id, 9, { status: "paused" })
    const urls = {
      "no-op": noop.url,
      insert: insert.url,
      ingest: lone.url,
      "ingest, one paused destination": connected.url
    }
    // A trivial server of Node's own shows how far the generator goes.
    const stub = await startSink()
    const ceiling = await load({
      url: `http://127.0.0.1:${stub.port}/`,
      connections: 64,
      until: { seconds: SECONDS },
      size: 1000
    })
    await stub.stop()
    figures.push({
      name: "the generator's own ceiling, 64 connections",
      value: sampleOf([ceiling.perSecond]),
      unit: "/s"
    })

    for (const size of [1000, 10_000]) {
      const lines = Object.keys(urls).map((name) => ({ name, points: [] as Array<[number, number]> }))
      const tails = Object.keys(urls).map((name) => ({ name, points: [] as Array<[number, number]> }))
      for (const connections of CONNECTIONS) {
        const loads = Object.fromEntries(Object.keys(urls).map((name) => [name, [] as Array<Load>]))
        for (let round = -1; round < ROUNDS; round++) {
          for (const [name, url] of Object.entries(urls)) {
            const seconds = round < 0 ? SECONDS / 3 : SECONDS
            const one = await load({ url, connections, until: { seconds }, size })
            if (round >= 0) loads[name]!.push(one)
          }
        }
        const rates = (name: string) => loads[name]!.map(({ perSecond }) => perSecond)
        for (const [i, name] of Object.keys(urls).entries()) {
          lines[i]!.points.push([connections, sampleOf(rates(name)).median])
          tails[i]!.points.push([connections, sampleOf(loads[name]!.map(({ p99 }) => p99)).median])
        }
        const what = `${size} B, ${connections} connection${connections === 1 ? "" : "s"}`
        console.log(
          `  ${what}: ${Object.keys(urls)
            .map((name) => `${name} ${sampleOf(rates(name)).median.toFixed(0)}/s`)
            .join(", ")}`
        )
        for (const bare of ["insert", "no-op"]) {
          const name = `${what}: ingest / ${bare}`
          const goal = GOALS[name]
          figures.push({
            name,
            value: ratios(rates("ingest"), rates(bare)),
            unit: "x",
            ...(goal === undefined ? {} : { goal })
          })
        }
      }
      plots.push({ title: `Requests per second, ${size} B`, x: "connections", y: "requests/s", lines })
      plots.push({ title: `Latency, 99th percentile, ${size} B`, x: "connections", y: "ms", lines: tails })
    }
  } finally {
    await Promise.all([noop.stop(), insert.stop(), gateway.stop()])
  }
  return { figures, plots }
}
