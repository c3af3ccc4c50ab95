/** What destinations tell of their deliveries, and what a person may ask of them, wherever they live. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { UnavailableError } from "../Errors.ts"
import type { DestinationId } from "../Ids.ts"
import type { DeliveryContract } from "./DeliveryContract.ts"

/** What the API asks of a destination; the rest of the contract is for logs and workspaces. */
type Asked = Pick<
  DeliveryContract,
  | "timeline"
  | "statuses"
  | "summary"
  | "deadLetters"
  | "redrive"
  | "retryWaiting"
  | "waiting"
  | "retry"
  | "attempts"
  | "retryAttempt"
  | "replay"
  | "resetCircuit"
>

/** Each method of the contract, with the destination that it is asked of. */
export class Deliveries extends Context.Service<
  Deliveries,
  {
    readonly [M in keyof Asked]: (
      destination: DestinationId,
      ...args: Parameters<Asked[M]>
    ) => Effect.Effect<Awaited<ReturnType<Asked[M]>>, UnavailableError>
  }
>()("@hookstream/core/Deliveries") {}
