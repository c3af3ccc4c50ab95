/** `/v1/workspaces` and `/v1/auth/api-keys`. */
import { ApiKeyId, WorkspaceId } from "@hookstream/core/Ids"
import { Scope } from "@hookstream/core/Registry"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { BadRequest, NotFound, ServiceUnavailable } from "./ApiError.ts"
import { Authorization, RootAuthorization } from "./Authorization.ts"
import { created, Name, Removed, Time } from "./Fields.ts"

const key = {
  id: ApiKeyId,
  name: Schema.String,
  scopes: Schema.Array(Scope),
  hint: Schema.String.annotate({ description: "The last four characters of the key" }),
  created_at: Time
}
export const ApiKeyView = Schema.Struct(key)
const ApiKeyCreated = Schema.Struct({
  ...key,
  key: Schema.String.annotate({ description: "The key itself, shown this once" })
})

export class WorkspacesApi extends HttpApiGroup.make("workspaces").add(
  HttpApiEndpoint.post("create", "/v1/workspaces", {
    headers: { "x-root-key": Schema.optionalKey(Schema.String.annotate({ description: "HOOKSTREAM_ROOT_KEY" })) },
    payload: Schema.Struct({ name: Schema.optionalKey(Name) }),
    success: Schema.Struct({ workspace: Schema.Struct({ id: WorkspaceId }), api_key: ApiKeyCreated }).pipe(created),
    error: [BadRequest, ServiceUnavailable]
  }).middleware(RootAuthorization)
) {}

export class ApiKeysApi extends HttpApiGroup.make("api-keys")
  .add(
    HttpApiEndpoint.post("create", "/v1/auth/api-keys", {
      payload: Schema.Struct({
        name: Name,
        scopes: Schema.optionalKey(
          Schema.NonEmptyArray(Scope)
            .check(Schema.isMaxLength(4, { message: "must be at most 4 scopes" }))
            .annotate({ description: 'Default: ["*"]' })
        )
      }),
      success: Schema.Struct({ api_key: ApiKeyCreated }).pipe(created),
      error: [BadRequest, ServiceUnavailable]
    }),
    HttpApiEndpoint.get("list", "/v1/auth/api-keys", {
      success: Schema.Struct({ api_keys: Schema.Array(ApiKeyView) }),
      error: ServiceUnavailable
    }),
    HttpApiEndpoint.delete("remove", "/v1/auth/api-keys/:id", {
      params: { id: ApiKeyId },
      success: Removed,
      error: [NotFound, ServiceUnavailable]
    })
  )
  .middleware(Authorization) {}
