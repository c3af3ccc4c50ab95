import { Deliveries } from "@hookstream/core/Deliveries"
import type { Destination } from "@hookstream/core/Destination"
import * as Ids from "@hookstream/core/Ids"
import { Registry } from "@hookstream/core/Registry"
import { defaultPolicy, type RetryPolicy } from "@hookstream/core/RetryPolicy"
import * as SealedConfig from "@hookstream/core/SealedConfig"
import type { Sink } from "@hookstream/core/Sink"
import { SinkRegistry } from "@hookstream/core/SinkRegistry"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Api } from "./Api.ts"
import { badRequest, type Issue, issuesOf, ofChange, ofList, ofRead, summaryOf } from "./ApiError.ts"
import { Caller } from "./Authorization.ts"
import { Deployment } from "./Deployment.ts"
import { DestinationInput, DestinationPatch } from "./DestinationsApi.ts"
import { slugOf, time, timeOrNull } from "./Fields.ts"
import { find, idempotency, page, remove } from "./internal/entities.ts"

const STRICT = { errors: "all", onExcessProperty: "error" } as const

type JsonObject = { readonly [key: string]: Schema.Json }
type Settings = Omit<typeof DestinationPatch.Type, "type" | "config" | "provider_config">

const view = Effect.fnUntraced(function* (destination: Destination) {
  const deliveries = yield* Deliveries
  const { control, connections, pending, dead, nextDue, lastError } = yield* deliveries.summary(destination.id)
  const pause = control.pause
  return {
    ...{ id: destination.id, name: destination.name, slug: destination.slug, type: destination.type },
    config: SealedConfig.masked(destination.config),
    retry_enabled: destination.retry.enabled,
    retry_max_attempts: destination.retry.maxRetries,
    retry_backoff_type: destination.retry.backoff,
    retry_intervals: destination.retry.intervals,
    retry_jitter: destination.retry.jitter,
    timeout_ms: destination.timeoutMs,
    max_in_flight: destination.maxInFlight,
    max_pending: destination.maxPending,
    ordering: "none" as const,
    status: pause === null ? destination.status : ("paused" as const),
    paused_reason: pause === null ? null : pause.reason === "user" ? "user" : `${pause.reason}: ${pause.detail}`,
    lag: connections
      .filter(({ deleted }) => !deleted)
      .map(({ id, sourceId, head, cursor }) => ({ connection_id: id, source_id: sourceId, lag: head - cursor })),
    ...{ pending, dead },
    next_attempt_at: timeOrNull(nextDue),
    last_error: lastError === null ? null : `${lastError.reason}: ${lastError.detail}`,
    created_at: time(destination.createdAt),
    updated_at: time(destination.updatedAt)
  }
})

const retryOf = (settings: Settings, before: RetryPolicy): RetryPolicy => ({
  enabled: settings.retry_enabled ?? before.enabled,
  maxRetries: settings.retry_max_attempts ?? before.maxRetries,
  backoff: settings.retry_backoff_type ?? before.backoff,
  intervals: settings.retry_intervals ?? before.intervals,
  jitter: settings.retry_jitter ?? before.jitter
})

/** The request's JSON. HttpApi would stop at the first layer of errors; here those of the config belong to the same answer. */
const readJson = (request: HttpServerRequest) =>
  request.json.pipe(Effect.catch(() => badRequest("the body must be a JSON object")))

/** What `schema` makes of the input, or its issues. */
const decode = <A>(schema: Schema.Codec<A, unknown>, input: unknown): Result.Result<A, ReadonlyArray<Issue>> =>
  Result.mapError(Schema.decodeUnknownResult(schema)(input, STRICT), (error) => issuesOf(error))

/** What is wrong with a config, by its sink's Schema and rules; the decoded config when nothing is. */
const checkConfig = Effect.fnUntraced(function* (sink: Sink, config: unknown) {
  const { allowPrivateNetworks } = yield* Deployment
  const decoded = Schema.decodeUnknownResult(sink.config)(config, STRICT)
  const issues = Result.isFailure(decoded)
    ? issuesOf(decoded.failure)
    : sink.validate(decoded.success, { allowPrivateNetworks })
  return {
    decoded: Result.getOrUndefined(decoded),
    issues: issues.map(({ path, message }) => ({ path: path === "" ? "config" : `config.${path}`, message }))
  }
})

const refuse = (issues: ReadonlyArray<Issue>) => badRequest(summaryOf(issues), issues)

const own = (input: unknown, key: string): unknown =>
  typeof input === "object" && input !== null ? Reflect.get(input, key) : undefined
const configOf = (input: unknown): unknown => own(input, "config") ?? own(input, "provider_config")

