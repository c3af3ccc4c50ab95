/** Bindings → Layers: core's services over Durable Objects, and one runtime for each env. */
import { Deployment } from "@hookstream/api/Deployment"
import * as FailureLimit from "@hookstream/api/FailureLimit"
import { Deliveries } from "@hookstream/core/delivery/Deliveries"
import type { ConflictError, NotFoundError } from "@hookstream/core/Errors"
import { unpack } from "@hookstream/core/event/PackedEvents"
import type { Route } from "@hookstream/core/Ids"
import { EventLog } from "@hookstream/core/log/EventLog"
import type { Packed } from "@hookstream/core/log/LogEngine"
import { fromReply, type Reply } from "@hookstream/core/Reply"
import * as IdKeys from "@hookstream/core/secret/IdKeys"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import * as SinkRegistry from "@hookstream/core/sink/SinkRegistry"
import { type ApiKey, type Change, type EntityOf, Registry } from "@hookstream/core/workspace/Registry"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { type DeploymentSettings, settingsOf } from "./DeploymentSettings.ts"
import type { Env } from "./Env.ts"
import { call } from "./internal/call.ts"
import { noticesOf } from "./internal/notices.ts"
import { layerLogger } from "./internal/print.ts"
import { sinks } from "./Sinks.ts"

const eventsOf = (route: Route, { sourceId, packed }: Packed) => unpack(packed, { sourceId, route })

const layerEventLog = (env: Env): Layer.Layer<EventLog> => {
  const log = (route: string) => env.SOURCE_LOG.getByName(route)
  return Layer.succeed(EventLog, {
    read: (route, after, limits) =>
      Effect.map(
        call<Packed & { readonly head: number }>("the event log", () => log(route).read(after, limits)),
        (page) => ({ events: eventsOf(route, page), head: page.head })
      ),
    get: (route, seqs, maxBytes) =>
      Effect.map(
        call<(Packed & { readonly through: number }) | undefined>("the event log", () =>
          log(route).get(seqs, maxBytes)
        ),
        (found) =>
          found === undefined ? { events: [], through: 0 } : { events: eventsOf(route, found), through: found.through }
      ),
    list: (route, before, limit) =>
      Effect.map(
        call<Packed>("the event log", () => log(route).list(before, limit)),
        (listed) => eventsOf(route, listed)
      ),
    ids: (route, seqs) => call("the event log", () => log(route).ids(seqs)),
    stats: (route) => call("the event log", () => log(route).stats()),
    range: (route, from, to) => call("the event log", () => log(route).range(from, to))
  })
}

const layerDeliveries = (env: Env): Layer.Layer<Deliveries> => {
  const destination = (id: string) => env.DESTINATION.getByName(id)
  return Layer.succeed(Deliveries, {
    timeline: (id, source, seq) => call("the destination", () => destination(id).timeline(source, seq)),
    deadLetters: (id, before, limit) => call("the destination", () => destination(id).deadLetters(before, limit)),
    redrive: (id, filter) => call("the destination", () => destination(id).redrive(filter)),
    retryWaiting: (id, filter) => call("the destination", () => destination(id).retryWaiting(filter)),
    waiting: (id, connections) => call("the destination", () => destination(id).waiting(connections)),
    retry: (id, source, seq) => call("the destination", () => destination(id).retry(source, seq)),
    attempts: (id, filter, before, limit) =>
      call("the destination", () => destination(id).attempts(filter, before, limit)),
    retryAttempt: (id, position) => call("the destination", () => destination(id).retryAttempt(position)),
    replay: (id, replay) => call("the destination", () => destination(id).replay(replay)),
    resetCircuit: (id) => call("the destination", () => destination(id).resetCircuit()),
    statuses: (id, source, seqs) => call("the destination", () => destination(id).statuses(source, seqs)),
    summary: (id) => call("the destination", () => destination(id).summary())
  })
}

