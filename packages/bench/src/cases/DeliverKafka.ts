/** Draining a backlog into Kafka against a bare Worker that posts prebuilt bodies of the same number of records. */
import { addKafka, addSource, type Gateway, startGateway } from "../Gateway.ts"
import { load } from "../Generator.ts"
import type { Figure, Result } from "../Result.ts"
import { type Sink, startSink } from "../Sink.ts"
import { ratios, sampleOf } from "../Stats.ts"
import { bareWorker, serve, type Workerd } from "../Workerd.ts"

const ROUNDS = 3
const BODY = 1000
const IN_FLIGHT = [1, 6]
/** Records of a request, and how many are drained of it in a round. */
const BATCHES: Readonly<Record<number, number>> = { 1: 1500, 10: 6000, 100: 20_000, 500: 20_000 }

const perSecond = ({ records, firstAt, lastAt }: Awaited<ReturnType<Sink["read"]>>): number =>
  (records * 1000) / (lastAt - firstAt)

/** A paused destination for each round and each number of requests in flight, behind one log that is filled once. */
const fillFor = async (gateway: Gateway, sink: Sink, batch: number) => {
  const source = await addSource(gateway)
  const destinations = new Map<string, string>()
  for (const inFlight of IN_FLIGHT) {
    for (let round = -1; round < ROUNDS; round++) {
      const config = { batch: { max_records: batch, max_bytes: 8_000_000 } }
      const id = await addKafka(gateway, source.id, sink.port, { status: "paused", max_in_flight: inFlight }, config)
      destinations.set(`${inFlight}/${round}`, id)
    }
  }
  await load({ url: source.url, connections: 64, until: { requests: BATCHES[batch]! }, size: BODY })
  return destinations
}

/** Records per second of a drain, from the first to the last that came. */
const drain = async (gateway: Gateway, sink: Sink, destination: string, count: number): Promise<number> => {
  await sink.read("?reset")
  await gateway.client.need("POST", `/v1/destinations/${destination}/resume`)
  const seen = await sink.wait(count)
  await gateway.client.need("DELETE", `/v1/destinations/${destination}?force=true`)
  return perSecond(seen)
}

const posted = async (bare: Workerd, sink: Sink, batch: number, inFlight: number): Promise<number> => {
  const requests = Math.ceil(BATCHES[batch]! / batch)
  const eventId = "evt_".padEnd(36, "0")
  const record = JSON.stringify({
    value: { type: "JSON", data: { pad: "x".repeat(BODY - 20) } },
    headers: [
      { name: "hookstream-event-id", value: btoa(eventId) },
      { name: "hookstream-destination-id", value: btoa("dst_".padEnd(36, "0")) }
    ],
    key: { type: "STRING", data: eventId }
  })
  await sink.read("?reset")
  const query = `?requests=${requests}&concurrency=${inFlight}`
  const body = Array.from({ length: batch }, () => record).join("\n")
  await (await fetch(`${bare.url}/${query}`, { method: "POST", body })).text()
  return perSecond(await sink.wait(requests * batch))
}

export const run = async (): Promise<Result> => {
  const sink = await startSink()
  const gateway = await startGateway()
  const bare = await serve({
    main: bareWorker("post"),
    objects: {},
    vars: { STUB: `http://127.0.0.1:${sink.port}/v3/clusters/c/topics/t/records` }
  })
  const figures: Array<Figure> = []
  const perBatch = new Map<string, Array<number>>()
  try {
    for (const batch of Object.keys(BATCHES).map(Number)) {
      const destinations = await fillFor(gateway, sink, batch)
      for (const inFlight of IN_FLIGHT) {
        const [ours, theirs]: [Array<number>, Array<number>] = [[], []]
        for (let round = -1; round < ROUNDS; round++) {
          const a = await drain(gateway, sink, destinations.get(`${inFlight}/${round}`)!, BATCHES[batch]!)
          const b = await posted(bare, sink, batch, inFlight)
          if (round < 0) continue
          ours.push(a)
          theirs.push(b)
        }
        perBatch.set(`${batch}/${inFlight}`, ours)
        const what = `${batch} a request, ${inFlight} in flight`
        console.log(
          `  ${what}: ${sampleOf(ours).median.toFixed(0)} records/s, bare ${sampleOf(theirs).median.toFixed(0)}/s`
        )
        const goal = batch === 100 && inFlight === 6 ? { goal: { atLeast: 0.6 } } : {}
        const name = `${what}: deliver / bare Worker that posts`
        figures.push({ name, value: ratios(ours, theirs), unit: "x", ...goal })
      }
    }
    for (const inFlight of IN_FLIGHT) {
      const value = ratios(perBatch.get(`100/${inFlight}`)!, perBatch.get(`1/${inFlight}`)!)
      const name = `100 a request / 1 a request, ${inFlight} in flight`
      figures.push({ name, value, unit: "x", goal: { atLeast: 8 } })
    }
  } finally {
    await Promise.all([sink.stop(), gateway.stop(), bare.stop()])
  }
  return { figures }
}