const create = Effect.fn("Destinations.create")(function* (
  headers: { readonly "idempotency-key"?: string },
  input: unknown
) {
  const { workspace } = yield* Caller
  const registry = yield* Registry
  const sinks = yield* SinkRegistry

  const base = decode(DestinationInput, input)
  const type = own(input, "type")
  const sink = typeof type === "string" ? sinks.get(type) : undefined
  const config = configOf(input)
  const { decoded, issues: configIssues } =
    sink === undefined || config === undefined ? { decoded: undefined, issues: [] } : yield* checkConfig(sink, config)
  const issues = [...(Result.isFailure(base) ? base.failure : []), ...configIssues]
  if (typeof type === "string" && sink === undefined) {
    issues.push({ path: "type", message: `not supported yet: use one of ${sinks.types.join(", ")}` })
  }
  if (config === undefined) issues.push({ path: "config", message: "is required" })
  if (Result.isFailure(base) || sink === undefined || issues.length > 0) return yield* refuse(issues)

  const { success: settings } = base
  const now = yield* Clock.currentTimeMillis
  const id = Ids.random("dst")
  return yield* registry.create<"destination">(
    {
      ...({ kind: "destination", id, workspace, version: 0, createdAt: now, updatedAt: now } as const),
      ...{ name: settings.name, slug: settings.slug ?? slugOf(settings.name, "destination"), type: sink.type },
      config: yield* SealedConfig.seal({ workspace, object: id }, config as JsonObject, decoded),
      retry: retryOf(settings, defaultPolicy),
      timeoutMs: settings.timeout_ms ?? sink.defaultTimeoutMs,
      maxInFlight: settings.max_in_flight ?? 4,
      maxPending: settings.max_pending ?? 10_000,
      status: settings.status ?? "active"
    },
    yield* idempotency("destination", headers, input)
  )
})

const update = Effect.fn("Destinations.update")(function* (id: string, input: unknown) {
  const { workspace } = yield* Caller
  const registry = yield* Registry
  const sinks = yield* SinkRegistry
  const before = yield* find("destination", id)
  const sink = sinks.get(before.type)
  if (sink === undefined) return yield* badRequest(`this deployment has no sink of type ${before.type}`)

  const base = decode(DestinationPatch, input)
  const issues = [...(Result.isFailure(base) ? base.failure : [])]
  const type = own(input, "type")
  if (type !== undefined && type !== before.type) {
    issues.push({ path: "type", message: `cannot be changed from ${before.type}: create another destination` })
  }
  const changes = configOf(input)
  const place = { workspace, object: before.id }
  let config = before.config
  if (typeof changes === "object" && changes !== null && !Array.isArray(changes)) {
    const patched = SealedConfig.patch(yield* SealedConfig.open(place, before.config), changes as JsonObject)
    const checked = yield* checkConfig(sink, patched)
    issues.push(...checked.issues)
    if (checked.issues.length === 0) config = yield* SealedConfig.seal(place, patched, checked.decoded)
  }
  if (Result.isFailure(base) || issues.length > 0) return yield* refuse(issues)

  const { success: settings } = base
  return yield* registry.update<"destination">({
    ...before,
    ...{ name: settings.name ?? before.name, slug: settings.slug ?? before.slug, config },
    retry: retryOf(settings, before.retry),
    timeoutMs: settings.timeout_ms ?? before.timeoutMs,
    maxInFlight: settings.max_in_flight ?? before.maxInFlight,
    maxPending: settings.max_pending ?? before.maxPending,
    status: settings.status ?? before.status,
    updatedAt: yield* Clock.currentTimeMillis
  })
})

export const layer = HttpApiBuilder.group(Api, "destinations", (handlers) =>
  handlers
    .handleRaw("create", ({ headers, request }) =>
      readJson(request).pipe(
        Effect.flatMap((input) => create(headers, input)),
        Effect.flatMap(view),
        Effect.map((destination) => ({ destination })),
        Effect.catchTags(ofChange)
      )
    )
    .handle("list", ({ query }) =>
      page("destination", query, view).pipe(
        Effect.map(({ views, ...rest }) => ({ destinations: views, ...rest })),
        Effect.catchTags(ofList)
      )
    )
    .handle("get", ({ params }) =>
      find("destination", params.id).pipe(
        Effect.flatMap(view),
        Effect.map((destination) => ({ destination })),
        Effect.catchTags(ofRead)
      )
    )
    .handleRaw("update", ({ params, request }) =>
      readJson(request).pipe(
        Effect.flatMap((input) => update(params.id, input)),
        Effect.flatMap(view),
        Effect.map((destination) => ({ destination })),
        Effect.catchTag("SecretError", (error) => Effect.die(error)),
        Effect.catchTags(ofChange)
      )
    )
    .handle("remove", ({ params }) => remove("destination", params.id).pipe(Effect.catchTags(ofRead)))
)
