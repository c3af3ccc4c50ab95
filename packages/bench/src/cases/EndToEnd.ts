/** How long an event is under way, from the sender to the sink, at some shares of the rate that can be held. */
import { addKafka, addSource, startGateway } from "../Gateway.ts"
import { load } from "../Generator.ts"
import type { Figure, Plot, Result } from "../Result.ts"
import { startSink } from "../Sink.ts"
import { quantile, ratios, sampleOf } from "../Stats.ts"
import { bareWorker, serve } from "../Workerd.ts"

const ROUNDS = 3
const SECONDS = 2
/** Of each round, what comes before this many milliseconds is not counted. */
const WARM_UP_MS = 400
const CONNECTIONS = 64
const SIZE = 1000
const SHARES = [0.25, 0.5, 0.75]
const QUANTILES = [0.5, 0.95, 0.99]
/**
 * The ramp: from so many events a second, each step so many times the one before, until one is not held, tried twice.
 */
const RAMP = { from: 200, factor: 1.3, seconds: 1 }
/** A rate is held when this share of it has come to the sink while it was sent. */
const HELD = 0.95
const LAG_EVERY_MS = 20

export const run = async (): Promise<Result> => {
  const sink = await startSink({ traced: true })
  const gateway = await startGateway()
  const insert = await serve({ main: bareWorker("insert"), objects: { TARGET: "Target" } })
  try {
    const source = await addSource(gateway)
    await addKafka(gateway, source.id, sink.port, {}, { batch: { max_records: 100 } })

    /** Of each event when it was due to be sent, when it was accepted, and when it came to the sink. */
    const through = async (rate: number, seconds: number) => {
      await sink.read("?reset")
      const shape = { connections: CONNECTIONS, until: { seconds }, size: SIZE, rate }
      const { times } = await load({ ...shape, url: source.url, traced: true })
      await sink.wait(times.length)
      const { arrivals } = await sink.read("?arrivals")
      return times.map(([due, accepted], i) => ({ due, accepted, arrived: arrivals![i]! }))
    }
    const isHeld = async (rate: number): Promise<boolean> => {
      const events = await through(rate, RAMP.seconds)
      const end = events[0]!.due + RAMP.seconds * 1000
      return events.filter(({ arrived }) => arrived <= end).length >= HELD * rate * RAMP.seconds
    }
    let most = RAMP.from
    while ((await isHeld(most * RAMP.factor)) || (await isHeld(most * RAMP.factor))) most *= RAMP.factor
    console.log(`  held: ${most.toFixed(0)} events/s`)

    const figures: Array<Figure> = [{ name: "rate that is held", value: sampleOf([most]), unit: "/s" }]
    const lines = new Map<string, Array<readonly [number, number]>>()
    const lags: Array<Plot["lines"][number]> = []
    const point = (name: string, x: number, y: number) => lines.set(name, [...(lines.get(name) ?? []), [x, y]])
    for (const share of SHARES) {
      const rate = most * share
      const total: Array<ReadonlyArray<number>> = []
      const bare: Array<Record<number, number>> = []
      for (let round = 0; round < ROUNDS; round++) {
        const events = await through(rate, SECONDS)
        const start = events[0]!.due
        const counted = events.filter(({ due }) => due >= start + WARM_UP_MS)
        total.push(counted.map(({ due, arrived }) => arrived - due))
        const shape = { connections: CONNECTIONS, until: { seconds: SECONDS }, size: SIZE, rate }
        const { p50, p95, p99 } = await load({ ...shape, url: insert.url })
        bare.push({ 0.5: p50, 0.95: p95, 0.99: p99 })
        if (round > 0) continue
        const points: Array<readonly [number, number]> = []
        for (let ms = 0; ms <= SECONDS * 1000 + 200; ms += LAG_EVERY_MS) {
          const until = (at: number) => at <= start + ms
          const lag = events.filter(({ accepted, arrived }) => until(accepted) && !until(arrived)).length
          points.push([ms / 1000, lag])
        }
        lags.push({ name: `${share * 100} %`, points })
      }
      const what = `${share * 100} % of it`
      for (const q of QUANTILES) {
        const [ours, theirs] = [total.map((values) => quantile(values, q)), bare.map((one) => one[q]!)]
        const goal = share === 0.5 && q === 0.5 ? { goal: { atMost: 6 } } : {}
        const name = `p${q * 100}`
        figures.push(
          { name: `${what}: sender to sink / bare insert, ${name}`, value: ratios(ours, theirs), unit: "x", ...goal },
          { name: `${what}: sender to sink, ${name}`, value: sampleOf(ours), unit: "ms" }
        )
        point(`sender to sink, ${name}`, share * 100, sampleOf(ours).median)
        point(`bare insert, ${name}`, share * 100, sampleOf(theirs).median)
      }
      console.log(`  ${what}: p50 ${sampleOf(total.map((values) => quantile(values, 0.5))).median.toFixed(1)} ms`)
    }
    const latency = {
      title: "From the sender to the sink",
      x: "% of the rate that is held",
      y: "ms",
      lines: [...lines].map(([name, points]) => ({ name, points }))
    }
    return {
      figures,
      plots: [latency, { title: "Accepted, not at the sink", x: "seconds", y: "events", lines: lags }]
    }
  } finally {
    await Promise.all([sink.stop(), gateway.stop(), insert.stop()])
  }
}
