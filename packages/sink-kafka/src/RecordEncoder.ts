/**
 * Events as the body of a produce request (kafka-rest-v3 §2, §4): records one after another, each
 * `{"value":…,"headers":[…],"key":…,"timestamp":…}`, with a line feed between.
 *
 * Written as bytes, into one buffer. A JSON body is copied in byte for byte: it is never parsed and serialized, so no
 * number loses a digit and no key its place. Text is escaped where JSON requires it and nowhere else.
 *
 * | body | `json` | `string` | `binary` |
 * |---|---|---|---|
 * | JSON | `JSON`, the bytes as `data` | `STRING` | `BINARY` |
 * | JSON that the proxy's reader refuses | `STRING` | `STRING` | `BINARY` |
 * | the JSON text `null` | `STRING` | `STRING` | `BINARY` |
 * | other UTF-8 text, or empty | `STRING` | `STRING` | `BINARY` |
 * | other bytes | `BINARY` | `BINARY` | `BINARY` |
 *
 * `data` is never `null`: that would be a tombstone, which deletes the key from a compacted topic.
 */
import type { Event } from "@hookstream/core/event/Event"
import * as EventPath from "@hookstream/core/event/EventPath"
import type { OutboundEvent } from "@hookstream/core/sink/Sink"
import { ByteWriter, base64Length, jsonStringLength } from "./internal/ByteWriter.ts"
import { type KafkaConfig, OWN_HEADERS } from "./KafkaConfig.ts"
import * as RecordKey from "./RecordKey.ts"

type ValueType = "JSON" | "STRING" | "BINARY"

const encoder = new TextEncoder()
const bytes = (text: string): Uint8Array => encoder.encode(text)

const VALUE_START: { readonly [T in ValueType]: Uint8Array } = {
  JSON: bytes('{"value":{"type":"JSON","data":'),
  STRING: bytes('{"value":{"type":"STRING","data":"'),
  BINARY: bytes('{"value":{"type":"BINARY","data":"')
}
const HEADERS_START = `},"headers":[{"name":"${OWN_HEADERS.eventId}","value":"`
/** From the end of the value to the event id's header. */
const VALUE_END: { readonly [T in ValueType]: Uint8Array } = {
  JSON: bytes(HEADERS_START),
  STRING: bytes(`"${HEADERS_START}`),
  BINARY: bytes(`"${HEADERS_START}`)
}
const HEADER_END = bytes('"}')
const TIMESTAMP_END = bytes('"}')
const LINE_FEED = 0x0a

/** Up to the value of a header that is not the first. */
const headerStart = (name: string): Uint8Array => bytes(`,{"name":${JSON.stringify(name)},"value":"`)

/** What the ids, the timestamp and the punctuation of a record take at least; more is made room for as it comes. */
const RECORD_OVERHEAD = 256

const writeHeader = (out: ByteWriter, start: Uint8Array, value: string): void => {
  out.raw(start)
  out.base64Text(value)
  out.raw(HEADER_END)
}

/** Whether a JSON text is `null`: nothing else in JSON begins with an n. */
const isNull = (json: Uint8Array): boolean => {
  let at = 0
  while (json[at]! <= 0x20) at++
  return json[at] === 0x6e
}

const valueType = ({ body, bodyKind }: Event, format: "json" | "string" | "binary"): ValueType => {
  if (format === "binary" || bodyKind === "binary") return "BINARY"
  return format === "string" || bodyKind !== "json" || isNull(body) ? "STRING" : "JSON"
}

const dataLength = (type: ValueType, body: Uint8Array): number => {
  if (type === "JSON") return body.length
  return type === "STRING" ? jsonStringLength(body) : base64Length(body.length)
}

const writeData = (out: ByteWriter, type: ValueType, body: Uint8Array, length: number): void => {
  if (type === "JSON") out.raw(body)
  else if (type === "STRING") out.jsonString(body, length)
  else out.base64(body, body.length)
}

/** Whether an event's body is JSON, and goes as text because the proxy's reader would refuse it. */
export const isTooLong = ({ bodyKind }: Event, { value_format = "json" }: Pick<KafkaConfig, "value_format">): boolean =>
  bodyKind === "long_json" && value_format === "json"

/**
 * Writes the body of a produce request; `keyMissing` is told the position of each event whose key's path led nowhere.
 */
