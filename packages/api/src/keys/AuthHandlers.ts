/** Workspaces and API keys, and the check of a key at every other endpoint. */
import * as Ids from "@hookstream/core/Ids"
import type { ApiKey, NewApiKey, Scope } from "@hookstream/core/workspace/ApiKey"
import { Registry } from "@hookstream/core/workspace/Registry"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Layer from "effect/Layer"
import { Api } from "../Api.ts"
import { badRequest, forbidden, ofChange, ofList, ofRead, summaryOf, unauthorized } from "../ApiError.ts"
import { Authorization, Caller, mayWrite, RootAuthorization } from "../Authorization.ts"
import { Deployment } from "../Deployment.ts"
import { time } from "../Fields.ts"
import { sha256 } from "../internal/digest.ts"
import { jurisdictionIssues, regionIssues } from "../Placement.ts"

const view = ({ id, name, scopes, hint, createdAt }: ApiKey) => ({
  id,
  name,
  scopes,
  hint,
  created_at: time(createdAt)
})

const newKey = Effect.fnUntraced(function* (workspace: string, name: string, scopes: ApiKey["scopes"]) {
  const { idKeys } = yield* Deployment
  const text = yield* Effect.promise(() => idKeys.apiKey(workspace))
  const createdAt = yield* Clock.currentTimeMillis
  const stored: NewApiKey = {
    id: Ids.random("key"),
    name,
    scopes,
    createdAt,
    hint: text.slice(-4),
    hash: yield* sha256(text)
  }
  return { text, stored }
})

const addKey = Effect.fnUntraced(function* (workspace: string, name: string, scopes: ApiKey["scopes"] = ["*"]) {
  const registry = yield* Registry
  const { text, stored } = yield* newKey(workspace, name, scopes)
  yield* registry.createKey(workspace, stored)
  return { api_key: { ...view(stored), key: text } }
})

export const layerWorkspaces = HttpApiBuilder.group(Api, "workspaces", (handlers) =>
  handlers
    .handle("create", ({ payload }) =>
      Effect.gen(function* () {
        const registry = yield* Registry
        const { jurisdictions } = yield* Deployment
        const { jurisdiction = null, region = null } = payload
        const issues = [
          ...jurisdictionIssues(payload.jurisdiction, jurisdictions),
          ...regionIssues(jurisdiction, region)
        ]
        if (issues.length > 0) return yield* badRequest(summaryOf(issues), issues)
        const { id, text, stored } = yield* Effect.gen(function* () {
          const id = Ids.randomWorkspaceId({ jurisdiction, region })
          const key = yield* newKey(id, payload.name ?? "first key", ["*"])
          yield* registry.createWorkspace(id, key.stored)
          return { id, ...key }
        }).pipe(
          // A conflict: the random id is another workspace's. Another id is tried; a third conflict in a row is a
          // defect.
          Effect.retry({ times: 3, while: (error) => error._tag === "ConflictError" }),
          Effect.catchTag("ConflictError", (error) => Effect.die(error))
        )
        return { workspace: { id, jurisdiction, region }, api_key: { ...view(stored), key: text } }
      }).pipe(Effect.catchTags(ofList))
    )
    .handle("createKey", ({ params, payload }) =>
      addKey(params.id, payload.name, payload.scopes).pipe(Effect.catchTags(ofRead))
    )
)

const isRootKey = Effect.fnUntraced(function* (given: string) {
  const { rootKey } = yield* Deployment
  return (yield* sha256(given)) === (yield* sha256(rootKey))
})

export const layerRootAuthorization = Layer.effect(
  RootAuthorization,
  Effect.gen(function* () {
    const deployment = yield* Deployment
    return RootAuthorization.of({
      rootKey: (handler) =>
        Effect.gen(function* () {
          const { headers } = yield* HttpServerRequest
          if (yield* isRootKey(headers["x-root-key"] ?? "")) return yield* handler
          return yield* unauthorized("X-Root-Key must be the deployment's HOOKSTREAM_ROOT_KEY")
        }).pipe(Effect.provideService(Deployment, deployment))
    })
  })
)

