/**
 * The sink contract: what a sink author writes. A driver sends and reports; it never retries, counts, sleeps or logs.
 * What follows from a reason is decided by `Settle.ts` alone.
 */
import type * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Event } from "../event/Event.ts"
import type * as EventPath from "../event/EventPath.ts"
import * as Tidy from "./Tidy.ts"

/** Why a record or a whole request failed. The table of consequences is in `Settle.ts`. */
export const Reason = Schema.Literals([
  "Malformed",
  "TooLarge",
  "Rejected",
  "Unauthorized",
  "Misconfigured",
  "Throttled",
  "Unavailable",
  "TimedOut",
  "Unknown"
])
export type Reason = typeof Reason.Type

/**
 * A whole request failed, or failed for every record in the same way. `detail` is shown to users and holds no secret.
 */
export class SinkError extends Schema.TaggedError<SinkError>()("SinkError", {
  reason: Reason,
  detail: Schema.String,
  /** Milliseconds that the sink asked to wait. */
  retryAfter: Schema.optionalKey(Schema.Finite)
}) {}

/** The sink's proof, as JSON: for Kafka partition, offset and timestamp. */
export const Receipt = Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Null]))
export type Receipt = typeof Receipt.Type

/** What became of one record, by its position in the batch. */
export type Outcome =
  | { readonly _tag: "Delivered"; readonly receipt: Receipt }
  | { readonly _tag: "Failed"; readonly reason: Reason; readonly detail: string; readonly retryAfter?: number }

export const delivered = (receipt: Receipt): Outcome => ({ _tag: "Delivered", receipt })
export const failed = (reason: Reason, detail: string, retryAfter?: number): Outcome =>
  retryAfter === undefined ? { _tag: "Failed", reason, detail } : { _tag: "Failed", reason, detail, retryAfter }

/**
 * Hears what became of one event of a `send`, by its position in the batch, before the send has come to its end. What
 * it has heard stands, however the send ends: by a time-out, a `SinkError`, a defect. To hear of a position twice is to
 * hear the last word.
 */
export type Tell = (position: number, outcome: Outcome) => void

/** An event on its way to one destination. */
export interface OutboundEvent {
  readonly event: Event
  readonly destinationId: string
  readonly connectionId: string
  /** 1 for the first try. */
  readonly attempt: number
  /** The replay that sends it; `null` in the normal run. */
  readonly replayId: string | null
}

const NOWHERE = "0".repeat(32)

/** Events as the batch of a `send`, on a first try. Records and requests name the destination `to.destinationId`. */
export const batchOf = (
  events: ReadonlyArray<Event>,
  to: Partial<Omit<OutboundEvent, "event">> = {}
): ReadonlyArray<OutboundEvent> =>
  events.map((event) => ({
    event,
    destinationId: `dst_${NOWHERE}`,
    connectionId: `conn_${NOWHERE}`,
    attempt: 1,
    replayId: null,
    ...to
  }))

/**
 * One step of a check: what was checked, the result (`unknown`: cannot be determined), and what would fix it.
 */
export const CheckStep = Schema.Struct({
  name: Schema.String,
  result: Schema.Literals(["ok", "failed", "unknown"]),
  detail: Schema.String,
  /** `null` where nothing needs fixing. */
  fix: Schema.NullOr(Schema.String)
})
export type CheckStep = typeof CheckStep.Type

/** Rates that a sink must keep to; a rate that is left out is not limited. */
export interface Limits {
  readonly requestsPerSecond?: number
  readonly recordsPerSecond?: number
  readonly bytesPerSecond?: number
}

export interface SinkDriver {
  /** What one `send` takes at most; the first event is sent whatever its size. */
  readonly batch: { readonly maxEvents: number; readonly maxBytes: number }
  readonly limits?: Limits
  /** Paths of events that it reads: what they hide is opened for these alone. */
  readonly reads?: ReadonlyArray<string>
  /** What the sink itself orders by (Kafka: the record's key): the default of a connection's `ordering_key`. */
  readonly orderingKey?: EventPath.Read
  /**
   * One outcome for each event, in order; `SinkError` when the request as a whole failed. A sink that answers for one
   * event after another tells each outcome as it comes; one whose answer is for all at once has nothing to tell.
   */
  readonly send: (batch: ReadonlyArray<OutboundEvent>, tell?: Tell) => Effect.Effect<ReadonlyArray<Outcome>, SinkError>
  /** Reachability, credentials, target, one step each; it delivers nothing. */
  readonly check: Effect.Effect<ReadonlyArray<CheckStep>>
}

