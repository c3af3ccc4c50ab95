/** A destination: a configured sink, and the policy of delivering to it. */
import * as Schema from "effect/Schema"
import { RetryPolicy } from "../delivery/RetryPolicy.ts"
import * as Ids from "../Ids.ts"

export const DestinationStatus = Schema.Literals(["active", "paused"])
export type DestinationStatus = typeof DestinationStatus.Type

/**
 * `none`: no promise. `key`: events of a key one after another. `strict`: all events of a connection one after another.
 */
export const Ordering = Schema.Literals(["none", "key", "strict"])
export type Ordering = typeof Ordering.Type

export const Destination = Schema.Struct({
  kind: Schema.Literal("destination"),
  id: Ids.DestinationId,
  workspace: Ids.WorkspaceId,
  version: Schema.Int,
  name: Schema.String,
  slug: Schema.String,
  type: Schema.String,
  /** As the user wrote it, each secret sealed (see `SealedConfig.ts`). */
  config: Schema.JsonObject,
  retry: RetryPolicy,
  timeoutMs: Schema.Int,
  /** Requests at once. */
  maxInFlight: Schema.Int,
  /** Events waiting for a retry or behind their key at most; above it, reading the logs stops. */
  maxPending: Schema.Int,
  ordering: Ordering,
  breaker: Schema.Struct({ enabled: Schema.Boolean, threshold: Schema.Int, resetMs: Schema.Int }),
  /** Requests per second; `null` without a limit. */
  ratePerSecond: Schema.NullOr(Schema.Finite),
  status: DestinationStatus,
  createdAt: Schema.Finite,
  updatedAt: Schema.Finite
})
export type Destination = typeof Destination.Type
