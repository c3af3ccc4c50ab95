/** The HTTP contract of hookstream, from which `/openapi.json` is made. */

import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { Issue, ServiceUnavailable } from "./ApiError.ts"
import { SchemaErrors } from "./Authorization.ts"
import { ConnectionsApi } from "./connections/ConnectionsApi.ts"
import { DestinationsApi, DestinationTypesApi } from "./destinations/DestinationsApi.ts"
import { AttemptsApi, EventsApi } from "./events/EventsApi.ts"
import { about, tag } from "./Fields.ts"
import { ApiKeysApi, WorkspacesApi } from "./keys/AuthApi.ts"
import { ReplaysApi } from "./replays/ReplaysApi.ts"
import { SourcesApi, SourceTemplatesApi } from "./sources/SourcesApi.ts"

class SystemApi extends HttpApiGroup.make("system")
  .add(
    HttpApiEndpoint.get("health", "/v1/health", {
      success: Schema.Struct({
        status: Schema.Literal("ok"),
        version: Schema.NullOr(Schema.String),
        notices: Schema.Array(Issue)
      }).annotate({ identifier: "Health" }),
      error: ServiceUnavailable
    }).annotateMerge(
      about(
        "getHealth",
        "Ask how the gateway is",
        "Needs no key. 503 while settings without which nothing is served are missing or wrong: `issues` names each. " +
          "200 otherwise: `notices` names what is missing and need not be there; `version` is the deployed version's id"
      )
    )
  )
  .annotateMerge(tag("The gateway itself")) {}

export class Api extends HttpApi.make("hookstream")
  .add(WorkspacesApi)
  .add(ApiKeysApi)
  .add(SourcesApi)
  .add(SourceTemplatesApi)
  .add(DestinationsApi)
  .add(DestinationTypesApi)
  .add(ConnectionsApi)
  .add(EventsApi)
  .add(AttemptsApi)
  .add(ReplaysApi)
  .add(SystemApi)
  .middleware(SchemaErrors)
  .annotate(HttpApi.ParseOptions, { errors: "all", onExcessProperty: "error" })
  .annotate(HttpApi.HeadersParseOptions, {})
  .annotateMerge(
    OpenApi.annotations({
      title: "hookstream",
      version: "0.1.0",
      description: "Webhooks into a durable log, and from there to Kafka and other sinks.",
      license: { name: "MIT", identifier: "MIT" }
    })
  ) {}
