/** What others ask of the object of a source's log: edges, destinations, workspaces and the API. */
import {
  type Contract,
  flag,
  list,
  listOf,
  nothing,
  nullable,
  number,
  object,
  optional,
  record,
  tagged,
  text
} from "../Contract.ts"
import type { NewEvent } from "../event/Event.ts"
import type { PackedEvents } from "../event/PackedEvents.ts"
import type { EventId, SourceId } from "../Ids.ts"
import type { LogConfig } from "../workspace/Registry.ts"
import type { Source } from "../workspace/Source.ts"
import type { Epoch, Mark } from "./Epochs.ts"
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
  /**
   * The version of the ingest settings (`Source.ingestVersion`) that the event was verified and redacted by. An edge of
   * 0.1 and before knows none.
   */
  readonly checked?: number
}

/** What an edge must know of a source to take its events, as of a version. */
export interface IngestSettings {
  readonly version: number
  readonly redact: ReadonlyArray<string>
  /** Secrets are sealed. */
  readonly verification: Source["verification"]
}

/** An append that is asked for the first time. */
export type FirstAppend = Required<Omit<AppendRequest, "repeated">>

/**
 * Several of them, by `PackedAppends.pack`: few values, however many events. Between objects each value is copied by
 * itself.
 */
export interface PackedAppends {
  /** JSON: of each event everything but its meta and body, and the lengths of these. */
  readonly index: string
  /** One after another, as the bodies. */
  readonly metas: string
  readonly bodies: Uint8Array
}

export type AppendReply =
  | { readonly _tag: "Accepted"; readonly id: string }
  | { readonly _tag: "Paused" }
  /** The edge must leave these out first: it knew of none, or of others. */
  | { readonly _tag: "Redact"; readonly paths: ReadonlyArray<string> }
  /** The same of an edge that names what it checked by: these are the settings now. */
  | ({ readonly _tag: "Recheck" } & IngestSettings)
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
  /** From that of `after` to that of the last event. A log of 0.1 and before has none; so it is below. */
  readonly epochs?: ReadonlyArray<Epoch>
}

/** Some of the events that were named. */
export interface Part extends Packed {
  /** Up to this sequence all that were named and are held are there. */
  readonly through: number
  readonly head?: number
  /** From that of the first event that was named on. */
  readonly epochs?: ReadonlyArray<Epoch>
}

/** What a log and its readers have in common. */
export interface Agreed {
  readonly head: number
  /** Of each reader the last event. */
  readonly common: ReadonlyArray<Mark>
}

export interface PageLimits extends ReadLimits {
  /** Whether who reads knows pieces with a dictionary of headers. A destination of 0.1 and before does not. */
  readonly dictionaries?: boolean
}

export interface LogContract {
  /** Takes the log for a source; `false` when another source owns it. */
  readonly claim: (sourceId: SourceId) => boolean
  /** Works by this config from now on. */
  readonly configure: (config: LogConfig) => void
  /** Answers once the event is written: at once when it comes alone, else with those that come close to it. */
  readonly append: (request: AppendRequest) => AppendReply | Promise<AppendReply>
  /**
   * Appends of one edge that came close together, answered by position: each for itself accepted or refused. A log of
   * 0.1 and before knows it not, and the call fails.
   */
  readonly appendAll: (appends: PackedAppends) => ReadonlyArray<AppendReply> | Promise<ReadonlyArray<AppendReply>>
  /**
   * `Recheck` with the settings that hold now, or why nothing is taken by this URL. Before an edge refuses a request by
   * settings it asks for them, for the log does not see what is refused. A log of 0.1 and before knows it not.
   */
  readonly settings: (sourceId: SourceId, generation: number) => AppendReply
  readonly read: (after: number, limits: PageLimits) => Page
  /** `undefined`: this is nobody's log. */
  readonly get: (seqs: ReadonlyArray<number>, maxBytes: number) => Part | undefined
  /** The ids of these events, in order; an empty text where one is not held. */
  readonly ids: (seqs: ReadonlyArray<number>) => ReadonlyArray<EventId>
  readonly list: (before: number, limit: number) => Packed
  readonly stats: () => LogStats
  readonly range: (from: number, to: number) => LogRange
  /**
   * How much of what these readers have read is in the log: less than all when it was restored to an earlier time. Who
   * asks has seen epochs of the log, so it knows this.
   */
  readonly agree: (readers: ReadonlyArray<ReadonlyArray<Mark>>) => Agreed
  /** Looks for what is left to do, for an alarm may have been lost. Answers at once. */
  readonly nudge: () => void
}

const packed = { packed: list, sourceId: text }
const appended = tagged<AppendReply>({
  Accepted: record({ _tag: text, id: text }),
  Paused: record({ _tag: text }),
  Redact: record({ _tag: text, paths: list }),
  Recheck: record({ _tag: text, version: number, redact: list, verification: nullable(object) }),
  Full: record({ _tag: text }),
  NotFound: record({ _tag: text })
})

export const contract: Contract<LogContract> = {
  name: "the event log",
  version: 1,
  methods: {
    claim: { args: 1, answer: flag },
    configure: { args: 1, answer: nothing },
    append: { args: 1, answer: appended },
    appendAll: { args: 1, answer: listOf(appended) },
    settings: { args: 2, answer: appended },
    read: { args: 2, answer: record<Page>({ ...packed, head: number, epochs: optional(list) }) },
    get: {
      args: 2,
      answer: optional(record<Part>({ ...packed, through: number, head: optional(number), epochs: optional(list) }))
    },
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
        lastAt: nullable(number),
        epochs: optional(list)
      })
    },
    range: { args: 2, answer: record<LogRange>({ after: number, through: number }) },
    agree: { args: 1, answer: record<Agreed>({ head: number, common: list }) },
    nudge: { args: 0, answer: nothing }
  }
}
