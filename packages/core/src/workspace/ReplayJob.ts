/**
 * A replay as it was asked for: a part of the past, sent to one destination again. How far it is, its destination
 * knows.
 */
import * as Schema from "effect/Schema"
import { FilterRule } from "../event/Filter.ts"
import * as Ids from "../Ids.ts"

export const ReplayJob = Schema.Struct({
  kind: Schema.Literal("replay"),
  id: Ids.ReplayId,
  workspace: Ids.WorkspaceId,
  version: Schema.Int,
  destinationId: Ids.DestinationId,
  /** Only of this source, or only over this connection; `null`: all that lead to the destination. */
  sourceId: Schema.NullOr(Ids.SourceId),
  connectionId: Schema.NullOr(Ids.ConnectionId),
  /** Accepted from `from` and before `to`, in milliseconds since 1970. */
  from: Schema.Finite,
  to: Schema.Finite,
  filterRules: Schema.Array(FilterRule),
  ratePerSecond: Schema.Finite,
  /** Of each connection; `null` without a limit. */
  maxEvents: Schema.NullOr(Schema.Int),
  /** The events of each connection: sequences above `after`, up to `through`. */
  parts: Schema.Array(Schema.Struct({ connection: Ids.ConnectionId, after: Schema.Int, through: Schema.Int })),
  cancelled: Schema.Boolean,
  createdAt: Schema.Finite,
  updatedAt: Schema.Finite
})
export type ReplayJob = typeof ReplayJob.Type
