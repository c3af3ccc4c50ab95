/** `/v1/connections`. */
import { ConnectionId, DestinationId, SourceId } from "@hookstream/core/Ids"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { BadRequest, Conflict, NotFound, ServiceUnavailable } from "./ApiError.ts"
import { Authorization } from "./Authorization.ts"
import { created, Description, idempotencyHeader, Name, notYet, pageOf, pageQuery, Removed, Time } from "./Fields.ts"

const settings = {
  name: Schema.optionalKey(Schema.NullOr(Name)),
  description: Schema.optionalKey(Description),
  enabled: Schema.optionalKey(
    Schema.Boolean.annotate({
      description: "A disabled connection goes on where it stood when enabled again. Default: true"
    })
  ),
  ordering_key: notYet(),
  filter_rules: notYet([]),
  transform_expression: notYet("")
}

export const ConnectionInput = Schema.Struct({ source_id: SourceId, destination_id: DestinationId, ...settings })
export const ConnectionPatch = Schema.Struct(settings)

export const ConnectionView = Schema.Struct({
  id: ConnectionId,
  source_id: SourceId,
  destination_id: DestinationId,
  name: Schema.NullOr(Schema.String),
  description: Schema.NullOr(Schema.String),
  enabled: Schema.Boolean,
  created_at: Time,
  updated_at: Time
})

const One = Schema.Struct({ connection: ConnectionView })
const params = { id: ConnectionId }

export class ConnectionsApi extends HttpApiGroup.make("connections")
  .add(
    HttpApiEndpoint.post("create", "/v1/connections", {
      headers: idempotencyHeader,
      payload: ConnectionInput,
      success: One.pipe(created),
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }),
    HttpApiEndpoint.get("list", "/v1/connections", {
      query: pageQuery,
      success: pageOf("connections", ConnectionView),
      error: [BadRequest, ServiceUnavailable]
    }),
    HttpApiEndpoint.get("get", "/v1/connections/:id", { params, success: One, error: [NotFound, ServiceUnavailable] }),
    HttpApiEndpoint.patch("update", "/v1/connections/:id", {
      params,
      payload: ConnectionPatch,
      success: One,
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }),
    HttpApiEndpoint.delete("remove", "/v1/connections/:id", {
      params,
      success: Removed,
      error: [NotFound, ServiceUnavailable]
    })
  )
  .middleware(Authorization) {}
