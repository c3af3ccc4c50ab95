/** A connection: source → destination. A delivery is one event on its way over one connection. */
import * as Schema from "effect/Schema"
import { FilterRule } from "../event/Filter.ts"
import * as Ids from "../Ids.ts"

export const Connection = Schema.Struct({
  kind: Schema.Literal("connection"),
  id: Ids.ConnectionId,
  workspace: Ids.WorkspaceId,
  version: Schema.Int,
  name: Schema.NullOr(Schema.String),
  description: Schema.NullOr(Schema.String),
  sourceId: Ids.SourceId,
  destinationId: Ids.DestinationId,
  /** A disabled connection keeps its cursor: enabled again, it goes on where it stood. */
  enabled: Schema.Boolean,
  /** Path of the ordering key; `null`: all events of the connection share one. */
  orderingKey: Schema.NullOr(Schema.String),
  filterRules: Schema.Array(FilterRule),
  createdAt: Schema.Finite,
  updatedAt: Schema.Finite
})
export type Connection = typeof Connection.Type