const layerRegistry = (env: Env): Layer.Layer<Registry> => {
  const object = (workspace: string) => env.WORKSPACE.getByName(workspace)
  const ask = <A>(attempt: () => PromiseLike<unknown>) => call<A>("the workspace", attempt)
  const change = <A>(attempt: () => PromiseLike<unknown>) => Effect.flatMap(ask<Reply<A>>(attempt), fromReply)
  /** Of a method that never answers with this error. */
  const never = (error: NotFoundError | ConflictError) => Effect.die(error)
  return Layer.succeed(Registry, {
    createWorkspace: (workspace, key) =>
      change<void>(() => object(workspace).createWorkspace(workspace, key)).pipe(
        Effect.catchTag("NotFoundError", never)
      ),
    authenticate: (workspace, hash) => ask(() => object(workspace).authenticate(hash)),
    createKey: (workspace, key) =>
      change<ApiKey>(() => object(workspace).createKey(workspace, key)).pipe(Effect.catchTag("ConflictError", never)),
    listKeys: (workspace) => ask(() => object(workspace).listKeys()),
    removeKey: (workspace, id) => change(() => object(workspace).removeKey(id)),
    create: (entity, idempotency) => change(() => object(entity.workspace).create(entity, idempotency)),
    get: (workspace, kind, id, withDeleted) =>
      change<EntityOf<typeof kind>>(() => object(workspace).get(kind, id, withDeleted)).pipe(
        Effect.catchTag("ConflictError", never)
      ),
    list: (workspace, kind, page) => ask(() => object(workspace).list(kind, page)),
    update: (entity) => change(() => object(entity.workspace).update(entity)),
    remove: (workspace, kind, id) =>
      change<Change<EntityOf<typeof kind>>>(() => object(workspace).remove(kind, id)).pipe(
        Effect.catchTag("ConflictError", never)
      ),
    hasLog: (workspace, route) => ask(() => object(workspace).hasLog(workspace, route)),
    connectionsOf: (workspace, end) => ask(() => object(workspace).connectionsOf(end))
  })
}

const layerFailureLimit = ({ FAILURES: binding }: Env): Layer.Layer<FailureLimit.FailureLimit> =>
  Layer.sync(FailureLimit.FailureLimit, () => {
    const inMemory = FailureLimit.makeMemory(FailureLimit.PER_MINUTE)
    return {
      take: (key) =>
        binding === undefined
          ? inMemory(key)
          : Effect.tryPromise(() => binding.limit({ key })).pipe(
              Effect.map(({ success }) => success),
              Effect.catch(() => inMemory(key))
            )
    }
  })

/** No redirects, and no trace headers of ours on other people's servers. */
const layerHttpClient = Layer.mergeAll(
  FetchHttpClient.layer,
  Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" }),
  Layer.succeed(HttpClient.TracerPropagationEnabled, false),
  Layer.succeed(HttpClient.TracerDisabledWhen, () => true)
)

const layer = (env: Env, settings: DeploymentSettings) =>
  Layer.mergeAll(
    layerEventLog(env),
    layerDeliveries(env),
    layerRegistry(env),
    SecretVault.layer(settings.HOOKSTREAM_KEYS),
    SinkRegistry.layer(sinks),
    Layer.succeed(Deployment, {
      rootKey: settings.HOOKSTREAM_ROOT_KEY,
      idKeys: IdKeys.make(settings.HOOKSTREAM_ID_KEY),
      allowPrivateNetworks: settings.HOOKSTREAM_ALLOW_PRIVATE_NETWORKS,
      publicUrl: settings.HOOKSTREAM_PUBLIC_URL || undefined,
      trustedIpHeader: settings.HOOKSTREAM_TRUSTED_IP_HEADER || undefined,
      notices: noticesOf(env),
      version: env.VERSION?.id ?? null
    }),
    layerFailureLimit(env),
    layerHttpClient,
    layerLogger
  )

const makeRuntime = (env: Env) => ManagedRuntime.make(layer(env, settingsOf(env)))

const runtimes = new WeakMap<Env, ReturnType<typeof makeRuntime>>()

/**
 * The runtime of this env: built once, synchronously. Throws `SettingsError` while settings of the deployment are
 * missing or wrong; a request asks again, so nothing of the failure is remembered.
 */
export const runtimeOf = (env: Env): ReturnType<typeof makeRuntime> => {
  const known = runtimes.get(env)
  if (known !== undefined) return known
  const runtime = makeRuntime(env)
  runtimes.set(env, runtime)
  return runtime
}
