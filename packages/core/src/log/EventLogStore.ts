/**
 * The event log of a source: append-only, a gap-free sequence from 1. Its rows stand in segments, which are dropped
 * whole once they are older than the retention and no destination needs them: dropping a table costs nothing, deleting
 * costs a row for each row. Here is what it holds and tells; `internal/eventLogSql.ts` is the store.
 */
import type { Event, NewEvent } from "../event/Event.ts"
import type { PackedEvents } from "../event/PackedEvents.ts"
import type { EventId, SourceId } from "../Ids.ts"

/** A row of a Durable Object holds 2 MB; larger bodies are cut into pieces of this size. */
export const CHUNK_BYTES = 1024 * 1024

/**
 * What may be read at once: the first event is always included, whatever its size. An event's bytes are those of its
 * body and of its meta, of which there may be more.
 */
export interface ReadLimits {
  readonly maxEvents: number
  readonly maxBytes: number
}

/** A run of events after a position; `head` is the log's last sequence (0 when empty). */
export interface LogPage {
  readonly events: ReadonlyArray<Event>
  /** Of the events, their metas too. */
  readonly bytes: number
  readonly head: number
}

/** Events found by their sequence, in order. Sequences above `through` were not looked at: the bytes were spent. */
export interface Found {
  readonly events: ReadonlyArray<Event>
  /** Of the events, their metas too. */
  readonly bytes: number
  readonly through: number
}

/** Sequences above `after`, up to `through`. */
export interface LogRange {
  readonly after: number
  readonly through: number
}

export interface LogStats {
  readonly sourceId: SourceId
  /** Events ever accepted: the last sequence. */
  readonly count: number
  /** The first sequence that is not dropped; `count + 1` when none is left. */
  readonly first: number
  /** When that one was accepted, in milliseconds since 1970; `null` when none is left, absent from older logs. */
  readonly firstAt?: number | null
  /** When the last one was, in milliseconds since 1970. */
  readonly lastAt: number | null
}

export interface Append {
  readonly event: NewEvent
  /** Random, made by the edge for one request. */
  readonly token: string
  /** The edge asks again, for the reply was lost: if the token is there, its event is the answer. */
  readonly repeated?: boolean
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Where an event stands in the log. */
export type Appended = Pick<Event, "id" | "seq" | "receivedAt">

/** The log over one SQLite database. Every method is one synchronous step. */
export interface EventLogStore {
  /** All or none, in order, in one transaction: those that came close together share its price. */
  readonly append: (appends: ReadonlyArray<Append>) => ReadonlyArray<Appended>
  readonly read: (after: number, limits: ReadLimits) => LogPage
  /** At least one event whatever its size, where one is held. */
  readonly get: (seqs: ReadonlyArray<number>, maxBytes: number) => Found
  /** Newest first, below `before`; bodies are left out (empty). */
  readonly list: (before: number, limit: number) => ReadonlyArray<Event>
  /** Of those that are held, in order. */
  readonly ids: (seqs: ReadonlyArray<number>) => ReadonlyArray<EventId>
  readonly head: () => number
  readonly stats: () => LogStats
  readonly range: (from: number, to: number) => LogRange
  /** Drops what was accepted before `before`, segment by segment, up to sequence `through`. */
  readonly drop: (before: number, through: number) => void
  /**
   * Drops the oldest segment, whatever its age, if all of it is up to sequence `through`; whether it was. It gives room
   * to a log that is nearly full.
   */
  readonly dropOldest: (through: number) => boolean
  /** When the newest event of the oldest segment was accepted; `null` when there is none. */
  readonly oldest: () => number | null
}

/** A log in SQL can also give its events packed, which is how they leave its object. */
export interface SqlEventLogStore extends EventLogStore {
  /** Whether a request with this token was appended, as far as the newest events tell. */
  readonly holds: (token: string) => boolean
  readonly readPacked: (after: number, limits: ReadLimits) => { readonly packed: PackedEvents; readonly head: number }
  /** The same without dictionaries, event by event: for readers of the version before. */
  readonly readWhole: SqlEventLogStore["readPacked"]
  readonly getPacked: (
    seqs: ReadonlyArray<number>,
    maxBytes: number
  ) => { readonly packed: PackedEvents; readonly through: number }
  readonly listPacked: (before: number, limit: number) => { readonly packed: PackedEvents }
}
