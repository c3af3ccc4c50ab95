import * as CircuitBreaker from "@hookstream/core/delivery/CircuitBreaker"
import { Deliveries } from "@hookstream/core/delivery/Deliveries"
import type { RedriveFilter } from "@hookstream/core/delivery/DeliveryContract"
import { defaultPolicy, type RetryPolicy } from "@hookstream/core/delivery/RetryPolicy"
import * as Event from "@hookstream/core/event/Event"
import * as Ids from "@hookstream/core/Ids"
import type { DeadLetter, Summary } from "@hookstream/core/journal/DeliveryJournal"
import { placementOf } from "@hookstream/core/Placement"
import * as SealedConfig from "@hookstream/core/secret/SealedConfig"
import * as DestinationDriver from "@hookstream/core/sink/DestinationDriver"
import { batchOf, type CheckStep, type Reason, type Sink, type SinkDriver, STORED } from "@hookstream/core/sink/Sink"
import { SinkRegistry } from "@hookstream/core/sink/SinkRegistry"
import type { Destination, Ordering } from "@hookstream/core/workspace/Destination"
import { type Change, Registry } from "@hookstream/core/workspace/Registry"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Api } from "../Api.ts"
import { badRequest, conflict, type Issue, issuesOf, ofChange, ofList, ofRead, summaryOf } from "../ApiError.ts"
import { Caller } from "../Authorization.ts"
import { Deployment } from "../Deployment.ts"
import { DEFAULT_LIMIT, time, timeOrNull, withUntold } from "../Fields.ts"
import { configSchema } from "../internal/configSchema.ts"
import { find, idempotency, inTime, page, remove } from "../internal/entities.ts"
import { eventIdsOf } from "../internal/eventIds.ts"
import { pageOfWhole } from "../internal/wholeList.ts"
import { moveIssues, regionIssues } from "../Placement.ts"
import { DestinationInput, DestinationPatch } from "./DestinationsApi.ts"

/** Where the test record says it is from: no log has this name. */
const TEST_SOURCE = `src_${"0".repeat(32)}`

const STRICT = { errors: "all", onExcessProperty: "error" } as const

type JsonObject = { readonly [key: string]: Schema.Json }
type Settings = Omit<typeof DestinationPatch.Type, "type" | "region" | "config" | "provider_config">

const view = Effect.fnUntraced(function* (destination: Destination) {
  const deliveries = yield* Deliveries
  const summary = yield* inTime(deliveries.summary(destination.id))
  const pause = summary?.control.pause ?? null
  const lastError = summary?.lastError ?? null
  // A destination of an older release does not say it.
  const restored = summary?.control.restored ?? null
  return {
    id: destination.id,
    name: destination.name,
    slug: destination.slug,
    type: destination.type,
    ...placementOf(destination.id),
    config: SealedConfig.masked(destination.config),
    retry_enabled: destination.retry.enabled,
    retry_max_attempts: destination.retry.maxRetries,
    retry_backoff_type: destination.retry.backoff,
    retry_intervals: destination.retry.intervals,
    retry_jitter: destination.retry.jitter,
    timeout_ms: destination.timeoutMs,
    max_in_flight: destination.maxInFlight,
    max_pending: destination.maxPending,
    ordering: destination.ordering,
    circuit_breaker_enabled: destination.breaker.enabled,
    circuit_breaker_threshold: destination.breaker.threshold,
    circuit_breaker_reset_ms: destination.breaker.resetMs,
    rate_limit_per_second: destination.ratePerSecond,
    circuit: summary === null ? null : circuitView(summary),
    status: pause === null ? destination.status : ("paused" as const),
    paused_reason: pause === null ? null : pause.reason === "user" ? "user" : `${pause.reason}: ${pause.detail}`,
    lag:
      summary?.connections
        .filter(({ deleted }) => !deleted)
        .map(({ id, sourceId, head, cursor }) => ({
          connection_id: id,
          source_id: sourceId,
          lag: Math.max(0, head - cursor)
        })) ?? null,
    pending: summary?.pending ?? null,
    dead: summary?.dead ?? null,
    next_attempt_at: timeOrNull(summary?.nextDue ?? null),
    last_error: lastError === null ? null : `${lastError.reason}: ${lastError.detail}`,
    log_restored:
      restored === null
        ? null
        : {
            at: time(restored.at),
            source_id: Ids.withoutTokens(restored.sourceId),
            connection_id: restored.run.split(":")[0]!,
            from: restored.from,
            to: restored.through
          },
    created_at: time(destination.createdAt),
    updated_at: time(destination.updatedAt)
  }
})

