/**
 * Many sources with one event a second each into one Kafka destination, whose proxy takes 100 ms a request: how long an
 * event is under way, from its acceptance to the sink. It must not grow with the number of sources that are busy.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { now } from "../Clock.ts"
import { addKafka, addSource, startGateway } from "../Gateway.ts"
import { NUMBER_DIGITS, NUMBER_MARK } from "../Load.ts"
import type { Figure, Result } from "../Result.ts"
import { startSink } from "../Sink.ts"
import { quantile, sampleOf } from "../Stats.ts"

const DELAY_MS = 100
const SECONDS = 12
/** What comes before is not counted. */
const WARM_UP_SECONDS = 3
/** Sources, and the goal for the slowest hundredth, in milliseconds. */
const CASES = [
  { sources: 10, goal: 1000 },
  { sources: 60, goal: 1000 },
  { sources: 300, goal: 3000 }
]

const bodyOf = (number: number): string =>
  `{"type":"invoice.paid",${NUMBER_MARK}${String(number).padStart(NUMBER_DIGITS, "0")}"}`

const under = async (count: number): Promise<ReadonlyArray<number>> => {
  const sink = await startSink({ traced: true, delayMs: DELAY_MS })
  const gateway = await startGateway()
  try {
    const first = await addSource(gateway)
    const destination = await addKafka(gateway, first.id, sink.port, {}, { batch: { max_records: 100 } })
    const urls = [first.url]
    while (urls.length < count) {
      const { id, url } = await addSource(gateway)
      await gateway.client.need("POST", "/v1/connections", { source_id: id, destination_id: destination })
      urls.push(url)
    }
    const accepted: Array<number> = []
    let sent = 0
    const send = async (url: string) => {
      const number = sent++
      const response = await fetch(url, {
        method: "POST",
        body: bodyOf(number)
      })
      await response.text()
      if (response.status !== 200) throw new Error(`a webhook was answered ${response.status}`)
      accepted[number] = now()
    }
    const startedAt = now()
    // Evenly spread over the second, whatever was answered.
    const all: Array<Promise<void>> = []
    for (let i = 0; i < count * SECONDS; i++) {
      const due = startedAt + (i * 1000) / count
      if (due > now()) await sleep(due - now())
      all.push(send(urls[i % count]!))
    }
    await Promise.all(all)
    await sink.wait(all.length)
    const { arrivals } = await sink.read("?arrivals")
    const skipped = WARM_UP_SECONDS * count
    return accepted.slice(skipped).map((at, i) => arrivals![skipped + i]! - at)
  } finally {
    await Promise.all([sink.stop(), gateway.stop()])
  }
}

export const run = async (): Promise<Result> => {
  const figures: Array<Figure> = []
  for (const { sources, goal } of CASES) {
    const times = await under(sources)
    const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)]
    console.log(`  ${sources} sources: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`)
    figures.push(
      { name: `${sources} sources: p50`, value: sampleOf([p50]), unit: "ms" },
      { name: `${sources} sources: p99`, value: sampleOf([p99]), unit: "ms", goal: { atMost: goal } }
    )
  }
  return { figures }
}
