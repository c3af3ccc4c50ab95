/** Who calls: the API key of `X-API-Key` (or `Authorization: Bearer`), and whether its scopes allow the call. */
import type { ApiKey } from "@hookstream/core/Registry"
import * as Context from "effect/Context"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import { BadRequest, Forbidden, ServiceUnavailable, TooManyRequests, Unauthorized } from "./ApiError.ts"

export class Caller extends Context.Service<Caller, { readonly workspace: string; readonly key: ApiKey }>()(
  "@hookstream/api/Caller"
) {}

export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Caller }>()(
  "@hookstream/api/Authorization",
  {
    security: {
      apiKey: HttpApiSecurity.apiKey({ in: "header", key: "X-API-Key" }),
      bearer: HttpApiSecurity.bearer
    },
    error: [Unauthorized, Forbidden, TooManyRequests, ServiceUnavailable]
  }
) {}

/** Asks for the deployment's root key, before the body is looked at. */
export class RootAuthorization extends HttpApiMiddleware.Service<RootAuthorization>()(
  "@hookstream/api/RootAuthorization",
  {
    error: [Unauthorized, TooManyRequests]
  }
) {}

/** Turns a request that does not fit its Schema into a 400 that names every wrong field. */
export class SchemaErrors extends HttpApiMiddleware.Service<SchemaErrors>()("@hookstream/api/SchemaErrors", {
  error: BadRequest
}) {}
