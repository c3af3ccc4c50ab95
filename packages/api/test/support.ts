/** The API over stores in memory: real Requests in, real Responses out, no network and no workerd. */
import * as ApiHandler from "@hookstream/api/ApiHandler"
import { Deployment } from "@hookstream/api/Deployment"
import * as FailureLimit from "@hookstream/api/FailureLimit"
import * as Commands from "@hookstream/core/delivery/Commands"
import { Deliveries } from "@hookstream/core/delivery/Deliveries"
import type { Fact } from "@hookstream/core/delivery/Facts"
import * as Redrive from "@hookstream/core/delivery/Redrive"
import { ConflictError, NotFoundError, UnavailableError } from "@hookstream/core/Errors"
import { newEvent } from "@hookstream/core/event/Event"
import * as Ids from "@hookstream/core/Ids"
import type * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import * as EventLog from "@hookstream/core/log/EventLog"
import { JURISDICTIONS, type Jurisdiction } from "@hookstream/core/Placement"
import * as IdKeys from "@hookstream/core/secret/IdKeys"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import * as Sink from "@hookstream/core/sink/Sink"
import * as SinkRegistry from "@hookstream/core/sink/SinkRegistry"
import * as DeliveryMemory from "@hookstream/core/testing/DeliveryMemory"
import * as EventLogMemory from "@hookstream/core/testing/EventLogMemory"
import type { ApiKey } from "@hookstream/core/workspace/ApiKey"
import * as Registry from "@hookstream/core/workspace/Registry"
import type { ReplayJob } from "@hookstream/core/workspace/ReplayJob"
import type { Source } from "@hookstream/core/workspace/Source"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"
import { Clock, Context, Effect, Layer, Result, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { idOfVersion1 } from "../../core/test/fixtures.ts"
import { nodeSql } from "../../core/test/NodeSql.ts"

export const ROOT_KEY = "root-key-of-the-tests"
const RING = `1:${Buffer.alloc(32, 1).toString("base64")}`
export const SECRET = "secret-of-many-letters-9876"
export const START = Date.parse("2026-11-24T10:00:00Z")

/** A sink whose every secret is told from its place, and whose driver does what `config.answer` says. */
const MirrorSink = Sink.make({
  type: "mirror",
  title: "Mirror",
  supports: { batch: false, receipts: true },
  config: Schema.Struct({
    answer: Schema.Literals(["ok", "down"]),
    token: Sink.secret({ title: "Token", description: "A secret" }),
    keys: Schema.optionalKey(Schema.Array(Sink.secret({ title: "Key", description: "A secret in a list" })))
  }),
  target: () => "https://mirror.example",
  driver: ({ answer }) =>
    Effect.succeed({
      batch: { maxEvents: 1, maxBytes: 0 },
      send: (events) =>
        answer === "ok"
          ? Effect.succeed(events.map(() => Sink.delivered({ at: "here" })))
          : Effect.fail(new Sink.SinkError({ reason: "Unavailable", detail: "down for the test" })),
      check: Effect.succeed([{ name: "reach", result: "ok", detail: "reached", fix: null }] as const)
    })
})

/** The part of the gateway that does not answer. */
export type Part = "registry" | "log" | "deliveries"

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the API answers
  readonly body: any
  /** What came, for searches of secrets. */
  readonly text: string
}

export type Call = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>
) => Promise<Answer>

export interface Settings {
  readonly publicUrl?: string
  readonly jurisdictions?: ReadonlyArray<Jurisdiction>
  /** Sinks besides those of these tests. */
  readonly sinks?: ReadonlyArray<Sink.Sink>
  /** What sinks reach. Default: whatever this machine reaches. */
  readonly fetch?: typeof globalThis.fetch
}