export type Encode = (
  batch: ReadonlyArray<OutboundEvent>,
  keyMissing?: (position: number) => void
) => Uint8Array<ArrayBuffer>

/** Makes the encoder of one destination. */
export const make = (
  config: Pick<KafkaConfig, "key" | "key_type" | "value_format" | "record_headers" | "timestamp">
): Encode => {
  const { key_type = "string", value_format = "json", record_headers = {}, timestamp = "none" } = config
  const key = RecordKey.compile(config.key ?? RecordKey.DEFAULT)

  const literals: Array<readonly [name: string, value: string]> = []
  const paths: Array<readonly [start: Uint8Array, read: EventPath.Read]> = []
  for (const [name, value] of Object.entries(record_headers)) {
    if (typeof value === "string") literals.push([name, value])
    else paths.push([headerStart(name), EventPath.compile(value.path)!])
  }

  // Between what differs from record to record everything is one piece, made once.
  const keyType = key_type === "binary" ? "BINARY" : "STRING"
  const headersEnd = bytes(key === "none" ? "]" : `],"key":{"type":"${keyType}","data":"`)
  const keyEnd = bytes((key === "none" ? "" : '"}') + (timestamp === "received" ? ',"timestamp":"' : "}"))

  /** From the event id's header to where the headers from paths stand, or to the key where there are none. */
  const headersOf = (destinationId: string, replayId: string | null): Uint8Array => {
    const out = new ByteWriter(RECORD_OVERHEAD)
    out.raw(HEADER_END)
    writeHeader(out, headerStart(OWN_HEADERS.destinationId), destinationId)
    if (replayId !== null) writeHeader(out, headerStart(OWN_HEADERS.replayId), replayId)
    for (const [name, value] of literals) writeHeader(out, headerStart(name), value)
    if (paths.length === 0) out.raw(headersEnd)
    return out.result()
  }
  // All records of a destination share them, except those of a replay.
  let shared:
    | { readonly destinationId: string; readonly replayId: string | null; readonly headers: Uint8Array }
    | undefined
  const sharedHeaders = ({ destinationId, replayId }: OutboundEvent): Uint8Array => {
    if (shared?.destinationId !== destinationId || shared.replayId !== replayId) {
      shared = { destinationId, replayId, headers: headersOf(destinationId, replayId) }
    }
    return shared.headers
  }

  const writePaths = (out: ByteWriter, view: EventPath.EventView): void => {
    for (const [start, read] of paths) {
      const value = RecordKey.textOf(read(view))
      if (value !== undefined) writeHeader(out, start, value)
    }
    out.raw(headersEnd)
  }
  const writeKey = (out: ByteWriter, text: string): void =>
    key_type === "binary" ? out.base64Text(text) : out.jsonText(text)
  const looksInside = paths.length > 0 || typeof key === "function"

  return (batch, keyMissing) => {
    const types = batch.map(({ event }) => valueType(event, value_format))
    const lengths = batch.map(({ event }, i) => dataLength(types[i]!, event.body))
    let expected = 0
    for (let i = 0; i < batch.length; i++) {
      expected += RECORD_OVERHEAD + sharedHeaders(batch[i]!).length + lengths[i]!
    }
    const out = new ByteWriter(expected)
    for (let i = 0; i < batch.length; i++) {
      const outbound = batch[i]!
      const { event } = outbound
      const type = types[i]!
      // One for all paths, so that the body is parsed at most once.
      const view = looksInside ? EventPath.viewOf(event) : undefined

      if (i > 0) out.byte(LINE_FEED)
      out.raw(VALUE_START[type])
      writeData(out, type, event.body, lengths[i]!)
      out.raw(VALUE_END[type])
      out.base64Text(event.id)
      out.raw(sharedHeaders(outbound))
      if (paths.length > 0) writePaths(out, view!)
      if (typeof key === "function") {
        const text = RecordKey.textOf(key(view!))
        if (text === undefined) keyMissing?.(i)
        writeKey(out, text ?? event.id)
      } else if (key !== "none") {
        writeKey(out, key === "source_id" ? event.sourceId : event.id)
      }
      out.raw(keyEnd)
      if (timestamp === "received") {
        out.jsonText(new Date(event.receivedAt).toISOString())
        out.raw(TIMESTAMP_END)
      }
    }
    return out.result()
  }
}
