/** `/v1/destinations`. */

import { ConnectionId, DestinationId, EventId, ReplayId, SourceId } from "@hookstream/core/Ids"
import { CheckStep, Reason, Receipt } from "@hookstream/core/sink/Sink"
import { DestinationStatus, Ordering } from "@hookstream/core/workspace/Destination"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { BadRequest, Conflict, NotFound, ServiceUnavailable } from "../ApiError.ts"
import { Authorization } from "../Authorization.ts"
import { changed, Deleted, forceQuery, idempotencyHeader, Name, pageOf, pageQuery, Slug, Time } from "../Fields.ts"
import { placementView, RegionInput, RegionPatch } from "../Placement.ts"

const whole = (minimum: number, maximum: number) =>
  Schema.Finite.check(
    Schema.isInt({ message: "must be a whole number" }),
    Schema.isBetween({ minimum, maximum }, { message: `must be from ${minimum} to ${maximum}` })
  )

const config = Schema.JsonObject.annotate({
  description: "The settings of the sink, by its type; secrets are sealed at rest and masked in every answer"
})

const RETRIES_MAX = 100

const settings = {
  slug: Schema.optionalKey(Slug),
  retry_enabled: Schema.optionalKey(Schema.Boolean.annotate({ description: "Default: true" })),
  retry_max_attempts: Schema.optionalKey(
    whole(0, RETRIES_MAX).annotate({ description: "Retries after the first try. Default: 5, so 6 tries" })
  ),
  retry_backoff_type: Schema.optionalKey(
    Schema.Literals(["exponential", "linear", "fixed"]).annotate({
      description:
        "`exponential` takes the n-th interval and repeats the last, `linear` is n times the first, `fixed` is the " +
        "first. Default: exponential"
    })
  ),
  retry_intervals: Schema.optionalKey(
    Schema.NonEmptyArray(whole(1, 604_800))
      .check(Schema.isMaxLength(RETRIES_MAX, { message: `must be at most ${RETRIES_MAX} intervals` }))
      .annotate({ description: "Seconds. Default: [30, 300, 1800, 7200, 86400]" })
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
  ordering: Schema.optionalKey(
    Ordering.annotate({
      description:
        "`key`: events of a key one after another, and none passes an earlier one that waits; `strict`: the same " +
        "for all events of a connection. Default: none"
    })
  ),
  circuit_breaker_enabled: Schema.optionalKey(Schema.Boolean.annotate({ description: "Default: true" })),
  circuit_breaker_threshold: Schema.optionalKey(
    whole(1, 1000).annotate({ description: "Consecutive failed requests that open the circuit. Default: 5" })
  ),
  circuit_breaker_reset_ms: Schema.optionalKey(
    whole(1000, 86_400_000).annotate({ description: "Between two probes of an open circuit. Default: 60000" })
  ),
  rate_limit_per_second: Schema.optionalKey(
    Schema.NullOr(
      Schema.Finite.check(Schema.isBetween({ minimum: 0.1, maximum: 10_000 }, { message: "must be from 0.1 to 10000" }))
    ).annotate({ description: "Requests per second. Default: no limit" })
  )
}

const configFields = {
  config: Schema.optionalKey(config),
  provider_config: Schema.optionalKey(config.annotate({ description: "Another name of `config`" }))
}

export const DestinationInput = Schema.Struct({
  name: Name,
  type: Schema.String.annotate({ examples: ["kafka"] }),
  region: RegionInput,
  ...configFields,
  ...settings
})
export const DestinationPatch = Schema.Struct({
  name: Schema.optionalKey(Name),
  type: Schema.optionalKey(
    Schema.String.annotate({ description: "Cannot be changed: only the present type is accepted" })
  ),
  region: RegionPatch,
  ...configFields,
  ...settings
})

export const CircuitView = Schema.Struct({
  state: Schema.Literals(["closed", "open", "half_open"]),
  consecutive_failures: Schema.Int,
  opened_at: Schema.NullOr(Time),
  next_probe_at: Schema.NullOr(Time)
})

const DeadLetterView = Schema.Struct({
  event_id: Schema.NullOr(EventId).annotate({ description: "`null` when the event itself is no longer stored" }),
  connection_id: ConnectionId,
  replay_id: Schema.NullOr(ReplayId).annotate({ description: "`null` in the normal run" }),
  source_id: SourceId,
  attempts: Schema.Int,
  reason: Reason,
  error: Schema.String
})

const Lag = Schema.Struct({
  connection_id: ConnectionId,
  source_id: SourceId,
  /** Events that the destination has not read yet. */
  lag: Schema.Int
})

/** What the destination itself tells. */
const ofDestination = <S extends Schema.Top>(schema: S) =>
  Schema.NullOr(schema).annotate({ description: "`null` while the destination does not answer" })

export const DestinationView = Schema.Struct({
  id: DestinationId,
  name: Schema.String,
  slug: Schema.String,
  type: Schema.String,
  ...placementView,
  config,
  retry_enabled: Schema.Boolean,
  retry_max_attempts: Schema.Int,
  retry_backoff_type: Schema.String,
  retry_intervals: Schema.Array(Schema.Int),
  retry_jitter: Schema.Boolean,
  timeout_ms: Schema.Int,
  max_in_flight: Schema.Int,
  max_pending: Schema.Int,
  ordering: Ordering,
  circuit_breaker_enabled: Schema.Boolean,
  circuit_breaker_threshold: Schema.Int,
  circuit_breaker_reset_ms: Schema.Int,
  rate_limit_per_second: Schema.NullOr(Schema.Finite),
  status: DestinationStatus,
  paused_reason: Schema.NullOr(Schema.String),
  circuit: ofDestination(CircuitView),
  lag: ofDestination(Schema.Array(Lag)),
  pending: ofDestination(Schema.Int),
  dead: ofDestination(Schema.Int),
  next_attempt_at: Schema.NullOr(Time),
  last_error: Schema.NullOr(Schema.String),
  created_at: Time,
  updated_at: Time
})

export const CheckReport = Schema.Struct({
  ok: Schema.Boolean.annotate({ description: "No step failed" }),
  steps: Schema.Array(CheckStep).annotate({ description: "In order; after one that failed the rest is `unknown`" }),
  receipt: Schema.NullOr(Receipt).annotate({ description: "Of the test record, when one was sent" })
})

export const TypeView = Schema.Struct({
  type: Schema.String,
  title: Schema.String,
  supports: Schema.Struct({ batch: Schema.Boolean, receipts: Schema.Boolean }),
  default_timeout_ms: Schema.Int,
  config_schema: Schema.Record(Schema.String, Schema.Json).annotate({
    description: "JSON Schema (2020-12) of `config`; secrets are `writeOnly` with the format `password`"
  })
})

/** `/v1/destination-types`. */
export class DestinationTypesApi extends HttpApiGroup.make("destination-types")
  .add(
    HttpApiEndpoint.get("list", "/v1/destination-types", {
      success: Schema.Struct({ destination_types: Schema.Array(TypeView) }),
      error: [ServiceUnavailable]
    })
  )
  .middleware(Authorization) {}

const one = { destination: DestinationView }
const One = Schema.Struct(one)
const params = { id: DestinationId }
const which = (description: string) =>
  Schema.Struct({
    connection_id: Schema.optionalKey(ConnectionId),
    reason: Schema.optionalKey(Reason)
  }).annotate({ description })
const readErrors = [BadRequest, NotFound, ServiceUnavailable] as const

export class DestinationsApi extends HttpApiGroup.make("destinations")
  .add(
    HttpApiEndpoint.post("create", "/v1/destinations", {
      headers: idempotencyHeader,
      payload: DestinationInput,
      success: changed(one, 201),
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
      success: changed(one),
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }),
    HttpApiEndpoint.delete("remove", "/v1/destinations/:id", {
      params,
      query: forceQuery,
      success: changed(Deleted),
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }),
    HttpApiEndpoint.post("pause", "/v1/destinations/:id/pause", {
      params,
      success: changed(one),
      error: [NotFound, Conflict, ServiceUnavailable]
    }),
    HttpApiEndpoint.post("resume", "/v1/destinations/:id/resume", {
      params,
      success: changed(one),
      error: [NotFound, Conflict, ServiceUnavailable]
    }),
    HttpApiEndpoint.post("test", "/v1/destinations/:id/test", {
      params,
      payload: Schema.Struct({
        produce: Schema.optionalKey(
          Schema.Boolean.annotate({
            description: "Also send one marked test record, and show its receipt. Default: false"
          })
        )
      }),
      success: CheckReport,
      error: readErrors
    }),
    HttpApiEndpoint.get("circuit", "/v1/destinations/:id/circuit", {
      params,
      success: Schema.Struct({ circuit: CircuitView }),
      error: readErrors
    }),
    HttpApiEndpoint.post("resetCircuit", "/v1/destinations/:id/circuit/reset", {
      params,
      success: Schema.Struct({ circuit: CircuitView }),
      error: readErrors
    }),
    HttpApiEndpoint.get("deadLetters", "/v1/destinations/:id/dlq", {
      params,
      query: pageQuery,
      success: pageOf("dead_letters", DeadLetterView),
      error: readErrors
    }),
    HttpApiEndpoint.post("redrive", "/v1/destinations/:id/dlq/redrive", {
      params,
      payload: which("Which dead letters get all their tries again; without a field all"),
      success: Schema.Struct({ redriven: Schema.Int }),
      error: readErrors
    }),
    HttpApiEndpoint.post("retry", "/v1/destinations/:id/retry", {
      params,
      payload: which(
        "Which of the waiting events are due now, with the attempts they have left; without a field all. " +
          "`reason` is that of the last attempt. An open circuit is probed at once"
      ),
      success: Schema.Struct({ retried: Schema.Int }),
      error: readErrors
    })
  )
  .middleware(Authorization) {}
