/** Bindings → Layers: core's services over Durable Objects, and one runtime for each gateway and env. */
import { Deployment } from "@hookstream/api/Deployment"
import * as FailureLimit from "@hookstream/api/FailureLimit"
import type { Asked } from "@hookstream/core/Contract"
import { Deliveries } from "@hookstream/core/delivery/Deliveries"
import type { DeliveryContract } from "@hookstream/core/delivery/DeliveryContract"
import { type ConflictError, type NotFoundError, UnavailableError } from "@hookstream/core/Errors"
import type { DestinationId, WorkspaceId } from "@hookstream/core/Ids"
import * as EventLog from "@hookstream/core/log/EventLog"
import { ANYWHERE, placementOf } from "@hookstream/core/Placement"
import { fromReply, type Reply } from "@hookstream/core/Reply"
import * as IdKeys from "@hookstream/core/secret/IdKeys"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import type { Sink } from "@hookstream/core/sink/Sink"
import * as SinkClient from "@hookstream/core/sink/SinkClient"
import * as SinkRegistry from "@hookstream/core/sink/SinkRegistry"
import {
  type Entity,
  type EntityOf,
  isOfKind,
  type Kind,
  Registry,
  upcastEntity
} from "@hookstream/core/workspace/Registry"
import type { Changed, WorkspaceContract } from "@hookstream/core/workspace/WorkspaceContract"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { type DeploymentSettings, settingsOf } from "./DeploymentSettings.ts"
import type { Env } from "./Env.ts"
import { call } from "./internal/call.ts"
import { noticesOf } from "./internal/notices.ts"
import { layerLogger } from "./internal/print.ts"
import { destinationOf, jurisdictionsOf, logOf, workspaceOf } from "./Peers.ts"

const layerEventLog = (env: Env): Layer.Layer<EventLog.EventLog> =>
  Layer.succeed(
    EventLog.EventLog,
    EventLog.ofLogs((route, method) => call("the event log", () => method(logOf(env, route))))
  )

const layerDeliveries = (env: Env): Layer.Layer<Deliveries> => {
  const ask = <A>(id: DestinationId, method: (destination: Asked<DeliveryContract>) => Promise<A>) =>
    call("the destination", () => method(destinationOf(env, id)))
  return Layer.succeed(Deliveries, {
    timeline: (id, source, seq) => ask(id, (destination) => destination.timeline(source, seq)),
    deadLetters: (id, before, limit) => ask(id, (destination) => destination.deadLetters(before, limit)),
    redrive: (id, filter) => ask(id, (destination) => destination.redrive(filter)),
    retryWaiting: (id, filter) => ask(id, (destination) => destination.retryWaiting(filter)),
    waiting: (id, connections) => ask(id, (destination) => destination.waiting(connections)),
    retry: (id, source, seq) => ask(id, (destination) => destination.retry(source, seq)),
    attempts: (id, filter, before, limit) => ask(id, (destination) => destination.attempts(filter, before, limit)),
    retryAttempt: (id, position) => ask(id, (destination) => destination.retryAttempt(position)),
    replay: (id, replay) => ask(id, (destination) => destination.replay(replay)),
    resetCircuit: (id) => ask(id, (destination) => destination.resetCircuit()),
    statuses: (id, source, seqs) => ask(id, (destination) => destination.statuses(source, seqs)),
    summary: (id) => ask(id, (destination) => destination.summary())
  })
}

/** A workspace answers with the kind that it was asked for. */
const ofKind =
  <K extends Kind>(kind: K) =>
  (told: Entity): Effect.Effect<EntityOf<K>, UnavailableError> => {
    // An older workspace may tell it.
    const entity = upcastEntity(told)
    return isOfKind(kind, entity)
      ? Effect.succeed(entity)
      : Effect.fail(new UnavailableError({ message: "the workspace did not answer: try again" }))
  }

