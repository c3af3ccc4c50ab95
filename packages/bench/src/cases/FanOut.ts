/**
 * What further destinations cost the source: paused ones, and live ones that share the one thread of a local workerd.
 */
import { addKafka, addSource, startGateway } from "../Gateway.ts"
import { load } from "../Generator.ts"
import type { Figure, Result } from "../Result.ts"
import { startSink } from "../Sink.ts"
import { ratios, sampleOf } from "../Stats.ts"

const ROUNDS = 3
const SECONDS = 1.2
const CONNECTIONS = 64

export const run = async (): Promise<Result> => {
  const sink = await startSink()
  const gateway = await startGateway()
  try {
    const sourceWith = async (count: number, status: "active" | "paused") => {
      const source = await addSource(gateway)
      for (let i = 0; i < count; i++) {
        await addKafka(gateway, source.id, sink.port, { status }, { batch: { max_records: 100 } })
      }
      return source.url
    }
    const urls = {
      none: await sourceWith(0, "paused"),
      "1 paused": await sourceWith(1, "paused"),
      "3 paused": await sourceWith(3, "paused"),
      "10 paused": await sourceWith(10, "paused"),
      "1 live": await sourceWith(1, "active"),
      "3 live": await sourceWith(3, "active"),
      "10 live": await sourceWith(10, "active")
    }
    const rates = Object.fromEntries(Object.keys(urls).map((name) => [name, [] as Array<number>]))
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, url] of Object.entries(urls)) {
        const { perSecond } = await load({ url, connections: CONNECTIONS, until: { seconds: SECONDS }, size: 1000 })
        if (round >= 0) rates[name]!.push(perSecond)
        await sink.quiet()
      }
    }
    console.log(
      `  ${Object.keys(urls)
        .map((name) => `${name} ${sampleOf(rates[name]!).median.toFixed(0)}/s`)
        .join(", ")}`
    )
    const figures = Object.keys(urls)
      .slice(1)
      .map((name): Figure => {
        const goal = name === "10 paused" ? { goal: { atLeast: 0.9 } } : {}
        return { name: `ingest, ${name} / none`, value: ratios(rates[name]!, rates["none"]!), unit: "x", ...goal }
      })
    return { figures }
  } finally {
    await Promise.all([sink.stop(), gateway.stop()])
  }
}