export const startApi = (settings: Settings = {}) => {
  const workspaces = new Map<Ids.WorkspaceId, Registry.RegistryStore>()
  const logs = new Map<Ids.Route, EventLog.EventLogStore>()
  const journals = new Map<Ids.DestinationId, DeliveryJournal.DeliveryStore>()
  const down = new Set<Part>()
  let now = START
  /** Whom changes cannot be told. */
  let untold: ReadonlyArray<string> = []

  /** Every method of a service, which fails while its part is down. */
  const breakable = <S extends object>(part: Part, service: S): S =>
    Object.fromEntries(
      Object.entries(service).map(([name, method]) => [
        name,
        (...args: ReadonlyArray<unknown>) =>
          down.has(part)
            ? Effect.fail(new UnavailableError({ message: `the ${part} did not answer` }))
            : method(...args)
      ])
    ) as S

  const storeOf = (workspace: string) => workspaces.get(workspace)
  const settled = <A, E>(result: Result.Result<A, E>): Effect.Effect<A, E> =>
    Result.isSuccess(result) ? Effect.succeed(result.success) : Effect.fail(result.failure)

  /** As the workspace's object does: logs are claimed, destinations are told. */
  const tell = (store: Registry.RegistryStore): void => {
    for (const sent of store.outbox()) {
      if (sent.target.startsWith("src_")) {
        const route = Ids.routeOf(sent.target)
        if (!logs.has(route)) logs.set(route, EventLogMemory.makeMemory({ sourceId: sent.target, route }))
      } else if (sent.replay === null) configure(store.destinationConfig(sent.target))
      else {
        const journal = journalOf(sent.target)
        journal.commit(Commands.command(journal.runs(), [store.get("replay", sent.replay) as ReplayJob], now), now)
      }
      store.acknowledged(sent)
    }
  }
  const configure = (config: Registry.DestinationConfig): void => {
    const { id } = config.destination
    const journal = journals.get(id) ?? DeliveryMemory.makeMemory()
    journals.set(id, journal)
    const heads = new Map(
      config.connections.map(({ connection: { sourceId } }) => {
        const head = logs.get(Ids.routeOf(sourceId))?.head() ?? 0
        return [sourceId, { head }]
      })
    )
    const wanted = { ...Commands.wantedOf(config), change: "none" as const }
    journal.commit(Commands.configure(journal.control(), journal.runs(), wanted, heads, now), now)
  }
  const journalOf = (id: string) => journals.get(id)!
  const changed = <A, E>(workspace: string, change: (store: Registry.RegistryStore) => Result.Result<A, E>) =>
    Effect.suspend(() => {
      const store = storeOf(workspace)!
      const result = change(store)
      tell(store)
      return settled(result)
    })

  const registry: Registry.Registry["Service"] = {
    createWorkspace: (workspace, key) =>
      Effect.suspend(() => {
        if (workspaces.has(workspace)) return Effect.fail(new ConflictError({ reason: "route", message: "taken" }))
        const store = Registry.makeStore(nodeSql())
        workspaces.set(workspace, store)
        store.addKey(key)
        return Effect.void
      }),
    authenticate: (workspace, hash) => Effect.sync(() => storeOf(workspace)?.keyByHash(hash)),
    createKey: (workspace, key) =>
      Effect.suspend(() => {
        const store = storeOf(workspace)
        if (store === undefined)
          return Effect.fail(new NotFoundError({ message: `there is no workspace ${workspace}` }))
        store.addKey(key)
        return Effect.succeed(key)
      }),
    hasLog: (workspace, route) => Effect.sync(() => storeOf(workspace)?.hasLog(workspace, route) === true),
    listKeys: (workspace) => Effect.sync(() => storeOf(workspace)!.keys()),
    removeKey: (workspace, id) => Effect.asVoid(changed(workspace, (store) => store.removeKey(id))),
    create: <K extends Registry.Kind>(entity: Registry.NewEntityOf<K>, idempotency?: Registry.Idempotency) =>
      Effect.map(
        changed(entity.workspace, (store) => store.create(entity, idempotency)),
        (made) => ({ value: made as Registry.EntityOf<K>, untold })
      ),
    get: <K extends Registry.Kind>(workspace: string, kind: K, id: string, withDeleted = false) =>
      Effect.suspend(() => {
        const found = storeOf(workspace)!.get(kind, id, withDeleted)
        return found === undefined
          ? Effect.fail(new NotFoundError({ message: `there is no ${kind} ${id}` }))
          : Effect.succeed(found as Registry.EntityOf<K>)
      }),
    list: <K extends Registry.Kind>(workspace: string, kind: K, page: Registry.PageRequest) =>
      Effect.sync(() => storeOf(workspace)!.list(kind, page) as Registry.Page<Registry.EntityOf<K>>),
    update: <K extends Registry.Kind>(entity: Registry.EntityOf<K>) =>
      Effect.map(
        changed(entity.workspace, (store) => store.update(entity)),
        (made) => ({ value: made as Registry.EntityOf<K>, untold })
      ),
    remove: (workspace, kind, id) =>
      Effect.map(
        changed(workspace, (store) => store.remove(kind, id, now)),
        (value) => ({ value, untold })
      ),
    connectionsOf: (workspace, source) => Effect.sync(() => storeOf(workspace)!.connectionsOf(source))
  }

  const deliveries: Deliveries["Service"] = {
    timeline: (id, source, seq) => Effect.sync(() => journalOf(id).timeline(source, seq)),
    statuses: (id, source, seqs) => Effect.sync(() => journalOf(id).statuses(source, seqs)),
    summary: (id) => Effect.sync(() => journalOf(id).summary()),
    deadLetters: (id, before, limit) => Effect.sync(() => journalOf(id).deadLetters(before, limit)),
    redrive: (id, filter) => Effect.sync(() => Redrive.redrive(journalOf(id), filter, now)),
    retryWaiting: (id, filter) => Effect.sync(() => Redrive.retryWaiting(journalOf(id), filter, now)),
    waiting: (id, connections) => Effect.sync(() => Commands.waiting(journalOf(id).view(now).runs, connections)),
    retry: (id, source, seq) => Effect.sync(() => Redrive.retryEvent(journalOf(id), source, seq, now)),
    attempts: (id, filter, before, limit) => Effect.sync(() => journalOf(id).attempts(filter, before, limit)),
    retryAttempt: (id, position) =>
      Effect.sync(() => {
        const run = journalOf(id).runOfAttempt(position)
        return run === undefined ? "unknown" : Redrive.retryDelivery(journalOf(id), run, position.seq, now)
      }),
    replay: (id, replay) => Effect.sync(() => journalOf(id).replay(replay) ?? null),
    resetCircuit: (id) =>
      Effect.sync(() => {
        journalOf(id).commit(Commands.resetCircuit(journalOf(id).control(), now), now)
        return journalOf(id).summary()
      })
  }

  const idKeys = IdKeys.make(RING)
  const clock = Context.get(Context.empty(), Clock.Clock)
  const services = Effect.runSync(
    Effect.scoped(
      Layer.build(
        Layer.mergeAll(
          Layer.succeed(Registry.Registry, breakable("registry", registry)),
          Layer.succeed(Deliveries, breakable("deliveries", deliveries)),
          SecretVault.layer(RING),
          SinkRegistry.layer([KafkaSink, MirrorSink, ...(settings.sinks ?? [])]),
          Layer.succeed(Deployment, {
            rootKey: ROOT_KEY,
            idKeys,
            publicUrl: settings.publicUrl,
            allowPrivateNetworks: false,
            trustedIpHeader: undefined,
            notices: [],
            jurisdictions: settings.jurisdictions ?? JURISDICTIONS,
            version: null
          }),
          Layer.succeed(FailureLimit.FailureLimit, { take: () => Effect.succeed(true) }),
          FetchHttpClient.layer,
          Layer.succeed(FetchHttpClient.Fetch, settings.fetch ?? globalThis.fetch),
          Layer.succeed(Clock.Clock, {
            currentTimeMillisUnsafe: () => now,
            currentTimeMillis: Effect.sync(() => now),
            currentTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
            currentTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
            monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
            monotonicTimeNanos: clock.monotonicTimeNanos,
            sleep: (duration) => clock.sleep(duration)
          }),
          Layer.effect(
            EventLog.EventLog,
            Effect.map(EventLog.EventLog, (log) =>
              breakable("log", {
                ...log,
                // As an object that nobody has claimed answers.
                get: (route, seqs, maxBytes) =>
                  logs.has(route)
                    ? log.get(route, seqs, maxBytes)
                    : Effect.succeed({ events: [], bytes: 0, through: 0 })
              } satisfies EventLog.EventLog["Service"])
            )
          ).pipe(Layer.provide(EventLog.layerStores(logs)))
        )
      )
    )
  )
  const handle = ApiHandler.make(services)

  const send = async (request: Request): Promise<Answer> => {
    const response = await handle(request)
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      body: text === "" ? undefined : JSON.parse(text),
      text
    }
  }
  /** A caller with these headers. A body of bytes or text goes as it is. */
  const caller =
    (own: Readonly<Record<string, string>>, origin = "http://127.0.0.1:8787"): Call =>
    (method, path, body, extra = {}) => {
      const headers = { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...own, ...extra }
      const isRaw = typeof body === "string" || body instanceof Uint8Array
      const init = body === undefined ? {} : { body: isRaw ? (body as BodyInit) : JSON.stringify(body) }
      return send(new Request(`${origin}${path}`, { method, headers, ...init }))
    }
  const root = caller({ "X-Root-Key": ROOT_KEY })

  /** A workspace with a key of each kind. */
  const workspace = async () => {
    const { body } = await root("POST", "/v1/workspaces", {})
    const id: string = body.workspace.id
    const call = caller({ "X-API-Key": body.api_key.key })
    const withScopes = async (...scopes: ReadonlyArray<string>) => {
      const made = await call("POST", "/v1/auth/api-keys", { name: scopes.join(), scopes })
      return caller({ "X-API-Key": made.body.api_key.key })
    }
    return { id, call, firstKey: body.api_key, read: await withScopes("read"), write: await withScopes("write") }
  }

  return {
    /** The API itself. */
    handle,
    send,
    caller,
    root,
    workspace,
    idKeys,
    /** Whether a part answers. */
    setDown: (part: Part, isDown: boolean) => void (isDown ? down.add(part) : down.delete(part)),
    setUntold: (targets: ReadonlyArray<string>) => {
      untold = targets
    },
    now: () => now,
    /** Lets milliseconds go by. */
    pass: (millis: number) => {
      now += millis
    },
    /** A source as version 1 made it: its id is its URL. */
    oldSource: (workspace: string, route: string): Source => {
      const source: Source = {
        kind: "source",
        id: idOfVersion1(workspace, route),
        workspace,
        version: 0,
        name: "Old",
        slug: `old-${route}`,
        description: null,
        status: "active",
        retentionDays: 7,
        redact: [],
        verification: null,
        ingestVersion: 0,
        ingestUrls: [{ generation: 0, expiresAt: null }],
        createdAt: now,
        updatedAt: now
      }
      const made = Result.getOrThrow(storeOf(workspace)!.create(source)) as Source
      tell(storeOf(workspace)!)
      return made
    },
    /** A key as it was stored before a scope was refused. */
    storedKey: async (workspace: string, scopes: ApiKey["scopes"]): Promise<Call> => {
      const text = await idKeys.apiKey(workspace)
      const hash = Buffer.from(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toString("hex")
      const id = Ids.random("key")
      storeOf(workspace)!.addKey({ id, name: "stored", scopes, hint: text.slice(-4), createdAt: now, hash })
      return caller({ "X-API-Key": text })
    },
    /** An event in a source's log; answers with its id. */
    append: (sourceId: string, body: string, headers: ReadonlyArray<readonly [string, string]> = []): string => {
      const meta = { method: "POST", headers, query: "", contentType: "application/json", sourceIp: null }
      const event = newEvent(meta, new TextEncoder().encode(body))
      const log = logs.get(Ids.routeOf(sourceId))!
      return log.append([{ event, token: crypto.randomUUID(), now }])[0]!.id
    },
    /** Drops all that a source's log holds. */
    drop: (sourceId: string) => {
      const log = logs.get(Ids.routeOf(sourceId))!
      log.drop(now + 1, log.head())
    },
    commit: (destination: string, ...facts: ReadonlyArray<Fact>) => journalOf(destination).commit(facts, now)
  }
}
export type Api = ReturnType<typeof startApi>