const layerRegistry = (env: Env): Layer.Layer<Registry> => {
  const ask = <A>(id: WorkspaceId, method: (workspace: Asked<WorkspaceContract>) => Promise<A>) =>
    call("the workspace", () => method(workspaceOf(env, id)))
  const reply = <A>(id: WorkspaceId, method: (workspace: Asked<WorkspaceContract>) => Promise<Reply<A>>) =>
    Effect.flatMap(ask(id, method), fromReply)
  const change = <K extends Kind>(
    kind: K,
    id: WorkspaceId,
    method: (workspace: Asked<WorkspaceContract>) => Promise<Changed>
  ) =>
    Effect.flatMap(reply(id, method), ({ value, untold }) =>
      Effect.map(ofKind(kind)(value), (entity) => ({ value: entity, untold }))
    )
  /** Of a method that never answers with this error. */
  const never = (error: NotFoundError | ConflictError) => Effect.die(error)
  return Layer.succeed(Registry, {
    createWorkspace: (id, key) =>
      reply(id, (workspace) =>
        placementOf(id) === ANYWHERE ? workspace.createWorkspace(id, key) : workspace.createPlacedWorkspace(id, key)
      ).pipe(Effect.asVoid, Effect.catchTag("NotFoundError", never)),
    authenticate: (id, hash) => ask(id, (workspace) => workspace.authenticate(hash)),
    createKey: (id, key) =>
      reply(id, (workspace) => workspace.createKey(id, key)).pipe(Effect.catchTag("ConflictError", never)),
    listKeys: (id) => ask(id, (workspace) => workspace.listKeys()),
    removeKey: (id, key) => Effect.asVoid(reply(id, (workspace) => workspace.removeKey(key))),
    create: (entity, idempotency) =>
      change(entity.kind, entity.workspace, (workspace) => workspace.create(entity, idempotency)),
    get: (id, kind, entity, withDeleted = false) =>
      reply(id, (workspace) => workspace.get(kind, entity, withDeleted)).pipe(
        Effect.catchTag("ConflictError", never),
        Effect.flatMap(ofKind(kind))
      ),
    list: (id, kind, page) =>
      Effect.flatMap(
        ask(id, (workspace) => workspace.list(kind, page)),
        ({ items, next }) => Effect.map(Effect.forEach(items, ofKind(kind)), (all) => ({ items: all, next }))
      ),
    update: (entity) => change(entity.kind, entity.workspace, (workspace) => workspace.update(entity)),
    remove: (id, kind, entity) =>
      change(kind, id, (workspace) => workspace.remove(kind, entity)).pipe(Effect.catchTag("ConflictError", never)),
    hasLog: (id, route) => ask(id, (workspace) => workspace.hasLog(id, route)),
    connectionsOf: (id, end) => ask(id, (workspace) => workspace.connectionsOf(end))
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

const layer = (env: Env, settings: DeploymentSettings, sinks: ReadonlyArray<Sink>) =>
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
      jurisdictions: jurisdictionsOf(env),
      version: env.VERSION?.id ?? null
    }),
    layerFailureLimit(env),
    SinkClient.layer,
    layerLogger
  )

const makeRuntime = (env: Env, sinks: ReadonlyArray<Sink>) => ManagedRuntime.make(layer(env, settingsOf(env), sinks))

/**
 * The runtime of an env: built once, synchronously. Throws `SettingsError` while settings of the deployment are missing
 * or wrong; a request asks again, so nothing of the failure is remembered.
 */
export type RuntimeOf = (env: Env) => ReturnType<typeof makeRuntime>

/** The runtimes of a gateway with these sinks. */
export const runtimesOf = (sinks: ReadonlyArray<Sink>): RuntimeOf => {
  const runtimes = new WeakMap<Env, ReturnType<typeof makeRuntime>>()
  return (env) => {
    const known = runtimes.get(env)
    if (known !== undefined) return known
    const runtime = makeRuntime(env, sinks)
    runtimes.set(env, runtime)
    return runtime
  }
}