/** What a change of a destination answers. */
const changedView = Effect.fnUntraced(function* ({ value, untold }: Change<Destination>) {
  return withUntold({ destination: yield* view(value) }, untold)
})

const retryOf = (settings: Settings, before: RetryPolicy): RetryPolicy => ({
  enabled: settings.retry_enabled ?? before.enabled,
  maxRetries: settings.retry_max_attempts ?? before.maxRetries,
  backoff: settings.retry_backoff_type ?? before.backoff,
  intervals: settings.retry_intervals ?? before.intervals,
  jitter: settings.retry_jitter ?? before.jitter
})

const breakerOf = (settings: Settings, before: CircuitBreaker.BreakerSettings): CircuitBreaker.BreakerSettings => ({
  enabled: settings.circuit_breaker_enabled ?? before.enabled,
  threshold: settings.circuit_breaker_threshold ?? before.threshold,
  resetMs: settings.circuit_breaker_reset_ms ?? before.resetMs
})

const circuitView = ({ control: { breaker } }: Summary) => ({
  state: breaker.state,
  consecutive_failures: breaker.state === "closed" ? breaker.failures : 0,
  opened_at: breaker.state === "closed" ? null : time(breaker.since),
  next_probe_at: breaker.state === "closed" ? null : time(breaker.until)
})

/**
 * The request's JSON. HttpApi would stop at the first layer of errors; here those of the config belong to the same
 * answer.
 */
const readJson = (request: HttpServerRequest) =>
  request.json.pipe(Effect.catch(() => badRequest("the body must be a JSON object")))

/** What `schema` makes of the input, or its issues. */
const decode = <A>(schema: Schema.Codec<A, unknown>, input: unknown): Result.Result<A, ReadonlyArray<Issue>> =>
  Result.mapError(Schema.decodeUnknownResult(schema)(input, STRICT), (error) => issuesOf(error))

/** Characters of a config's JSON: three fit into what a destination may have with all its connections. */
const CONFIG_MAX = 256 * 1024

/**
 * What is wrong with a config, by its sink's Schema (of one that is stored: its shape) and rules; the decoded one when
 * nothing is.
 */
const checkConfig = Effect.fnUntraced(function* (sink: Sink, config: unknown, ordering: Ordering, isNew: boolean) {
  const { allowPrivateNetworks } = yield* Deployment
  if (isNew && JSON.stringify(config).length > CONFIG_MAX) {
    const message = `must have at most ${CONFIG_MAX / 1024} KiB as JSON`
    return { decoded: undefined, issues: [{ path: "config", message }] }
  }
  const decoded = Schema.decodeUnknownResult(sink.config)(config, isNew ? STRICT : STORED)
  const issues = Result.isFailure(decoded)
    ? issuesOf(decoded.failure)
    : sink.validate(decoded.success, { allowPrivateNetworks, ordering })
  return {
    decoded: Result.getOrUndefined(decoded),
    issues: issues.map(({ path, message }) => ({ path: path === "" ? "config" : `config.${path}`, message }))
  }
})

const refuse = (issues: ReadonlyArray<Issue>) => badRequest(summaryOf(issues), issues)

const own = (input: unknown, key: string): unknown =>
  typeof input === "object" && input !== null ? Reflect.get(input, key) : undefined
const configOf = (input: unknown): unknown => own(input, "config") ?? own(input, "provider_config")