/** A sink's config for the API, its secrets all {@link SECRET} or with it in front. */
export const mirrorConfig = { answer: "ok", token: SECRET, keys: [`${SECRET}-1`, `${SECRET}-2`] }

/** A try of the event at `seq` that failed for good. */
export const deadAt = (connection: string, seq: number, at: number): Fact => ({
  _tag: "WindowSettled",
  run: connection,
  lo: seq,
  hi: seq,
  seqs: null,
  at,
  settled: [
    { _tag: "Dead", seq, attempt: 1, latency: 5, reason: "Rejected", detail: "refused for the test", key: null }
  ],
  seen: [],
  rates: null,
  rest: null
})

/** A source, a destination and what connects them. */
export const connect = async (call: Call) => {
  const { source } = (await call("POST", "/v1/sources", { name: "Source" })).body
  const { destination } = (
    await call("POST", "/v1/destinations", { name: "Mirror", type: "mirror", config: mirrorConfig })
  ).body
  const { connection } = (
    await call("POST", "/v1/connections", { source_id: source.id, destination_id: destination.id })
  ).body
  return { source, destination, connection }
}

export const paths = ({ body }: Answer): ReadonlyArray<string> =>
  (body.issues ?? []).map(({ path }: { readonly path: string }) => path).sort()