export const layerApiKeys = HttpApiBuilder.group(Api, "api-keys", (handlers) =>
  handlers
    .handle("create", ({ payload }) =>
      Caller.pipe(
        Effect.flatMap(({ workspace }) => addKey(workspace, payload.name, payload.scopes)),
        Effect.catchTags(ofRead)
      )
    )
    .handle("list", () =>
      Effect.gen(function* () {
        const { workspace } = yield* Caller
        const registry = yield* Registry
        return { api_keys: (yield* registry.listKeys(workspace)).map(view) }
      }).pipe(Effect.catchTags(ofList))
    )
    .handle("remove", ({ params }) =>
      Effect.gen(function* () {
        const { workspace } = yield* Caller
        const registry = yield* Registry
        yield* registry.removeKey(workspace, params.id)
        return { success: true as const }
      }).pipe(Effect.catchTags(ofChange))
    )
)

const needed = (method: string, group: string): ReadonlyArray<Scope> =>
  // Whoever makes keys could make one with every scope.
  group === "api-keys" ? ["*"] : method === "GET" ? ["*", "read", "write"] : ["*", "write"]

interface Call {
  readonly endpoint: HttpApiEndpoint.Top
  readonly group: HttpApiGroup.Top
}

/**
 * The key of either header. The framework asks one scheme after the other and answers with the last one's error, so
 * both look at the whole request: a refusal is then the same whichever is asked.
 */
const keyOf = (headers: Readonly<Record<string, string | undefined>>): string =>
  headers["x-api-key"] ?? /^Bearer +(.+)$/i.exec(headers["authorization"] ?? "")?.[1] ?? ""

/**
 * Whether the credentials of a request may be good, by what can be told without asking anybody: only then its body is
 * read.
 */
export const mayBeKnown = Effect.fnUntraced(function* (headers: Headers) {
  const { idKeys } = yield* Deployment
  const workspace = yield* Effect.promise(() => idKeys.parseApiKey(keyOf(Object.fromEntries(headers))))
  return workspace !== undefined || (yield* isRootKey(headers.get("x-root-key") ?? ""))
})

const decoder = new TextDecoder()

/**
 * What a key that may only read sees: nothing that can be sent to, wherever it stands. A sender may repeat its URL in a
 * body (as GitHub's `ping` does), a proxy in a header.
 */
const withoutTokens = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  if (body._tag !== "Uint8Array") return response
  const shown = Ids.withoutTokens(decoder.decode(body.body))
  return HttpServerResponse.setBody(response, HttpBody.text(shown, body.contentType))
}

export const layerAuthorization = Layer.effect(
  Authorization,
  Effect.gen(function* () {
    const { idKeys } = yield* Deployment
    const registry = yield* Registry

    const caller = Effect.fnUntraced(function* () {
      const text = keyOf((yield* HttpServerRequest).headers)
      if (text === "") return yield* unauthorized("an API key is required: send it as X-API-Key")
      const workspace = yield* Effect.promise(() => idKeys.parseApiKey(text))
      const hash = yield* sha256(text)
      const key =
        workspace === undefined
          ? undefined
          : yield* registry.authenticate(workspace, hash).pipe(Effect.catchTags(ofList))
      return workspace === undefined || key === undefined
        ? yield* unauthorized("this API key does not exist or was deleted")
        : { workspace, key }
    })

    const authorize = Effect.fnUntraced(function* <E, R>(
      handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
      { endpoint, group }: Call
    ) {
      const who = yield* caller()
      const scopes = needed(endpoint.method, group.identifier)
      if (!who.key.scopes.some((scope) => scopes.includes(scope))) {
        return yield* forbidden(`this API key lacks the scope: it needs one of ${scopes.join(", ")}`)
      }
      const response = yield* Effect.provideService(handler, Caller, who)
      return mayWrite(who.key) ? response : withoutTokens(response)
    })
    return Authorization.of({ apiKey: authorize, bearer: authorize })
  })
)
