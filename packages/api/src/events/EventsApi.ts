/** `/v1/events`. */

import { BodyKind } from "@hookstream/core/event/Event"
import { ConnectionId, DestinationId, EventId, ReplayId, SourceId } from "@hookstream/core/Ids"
import { AttemptStatus } from "@hookstream/core/journal/DeliveryJournal"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { BadRequest, Conflict, Gone, NotFound, ServiceUnavailable } from "../ApiError.ts"
import { Authorization } from "../Authorization.ts"
import { about, flag, notYet, pageOf, pageQuery, Reason, Receipt, Time, tag } from "../Fields.ts"

export const EventStatus = Schema.Literals(["received", "processing", "delivered", "failed", "cancelled"]).annotate({
  description:
    "`received`: no connection, or not tried yet; `processing`: on its way; `delivered`: on every connection " +
    "that was not deleted before; `failed`: dead-lettered on one; `cancelled`: its connections were deleted " +
    "before it was delivered"
})

const summary = {
  id: EventId,
  source_id: SourceId,
  method: Schema.String,
  content_type: Schema.NullOr(Schema.String),
  source_ip: Schema.NullOr(Schema.String),
  received_at: Time,
  status: EventStatus,
  /** Connections by the state of their delivery. */
  deliveries: Schema.Struct({
    waiting: Schema.Int,
    retrying: Schema.Int,
    delivered: Schema.Int,
    filtered: Schema.Int,
    dead: Schema.Int,
    cancelled: Schema.Int
  })
}
export const EventSummary = Schema.Struct(summary).annotate({ identifier: "EventSummary" })

export const AttemptView = Schema.Struct({
  id: Schema.String.annotate({
    description: "For `POST /v1/delivery-attempts/:id/retry`",
    examples: [`att_${"0".repeat(53)}`]
  }),
  event_id: Schema.NullOr(EventId).annotate({ description: "`null` when the event is no longer stored" }),
  replay_id: Schema.NullOr(ReplayId),
  connection_id: ConnectionId,
  destination_id: DestinationId,
  attempt: Schema.NullOr(Schema.Int),
  status: AttemptStatus,
  settled_at: Time,
  latency_ms: Schema.NullOr(Schema.Finite),
  reason: Schema.NullOr(Reason),
  error: Schema.NullOr(Schema.String),
  next_attempt_at: Schema.NullOr(Time),
  is_dlq: Schema.Boolean,
  receipt: Schema.NullOr(Receipt).annotate({
    description: "The sink's proof; of Kafka partition, offset (a string: it may pass 2^53) and timestamp"
  })
}).annotate({ identifier: "DeliveryAttempt" })

export const TimelineEntry = Schema.Struct({
  at: Time,
  type: Schema.Literals([
    "accepted",
    "delivered",
    "failed",
    "unknown",
    "dead",
    "filtered",
    "held",
    "postponed",
    "redriven",
    "cancelled"
  ]),
  connection_id: Schema.NullOr(ConnectionId),
  destination_id: Schema.NullOr(DestinationId),
  replay_id: Schema.NullOr(ReplayId).annotate({ description: "`null` in the normal run" }),
  what: Schema.String.annotate({ description: "The entry in a sentence" }),
  attempt: Schema.NullOr(Schema.Int),
  latency_ms: Schema.NullOr(Schema.Finite),
  reason: Schema.NullOr(Reason),
  error: Schema.NullOr(Schema.String),
  failed_rule: Schema.NullOr(Schema.Int),
  next_attempt_at: Schema.NullOr(Time),
  receipt: Schema.NullOr(Receipt)
}).annotate({ identifier: "TimelineEntry" })

