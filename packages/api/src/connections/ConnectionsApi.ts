/** `/v1/connections`. */
import * as EventPath from "@hookstream/core/event/EventPath"
import { ConnectionId, DestinationId, SourceId } from "@hookstream/core/Ids"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { BadRequest, Conflict, NotFound, ServiceUnavailable } from "../ApiError.ts"
import { Authorization } from "../Authorization.ts"
import {
  about,
  changed,
  Deleted,
  Description,
  FilterRule,
  forceQuery,
  holds,
  idempotencyHeader,
  Name,
  notYet,
  pageOf,
  pageQuery,
  Rules,
  Time,
  tag
} from "../Fields.ts"

const PATH_MAX = 512

const EventPathText = Schema.String.check(
  Schema.isMaxLength(PATH_MAX, { message: `must have at most ${PATH_MAX} characters` }),
  holds((path: string) => EventPath.compile(path) !== undefined, `must be a path: ${EventPath.SYNTAX}`)
)

const settings = {
  name: Schema.optionalKey(Schema.NullOr(Name)),
  description: Schema.optionalKey(Description),
  enabled: Schema.optionalKey(
    Schema.Boolean.annotate({
      description: "A disabled connection goes on where it stood when enabled again. Default: true"
    })
  ),
  ordering_key: Schema.optionalKey(
    Schema.NullOr(EventPathText).annotate({
      description:
        "What keeps the order where the destination's `ordering` is `key`. Without it all events of the " +
        "connection share one key",
      examples: ["payload.data.object.customer"]
    })
  ),
  filter_rules: Schema.optionalKey(Rules),
  transform_expression: notYet("")
}

export const ConnectionInput = Schema.Struct({
  source_id: SourceId,
  destination_id: DestinationId,
  ...settings
}).annotate({ identifier: "ConnectionInput" })
export const ConnectionPatch = Schema.Struct(settings).annotate({ identifier: "ConnectionPatch" })

export const ConnectionView = Schema.Struct({
  id: ConnectionId,
  source_id: SourceId,
  destination_id: DestinationId,
  name: Schema.NullOr(Schema.String),
  description: Schema.NullOr(Schema.String),
  enabled: Schema.Boolean,
  ordering_key: Schema.NullOr(Schema.String),
  filter_rules: Schema.Array(FilterRule),
  created_at: Time,
  updated_at: Time
}).annotate({ identifier: "Connection" })

export const SampleEvent = Schema.Struct({
  payload: Schema.optionalKey(Schema.Json),
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  query: Schema.optionalKey(Schema.String),
  method: Schema.optionalKey(Schema.String),
  content_type: Schema.optionalKey(Schema.String),
  source_ip: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "SampleEvent", description: "An event to try rules on; what is left out is missing" })

const one = { connection: ConnectionView }
const One = Schema.Struct(one)
const params = { id: ConnectionId }

export class ConnectionsApi extends HttpApiGroup.make("connections")
  .add(
    HttpApiEndpoint.post("create", "/v1/connections", {
      headers: idempotencyHeader,
      payload: ConnectionInput,
      success: changed(one, 201),
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }).annotateMerge(
      about(
        "createConnection",
        "Connect a source with a destination",
        "Everything that the source accepts after this answer is delivered, where the rules hold"
      )
    ),
    HttpApiEndpoint.get("list", "/v1/connections", {
      query: pageQuery,
      success: pageOf("connections", ConnectionView),
      error: [BadRequest, ServiceUnavailable]
    }).annotateMerge(about("listConnections", "List connections", "The newest first")),
    HttpApiEndpoint.get("get", "/v1/connections/:id", {
      params,
      success: One,
      error: [NotFound, ServiceUnavailable]
    }).annotateMerge(about("getConnection", "Get a connection", "With its filter rules")),
    HttpApiEndpoint.patch("update", "/v1/connections/:id", {
      params,
      payload: ConnectionPatch,
      success: changed(one),
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }).annotateMerge(about("updateConnection", "Change a connection", "What is left out stays as it is")),
    HttpApiEndpoint.delete("remove", "/v1/connections/:id", {
      params,
      query: forceQuery,
      success: changed(Deleted),
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }).annotateMerge(
      about("deleteConnection", "Delete a connection", "Nothing is sent on it any more. 409 while deliveries wait")
    ),
    HttpApiEndpoint.post("test", "/v1/connections/test", {
      payload: Schema.Struct({ filter_rules: Rules, event: SampleEvent, transform_expression: notYet("") }).annotate({
        identifier: "ConnectionTestInput"
      }),
      success: Schema.Struct({
        passes: Schema.Boolean,
        failed_rule: Schema.NullOr(Schema.Int).annotate({ description: "The first rule that does not hold, from 0" })
      }).annotate({ identifier: "ConnectionTest" }),
      error: BadRequest
    }).annotateMerge(about("testConnection", "Try filter rules on a sample", "Nothing is stored or sent"))
  )
  .middleware(Authorization)
  .annotateMerge(tag("What leads from sources to destinations, with filter rules")) {}
