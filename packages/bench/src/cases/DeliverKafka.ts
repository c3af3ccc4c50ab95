/** Draining a backlog into Kafka against a bare Worker that posts prebuilt bodies of the same number of records. */
import { start } from "../Child.ts"
import { addKafka, addSource, type Gateway, startGateway } from "../Gateway.ts"
import type { Figure, Result } from "../Result.ts"
import { ratios, sampleOf } from "../Stats.ts"
import { bareWorker, serve, type Workerd } from "../Workerd.ts"
import { load } from "./Ingest.ts"

const ROUNDS = 3
const BODY = 1000
/** Records of a request, and how many are drained of it in a round. */
const BATCHES: Readonly<Record<number, number>> = { 1: 1500, 10: 6000, 100: 12_000, 500: 12_000 }

interface Seen {
  readonly records: number
  readonly requests: number
  readonly firstAt: number
  readonly lastAt: number
}

const read = async (port: number, query = ""): Promise<Seen> =>
  (await (await fetch(`http://127.0.0.1:${port}/${query}`)).json()) as Seen

/** Accepts some `count` events into a source, by the load generator, which stops by time. */
export const fill = async (url: string, count: number, size: number): Promise<void> => {
  for (let left = count; left > 0; ) {
    const seconds = Math.min(3, Math.max(0.1, left / 4000))
    const { perSecond } = await load({ url, connections: 64, seconds, size })
    left -= Math.round(perSecond * seconds)
  }
}

/** Records per second of a drain, from the first to the last that came. */
const drain = async (gateway: Gateway, stub: number, batch: number, inFlight: number): Promise<number> => {
  const count = BATCHES[batch]!
  const source = await addSource(gateway)
  const settings = { status: "paused", max_in_flight: inFlight }
  const id = await addKafka(gateway, source.id, stub, settings, { batch: { max_records: batch, max_bytes: 8_000_000 } })
  await fill(source.url, count, BODY)
  const expected: number = (await gateway.client.need("GET", `/v1/sources/${source.id}`)).source.event_count
  await read(stub, "?reset")
  await gateway.client.need("POST", `/v1/destinations/${id}/resume`)
  for (;;) {
    const seen = await read(stub)
    if (seen.records >= expected) {
      await gateway.client.need("DELETE", `/v1/destinations/${id}`)
      return (seen.records * 1000) / (seen.lastAt - seen.firstAt)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const posted = async (bare: Workerd, stub: number, batch: number, inFlight: number): Promise<number> => {
  const requests = Math.ceil(BATCHES[batch]! / batch)
  const record = `{"value":{"type":"JSON","data":${JSON.stringify({ pad: "x".repeat(BODY - 20) })}},"headers":[{"name":"hookstream-event-id","value":"${btoa("evt_".padEnd(36, "0"))}"},{"name":"hookstream-destination-id","value":"${btoa("dst_".padEnd(36, "0"))}"}],"key":{"type":"STRING","data":"${"evt_".padEnd(36, "0")}"}}`
  await read(stub, "?reset")
  const query = `?requests=${requests}&concurrency=${inFlight}`
  await (
    await fetch(`${bare.url}/${query}`, {
      method: "POST",
      body: Array.from({ length: batch }, () => record).join("\n")
    })
  ).text()
  const seen = await read(stub)
  return (seen.records * 1000) / (seen.lastAt - seen.firstAt)
}

export const run = async (): Promise<Result> => {
  const stub = await start<{ readonly port: number }>("ProduceStub.ts", {})
  const { port } = stub.first
  const gateway = await startGateway()
  const bare = await serve({
    main: bareWorker("post"),
    objects: {},
    vars: { STUB: `http://127.0.0.1:${port}/v3/clusters/c/topics/t/records` }
  })
  const figures: Array<Figure> = []
  const perBatch = new Map<string, Array<number>>()
  try {
    for (const inFlight of [1, 6]) {
      for (const batch of Object.keys(BATCHES).map(Number)) {
        const [ours, theirs]: [Array<number>, Array<number>] = [[], []]
        for (let round = -1; round < ROUNDS; round++) {
          const [a, b] = [await drain(gateway, port, batch, inFlight), await posted(bare, port, batch, inFlight)]
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
        figures.push({
          name: `${what}: deliver / bare Worker that posts`,
          value: ratios(ours, theirs),
          unit: "x",
          ...goal
        })
      }
    }
    for (const inFlight of [1, 6]) {
      const value = ratios(perBatch.get(`100/${inFlight}`)!, perBatch.get(`1/${inFlight}`)!)
      figures.push({
        name: `100 a request / 1 a request, ${inFlight} in flight`,
        value,
        unit: "x",
        goal: { atLeast: 8 }
      })
    }
  } finally {
    await Promise.all([stub.stop(), gateway.stop(), bare.stop()])
  }
  return { figures }
}
