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
export const text = (encoded: Uint8Array): string => new TextDecoder().decode(encoded)

export const event = (body: Uint8Array | string): Event => {
  const raw = typeof body === "string" ? bytes(body) : body
  return {
    id: makeEventId({ receivedAt: 1_700_000_000_000, seq: 7, route: "0123abcde" }),
    sourceId: `src_${"0".repeat(32)}`,
    ...{ seq: 7, receivedAt: 1_700_000_000_000, bodyKind: bodyKind(raw), body: raw },
    ...{ method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
  }
}

export const outbound = (body: Uint8Array | string): OutboundEvent => ({
  event: event(body),
  ...{ destinationId: "dst_00000000000000000000000000000001", connectionId: "conn_1", attempt: 1, replayId: null }
})
