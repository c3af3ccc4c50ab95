/**
 * An event as one record of a produce request, straight to bytes. A JSON body is spliced in as the bytes that came: never parsed
 * and written again, so no number loses a digit and no key its place.
 *
 * | body | `value` |
 * |---|---|
 * | JSON | `{"type":"JSON","data":<the bytes>}` |
 * | the JSON text `null` | `{"type":"STRING","data":"null"}`: `data: null` would be a tombstone, which deletes the key on a compacted topic |
 * | other UTF-8 text, or empty | `{"type":"STRING","data":"…"}` |
 * | other bytes | `{"type":"BINARY","data":"<base64>"}` |
 */
import type { Event } from "@hookstream/core/Event"
import type { OutboundEvent } from "@hookstream/core/Sink"
import * as Base64 from "effect/encoding/Base64"
import type { KafkaConfig } from "./KafkaConfig.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

export const EVENT_ID_HEADER = "hookstream-event-id"
export const DESTINATION_ID_HEADER = "hookstream-destination-id"
/** Only on records that a replay sends. */
export const REPLAY_ID_HEADER = "hookstream-replay-id"

/** Base64 of UTF-8, as header values are written. */
const base64 = (text: string): string => Base64.encode(text)

const JSON_START = encoder.encode('{"value":{"type":"JSON","data":')
/** Longer than any `null` with reasonable white space: a body of that length is not looked at. */
const NULL_MAX = 64

const isNull = (body: Uint8Array): boolean => body.length <= NULL_MAX && decoder.decode(body).trim() === "null"

/** The value up to where the headers begin, in one piece or with the body between two. */
const value = ({ body, bodyKind }: Event): ReadonlyArray<Uint8Array> => {
  if (bodyKind === "json" && !isNull(body)) return [JSON_START, body]
  const [type, data] = bodyKind === "binary" ? ["BINARY", Base64.encode(body)] : ["STRING", decoder.decode(body)]
  return [encoder.encode(`{"value":{"type":"${type}","data":${JSON.stringify(data)}`)]
}

export const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Makes the encoder of one destination: `{"value":…,"headers":[…],"key":…}`, the key left out where it is "none". */
export const make = ({ key = "event_id" }: Pick<KafkaConfig, "key">): ((outbound: OutboundEvent) => Uint8Array) => {
  const keyOf = (event: Event): string =>
    key === "none" ? "" : `,"key":{"type":"STRING","data":"${key === "source_id" ? event.sourceId : event.id}"}`
  const header = (name: string, value: string) => `{"name":"${name}","value":"${base64(value)}"}`
  return ({ event, destinationId, replayId }) =>
    concat([
      ...value(event),
      encoder.encode(
        `},"headers":[${header(EVENT_ID_HEADER, event.id)},${header(DESTINATION_ID_HEADER, destinationId)}` +
          `${replayId === null ? "" : `,${header(REPLAY_ID_HEADER, replayId)}`}]${keyOf(event)}}`
      )
    ])
}
