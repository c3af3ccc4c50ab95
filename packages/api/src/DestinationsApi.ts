/** `/v1/destinations`. */
import { DestinationStatus } from "@hookstream/core/Destination"
import { ConnectionId, DestinationId, SourceId } from "@hookstream/core/Ids"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { BadRequest, Conflict, NotFound, ServiceUnavailable } from "./ApiError.ts"
import { Authorization } from "./Authorization.ts"
import { created, idempotencyHeader, Name, notYet, pageOf, pageQuery, Removed, Slug, Time } from "./Fields.ts"

const whole = (minimum: number, maximum: number) =>
  Schema.Finite.check(
    Schema.isInt({ message: "must be a whole number" }),
    Schema.isBetween({ minimum, maximum }, { message: `must be from ${minimum} to ${maximum}` })
  )

const config = Schema.JsonObject.annotate({
  description: "The settings of the sink, by its type; secrets are sealed at rest and masked in every answer"
})

const settings = {
  slug: Schema.optionalKey(Slug),
  retry_enabled: Schema.optionalKey(Schema.Boolean.annotate({ description: "Default: true" })),
  retry_max_attempts: Schema.optionalKey(
    whole(0, 100).annotate({ description: "Retries after the first try. Default: 5, so 6 tries" })
  ),
  retry_backoff_type: Schema.optionalKey(
    Schema.Literals(["exponential", "linear", "fixed"]).annotate({
      description:
        "`exponential` looks the n-th interval up and repeats the last, `linear` is the first times n, `fixed` is the first. Default: exponential"
    })
  ),
  retry_intervals: Schema.optionalKey(
    Schema.NonEmptyArray(whole(1, 604_800)).annotate({ description: "Seconds. Default: [30, 300, 1800, 7200, 86400]" })
  ),
  retry_jitter: Schema.optionalKey(Schema.Boolean.annotate({ description: "±10 %. Default: true" })),
  timeout_ms: Schema.optionalKey(
    whole(100, 120_000).annotate({ description: "Of one request to the sink. Default: 30000, for kafka 65000" })
  ),
  max_in_flight: Schema.optionalKey(whole(1, 6).annotate({ description: "Requests at once. Default: 4" })),
  max_pending: Schema.optionalKey(
    whole(1, 100_000).annotate({ description: "Events waiting for a retry above which reading stops. Default: 10000" })
  ),
  status: Schema.optionalKey(DestinationStatus.annotate({ description: "Default: active" })),
  ordering: notYet("none"),
  circuit_breaker_enabled: notYet(false),
  circuit_breaker_threshold: notYet(),
  circuit_breaker_reset_ms: notYet(),
  rate_limit_per_second: notYet()
}

const configFields = {
  config: Schema.optionalKey(config),
  provider_config: Schema.optionalKey(config.annotate({ description: "Another name of `config`" }))
}

export const DestinationInput = Schema.Struct({
  name: Name,
  type: Schema.String.annotate({ examples: ["kafka"] }),
  ...configFields,
  ...settings
})
export const DestinationPatch = Schema.Struct({
  name: Schema.optionalKey(Name),
  type: Schema.optionalKey(
    Schema.String.annotate({ description: "Cannot be changed: only the present type is accepted" })
  ),
  ...configFields,
  ...settings
})

const Lag = Schema.Struct({
  connection_id: ConnectionId,
  source_id: SourceId,
  /** Events that the destination has not read yet. */
  lag: Schema.Int
})

export const DestinationView = Schema.Struct({
  id: DestinationId,
  name: Schema.String,
  slug: Schema.String,
  type: Schema.String,
  config,
  retry_enabled: Schema.Boolean,
  retry_max_attempts: Schema.Int,
  retry_backoff_type: Schema.String,
  retry_intervals: Schema.Array(Schema.Int),
  retry_jitter: Schema.Boolean,
  timeout_ms: Schema.Int,
  max_in_flight: Schema.Int,
  max_pending: Schema.Int,
  ordering: Schema.Literal("none"),
  status: DestinationStatus,
  paused_reason: Schema.NullOr(Schema.String),
  lag: Schema.Array(Lag),
  pending: Schema.Int,
  dead: Schema.Int,
  next_attempt_at: Schema.NullOr(Time),
  last_error: Schema.NullOr(Schema.String),
  created_at: Time,
  updated_at: Time
})

const One = Schema.Struct({ destination: DestinationView })
const params = { id: DestinationId }

export class DestinationsApi extends HttpApiGroup.make("destinations")
  .add(
    HttpApiEndpoint.post("create", "/v1/destinations", {
      headers: idempotencyHeader,
      payload: DestinationInput,
      success: One.pipe(created),
      error: [BadRequest, Conflict, NotFound, ServiceUnavailable]
    }),
    HttpApiEndpoint.get("list", "/v1/destinations", {
      query: pageQuery,
      success: pageOf("destinations", DestinationView),
      error: [BadRequest, ServiceUnavailable]
    }),
    HttpApiEndpoint.get("get", "/v1/destinations/:id", { params, success: One, error: [NotFound, ServiceUnavailable] }),
    HttpApiEndpoint.patch("update", "/v1/destinations/:id", {
      params,
      payload: DestinationPatch,
      success: One,
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }),
    HttpApiEndpoint.delete("remove", "/v1/destinations/:id", {
      params,
      success: Removed,
      error: [NotFound, ServiceUnavailable]
    })
  )
  .middleware(Authorization) {}
