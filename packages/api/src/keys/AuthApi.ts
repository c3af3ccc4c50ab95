/** `/v1/workspaces` and `/v1/auth/api-keys`. */
import { ApiKeyId, WorkspaceId } from "@hookstream/core/Ids"
import { Scope } from "@hookstream/core/workspace/ApiKey"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { BadRequest, Conflict, NotFound, ServiceUnavailable } from "../ApiError.ts"
import { Authorization, RootAuthorization } from "../Authorization.ts"
import { created, Name, Removed, Time } from "../Fields.ts"
import { Jurisdiction, placementView, Region } from "../Placement.ts"

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

/** A scope that a new key may have. */
const GrantedScope = Scope.check(
  Schema.makeFilter((scope: Scope) => scope !== "ingest", { message: "not supported yet" })
).annotate({ description: "`ingest` is not supported yet" })

const KeyInput = Schema.Struct({
  name: Name,
  scopes: Schema.optionalKey(
    Schema.NonEmptyArray(GrantedScope)
      .check(Schema.isMaxLength(4, { message: "must be at most 4 scopes" }))
      .annotate({ description: 'Default: ["*"]' })
  )
})
const KeyMade = Schema.Struct({ api_key: ApiKeyCreated }).pipe(created)

export class WorkspacesApi extends HttpApiGroup.make("workspaces")
  .add(
    HttpApiEndpoint.post("create", "/v1/workspaces", {
      payload: Schema.Struct({
        name: Schema.optionalKey(Name),
        jurisdiction: Schema.optionalKey(Jurisdiction),
        region: Schema.optionalKey(Region)
      }),
      success: Schema.Struct({
        workspace: Schema.Struct({ id: WorkspaceId, ...placementView }),
        api_key: ApiKeyCreated
      }).pipe(created),
      error: [BadRequest, ServiceUnavailable]
    }),
    HttpApiEndpoint.post("createKey", "/v1/workspaces/:id/api-keys", {
      params: { id: WorkspaceId },
      payload: KeyInput,
      success: KeyMade,
      error: [BadRequest, NotFound, ServiceUnavailable]
    }).annotate(OpenApi.Description, "A key for a workspace whose own keys are lost")
  )
  .middleware(RootAuthorization) {}

export class ApiKeysApi extends HttpApiGroup.make("api-keys")
  .add(
    HttpApiEndpoint.post("create", "/v1/auth/api-keys", {
      payload: KeyInput,
      success: KeyMade,
      error: [BadRequest, NotFound, ServiceUnavailable]
    }),
    HttpApiEndpoint.get("list", "/v1/auth/api-keys", {
      success: Schema.Struct({ api_keys: Schema.Array(ApiKeyView) }),
      error: ServiceUnavailable
    }),
    HttpApiEndpoint.delete("remove", "/v1/auth/api-keys/:id", {
      params: { id: ApiKeyId },
      success: Removed,
      error: [NotFound, Conflict, ServiceUnavailable]
    }).annotate(OpenApi.Description, "The last key with scope `*` of a workspace is not deleted: 409")
  )
  .middleware(Authorization) {}