/** The ordering that is asked for; where the input is wrong, whatever was there before. */
const orderingOf = (input: Result.Result<{ readonly ordering?: Ordering }, unknown>, before: Ordering): Ordering =>
  Result.isSuccess(input) ? (input.success.ordering ?? before) : before

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
  const written = configOf(input)
  const config = sink === undefined ? written : sink.tidy(written)
  const { decoded, issues: configIssues } =
    sink === undefined || config === undefined
      ? { decoded: undefined, issues: [] }
      : yield* checkConfig(sink, config, orderingOf(base, "none"), true)
  const issues = [...(Result.isFailure(base) ? base.failure : []), ...configIssues]
  if (typeof type === "string" && sink === undefined) {
    issues.push({ path: "type", message: `not supported yet: use one of ${sinks.types.join(", ")}` })
  }
  if (config === undefined) issues.push({ path: "config", message: "is required" })
  const { jurisdiction, region } = placementOf(workspace)
  if (Result.isSuccess(base)) issues.push(...regionIssues(jurisdiction, base.success.region))
  if (Result.isFailure(base) || sink === undefined || issues.length > 0) return yield* refuse(issues)

  const { success: settings } = base
  const now = yield* Clock.currentTimeMillis
  const id = Ids.randomDestinationId({ jurisdiction, region: settings.region ?? region })
  return yield* registry.create<"destination">(
    {
      kind: "destination",
      id,
      workspace,
      version: 0,
      createdAt: now,
      updatedAt: now,
      name: settings.name,
      slug: settings.slug ?? null,
      type: sink.type,
      config: yield* SealedConfig.seal({ workspace, object: id }, config as JsonObject, decoded),
      retry: retryOf(settings, defaultPolicy),
      timeoutMs: settings.timeout_ms ?? sink.defaultTimeoutMs,
      maxInFlight: settings.max_in_flight ?? 4,
      maxPending: settings.max_pending ?? 10_000,
      ordering: settings.ordering ?? "none",
      breaker: breakerOf(settings, CircuitBreaker.defaultSettings),
      ratePerSecond: settings.rate_limit_per_second ?? null,
      status: settings.status ?? "active"
    },
    yield* idempotency("destination", headers, input)
  )
})

/**
 * A secret goes only to the target it was given for: a change that moves the target must contain all secrets again.
 * Otherwise a `write` key could have them sent to a host of its own.
 */
const demandSecrets = Effect.fnUntraced(function* (
  sink: Sink,
  { opened, decoded, changes }: { readonly opened: JsonObject; readonly decoded: unknown; readonly changes: JsonObject }
) {
  const before = Schema.decodeUnknownResult(sink.config)(opened, STORED)
  const target = sink.target(decoded)
  if (Result.isSuccess(before) && sink.target(before.success) === target) return
  const issues = SealedConfig.kept(decoded, changes).map((path) => ({
    path: `config.${path}`,
    message: "is required again, in full"
  }))
  if (issues.length === 0) return
  const names = issues.map(({ path }) => path).join(", ")
  yield* conflict(`the destination moves to ${target}: send its secrets again with this change: ${names}`, issues)
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
  if (Result.isSuccess(base)) {
    const instead = "create another destination, and connect it"
    issues.push(...moveIssues(placementOf(before.id).region, base.success.region, instead))
  }
  const changes = sink.tidy(configOf(input))
  const place = { workspace, object: before.id }
  const opened = yield* SealedConfig.open(place, before.config)
  const isChange = typeof changes === "object" && changes !== null && !Array.isArray(changes)
  const wanted = isChange ? SealedConfig.patch(opened, changes as JsonObject) : opened
  const checked = yield* checkConfig(sink, wanted, orderingOf(base, before.ordering), isChange)
  issues.push(...checked.issues)
  if (Result.isFailure(base) || issues.length > 0) return yield* refuse(issues)

  if (isChange) yield* demandSecrets(sink, { opened, decoded: checked.decoded, changes: changes as JsonObject })

  const { success: settings } = base
  return yield* registry.update<"destination">({
    ...before,
    name: settings.name ?? before.name,
    slug: settings.slug ?? before.slug,
    config: isChange ? yield* SealedConfig.seal(place, wanted, checked.decoded) : before.config,
    retry: retryOf(settings, before.retry),
    timeoutMs: settings.timeout_ms ?? before.timeoutMs,
    maxInFlight: settings.max_in_flight ?? before.maxInFlight,
    maxPending: settings.max_pending ?? before.maxPending,
    ordering: settings.ordering ?? before.ordering,
    breaker: breakerOf(settings, before.breaker),
    ratePerSecond: settings.rate_limit_per_second === undefined ? before.ratePerSecond : settings.rate_limit_per_second,
    status: settings.status ?? before.status,
    updatedAt: yield* Clock.currentTimeMillis
  })
})

