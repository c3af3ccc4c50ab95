/** The event: one accepted request, immutable. */
import * as Schema from "effect/Schema"
import type * as Ids from "./Ids.ts"

/**
 * What the body is, decided once at ingest, so that encoders only splice: `json` one valid JSON text in UTF-8, at most
 * {@link MAX_JSON_DEPTH} deep; `utf8` other text; `binary` the rest; `long_json` such a JSON text with a number of more than
 * {@link MAX_JSON_NUMBER} or a name of more than {@link MAX_JSON_NAME} characters: common readers refuse it.
 */
export const BodyKind = Schema.Literals(["json", "utf8", "binary", "long_json"])
export type BodyKind = typeof BodyKind.Type
/** A log stores the place of a kind in this list. */
export const BODY_KINDS: ReadonlyArray<BodyKind> = BodyKind.literals

/** An accepted body is at most 10 MiB. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024
/** Deeper JSON is text: recursive parsers downstream would not survive it. */
export const MAX_JSON_DEPTH = 500
/**
 * Jackson reads no longer number (`StreamReadConstraints`), and no name of more than 50,000 bytes, which is three for a character at
 * most. Its limit of 20,000,000 characters for a string is above that of a body.
 */
export const MAX_JSON_NUMBER = 1000
export const MAX_JSON_NAME = 16_000

/** Whether the body is JSON, whatever its numbers and names. */
export const isJson = (kind: BodyKind): boolean => kind === "json" || kind === "long_json"

/** Everything of an event but its body. */
export const EventMeta = Schema.Struct({
  method: Schema.String,
  /** Names in lower case, in the order in which they came. */
  headers: Schema.Array(Schema.Tuple([Schema.String, Schema.String])),
  /** The query string without its `?`. */
  query: Schema.String,
  contentType: Schema.NullOr(Schema.String),
  sourceIp: Schema.NullOr(Schema.String),
  /** What is masked in `headers` and `query`, sealed (see `EventSecrets.ts`); absent where nothing is. */
  sealed: Schema.optional(Schema.String)
})
export type EventMeta = typeof EventMeta.Type

/** An event as the edge hands it to its log, by {@link newEvent}. */
export interface NewEvent {
  readonly kind: BodyKind
  /** An `EventMeta` as JSON: stored as it stands here, and read only when somebody asks for it. */
  readonly meta: string
  readonly body: Uint8Array
}

export interface Event extends EventMeta {
  readonly body: Uint8Array
  readonly id: Ids.EventId
  readonly sourceId: Ids.SourceId
  /** Position in the source's log: from 1, without gaps. */
  readonly seq: number
  /** Milliseconds since 1970; never decreases within a log. */
  readonly receivedAt: number
  readonly bodyKind: BodyKind
}

// Keeps a byte order mark: a JSON text does not start with one, so such a body is text.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** What a number may be made of: `+ - .`, digits, `E e`. */
const isInNumber = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x2d || code === 0x2b || code === 0x65 || code === 0x45

/** Whether the next character but white space is a colon. */
const isName = (text: string, at: number): boolean => {
  while (text.charCodeAt(at) <= 0x20) at++
  return text.charCodeAt(at) === 0x3a
}

/** How deep a text nests and how long its numbers and names are, if it is JSON: whether it is, the parser says. */
const shapeOf = (text: string): "plain" | "long" | "deep" => {
  // A text of 2n characters cannot nest deeper than n.
  if (text.length <= MAX_JSON_DEPTH * 2) return "plain"
  let shape: "plain" | "long" = "plain"
  let depth = 0
  /** Where the present string, or number, began. */
  let start = -1
  let number = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (start !== -1) {
      if (code === BACKSLASH) i++
      else if (code === QUOTE) {
        if (i - start - 1 > MAX_JSON_NAME && isName(text, i + 1)) shape = "long"
        start = -1
      }
    } else if (isInNumber(code)) {
      if (++number > MAX_JSON_NUMBER) shape = "long"
    } else {
      number = 0
      if (code === QUOTE) start = i
      else if (code === 0x7b || code === 0x5b) {
        if (++depth > MAX_JSON_DEPTH) return "deep"
      } else if (code === 0x7d || code === 0x5d) depth--
    }
  }
  return shape
}

export const bodyKind = (body: Uint8Array): BodyKind => {
  let text: string
  try {
    text = utf8.decode(body)
  } catch {
    return "binary"
  }
  const shape = shapeOf(text)
  if (shape === "deep") return "utf8"
  try {
    JSON.parse(text)
    return shape === "long" ? "long_json" : "json"
  } catch {
    return "utf8"
  }
}

export const newEvent = (
  { method, headers, query, contentType, sourceIp, sealed }: EventMeta,
  body: Uint8Array
): NewEvent => {
  const fields = [method, headers, query, contentType, sourceIp]
  return { kind: bodyKind(body), meta: JSON.stringify(sealed === undefined ? fields : fields.concat(sealed)), body }
}

/** The meta of a new event, read again. */
export const readMeta = (meta: string): EventMeta => {
  const [method, headers, query, contentType, sourceIp, sealed] = JSON.parse(meta)
  return { method, headers, query, contentType, sourceIp, sealed }
}
