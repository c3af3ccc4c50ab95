/** The API as a function from Request to Response, over core's services. */
import type { Deliveries } from "@hookstream/core/delivery/Deliveries"
import * as Ids from "@hookstream/core/Ids"
import * as Log from "@hookstream/core/LogLine"
import type { EventLog } from "@hookstream/core/log/EventLog"
import type { SecretVault } from "@hookstream/core/secret/SecretVault"
import { SinkRegistry } from "@hookstream/core/sink/SinkRegistry"
import type { Registry } from "@hookstream/core/workspace/Registry"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import type { Generator } from "effect/http/Etag"
import type * as HttpClient from "effect/http/HttpClient"
import type { HttpPlatform } from "effect/http/HttpPlatform"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as Layer from "effect/Layer"
import type { Path } from "effect/Path"
import { Api } from "./Api.ts"
import { badRequest, issuesOf, RequestInfo, summaryOf } from "./ApiError.ts"
import { SchemaErrors } from "./Authorization.ts"
import * as ConnectionsHandlers from "./connections/ConnectionsHandlers.ts"
import { Deployment } from "./Deployment.ts"
import * as DestinationsHandlers from "./destinations/DestinationsHandlers.ts"
import { errorResponse } from "./ErrorResponse.ts"
import * as EventsHandlers from "./events/EventsHandlers.ts"
import * as FailureLimit from "./FailureLimit.ts"
import { allowedAt } from "./internal/methods.ts"
import { originOf } from "./internal/origin.ts"
import * as AuthHandlers from "./keys/AuthHandlers.ts"
import * as OpenApiDocument from "./OpenApiDocument.ts"
import * as Pages from "./Pages.ts"
import * as RequestBody from "./RequestBody.ts"
import * as ReplaysHandlers from "./replays/ReplaysHandlers.ts"
import * as SourcesHandlers from "./sources/SourcesHandlers.ts"

const layerSchemaErrors = HttpApiMiddleware.layerSchemaErrorTransform(SchemaErrors, (error) => {
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  const issues = issuesOf(error.cause)
  return badRequest(summaryOf(issues), issues)
})

const layerSystem = HttpApiBuilder.group(Api, "system", (handlers) =>
  handlers.handle("health", () =>
    Effect.map(Deployment, ({ version, notices }) => ({ status: "ok" as const, version, notices }))
  )
)

/** What the API needs of the platform. */
export type Services =
  | Registry
  | EventLog
  | Deliveries
  | SecretVault
  | SinkRegistry
  | Deployment
  | FailureLimit.FailureLimit
  | HttpClient.HttpClient

/** Some milliseconds of work, which nobody needs a key for: so the last one is kept. */
const layerDocument = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { all } = yield* SinkRegistry
    let last: { readonly origin: string; readonly document: string } | undefined
    const answer = Effect.map(RequestInfo, ({ origin }) => {
      if (last?.origin !== origin) last = { origin, document: JSON.stringify(OpenApiDocument.make(all, origin)) }
      return HttpServerResponse.text(last.document, { contentType: "application/json" })
    })
    yield* router.add("GET", "/openapi.json", answer)
  })
)

const layerPages = HttpRouter.use((router) =>
  Effect.andThen(router.add("GET", "/", Pages.root), router.add("GET", "/docs", Pages.docs))
)

const routes = Layer.mergeAll(HttpApiBuilder.layer(Api), layerDocument, layerPages).pipe(
  Layer.provide([
    AuthHandlers.layerWorkspaces,
    AuthHandlers.layerApiKeys,
    SourcesHandlers.layer,
    SourcesHandlers.layerTemplates,
    DestinationsHandlers.layer,
    DestinationsHandlers.layerTypes,
    ConnectionsHandlers.layer,
    EventsHandlers.layer,
    EventsHandlers.layerAttempts,
    ReplaysHandlers.layer,
    layerSystem
  ]),
  Layer.provide([AuthHandlers.layerAuthorization, AuthHandlers.layerRootAuthorization, layerSchemaErrors])
)

/** What the router and the platform answer in words of their own, in ours. */
const OWN_WORDS: Readonly<Record<number, string>> = {
  400: "the request is malformed",
  404: "there is nothing at this path",
  405: "this path does not take this method",
  413: "the body is too large",
  415: "the body must be JSON: send Content-Type: application/json",
  500: "an error inside the gateway; its log has the cause under this request_id"
}

