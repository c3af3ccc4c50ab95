/** `/v1/sources`. */

import { JOURNAL_DAYS } from "@hookstream/core/delivery/Facts"
import * as Redaction from "@hookstream/core/event/Redaction"
import { SourceId } from "@hookstream/core/Ids"
import { DEFAULT_RETENTION_DAYS, SourceStatus } from "@hookstream/core/workspace/Source"
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
  forceQuery,
  holds,
  idempotencyHeader,
  Name,
  notYet,
  pageOf,
  pageQuery,
  Slug,
  Time,
  tag
} from "../Fields.ts"
import { placementView, RegionInput, RegionPatch } from "../Placement.ts"

const REDACT_MAX = 50
const REDACT_PATH_MAX = 256

const settings = {
  slug: Schema.optionalKey(Slug),
  description: Schema.optionalKey(Description),
  verification: Schema.optionalKey(
    Schema.NullOr(Schema.JsonObject).annotate({
      description:
        "How its requests are verified: `template` (one of `GET /v1/source-templates`, or `custom`), `secrets`, and " +
        "what else the template takes. A request that does not pass is answered 401 and not stored. Default: `null`, " +
        "nothing is verified"
    })
  ),
  status: Schema.optionalKey(
    SourceStatus.annotate({ description: "`paused` answers 503, `disabled` answers 404. Default: active" })
  ),
  template: notYet(),
  verification_type: notYet(),
  verification_secret: notYet(),
  verification_header: notYet(),
  dedup_strategy: notYet(),
  dedup_field: notYet(),
  dedup_window_seconds: notYet(),
  ip_allowlist: notYet([]),
  ip_denylist: notYet([]),
  json_schema: notYet(),
  schema_action: notYet(),
  redact: Schema.optionalKey(
    Schema.Array(
      Schema.String.check(
        Schema.isMaxLength(REDACT_PATH_MAX, { message: `must have at most ${REDACT_PATH_MAX} characters` }),
        holds(Redaction.isRedactable, "must be headers.<name>, query.<name> or payload.<path>")
      )
    )
      .check(Schema.isMaxLength(REDACT_MAX, { message: `must have at most ${REDACT_MAX} paths` }))
      .annotate({
        description:
          "What is never stored of its events. A JSON body that holds such a value is serialized again, so that " +
          "signatures over it no longer verify; bodies that are not JSON are left as they are. Default: none",
        examples: [["headers.x-session", "query.email", "payload.customer.card"]]
      })
  ),
  retention_days: Schema.optionalKey(
    Schema.Int.check(
      Schema.isBetween({ minimum: 1, maximum: JOURNAL_DAYS }, { message: `must be from 1 to ${JOURNAL_DAYS}` })
    ).annotate({
      description:
        "Days that events are kept at least, for replay; longer while a destination still has to deliver them. " +
        `They are dropped by whole days. Default: ${DEFAULT_RETENTION_DAYS}`
    })
  )
}

export const SourceInput = Schema.Struct({ name: Name, region: RegionInput, ...settings }).annotate({
  identifier: "SourceInput"
})
export const SourcePatch = Schema.Struct({
  name: Schema.optionalKey(Name),
  region: RegionPatch,
  ...settings
}).annotate({ identifier: "SourcePatch" })

const IngestUrl = Schema.String.annotate({
  description:
    "Where events are sent to. Anyone who knows it can send, so a read-only key sees `****` in place of its end. " +
    "It is a path where the gateway does not know its host: then set HOOKSTREAM_PUBLIC_URL"
})

export const SourceView = Schema.Struct({
  id: SourceId,
  name: Schema.String,
  slug: Schema.String,
  description: Schema.NullOr(Schema.String),
  status: SourceStatus,
  ...placementView,
  ingest_url: IngestUrl,
  previous_ingest_urls: Schema.Array(Schema.Struct({ ingest_url: IngestUrl, expires_at: Time })).annotate({
    description: "Those before the last rotations that still work, and until when"
  }),
  retention_days: Schema.Int,
  redact: Schema.Array(Schema.String),
  verification: Schema.NullOr(Schema.JsonObject).annotate({
    description: "How its requests are verified, secrets masked; `null`: they are not"
  }),
  retained_since: Schema.NullOr(Time).annotate({
    description:
      "When the oldest event that is still stored was accepted. Under pressure (90 % of HOOKSTREAM_LOG_MAX_BYTES) " +
      "the oldest events that no destination needs go before their retention_days are over"
  }),
  event_count: Schema.NullOr(Schema.Int).annotate({ description: "`null` while the source's log does not answer" }),
  last_event_at: Schema.NullOr(Time),
  created_at: Time,
  updated_at: Time
}).annotate({ identifier: "Source" })

