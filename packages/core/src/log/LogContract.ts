/** What others ask of the object of a source's log: edges, destinations, workspaces and the API. */
import { type Contract, flag, list, nothing, nullable, number, optional, record, tagged, text } from "../Contract.ts"
import type { NewEvent } from "../event/Event.ts"
import type { PackedEvents } from "../event/PackedEvents.ts"
import type { EventId, SourceId } from "../Ids.ts"
import type { LogConfig } from "../workspace/Registry.ts"
import type { LogRange, LogStats, ReadLimits } from "./EventLogStore.ts"

export interface AppendRequest {
  readonly sourceId: SourceId
  /** Which of the source's URLs it came by. An edge of version 1, which a deployment replaces last, knows ids only. */
  readonly generation?: number
  readonly event: NewEvent
  /** Random, made by the edge for one request. */
  readonly token: string
  /** The edge asks again, for the reply was lost. */
  readonly repeated: boolean
  /** What was left out of the event, as the source's setting says it. An edge of version 1 leaves out nothing. */
  readonly redacted?: ReadonlyArray<string>
}

export type AppendReply =
  | { readonly _tag: "Accepted"; readonly id: string }
  | { readonly _tag: "Paused" }
  /** The edge must leave these out first: it knew of none, or of others. */
  | { readonly _tag: "Redact"; readonly paths: ReadonlyArray<string> }
  /** The log has no room left. */
  | { readonly _tag: "Full" }
  | { readonly _tag: "NotFound" }

/** Events as they leave the log, and whose they are. */
export interface Packed {
  readonly packed: PackedEvents
  readonly sourceId: SourceId
}

export interface Page extends Packed {
  readonly head: number
}

/** Some of the events that were named. */
export interface Part extends Packed {
  /** Up to this sequence all that were named and are held are there. */
  readonly through: number
}

export interface LogContract {
  /** Takes the log for a source; `false` when another source owns it. */
  readonly claim: (sourceId: SourceId) => boolean
  /** Works by this config from now on. */
  readonly configure: (config: LogConfig) => void
  /** Answers once the event is written: at once when it comes alone, else with those that come close to it. */
  readonly append: (request: AppendRequest) => AppendReply | Promise<AppendReply>
  readonly read: (after: number, limits: ReadLimits) => Page
  /** `undefined`: this is nobody's log. */
  readonly get: (seqs: ReadonlyArray<number>, maxBytes: number) => Part | undefined
  /** The ids of these events, in order; an empty text where one is not held. */
  readonly ids: (seqs: ReadonlyArray<number>) => ReadonlyArray<EventId>
  readonly list: (before: number, limit: number) => Packed
  readonly stats: () => LogStats
  readonly range: (from: number, to: number) => LogRange
  /** Looks for what is left to do, for an alarm may have been lost. Answers at once. */
  readonly nudge: () => void
}

const packed = { packed: list, sourceId: text }

export const contract: Contract<LogContract> = {
  name: "the event log",
  version: 1,
  methods: {
    claim: { args: 1, answer: flag },
    configure: { args: 1, answer: nothing },
    append: {
      args: 1,
      answer: tagged<AppendReply>({
        Accepted: record({ _tag: text, id: text }),
        Paused: record({ _tag: text }),
        Redact: record({ _tag: text, paths: list }),
        Full: record({ _tag: text }),
        NotFound: record({ _tag: text })
      })
    },
    read: { args: 2, answer: record<Page>({ ...packed, head: number }) },
    get: { args: 2, answer: optional(record<Part>({ ...packed, through: number })) },
    list: { args: 2, answer: record<Packed>(packed) },
    ids: { args: 1, answer: list },
    stats: {
      args: 0,
      answer: record<LogStats>({
        sourceId: text,
        count: number,
        first: number,
        // A log that was begun by an older version does not say it.
        firstAt: optional(nullable(number)),
        lastAt: nullable(number)
      })
    },
    range: { args: 2, answer: record<LogRange>({ after: number, through: number }) },
    nudge: { args: 0, answer: nothing }
  }
}
