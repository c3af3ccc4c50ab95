/** The event: one accepted request, immutable. */
import * as Schema from "effect/Schema"
import * as Ids from "../Ids.ts"
import * as HeaderDictionary from "./HeaderDictionary.ts"
import * as Json from "./internal/jsonText.ts"

export { MAX_JSON_DEPTH, MAX_JSON_NAME, MAX_JSON_NUMBER } from "./internal/jsonText.ts"

/**
 * What the body is, decided once at ingest, so that encoders only splice: `json` one valid JSON text in UTF-8, at most
 * {@link MAX_JSON_DEPTH} deep; `utf8` other text; `binary` the rest; `long_json` such a JSON text with a number of more
 * than {@link MAX_JSON_NUMBER} characters or a name of more than {@link MAX_JSON_NAME} bytes: common readers refuse it.
 */
export const BodyKind = Schema.Literals(["json", "utf8", "binary", "long_json"])
export type BodyKind = typeof BodyKind.Type
/** A log stores the place of a kind in this list. */
export const BODY_KINDS: ReadonlyArray<BodyKind> = BodyKind.literals

/** An accepted body is at most 10 MiB. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024

/** Whether the body is JSON, whatever its numbers and names. */
export const isJson = (kind: BodyKind): boolean => kind === "json" || kind === "long_json"

/** That a request was its provider's, as its source had it verified. */
export const Verified = Schema.Struct({
  template: Schema.String,
  /** Which of the secrets it was signed with, from 0. */
  secret: Schema.Int,
  /** Milliseconds since 1970. */
  at: Schema.Finite
})
export type Verified = typeof Verified.Type

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
  sealed: Schema.optional(Schema.String),
  /** Absent where its source verified nothing. */
  verified: Schema.optional(Verified)
})
export type EventMeta = typeof EventMeta.Type

/** An event as the edge hands it to its log, by {@link newEvent}. */
export interface NewEvent {
  readonly kind: BodyKind
  /** An `EventMeta` as JSON: stored as it is, and parsed only on use. */
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

export const bodyKind = (body: Uint8Array): BodyKind => {
  const shape = Json.scan(body)
  if (shape !== undefined) return shape.isLong ? "long_json" : "json"
  return Json.isUtf8(body) ? "utf8" : "binary"
}

export const newEvent = (
  { method, headers, query, contentType, sourceIp, sealed, verified }: EventMeta,
  body: Uint8Array
): NewEvent => {
  const fields: Array<unknown> = [method, headers, query, contentType, sourceIp]
  if (sealed !== undefined || verified !== undefined) fields.push(sealed ?? null)
  if (verified !== undefined) fields.push(verified)
  return { kind: bodyKind(body), meta: JSON.stringify(fields), body }
}

/** The meta of an event, read again: that of a new one, or one that leaves out what a dictionary has. */
export const readMeta = (
  meta: string,
  dictionary: HeaderDictionary.HeaderDictionary = HeaderDictionary.EMPTY
): EventMeta => {
  const [method, headers, query, contentType, sourceIp, sealed, verified] = JSON.parse(meta)
  return {
    method,
    headers: dictionary.length === 0 ? headers : HeaderDictionary.restore(headers, dictionary),
    query,
    contentType,
    sourceIp,
    sealed: sealed ?? undefined,
    verified
  }
}

/** What {@link make} makes an event of. What is left out of `EventMeta` is a POST without headers. */
export interface EventInput extends Partial<EventMeta> {
  /** A text is taken as UTF-8. */
  readonly body: Uint8Array | string
  readonly sourceId: Ids.SourceId
  /** With `receivedAt` and the source it makes the event's id: events that differ in none of them are the same one. */
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly receivedAt: number
}

/** An event that no log has numbered: for tests, and for whoever uses sinks without the objects of a gateway. */
export const make = ({ body, sourceId, seq, receivedAt, ...meta }: EventInput): Event => {
  const raw = typeof body === "string" ? new TextEncoder().encode(body) : body
  return {
    method: "POST",
    headers: [],
    query: "",
    contentType: null,
    sourceIp: null,
    ...meta,
    id: Ids.makeEventId({ receivedAt, seq, route: Ids.routeOf(sourceId) }),
    sourceId,
    seq,
    receivedAt,
    bodyKind: bodyKind(raw),
    body: raw
  }
}