const setStatus = Effect.fn("Destinations.setStatus")(function* (id: string, status: Destination["status"]) {
  const registry = yield* Registry
  const before = yield* find("destination", id)
  const updatedAt = yield* Clock.currentTimeMillis
  return yield* changedView(yield* registry.update<"destination">({ ...before, status, updatedAt }))
})

/** Asks a destination of the caller's workspace. */
const onDestination = Effect.fnUntraced(function* <A, E>(
  id: string,
  ask: (deliveries: Deliveries["Service"], id: string) => Effect.Effect<A, E>
) {
  yield* find("destination", id)
  return yield* ask(yield* Deliveries, id)
})

const filterOf = (payload: { readonly connection_id?: string; readonly reason?: Reason }): RedriveFilter => ({
  ...(payload.connection_id === undefined ? {} : { connection: payload.connection_id }),
  ...(payload.reason === undefined ? {} : { reason: payload.reason })
})

/** A record that says of itself what it is. It is in no log. */
const testEvent = Effect.fnUntraced(function* (destination: Destination) {
  const now = yield* Clock.currentTimeMillis
  const body = { hookstream_test: true, destination_id: destination.id, sent_at: time(now) }
  const event = Event.make({
    sourceId: TEST_SOURCE,
    seq: 0,
    receivedAt: now,
    contentType: "application/json",
    headers: [["content-type", "application/json"]],
    body: JSON.stringify(body)
  })
  return batchOf([event], { destinationId: destination.id, connectionId: "" })
})

const asFailed = (detail: string): CheckStep => ({
  name: "produce",
  result: "failed",
  detail,
  fix: "see the steps above, and the troubleshooting page of the sink"
})

/** Sends one test record. */
const produce = Effect.fnUntraced(function* (driver: SinkDriver, destination: Destination) {
  const [outcome] = yield* driver
    .send(yield* testEvent(destination))
    .pipe(Effect.catch(({ reason, detail }) => Effect.succeed([{ _tag: "Failed" as const, reason, detail }])))
  if (outcome?._tag !== "Delivered") {
    const why = outcome === undefined ? "the sink said nothing" : `${outcome.reason}: ${outcome.detail}`
    return { step: asFailed(why), receipt: null }
  }
  const step: CheckStep = { name: "produce", result: "ok", detail: "the test record was taken", fix: null }
  return { step, receipt: outcome.receipt }
})

const test = Effect.fn("Destinations.test")(function* (id: string, isProducing: boolean) {
  const destination = yield* find("destination", id)
  const timeout = `no answer within ${destination.timeoutMs} ms (timeout_ms)`
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const driver = yield* DestinationDriver.make(destination)
      const steps = yield* driver.check
      const isWell = steps.every(({ result }) => result !== "failed")
      if (!isProducing || !isWell) return { ok: isWell, steps, receipt: null }
      const { step, receipt } = yield* produce(driver, destination)
      return { ok: step.result === "ok", steps: [...steps, step], receipt }
    })
  ).pipe(
    Effect.timeoutOrElse({
      duration: destination.timeoutMs,
      orElse: () => Effect.succeed({ ok: false, steps: [{ ...asFailed(timeout), name: "answer" }], receipt: null })
    })
  )
})

/** The config's JSON Schema, in one piece. */
const inOnePiece = (sink: Sink) => {
  const { schema, definitions } = configSchema(sink)
  return (Object.keys(definitions).length === 0 ? schema : { ...schema, $defs: definitions }) as JsonObject
}

