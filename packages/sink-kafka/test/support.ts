import { bodyKind, type Event } from "@hookstream/core/Event"
import { makeEventId } from "@hookstream/core/Ids"
import type { OutboundEvent } from "@hookstream/core/Sink"

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

export const event = (body: Uint8Array | string, change: Partial<Event> = {}): Event => {
  const raw = typeof body === "string" ? bytes(body) : body
  return {
    id: makeEventId({ receivedAt: 1_700_000_000_000, seq: 7, route: "0123abcde" }),
    sourceId: `src_${"0".repeat(32)}`,
    ...{ seq: 7, receivedAt: 1_700_000_000_000, bodyKind: bodyKind(raw), body: raw },
    ...{ method: "POST", headers: [], query: "", contentType: null, sourceIp: null, ...change }
  }
}

export const outbound = (
  body: Uint8Array | string,
  { replayId = null, ...change }: Partial<Event & Pick<OutboundEvent, "replayId">> = {}
): OutboundEvent => ({
  event: event(body, change),
  ...{ destinationId: "dst_00000000000000000000000000000001", connectionId: "conn_1", attempt: 1, replayId }
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
