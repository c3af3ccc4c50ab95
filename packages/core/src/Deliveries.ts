/** What destinations tell of their deliveries: the read side of their journals, wherever they live. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Attempt, DeliveryStatus, Summary } from "./DeliveryJournal.ts"
import type { UnavailableError } from "./Errors.ts"
import type { DestinationId, SourceId } from "./Ids.ts"

export class Deliveries extends Context.Service<
  Deliveries,
  {
    /** The tries of one event, oldest first. */
    readonly attempts: (
      destination: DestinationId,
      source: SourceId,
      seq: number
    ) => Effect.Effect<ReadonlyArray<Attempt>, UnavailableError>
    readonly statuses: (
      destination: DestinationId,
      source: SourceId,
      seqs: ReadonlyArray<number>
    ) => Effect.Effect<ReadonlyArray<DeliveryStatus>, UnavailableError>
    readonly summary: (destination: DestinationId) => Effect.Effect<Summary, UnavailableError>
  }
>()("@hookstream/core/Deliveries") {}