const shaped = (response: Response, { method, url }: Request, requestId: string): Response => {
  const path = new URL(url).pathname
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true
  if (response.status >= 400 && !isJson) {
    const methods = response.status === 404 ? allowedAt(path) : []
    // The router knows no path with a part of more than 100 characters, and with it nothing by that name.
    const allowed = methods.includes(method) ? [] : methods
    const status = allowed.length > 0 ? 405 : response.status
    const error = OWN_WORDS[status] ?? "the request could not be answered"
    return errorResponse(status, error, { requestId, allowed })
  }
  const out = new Response(response.body, response)
  out.headers.set("X-Request-Id", requestId)
  if (response.status === 503) out.headers.set("Retry-After", "1")
  if (response.status === 429) out.headers.set("Retry-After", String(FailureLimit.RETRY_AFTER))
  // RFC 9110, 15.5.2: a 401 says by which scheme to come.
  if (response.status === 401) {
    out.headers.set("WWW-Authenticate", path.startsWith("/v1/workspaces") ? "X-Root-Key" : "Bearer")
  }
  return out
}

/**
 * The request with its body at hand, or why it is not taken. A POST without a body asks for the defaults: `{}`. The
 * body of a caller who is not known is not read: such a request is refused before anything would parse it.
 */
const withBody = async (
  request: Request,
  isKnown: () => Promise<boolean>
): Promise<Request | { readonly status: 400 | 413; readonly error: string }> => {
  // It may carry a body, which means nothing (RFC 9110, 9.3.1), and with which no `Request` can be made.
  if (request.method === "GET" || request.method === "HEAD") return request
  const isEmpty = request.body === null || request.headers.get("content-length") === "0"
  if (isEmpty ? request.method !== "POST" : !(await isKnown())) return request
  const headers = new Headers(request.headers)
  headers.delete("Content-Length")
  if (isEmpty) {
    headers.set("Content-Type", "application/json")
    return new Request(request.url, { method: "POST", headers, body: "{}" })
  }
  const body = await RequestBody.read(request, RequestBody.MAX_BYTES)
  if (body === undefined) return { status: 413, error: "the body is larger than 1 MiB" }
  const error = RequestBody.refusal(body)
  return error === undefined
    ? new Request(request.url, { method: request.method, headers, body })
    : { status: 400, error }
}

/**
 * The router's types ask for the services of a file server. The API serves no files, so nothing looks them up. The real
 * ones (`HttpServer.layerServices`) would add 8 KiB to the Worker: a table of MIME types and a path library.
 */
const layerNoFiles = Layer.empty as Layer.Layer<FileSystem | Generator | HttpPlatform | Path>

/** The answer to a defect says only that there was one: what it was stands here, under the same `request_id`. */
const logDefect = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
  // The router dies of a path that leads nowhere: that is an answer like others.
  if (HttpServerError.causeResponseStripped(cause)[0].status < 500) return
  const { requestId } = yield* RequestInfo
  yield* Log.write(Log.line("error", "a request could not be answered", { request_id: requestId }, cause))
})

/** Builds the router: some milliseconds, so call it once per isolate and only when a management request comes. */
export const make = (services: Context.Context<Services>): ((request: Request) => Promise<Response>) => {
  const app = routes.pipe(Layer.provide(Layer.succeedContext(services)), Layer.provide(layerNoFiles))
  const { handler } = HttpRouter.toWebHandler(app, { disableLogger: true, middleware: Effect.tapCause(logDefect) })
  const run = Effect.runPromiseWith(services)
  const { publicUrl, trustedIpHeader } = Context.get(services, Deployment)
  return async (request) => {
    const bucket = FailureLimit.keyOf(FailureLimit.addressOf(request.headers, trustedIpHeader))
    const requestId = Ids.random("req")
    const info = { requestId, origin: originOf(publicUrl, request.url) }
    const isKnown = () => run(AuthHandlers.mayBeKnown(request.headers))
    const ready = await withBody(request, isKnown)
    if (!(ready instanceof Request)) return errorResponse(ready.status, ready.error, { requestId })
    const response = await handler(ready, Context.add(services, RequestInfo, info))
    if (
      response.status === 401 &&
      !(await run(FailureLimit.FailureLimit.pipe(Effect.flatMap(({ take }) => take(bucket)))))
    ) {
      const error = "too many requests with wrong keys: check X-API-Key"
      return errorResponse(429, error, { requestId, retryAfterSeconds: FailureLimit.RETRY_AFTER })
    }
    return shaped(response, request, requestId)
  }
}
