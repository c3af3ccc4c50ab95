/** `/v1/workspaces` and `/v1/auth/api-keys`. */
import { ApiKeyId, WorkspaceId } from "@hookstream/core/Ids"
import { Scope } from "@hookstream/core/workspace/ApiKey"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { BadRequest, Conflict, NotFound, ServiceUnavailable } from "../ApiError.ts"
import { Authorization, RootAuthorization } from "../Authorization.ts"
import { about, created, Name, pageOf, pageQuery, Removed, Time, tag } from "../Fields.ts"
import { Jurisdiction, placementView, Region } from "../Placement.ts"

const key = {
  id: ApiKeyId,
  name: Schema.String,
  scopes: Schema.Array(Scope),
  hint: Schema.String.annotate({ description: "The last four characters of the key" }),
  created_at: Time
}
export const ApiKeyView = Schema.Struct(key).annotate({ identifier: "ApiKey" })
const ApiKeyCreated = Schema.Struct({
  ...key,
  key: Schema.String.annotate({ description: "The key itself, shown this once" })
}).annotate({ identifier: "NewApiKey" })

/** A scope that a new key may have. */
const GrantedScope = Schema.Literals(["*", "read", "write"]).annotate({
  message: 'not supported yet: use "*", "read" or "write"'
})

const KeyInput = Schema.Struct({
  name: Name,
  scopes: Schema.optionalKey(
    Schema.NonEmptyArray(GrantedScope)
      .check(Schema.isMaxLength(4, { message: "must be at most 4 scopes" }))
      .annotate({ description: 'Default: ["*"]' })
  )
}).annotate({ identifier: "ApiKeyInput" })
const Workspace = Schema.Struct({ id: WorkspaceId, ...placementView }).annotate({ identifier: "Workspace" })
const KeyMade = Schema.Struct({ api_key: ApiKeyCreated }).pipe(created)

export class WorkspacesApi extends HttpApiGroup.make("workspaces")
  .add(
    HttpApiEndpoint.post("create", "/v1/workspaces", {
      payload: Schema.Struct({
        name: Schema.optionalKey(Name),
        jurisdiction: Schema.optionalKey(Jurisdiction),
        region: Schema.optionalKey(Region)
      }).annotate({
        identifier: "WorkspaceInput",
        description: "`name` is that of the first key"
      }),
      success: Schema.Struct({ workspace: Workspace, api_key: ApiKeyCreated }).pipe(created),
      error: [BadRequest, ServiceUnavailable]
    }).annotateMerge(
      about("createWorkspace", "Create a workspace", "A tenant, with its first API key, which has the scope `*`")
    ),
    HttpApiEndpoint.post("createKey", "/v1/workspaces/:id/api-keys", {
      params: { id: WorkspaceId },
      payload: KeyInput,
      success: KeyMade,
      error: [BadRequest, NotFound, ServiceUnavailable]
    }).annotateMerge(about("createWorkspaceKey", "Create a key for a workspace", "For one whose own keys are lost"))
  )
  .middleware(RootAuthorization)
  .annotateMerge(tag("Tenants; they are made with the root key of the deployment")) {}

export class ApiKeysApi extends HttpApiGroup.make("api-keys")
  .add(
    HttpApiEndpoint.post("create", "/v1/auth/api-keys", {
      payload: KeyInput,
      success: KeyMade,
      error: [BadRequest, NotFound, ServiceUnavailable]
    }).annotateMerge(about("createApiKey", "Create an API key", "The key itself is shown this once")),
    HttpApiEndpoint.get("list", "/v1/auth/api-keys", {
      query: pageQuery,
      success: pageOf("api_keys", ApiKeyView),
      error: [BadRequest, ServiceUnavailable]
    }).annotateMerge(about("listApiKeys", "List API keys", "The newest first, without the keys themselves")),
    HttpApiEndpoint.delete("remove", "/v1/auth/api-keys/:id", {
      params: { id: ApiKeyId },
      success: Removed,
      error: [NotFound, Conflict, ServiceUnavailable]
    }).annotateMerge(
      about("deleteApiKey", "Delete an API key", "It ends at once. The last key with the scope `*` is not deleted: 409")
    )
  )
  .middleware(Authorization)
  .annotateMerge(tag("Keys of the workspace; all but reading and writing needs the scope `*`")) {}