export const EventView = Schema.Struct({
  ...summary,
  headers: Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.String })).annotate({
    description: "As they came; credentials and signatures are hidden, by their names"
  }),
  query: Schema.String.annotate({ description: "Hidden likewise" }),
  verification: Schema.NullOr(
    Schema.Struct({
      template: Schema.String,
      secret: Schema.Int.annotate({ description: "Which of the secrets signed it, from 0, as they were then" }),
      verified_at: Time
    })
  ).annotate({ description: "By what its source verified it; `null`: by nothing" }),
  body_kind: BodyKind.annotate({
    description:
      "`long_json`: JSON with a number or a name so long that common readers refuse it; Kafka destinations send " +
      "it as text"
  }),
  body: Schema.String.annotate({
    description:
      "The bytes that came: as text, or as base64 where `body_kind` is binary. A key that may only read sees no " +
      "ingest URLs in a text"
  }),
  delivery_attempts: Schema.Array(AttemptView)
}).annotate({ identifier: "Event" })

export class EventsApi extends HttpApiGroup.make("events")
  .add(
    HttpApiEndpoint.get("list", "/v1/events", {
      query: {
        ...pageQuery,
        source_id: Schema.optionalKey(
          SourceId.annotate({ description: "Without it the answer merges the workspace's sources, up to 32 of them" })
        ),
        status: notYet(),
        method: notYet(),
        after: notYet(),
        before: notYet(),
        search: notYet()
      },
      success: pageOf("events", EventSummary),
      error: [BadRequest, NotFound, ServiceUnavailable]
    }).annotateMerge(
      about("listEvents", "List events", "The newest first, each with its status and how many deliveries are in which")
    ),
    HttpApiEndpoint.get("get", "/v1/events/:id", {
      params: { id: EventId },
      success: Schema.Struct({ event: EventView }),
      error: [NotFound, Gone, ServiceUnavailable]
    }).annotateMerge(about("getEvent", "Get an event", "Headers, query, body and every try of its deliveries")),
    HttpApiEndpoint.get("timeline", "/v1/events/:id/timeline", {
      params: { id: EventId },
      query: pageQuery,
      success: pageOf("timeline", TimelineEntry),
      error: [BadRequest, NotFound, Gone, ServiceUnavailable]
    }).annotateMerge(
      about("getEventTimeline", "Tell what became of an event", "From its acceptance on, over all connections")
    ),
    HttpApiEndpoint.post("retry", "/v1/events/:id/retry", {
      params: { id: EventId },
      success: Schema.Struct({ retried: Schema.Int }).annotate({ description: "On how many connections" }),
      error: [NotFound, Gone, Conflict, ServiceUnavailable]
    }).annotateMerge(
      about("retryEvent", "Try an event again now", "On each connection where it is a dead letter or waits for a retry")
    )
  )
  .middleware(Authorization)
  .annotateMerge(tag("Accepted webhooks, and what became of them")) {}

const attempt = { id: Schema.String }

/** `/v1/delivery-attempts`. */
export class AttemptsApi extends HttpApiGroup.make("delivery-attempts")
  .add(
    HttpApiEndpoint.get("list", "/v1/delivery-attempts", {
      query: {
        ...pageQuery,
        event_id: Schema.optionalKey(EventId),
        connection_id: Schema.optionalKey(ConnectionId),
        destination_id: Schema.optionalKey(
          DestinationId.annotate({ description: "One of event_id, connection_id and destination_id is required" })
        ),
        status: Schema.optionalKey(AttemptStatus),
        is_dlq: flag("`true`: only those that ended in a dead letter")
      },
      success: pageOf("delivery_attempts", AttemptView),
      error: [BadRequest, NotFound, Gone, ServiceUnavailable]
    }).annotateMerge(
      about("listDeliveryAttempts", "List tries", "Of an event, a connection or a destination, the newest first")
    ),
    HttpApiEndpoint.post("retry", "/v1/delivery-attempts/:id/retry", {
      params: attempt,
      success: Schema.Struct({ retried: Schema.Literal(true) }),
      error: [NotFound, Conflict, ServiceUnavailable]
    }).annotateMerge(
      about("retryDeliveryAttempt", "Try a delivery again now", "When it is a dead letter or waits for a retry")
    )
  )
  .middleware(Authorization)
  .annotateMerge(tag("Tries of deliveries, each with its receipt or its reason")) {}
