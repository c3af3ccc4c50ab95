import * as Event from "@hookstream/core/event/Event"
import { makeSourceId } from "@hookstream/core/Ids"
import type { OutboundEvent } from "@hookstream/core/sink/Sink"
import type { Behaviour, Target } from "@hookstream/core/testing/SinkSuite"
import { startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import type { FaultRule } from "@hookstream/kafka-rest-emulator/Fault"

export const config = {
  bootstrap_servers: "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092",
  cluster_id: "lkc-xxxxx",
  topic: "webhook-events",
  api_key: "ABCDEFGHIJKLMNOP",
  api_secret: "ABCdef1234567890"
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
// A byte order mark is part of the text here, as it is for the proxy.
export const text = (encoded: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(encoded)

export const event = (body: Uint8Array | string, change: Partial<Event.Event> = {}): Event.Event => ({
  ...Event.make({
    sourceId: makeSourceId("00000000", "0123abcde"),
    seq: 7,
    receivedAt: 1_700_000_000_000,
    body
  }),
  ...change
})

export const outbound = (
  body: Uint8Array | string,
  { replayId = null, ...change }: Partial<Event.Event & Pick<OutboundEvent, "replayId">> = {}
): OutboundEvent => ({
  event: event(body, change),
  destinationId: "dst_00000000000000000000000000000001",
  connectionId: "conn_1",
  attempt: 1,
  replayId
})

/** The records of a request, by their braces. */
export const split = (body: string): ReadonlyArray<string> => {
  const records: Array<string> = []
  let depth = 0
  let start = 0
  for (const { 0: token, index } of body.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/gs)) {
    if (token === "{" && depth++ === 0) start = index
    if (token === "}" && --depth === 0) records.push(body.slice(start, index + 1))
  }
  return records
}

const echoed = `not you: ${config.api_secret} ${btoa(`${config.api_key}:${config.api_secret}`)}`
const FAULTS: { readonly [B in Behaviour]: ReadonlyArray<FaultRule> } = {
  take: [],
  refuse: [{ _tag: "Receipt", code: 40002, recordMatching: "refused" }],
  throttle: [{ _tag: "Respond", status: 429, contentType: "text/html" }],
  "throttle for 7 s": [{ _tag: "Respond", status: 429, headers: { "Retry-After": "7" } }],
  unauthorized: [{ _tag: "Respond", status: 401, code: 40101 }],
  "too large": [{ _tag: "Respond", status: 413 }],
  down: [
    { _tag: "Respond", status: 503 },
    { _tag: "Respond", status: 503, on: "metadata" }
  ],
  "break after": [{ _tag: "Cut", after: "produce" }],
  hang: [{ _tag: "Delay", ms: 60_000 }],
  "answer one": [{ _tag: "Stream", betweenMs: 60_000 }],
  redirect: [
    { _tag: "Respond", status: 307, headers: { Location: "/v3/clusters/other/topics/webhook-events/records" } }
  ],
  echo: [{ _tag: "Respond", status: 400, code: 400, body: JSON.stringify({ error_code: 400, message: echoed }) }],
  empty: [{ _tag: "Respond", status: 200 }],
  nonsense: [{ _tag: "Respond", status: 500, contentType: "text/html", body: "<p>sorry</p>".repeat(1000) }]
}

/** The emulator as the target of the conformance suite. */
export const startTarget = async (): Promise<Target> => {
  const emulator = await startEmulator({
    topics: [{ name: config.topic }],
    clusterId: config.cluster_id,
    maxBlockMs: 5,
    credentials: { apiKey: config.api_key, apiSecret: config.api_secret }
  })
  const idOf = (record: {
    readonly headers: ReadonlyArray<{ readonly name: string; readonly value: string | null }>
  }) => record.headers.find(({ name }) => name === "hookstream-event-id")!.value!
  return {
    config: { ...config, rest_endpoint: emulator.url, batch: { max_records: 10 } },
    behave: (behaviour) => emulator.setFault(FAULTS[behaviour]),
    arrived: () => emulator.records(config.topic).map(idOf),
    bodies: () => emulator.records(config.topic).map(({ raw_value_data }) => raw_value_data!),
    close: emulator.close
  }
}
