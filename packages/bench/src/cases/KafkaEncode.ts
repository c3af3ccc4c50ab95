/**
 * The encoder of the Kafka sink against a bare concatenation of the same parts, and against parse and stringify. One
 * process.
 */
import * as Event from "@hookstream/core/event/Event"
import { makeSourceId } from "@hookstream/core/Ids"
import * as Sink from "@hookstream/core/sink/Sink"
import * as RecordEncoder from "@hookstream/sink-kafka/RecordEncoder"
import type { Result } from "../Result.ts"
import { ratios } from "../Stats.ts"

const SOURCE = makeSourceId("00000000", "0123abcde")
const RECORDS = 100
const ROUNDS = 15
const ROUND_MILLIS = 120
const encoder = new TextEncoder()
const decoder = new TextDecoder()

const batchOf = (size: number): ReadonlyArray<Sink.OutboundEvent> => {
  const events = Array.from({ length: RECORDS }, (_, i) => {
    const items = Array.from({ length: Math.max(1, Math.floor(size / 60)) }, (_, n) => ({
      sku: `item-${n}`,
      price: n * 1.5,
      tags: ["a", "b"]
    }))
    return Event.make({
      sourceId: SOURCE,
      seq: i + 1,
      receivedAt: 1_700_000_000_000 + i,
      contentType: "application/json",
      body: JSON.stringify({ id: i, items })
    })
  })
  return Sink.batchOf(events)
}

/** The bytes around the body, ready made: what no encoder can do without is to put the parts into one buffer. */
const partsOf = (batch: ReadonlyArray<Sink.OutboundEvent>): ReadonlyArray<Uint8Array> => {
  const encode = RecordEncoder.make({})
  return batch.flatMap((one, i) => {
    const record = encode([one])
    const at = decoder.decode(record).indexOf(decoder.decode(one.event.body))
    const line = i === 0 ? [] : [encoder.encode("\n")]
    return [...line, record.slice(0, at), one.event.body, record.slice(at + one.event.body.length)]
  })
}

const concatenate = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const parseAndStringify = (batch: ReadonlyArray<Sink.OutboundEvent>): Uint8Array =>
  encoder.encode(
    batch
      .map(({ event, destinationId }) =>
        JSON.stringify({
          value: { type: "JSON", data: JSON.parse(decoder.decode(event.body)) },
          headers: [
            { name: "hookstream-event-id", value: btoa(event.id) },
            { name: "hookstream-destination-id", value: btoa(destinationId) }
          ],
          key: { type: "STRING", data: event.id }
        })
      )
      .join("\n")
  )

/** Microseconds of one call, over a round. */
const timed = (work: () => Uint8Array): number => {
  let [calls, bytes] = [0, 0]
  const startedAt = performance.now()
  let elapsed = 0
  while (elapsed < ROUND_MILLIS) {
    for (let i = 0; i < 20; i++) bytes += work().length
    calls += 20
    elapsed = performance.now() - startedAt
  }
  if (bytes === 0) throw new Error("nothing was encoded")
  return (elapsed * 1000) / calls
}

export const run = async (): Promise<Result> => {
  const figures = [1000, 10_000].flatMap((size) => {
    const batch = batchOf(size)
    const encode = RecordEncoder.make({})
    const parts = partsOf(batch)
    if (decoder.decode(encode(batch)) !== decoder.decode(concatenate(parts)))
      throw new Error("the parts are not the same")
    const times: Record<"ours" | "bare" | "json", Array<number>> = { ours: [], bare: [], json: [] }
    for (let round = -2; round < ROUNDS; round++) {
      const [ours, bare, json] = [
        timed(() => encode(batch)),
        timed(() => concatenate(parts)),
        timed(() => parseAndStringify(batch))
      ]
      // The first rounds warm it up.
      if (round < 0) continue
      times.ours.push(ours)
      times.bare.push(bare)
      times.json.push(json)
    }
    const goals = size === 1000
    return [
      {
        name: `${size} B: encoder / concatenation, time`,
        value: ratios(times.ours, times.bare),
        unit: "x",
        ...(goals ? { goal: { atMost: 3 } } : {})
      },
      {
        name: `${size} B: parse and stringify / encoder, time`,
        value: ratios(times.json, times.ours),
        unit: "x",
        ...(goals ? { goal: { atLeast: 5 } } : {})
      }
    ]
  })
  return { figures }
}
