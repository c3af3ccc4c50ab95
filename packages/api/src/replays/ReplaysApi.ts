/** `/v1/replay`. */
import { ConnectionId, DestinationId, EventId, ReplayId, SourceId } from "@hookstream/core/Ids"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { BadRequest, Conflict, NotFound, ServiceUnavailable } from "../ApiError.ts"
import { Authorization } from "../Authorization.ts"
import {
  about,
  changed,
  FilterRule,
  idempotencyHeader,
  pageOf,
  pageQuery,
  Rules,
  Time,
  TimeInput,
  tag
} from "../Fields.ts"

export const DEFAULT_RATE = 10

const positive = (maximum: number) =>
  Schema.Int.check(
    Schema.isBetween({ minimum: 1, maximum }, { message: `must be a whole number from 1 to ${maximum}` })
  )

export const ReplayInput = Schema.Struct({
  destination_id: DestinationId,
  from: TimeInput.annotate({ description: "Events accepted from this time on" }),
  to: TimeInput.annotate({ description: "and before this one, which must not lie in the future" }),
  source_id: Schema.optionalKey(SourceId.annotate({ description: "Only events of this source" })),
  connection_id: Schema.optionalKey(ConnectionId.annotate({ description: "Only over this connection" })),
  filter: Schema.optionalKey(Rules.annotate({ description: "Beside the connection's own rules. Default: none" })),
  rate_limit: Schema.optionalKey(
    positive(1000).annotate({ description: `Events each second, of each connection. Default: ${DEFAULT_RATE}` })
  ),
  max_events: Schema.optionalKey(
    positive(100_000_000).annotate({ description: "Events that pass the filters, of each connection. Default: all" })
  ),
  dry_run: Schema.optionalKey(Schema.Boolean.annotate({ description: "Only tell what it would send. Default: false" }))
}).annotate({ identifier: "ReplayInput" })

export const ReplayView = Schema.Struct({
  id: ReplayId,
  destination_id: DestinationId,
  source_id: Schema.NullOr(SourceId),
  connection_id: Schema.NullOr(ConnectionId),
  from: Time,
  to: Time,
  filter: Schema.Array(FilterRule),
  rate_limit: Schema.Finite,
  max_events: Schema.NullOr(Schema.Int),
  status: Schema.Literals(["pending", "running", "finished", "cancelled"]),
  total: Schema.Int.annotate({ description: "Events in its range" }),
  processed: Schema.Int.annotate({ description: "Succeeded, failed or filtered out" }),
  succeeded: Schema.Int,
  failed: Schema.Int.annotate({ description: "Dead letters" }),
  filtered: Schema.Int,
  pending: Schema.Int.annotate({ description: "Waiting for a retry" }),
  created_at: Time
}).annotate({ identifier: "Replay" })

export const Preview = Schema.Struct({
  total: Schema.Int.annotate({ description: "Events in the range" }),
  scanned: Schema.Int.annotate({ description: "Of these, how many were looked at" }),
  matching: Schema.Int.annotate({ description: "Of these, how many pass the filters" }),
  unreadable: Schema.Int.annotate({
    description:
      "Of these, how many have a body too large for the filters' paths: sent, each is a dead letter, `TooLarge`"
  }),
  is_complete: Schema.Boolean.annotate({ description: "Whether all were looked at" }),
  first_event_ids: Schema.Array(EventId)
}).annotate({ identifier: "ReplayPreview" })

const one = { replay: ReplayView }
const One = Schema.Struct(one)
const params = { id: ReplayId }

export class ReplaysApi extends HttpApiGroup.make("replay")
  .add(
    HttpApiEndpoint.post("create", "/v1/replay", {
      headers: idempotencyHeader,
      payload: ReplayInput,
      success: [...changed(one, 201), Schema.Struct({ preview: Preview })],
      error: [BadRequest, Conflict, NotFound, ServiceUnavailable]
    }).annotateMerge(
      about(
        "createReplay",
        "Send the events of a time span again",
        "As a run of its own, beside the normal one. With `dry_run` it only tells what it would send"
      )
    ),
    HttpApiEndpoint.get("list", "/v1/replay", {
      query: pageQuery,
      success: pageOf("replays", ReplayView),
      error: [BadRequest, ServiceUnavailable]
    }).annotateMerge(about("listReplays", "List replays", "The newest first")),
    HttpApiEndpoint.get("get", "/v1/replay/:id", {
      params,
      success: One,
      error: [NotFound, ServiceUnavailable]
    }).annotateMerge(about("getReplay", "Get a replay", "With how far it is")),
    HttpApiEndpoint.delete("cancel", "/v1/replay/:id", {
      params,
      success: changed({ success: Schema.Literal(true) }),
      error: [NotFound, Conflict, ServiceUnavailable]
    }).annotateMerge(about("cancelReplay", "Cancel a replay", "What it has not sent yet is not sent"))
  )
  .middleware(Authorization)
  .annotateMerge(tag("Events of a time span, sent once more")) {}
