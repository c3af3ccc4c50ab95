/**
 * Who calls: the API key of `X-API-Key` (or `Authorization: Bearer`) and whether its scopes allow it, or the root key.
 */
import type { ApiKey } from "@hookstream/core/workspace/ApiKey"
import * as Context from "effect/Context"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OpenApi from "effect/http-api/OpenApi"
import { BadRequest, Forbidden, ServiceUnavailable, TooManyRequests, Unauthorized } from "./ApiError.ts"

export class Caller extends Context.Service<Caller, { readonly workspace: string; readonly key: ApiKey }>()(
  "@hookstream/api/Caller"
) {}

/** Whether a key may change things, and so may see where events are sent to. */
export const mayWrite = ({ scopes }: ApiKey): boolean => scopes.some((scope) => scope === "*" || scope === "write")

const described = <S extends HttpApiSecurity.HttpApiSecurity>(scheme: S, description: string): S =>
  HttpApiSecurity.annotate(scheme, OpenApi.Description, description)

export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Caller }>()(
  "@hookstream/api/Authorization",
  {
    security: {
      apiKey: described(HttpApiSecurity.apiKey({ in: "header", key: "X-API-Key" }), "An API key of the workspace"),
      bearer: described(HttpApiSecurity.bearer, "The same key, as a bearer token")
    },
    error: [BadRequest, Unauthorized, Forbidden, TooManyRequests, ServiceUnavailable]
  }
) {}

/** The deployment's own key, which makes workspaces. It is asked for before the body is looked at. */
export class RootAuthorization extends HttpApiMiddleware.Service<RootAuthorization>()(
  "@hookstream/api/RootAuthorization",
  {
    security: {
      rootKey: described(HttpApiSecurity.apiKey({ in: "header", key: "X-Root-Key" }), "The deployment's root key")
    },
    error: [BadRequest, Unauthorized, TooManyRequests]
  }
) {}

/** Turns a request that does not fit its Schema into a 400 that names every wrong field. */
export class SchemaErrors extends HttpApiMiddleware.Service<SchemaErrors>()("@hookstream/api/SchemaErrors", {
  error: BadRequest
}) {}