const Path = Schema.NullOr(Schema.String).annotate({ examples: ["headers.x-github-delivery", "payload.type"] })

export const TemplateView = Schema.Struct({
  template: Schema.String.annotate({ examples: ["stripe"] }),
  title: Schema.String,
  documentation: Schema.String.annotate({ description: "URL of what the provider writes about it" }),
  signature_header: Schema.String,
  secret: Schema.String.annotate({ description: "What a secret must be" }),
  tolerance_seconds: Schema.NullOr(Schema.Int).annotate({
    description: "Default of `tolerance_seconds`; `null`: no time is signed, or it is not limited"
  }),
  event_id: Path.annotate({ description: "Where the provider's own id of an event stands; `null`: it has none" }),
  event_type: Path.annotate({ description: "Where the type of an event stands; `null`: it has none" }),
  answers_handshakes: Schema.Boolean.annotate({
    description: "Requests by which the provider asks whether the endpoint is its user's are answered, and not stored"
  })
}).annotate({ identifier: "SourceTemplate" })

/** `/v1/source-templates`. */
export class SourceTemplatesApi extends HttpApiGroup.make("source-templates")
  .add(
    HttpApiEndpoint.get("list", "/v1/source-templates", {
      query: pageQuery,
      success: pageOf("source_templates", TemplateView),
      error: [BadRequest, ServiceUnavailable]
    }).annotateMerge(
      about("listSourceTemplates", "List templates of sources", "The providers whose signatures are known")
    )
  )
  .middleware(Authorization)
  .annotateMerge(tag("Whose webhooks can be verified")) {}

/** A day to put the new URL where the old one stands; a month at most. */
export const DEFAULT_GRACE_SECONDS = 86_400
const MAX_GRACE_SECONDS = 2_592_000

const one = { source: SourceView }
const One = Schema.Struct(one)
const params = { id: SourceId }

export class SourcesApi extends HttpApiGroup.make("sources")
  .add(
    HttpApiEndpoint.post("create", "/v1/sources", {
      headers: idempotencyHeader,
      payload: SourceInput,
      success: changed(one, 201),
      error: [BadRequest, Conflict, NotFound, ServiceUnavailable]
    }).annotateMerge(
      about("createSource", "Create a source", "It answers with its `ingest_url`, to which webhooks are sent")
    ),
    HttpApiEndpoint.get("list", "/v1/sources", {
      query: pageQuery,
      success: pageOf("sources", SourceView),
      error: [BadRequest, ServiceUnavailable]
    }).annotateMerge(about("listSources", "List sources", "The newest first")),
    HttpApiEndpoint.get("get", "/v1/sources/:id", {
      params,
      success: One,
      error: [NotFound, ServiceUnavailable]
    }).annotateMerge(about("getSource", "Get a source", "With how many events its log holds")),
    HttpApiEndpoint.patch("update", "/v1/sources/:id", {
      params,
      payload: SourcePatch,
      success: changed(one),
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }).annotateMerge(
      about(
        "updateSource",
        "Change a source",
        "What is left out stays as it is, in `verification` too, where a masked secret keeps the one that it masks. " +
          "With another `template` only the secrets stay"
      )
    ),
    HttpApiEndpoint.delete("remove", "/v1/sources/:id", {
      params,
      query: forceQuery,
      success: changed(Deleted),
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }).annotateMerge(
      about("deleteSource", "Delete a source", "Its connections go with it. 409 while deliveries wait, unless `force`")
    ),
    HttpApiEndpoint.post("rotateUrl", "/v1/sources/:id/rotate-url", {
      params,
      payload: Schema.Struct({
        grace_seconds: Schema.optionalKey(
          Schema.Int.check(
            Schema.isBetween(
              { minimum: 0, maximum: MAX_GRACE_SECONDS },
              { message: `must be a whole number from 0 to ${MAX_GRACE_SECONDS}` }
            )
          ).annotate({
            description: `The URLs before work for so long at most; 0 ends them. Default: ${DEFAULT_GRACE_SECONDS}`
          })
        )
      }).annotate({ identifier: "RotateUrlInput" }),
      success: changed(one),
      error: [BadRequest, NotFound, Conflict, ServiceUnavailable]
    }).annotateMerge(
      about(
        "rotateSourceUrl",
        "Give a source another ingest URL",
        "The URLs before it work for a while. A repeated call gives yet another"
      )
    )
  )
  .middleware(Authorization)
  .annotateMerge(tag("Ingest endpoints, each with a durable log of its events")) {}