export const layerTypes = HttpApiBuilder.group(Api, "destination-types", (handlers) =>
  handlers.handle("list", ({ query }) =>
    Effect.gen(function* () {
      const { all } = yield* SinkRegistry
      const { shown, page } = yield* pageOfWhole(all, query, { keyOf: ({ type }) => type, descending: false })
      return {
        destination_types: shown.map((sink) => ({
          type: sink.type,
          title: sink.title,
          supports: sink.supports,
          default_timeout_ms: sink.defaultTimeoutMs,
          config_schema: inOnePiece(sink)
        })),
        ...page
      }
    })
  )
)

const deadLetters = Effect.fn("Destinations.deadLetters")(function* (
  id: string,
  { cursor, limit = DEFAULT_LIMIT }: { readonly cursor?: string; readonly limit?: number }
) {
  yield* find("destination", id, true)
  const deliveries = yield* Deliveries
  const { connections } = yield* deliveries.summary(id)
  const from = /^(conn_[0-9a-f]{32}(?::rpl_[0-9a-f]{32})?)\.(\d{1,12})$/.exec(cursor ?? "")
  if (cursor !== undefined && from === null)
    return yield* badRequest("cursor must be the `cursor` of an earlier answer")
  const before = from === null ? null : { run: from[1]!, seq: Number(from[2]) }
  const { letters, next } = yield* deliveries.deadLetters(id, before, limit)
  const sources = new Map(connections.map((connection) => [connection.id, connection]))
  const placeOf = ({ connection, seq }: DeadLetter) => ({ route: sources.get(connection)!.route, seq })
  const eventIdOf = yield* eventIdsOf(letters.map(placeOf))
  const views = letters.map((letter) => ({
    event_id: eventIdOf(placeOf(letter)),
    connection_id: letter.connection,
    replay_id: letter.replay,
    source_id: sources.get(letter.connection)!.sourceId,
    attempts: letter.attempt,
    reason: letter.reason,
    error: letter.detail
  }))
  return {
    dead_letters: views,
    cursor: next === null ? null : `${next.run}.${next.seq}`,
    has_more: next !== null
  }
})

export const layer = HttpApiBuilder.group(Api, "destinations", (handlers) =>
  handlers
    .handleRaw("create", ({ headers, request }) =>
      readJson(request).pipe(
        Effect.flatMap((input) => create(headers, input)),
        Effect.flatMap(changedView),
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
        Effect.flatMap(changedView),
        Effect.catchTag("SecretError", (error) => Effect.die(error)),
        Effect.catchTags(ofChange)
      )
    )
    .handle("remove", ({ params, query }) => remove("destination", params.id, query).pipe(Effect.catchTags(ofRead)))
    .handle("pause", ({ params }) => setStatus(params.id, "paused").pipe(Effect.catchTags(ofChange)))
    .handle("resume", ({ params }) => setStatus(params.id, "active").pipe(Effect.catchTags(ofChange)))
    .handle("circuit", ({ params }) =>
      onDestination(params.id, (deliveries, id) => deliveries.summary(id)).pipe(
        Effect.map((summary) => ({ circuit: circuitView(summary) })),
        Effect.catchTags(ofRead)
      )
    )
    .handle("resetCircuit", ({ params }) =>
      onDestination(params.id, (deliveries, id) => deliveries.resetCircuit(id)).pipe(
        Effect.map((summary) => ({ circuit: circuitView(summary) })),
        Effect.catchTags(ofRead)
      )
    )
    .handle("test", ({ params, payload }) => test(params.id, payload.produce === true).pipe(Effect.catchTags(ofRead)))
    .handle("deadLetters", ({ params, query }) => deadLetters(params.id, query).pipe(Effect.catchTags(ofRead)))
    .handle("redrive", ({ params, payload }) =>
      onDestination(params.id, (deliveries, id) => deliveries.redrive(id, filterOf(payload))).pipe(
        Effect.map((redriven) => ({ redriven })),
        Effect.catchTags(ofRead)
      )
    )
    .handle("retry", ({ params, payload }) =>
      onDestination(params.id, (deliveries, id) => deliveries.retryWaiting(id, filterOf(payload))).pipe(
        Effect.map((retried) => ({ retried })),
        Effect.catchTags(ofRead)
      )
    )
)
