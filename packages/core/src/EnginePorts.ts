/**
 * What an engine needs of the object it lives in. A Durable Object binds them; the simulation puts its own in their
 * place.
 */
import type { Alarm } from "./Alarm.ts"
import type { Line } from "./LogLine.ts"
import type { Sql } from "./Sql.ts"

export interface Timer {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /**
   * Resolves after `ms` milliseconds; with 0, at the next turn of the event loop. Whatever was written before is
   * committed then. An abort ends it: it then rejects, or never resolves.
   */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>
}

export interface EnginePorts {
  readonly sql: Sql
  readonly alarm: Alarm
  readonly timer: Timer
  /** Keeps the object in memory until `work` is settled. `work` never rejects. */
  readonly background: (work: Promise<void>) => void
  readonly log: (line: Line) => void
}
