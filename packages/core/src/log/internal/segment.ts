/** What every segment of a log can do, however its rows are laid out. */
import type { PackedEvents } from "../../event/PackedEvents.ts"
import type { ReadLimits } from "../EventLogStore.ts"

/**
 * What one statement joins has at most so many bytes, unless it is one event: what SQLite answers is bounded like a
 * row.
 */
export const JOIN_BYTES = 1024 * 1024

/** One event as it is stored. */
export interface Stored {
  readonly seq: number
  readonly at: number
  readonly kind: number
  /** In UTF-8, whole. */
  readonly meta: Uint8Array
  readonly body: Uint8Array
}

export interface Position {
  readonly seq: number
  readonly at: number
}

/** Events of one segment in a row. `isWhole`: the segment has no more of them. */
export interface Taken {
  readonly packed: PackedEvents
  readonly count: number
  readonly bytes: number
  readonly isWhole: boolean
}

export interface SegmentRows {
  readonly last: () => Position | undefined
  /** When an event was accepted. */
  readonly atOf: (seq: number) => number | undefined
  /** For look-ups one after another. */
  readonly finder: () => (seq: number) => Stored | undefined
  /** The event of this token, among those above `after`. */
  readonly withToken: (token: string, after: number) => Position | undefined
  /**
   * Events above `after` within the limits. `isFirst`: the first is taken whatever its size. Bodies that would not fit
   * are never loaded.
   */
  readonly read: (after: number, limits: ReadLimits, isFirst: boolean) => Taken
  /** Newest first, below `before`, without bodies. */
  readonly list: (before: number, limit: number) => ReadonlyArray<Stored>
  /** Bytes of metas and bodies, roughly where that would read all of it. */
  readonly bytes: () => number
  readonly discard: () => void
}