/** What a deployment lets its sinks do. */
export interface SinkPolicy {
  /** Destinations on private networks and by plain http. */
  readonly allowPrivateNetworks: boolean
}

/** What a destination asks of its sink besides the config. */
export interface SinkUse extends SinkPolicy {
  readonly ordering: "none" | "key" | "strict"
}

export interface Issue {
  /** Dotted path from the config: `topic`, `batch.max_records`. */
  readonly path: string
  readonly message: string
}

/** What a sink can do; the conformance suite tests what is declared. */
export interface Supports {
  /** Several events in one request. */
  readonly batch: boolean
  /** The sink proves a delivery by something that users can look up. */
  readonly receipts: boolean
}

/** A sink type as the registry knows it. */
export interface Sink {
  /** As users write it in `type`. */
  readonly type: string
  readonly title: string
  readonly supports: Supports
  /** Default of a destination's `timeout_ms`. */
  readonly defaultTimeoutMs: number
  /**
   * What a user wrote, as it is stored: pasted white space gone, URLs as they are called (`Tidy.ts`). It comes before
   * `config`, on writes alone: what is stored, secrets above all, is never changed behind its owner's back.
   */
  readonly tidy: (config: unknown) => unknown
  /**
   * JSON in, as users write it. Secret fields decode to `Redacted`; that is how they are found, sealed and masked. Its
   * checks hold for what is written; what an earlier version has stored is decoded without them.
   */
  readonly config: Schema.Codec<unknown, unknown>
  /** What a Schema cannot say: rules between fields, with the destination's own, and what this deployment forbids. */
  readonly validate: (config: unknown, use: SinkUse) => ReadonlyArray<Issue>
  /**
   * Whom the secrets of a valid config are shown to, such as `https://host:port`. Where a change moves it, the secrets
   * are asked for again.
   */
  readonly target: (config: unknown) => string
  readonly driver: (config: unknown) => Effect.Effect<SinkDriver, never, HttpClient.HttpClient | Scope.Scope>
}

/**
 * Makes a sink type from its config Schema and its driver. The result forgets the config's type: the registry holds
 * sinks of every type, and only `config` can make a value that `driver` takes.
 */
export const make = <Config, Encoded>(options: {
  readonly type: string
  readonly title: string
  readonly supports: Supports
  readonly defaultTimeoutMs?: number
  /** Default: white space around texts goes. */
  readonly tidy?: (config: unknown) => unknown
  readonly config: Schema.Codec<Config, Encoded>
  readonly validate?: (config: Config, use: SinkUse) => ReadonlyArray<Issue>
  readonly target: (config: Config) => string
  readonly driver: (config: Config) => Effect.Effect<SinkDriver, never, HttpClient.HttpClient | Scope.Scope>
}): Sink => ({
  type: options.type,
  title: options.title,
  supports: options.supports,
  defaultTimeoutMs: options.defaultTimeoutMs ?? 30_000,
  tidy: options.tidy ?? ((config) => Tidy.texts(config)),
  config: options.config as Schema.Codec<unknown, unknown>,
  validate: (config, use) => options.validate?.(config as Config, use) ?? [],
  target: (config) => options.target(config as Config),
  driver: (config) => options.driver(config as Config)
})

/** Characters of a secret: longer ones are no keys, and would not fit into a header. */
export const SECRET_MAX = 4096

/** How a stored config is decoded: what was accepted once keeps working, whatever is required of new ones. */
export const STORED = { disableChecks: true } as const

/**
 * A secret text in a sink's config: `Redacted` once decoded, and in forms a password that is never shown. What forms
 * need is annotated before the checks, because JSON Schema shows nothing of those.
 */
export const secret = (about: { readonly title: string; readonly description: string }) =>
  Schema.RedactedFromValue(
    Schema.String.annotate({ ...about, message: "must be a text", writeOnly: true, format: "password" }).check(
      Schema.isNonEmpty({ message: "must not be empty" }),
      Schema.isMaxLength(SECRET_MAX, { message: `must be at most ${SECRET_MAX} characters` }),
      Schema.isPattern(/^(?!\*{4})/, {
        message: "must be the secret itself, not a masked value: leave the field out to keep what is stored"
      })
    ),
    { disallowEncode: true }
  )

/** Whether a decoded value is a secret. */
export const isSecret = (value: unknown): value is Redacted.Redacted<string> => Redacted.isRedacted(value)
