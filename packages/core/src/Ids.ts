/**
 * Identifiers: a prefix and 32 lowercase hex digits.
 *
 * | id | layout of the 128 bits |
 * |---|---|
 * | event | `ms 48, version 4 (7), seq high 12, variant 2 (0b10), seq low 26, route 36` |
 * | source | `workspace 32, route 36, zeros 60`; of version 1 `workspace 32, route 36, key number 4, HMAC 56` |
 * | others | random |
 *
 * An event id sorts by time, inside one millisecond of a log by sequence, and names the log that holds the event.
 * A workspace id is 8 hex digits; a route (the name of a log) is 9. These two and the digits of a destination id name
 * objects: where they begin with two letters past `f`, these say where the object is (see `Placement.ts`).
 *
 * A source id of version 1 is also an ingest token (see {@link file://./IdKeys.ts}), so only those who may send see it;
 * others and logs see it {@link withoutTokens}.
 */
import * as Schema from "effect/Schema"
import { digits, markOf, type Placement } from "./Placement.ts"

const WORKSPACE = digits(8)
const ROUTE = digits(9)

const id = <const P extends string>(prefix: P, title: string, layout = "[0-9a-f]{32}") =>
  Schema.String.check(
    Schema.isPattern(new RegExp(`^${prefix}_${layout}$`), {
      message: `must be a ${title} id: "${prefix}_" and 32 lowercase letters and digits`
    })
  )

/** 8 digits. */
export const WorkspaceId = Schema.String.check(Schema.isPattern(new RegExp(`^${WORKSPACE}$`)))
export type WorkspaceId = typeof WorkspaceId.Type
/** 9 digits: the name of a source's event log. */
export const Route = Schema.String.check(Schema.isPattern(new RegExp(`^${ROUTE}$`)))
export type Route = typeof Route.Type

export const SourceId = id("src", "source", `${WORKSPACE}${ROUTE}[0-9a-f]{15}`)
export type SourceId = typeof SourceId.Type
export const DestinationId = id("dst", "destination", digits(32))
export type DestinationId = typeof DestinationId.Type
export const ConnectionId = id("conn", "connection")
export type ConnectionId = typeof ConnectionId.Type
export const EventId = id("evt", "event", `[0-9a-f]{23}${ROUTE}`)
export type EventId = typeof EventId.Type
export const ApiKeyId = id("key", "API key")
export type ApiKeyId = typeof ApiKeyId.Type
export const ReplayId = id("rpl", "replay")
export type ReplayId = typeof ReplayId.Type

export type IdPrefix = "conn" | "key" | "rpl" | "req"

/** Lowercase hex of bytes. */
export const toHex = (bytes: Uint8Array): string => {
  let out = ""
  for (const byte of bytes) out += byte.toString(16).padStart(2, "0")
  return out
}

/** Cryptographically random lowercase hex digits. */
export const randomHex = (digits: number): string =>
  toHex(crypto.getRandomValues(new Uint8Array(Math.ceil(digits / 2)))).slice(0, digits)

/** A random id: `conn_…`, `key_…`, `req_…`. */
export const random = (prefix: IdPrefix): string => `${prefix}_${crypto.randomUUID().replaceAll("-", "")}`

/** The random name of an object that is made there. */
const randomName = (placement: Placement, count: number): string => {
  const mark = markOf(placement)
  return `${mark}${randomHex(count - mark.length)}`
}
export const randomWorkspaceId = (placement: Placement): WorkspaceId => randomName(placement, 8)
export const randomRoute = (placement: Placement): Route => randomName(placement, 9)
export const randomDestinationId = (placement: Placement): DestinationId => `dst_${randomName(placement, 32)}`

/** Sequences have 38 bits: 274 billion events a log. */
export const MAX_SEQUENCE = 2 ** 38 - 1
const SEQ_LOW = 2 ** 26

export interface EventIdParts {
  /** Milliseconds since 1970, 48 bits. */
  readonly receivedAt: number
  /** Position in the log, from 1. */
  readonly seq: number
  readonly route: Route
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0")

export const makeEventId = ({ receivedAt, seq, route }: EventIdParts): EventId => {
  const high = Math.floor(seq / SEQ_LOW)
  const low = seq % SEQ_LOW
  // variant (2 bits) and seq low (26 bits) share seven hex digits; 0b10 << 26 is 0x8000000.
  return `evt_${hex(receivedAt, 12)}7${hex(high, 3)}${hex(0x8000000 + low, 7)}${route}`
}

const EVENT_ID = new RegExp(`^evt_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{6}${ROUTE}$`)

/** The parts of an event id, or `undefined` when the text is none. */
export const parseEventId = (text: string): EventIdParts | undefined => {
  if (!EVENT_ID.test(text)) return undefined
  const number = (from: number, to: number) => Number.parseInt(text.slice(from, to), 16)
  return {
    receivedAt: number(4, 16),
    seq: number(17, 20) * SEQ_LOW + (number(20, 27) - 0x8000000),
    route: text.slice(27)
  }
}

/** An attempt: the fact in its destination's journal that records it, and its event. */
export interface AttemptIdParts {
  readonly destination: DestinationId
  readonly n: number
  readonly seq: number
}

/** `att_`, the destination's 32 hex digits, 11 of the fact, 10 of the sequence. */
export const makeAttemptId = ({ destination, n, seq }: AttemptIdParts): string =>
  `att_${destination.slice(4)}${hex(n, 11)}${hex(seq, 10)}`

const ATTEMPT_ID = new RegExp(`^att_(${digits(32)})([0-9a-f]{11})([0-9a-f]{10})$`)

/** The parts of an attempt id, or `undefined` when the text is none. */
export const parseAttemptId = (text: string): AttemptIdParts | undefined => {
  const [, destination, n, seq] = ATTEMPT_ID.exec(text) ?? []
  if (destination === undefined) return undefined
  return { destination: `dst_${destination}`, n: Number.parseInt(n!, 16), seq: Number.parseInt(seq!, 16) }
}

/** A route belongs to one source, so the rest of its id has nothing to say. */
const SOURCE_TAIL = "0".repeat(15)

export const makeSourceId = (workspace: WorkspaceId, route: Route): SourceId => `src_${workspace}${route}${SOURCE_TAIL}`

/**
 * A text, such as an id, without anything that webhooks could be sent to: ingest tokens are removed, and source ids of
 * version 1 lose their checksum. What is left of such an id still names its source.
 */
export const withoutTokens = (text: string): string =>
  text.replace(/ing_[0-9a-z]{56}|src_[0-9a-f]{32}/g, (token) =>
    token.startsWith("src_") ? `${token.slice(0, 21)}${SOURCE_TAIL}` : "ing_****"
  )

/** Whether `given` names the source `id`: as it is, or without what makes it a token. */
export const isSameSource = (given: SourceId, id: SourceId): boolean => given === id || given === withoutTokens(id)

/** The log and the workspace that a source id names. */
export const routeOf = (id: SourceId): Route => id.slice(12, 21)
export const workspaceOf = (id: SourceId): WorkspaceId => id.slice(4, 12)
