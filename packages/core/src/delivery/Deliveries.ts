/** What destinations tell of their deliveries, and what a person may ask of them, wherever they live. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { UnavailableError } from "../Errors.ts"
import type { ConnectionId, DestinationId, ReplayId, SourceId } from "../Ids.ts"
import type {
  AttemptFilter,
  AttemptPage,
  AttemptPosition,
  DeadPage,
  DeliveryStatus,
  Entry,
  ReplayProgress,
  Summary
} from "../journal/DeliveryJournal.ts"
import type { Reason } from "../sink/Sink.ts"

/** Which dead letters, or which of what waits; without a field all. */
export interface RedriveFilter {
  readonly connection?: ConnectionId
  /** Of the last try. */
  readonly reason?: Reason
}

export class Deliveries extends Context.Service<
  Deliveries,
  {
    /** Everything that the journal tells of one event, oldest first. */
    readonly timeline: (
      destination: DestinationId,
      source: SourceId,
      seq: number
    ) => Effect.Effect<ReadonlyArray<Entry>, UnavailableError>
    readonly statuses: (
      destination: DestinationId,
      source: SourceId,
      seqs: ReadonlyArray<number>
    ) => Effect.Effect<ReadonlyArray<DeliveryStatus>, UnavailableError>
    readonly summary: (destination: DestinationId) => Effect.Effect<Summary, UnavailableError>
    /** Newest first. */
    readonly deadLetters: (
      destination: DestinationId,
      before: DeadPage["next"],
      limit: number
    ) => Effect.Effect<DeadPage, UnavailableError>
    /** Brings dead letters back with all their tries; answers how many. */
    readonly redrive: (destination: DestinationId, filter: RedriveFilter) => Effect.Effect<number, UnavailableError>
    /**
     * Tries now what waits for its retry, with the tries that it has left; answers how many. An open circuit is probed
     * at once.
     */
    readonly retryWaiting: (
      destination: DestinationId,
      filter: RedriveFilter
    ) => Effect.Effect<number, UnavailableError>
    /** Deliveries of these connections that are not done with: pending, or not read from their log yet. */
    readonly waiting: (
      destination: DestinationId,
      connections: ReadonlyArray<ConnectionId>
    ) => Effect.Effect<number, UnavailableError>
    /** Tries an event again now, dead or waiting for its retry; answers on how many connections. */
    readonly retry: (
      destination: DestinationId,
      source: SourceId,
      seq: number
    ) => Effect.Effect<number, UnavailableError>
    /** Tries, newest first. */
    readonly attempts: (
      destination: DestinationId,
      filter: AttemptFilter,
      before: AttemptPosition | null,
      limit: number
    ) => Effect.Effect<AttemptPage, UnavailableError>
    /**
     * Tries the delivery of this attempt again now. `settled`: it is neither dead nor waiting for its retry, or
     * cancelled.
     */
    readonly retryAttempt: (
      destination: DestinationId,
      position: AttemptPosition
    ) => Effect.Effect<"retried" | "settled" | "unknown", UnavailableError>
    /** `null` when the destination knows no such replay. */
    readonly replay: (
      destination: DestinationId,
      replay: ReplayId
    ) => Effect.Effect<ReplayProgress | null, UnavailableError>
    /**
     * Closes the circuit by hand, also a closed one: what waits is tried at once, also of a sink that has asked for
     * patience.
     */
    readonly resetCircuit: (destination: DestinationId) => Effect.Effect<Summary, UnavailableError>
  }
>()("@hookstream/core/Deliveries") {}
