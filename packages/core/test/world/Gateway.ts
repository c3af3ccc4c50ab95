/**
 * The gateway in the world: logs and destinations over core's engines, their sinks, the edge, and a workspace that
 * tells them.
 */
import * as CircuitBreaker from "@hookstream/core/delivery/CircuitBreaker"
import * as DeliveryEngine from "@hookstream/core/delivery/DeliveryEngine"
import { UnavailableError } from "@hookstream/core/Errors"
import { newEvent } from "@hookstream/core/event/Event"
import * as EventPath from "@hookstream/core/event/EventPath"
import { unpack } from "@hookstream/core/event/PackedEvents"
import { type Route, routeOf } from "@hookstream/core/Ids"
import { EventLog } from "@hookstream/core/log/EventLog"
import type { Packed } from "@hookstream/core/log/LogContract"
import * as LogEngine from "@hookstream/core/log/LogEngine"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import {
  delivered,
  failed,
  make as makeSink,
  type OutboundEvent,
  type Outcome,
  SinkError
} from "@hookstream/core/sink/Sink"
import * as SinkRegistry from "@hookstream/core/sink/SinkRegistry"
import type { Connection } from "@hookstream/core/workspace/Connection"
import type { Destination, Ordering } from "@hookstream/core/workspace/Destination"
import type { DestinationConfig, LogConfig } from "@hookstream/core/workspace/Registry"
import type { ReplayJob } from "@hookstream/core/workspace/ReplayJob"
import { Clock, Effect, Layer, Logger, Random, Schema } from "effect"
import { HttpClient } from "effect/http"
import type { Oracle, Sent } from "./Oracle.ts"
import type { Life, World, WorldObject } from "./World.ts"

/**
 * What a sink does with requests. `lost`: it takes them, and its reply is lost. `hang`: it takes them, and never
 * replies.
 */
export const MODES = ["ok", "slow", "down", "lost", "hang", "poison", "unauthorized", "throttled"] as const
export type Mode = (typeof MODES)[number]

export const KEYS = 3
/** Every so many events the sink refuses one while it is in mode `poison`. */
const POISON = 7
const TIMEOUT = 2000
export const RATE = 2
const WORKSPACE = "00000001"
const hex = (n: number, digits: number) => n.toString(16).padStart(digits, "0")
export const sourceIdOf = (i: number) => `src_${WORKSPACE}${hex(i + 1, 9)}1${hex(i, 14)}`
export const destinationIdOf = (i: number) => `dst_${hex(i + 1, 32)}`

const decoder = new TextDecoder()
const sentOf = ({ event }: OutboundEvent): Sent => JSON.parse(decoder.decode(event.body))

/** A connection by the workspace's own record. */
export interface Wire {
  readonly connection: Connection
  deleted: boolean
  /** From when on everything that is accepted is delivered, until when; `undefined`: not yet. */
  from: number | undefined
  until: number | undefined
}

export interface DestinationOptions {
  readonly ordering: Ordering
  readonly batch: number
  readonly isLimited: boolean
}

export const makeGateway = (
  world: World,
  oracle: Oracle,
  options: { readonly sources: number; readonly destinations: ReadonlyArray<DestinationOptions> }
) => {
  const { time, call } = world
  const outside: Pick<Life, "isAlive" | "gate"> = { isAlive: () => true, gate: () => {} }
  const modes: Array<Mode> = options.destinations.map(() => "ok")

  // -------------------------------------------------------------------------------------------------------------------
  // Objects

  const logs: Array<WorldObject<LogEngine.LogEngine>> = Array.from({ length: options.sources }, (_, i) =>
    world.object(`log ${i}`, (life) =>
      LogEngine.make({
        ...life.ports,
        databaseSize: () => 0,
        maxBytes: () => 8e9,
        peers: {
          wake: (id, source, head) => call(life, destinationOf(id), (one) => one.wake(source, head)),
          lowWatermark: (id, source) => call(life, destinationOf(id), (one) => one.lowWatermark(source))
        }
      })
    )
  )
  const logOf = (route: Route) => logs[Number.parseInt(route, 16) - 1]!

  /** The logs as a destination reads them. */
  const eventLogOf = (life: Life): EventLog["Service"] => {
    const ask = <A>(route: Route, method: (engine: LogEngine.LogEngine) => A | Promise<A>) =>
      Effect.tryPromise({
        try: () => call(life, logOf(route), method),
        catch: (cause) => new UnavailableError({ message: "the log did not answer", cause })
      })
    const eventsOf = (route: Route, { packed, sourceId }: Packed) => unpack(packed, { sourceId, route })
    return {
      read: (route, after, limits) =>
        Effect.map(
          ask(route, (log) => log.read(after, limits)),
          (page) => ({ events: eventsOf(route, page), head: page.head })
        ),
      get: (route, seqs, maxBytes) =>
        Effect.map(
          ask(route, (log) => log.get(seqs, maxBytes)),
          (found) =>
            found === undefined
              ? { events: [], through: 0 }
              : { events: eventsOf(route, found), through: found.through }
        ),
      list: (route, before, limit) =>
        Effect.map(
          ask(route, (log) => log.list(before, limit)),
          (listed) => eventsOf(route, listed)
        ),
      ids: (route, seqs) => ask(route, (log) => log.ids(seqs)),
      stats: (route) => ask(route, (log) => log.stats()),
      range: (route, from, to) => ask(route, (log) => log.range(from, to))
    }
  }

  /** One request: it arrives, even when its sender is gone by then, and the sink answers by its mode. */
  const answer = async (
    i: number,
    life: Life,
    batch: ReadonlyArray<OutboundEvent>
  ): Promise<ReadonlyArray<Outcome>> => {
    const id = destinationIdOf(i)
    const mode = modes[i]!
    const fail = (reason: SinkError["reason"], retryAfter?: number): never => {
      throw new SinkError({ reason, detail: mode, ...(retryAfter === undefined ? {} : { retryAfter }) })
    }
    const take = (taken: ReadonlyArray<OutboundEvent>): (() => void) => {
      const answers = [...Map.groupBy(taken, ({ replayId }) => replayId)].map(([replay, all]) =>
        oracle.arrived(replay ?? id, all.map(sentOf), time.now())
      )
      return () => {
        for (const one of answers) one()
      }
    }
    life.gate()
    await time.sleep(mode === "slow" ? 40 : 2)
    oracle.request(id, time.now())
    if (mode === "down") return fail("Unavailable")
    if (mode === "unauthorized") return fail("Unauthorized")
    if (mode === "throttled") return fail("Throttled", 500)
    const isBad = (one: OutboundEvent) => mode === "poison" && sentOf(one).n % POISON === 0
    const answered = take(batch.filter((one) => !isBad(one)))
    if (mode === "lost") return fail("Unknown")
    if (mode === "hang") return await new Promise(() => {})
    for (const one of batch) if (isBad(one)) oracle.refused(one.replayId ?? id, sentOf(one))
    await time.sleep(1)
    if (life.isAlive()) answered()
    return batch.map((one) => (isBad(one) ? failed("Rejected", mode) : delivered({})))
  }

  const servicesOf = (i: number, life: Life) => {
    const { batch, isLimited } = options.destinations[i]!
    const sink = makeSink({
      type: "world",
      title: "World",
      supports: { batch: true, receipts: false },
      config: Schema.Struct({}),
      target: () => "https://world.example",
      driver: () =>
        Effect.succeed({
          batch: { maxEvents: batch, maxBytes: 1024 * 1024 },
          ...(isLimited ? { limits: { requestsPerSecond: RATE } } : {}),
          orderingKey: EventPath.compile("payload.key")!,
          check: Effect.succeed([]),
          send: (events) =>
            Effect.tryPromise({
              try: () => answer(i, life, events),
              catch: (cause) => cause as SinkError
            })
        })
    })
    return Layer.mergeAll(
      Layer.succeed(EventLog, eventLogOf(life)),
      SinkRegistry.layer([sink]),
      SecretVault.layer(`1:${Buffer.alloc(32, 1).toString("base64")}`),
      Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make(() => Effect.die("no sink of the world calls by HTTP"))
      ),
      // Faults are what this is about: nobody reads of each.
      Logger.layer([]),
      Layer.succeed(Clock.Clock, time.clock),
      Layer.succeed(Random.Random, seeded(i))
    )
  }
  const destinations: Array<WorldObject<DeliveryEngine.DeliveryEngine>> = options.destinations.map((_, i) =>
    world.object(`destination ${i}`, (life) => {
      const services = Effect.runSync(Effect.scoped(Layer.build(servicesOf(i, life))))
      return DeliveryEngine.make({
        ...life.ports,
        peers: {
          head: async (source) => (await call(life, logOf(routeOf(source)), (log) => log.stats())).count
        },
        execute: (effect) => Effect.runPromiseWith(services)(effect)
      })
    })
  )
  const destinationOf = (id: string) => destinations[Number.parseInt(id.slice(4), 16) - 1]!

  // -------------------------------------------------------------------------------------------------------------------
  // The workspace: the newest config of everyone, told until it is acknowledged

  let version = 0
  const wires: Array<Wire> = []
  const paused = options.destinations.map(() => false)
  const versions = new Map<string, number>()
  const touch = (id: string) => versions.set(id, ++version)

  const stamp = { workspace: WORKSPACE, createdAt: 1, updatedAt: 1 }
  const logConfig = (i: number): LogConfig => {
    const id = sourceIdOf(i)
    const own = wires.filter(({ connection, deleted }) => !deleted && connection.sourceId === id)
    return {
      version: versions.get(id) ?? 0,
      deleted: false,
      destinations: [...new Set(own.map(({ connection }) => connection.destinationId))],
      source: {
        ...stamp,
        kind: "source",
        id,
        version: versions.get(id) ?? 0,
        name: "s",
        slug: "s",
        description: null,
        status: "active",
        retentionDays: 30,
        redact: [],
        ingestUrls: [{ generation: 1, expiresAt: null }]
      }
    }
  }
  const destination = (i: number): Destination => ({
    ...stamp,
    kind: "destination",
    id: destinationIdOf(i),
    version: versions.get(destinationIdOf(i)) ?? 0,
    name: "d",
    slug: "d",
    type: "world",
    config: {},
    retry: { enabled: true, maxRetries: 5, backoff: "exponential", intervals: [30, 300, 1800], jitter: true },
    timeoutMs: TIMEOUT,
    maxInFlight: 3,
    maxPending: 400,
    ordering: options.destinations[i]!.ordering,
    breaker: CircuitBreaker.defaultSettings,
    ratePerSecond: null,
    status: paused[i] ? "paused" : "active"
  })
  const destinationConfig = (i: number): DestinationConfig => ({
    version: versions.get(destinationIdOf(i)) ?? 0,
    destination: destination(i),
    deleted: false,
    connections: wires
      .filter(({ connection }) => connection.destinationId === destinationIdOf(i))
      .map(({ connection, deleted }) => ({ connection, deleted, sourceDeleted: false }))
  })
  /** Tells until it is heard: with what is newest then. */
  const tell = async (what: () => Promise<void>): Promise<void> => {
    for (;;) {
      try {
        const late = time.sleep(5000).then(() => Promise.reject(new RangeError("no answer")))
        await Promise.race([what(), late])
        return
      } catch {
        await time.sleep(2000)
      }
    }
  }
  const tellLog = (i: number) => tell(() => call(outside, logs[i]!, (log) => log.configure(logConfig(i))))
  const tellDestination = (i: number) =>
    tell(() => call(outside, destinations[i]!, (one) => one.configure(destinationConfig(i))))

  // -------------------------------------------------------------------------------------------------------------------
  // The edge: as the ingest route does, with one token for all tries of a webhook

  let tokens = 0
  const encoder = new TextEncoder()
  const send = async (sent: Sent): Promise<void> => {
    const meta = { method: "POST", headers: [], query: "", contentType: "application/json", sourceIp: null }
    const event = newEvent(meta, encoder.encode(JSON.stringify(sent)))
    const token = String(tokens++)
    let asked = 0
    const startedAt = time.now()
    for (let attempt = 1; attempt <= 3; attempt++) {
      try {
        const reply = await call(outside, logs[sent.source]!, (log) =>
          log.append({
            sourceId: sourceIdOf(sent.source),
            event,
            token,
            repeated: asked++ > 0,
            generation: 1,
            redacted: []
          })
        )
        if (reply._tag === "Accepted") oracle.accepted(sent, startedAt)
        return
      } catch {
        await time.sleep(50 * attempt)
      }
    }
  }

  return {
    logs,
    destinations,
    wires,
    modes,
    paused,
    send,
    tellLog,
    tellDestination,
    touch,
    connect: async (source: number, target: number, id: string): Promise<void> => {
      const wire: Wire = {
        deleted: false,
        from: undefined,
        until: undefined,
        connection: {
          ...stamp,
          kind: "connection",
          id,
          version: version + 1,
          name: null,
          description: null,
          sourceId: sourceIdOf(source),
          destinationId: destinationIdOf(target),
          enabled: true,
          orderingKey: null,
          filterRules: []
        }
      }
      wires.push(wire)
      touch(sourceIdOf(source))
      touch(destinationIdOf(target))
      await tellLog(source)
      await tellDestination(target)
      wire.from = time.now()
    },
    replayJob: (id: string, target: number, parts: ReplayJob["parts"], cancelled: boolean): ReplayJob => ({
      ...stamp,
      kind: "replay",
      id,
      version: ++version,
      destinationId: destinationIdOf(target),
      sourceId: null,
      connectionId: null,
      from: 0,
      to: 0,
      filterRules: [],
      ratePerSecond: 100,
      maxEvents: null,
      parts,
      cancelled
    }),
    command: (target: number, job: ReplayJob) =>
      tell(() => call(outside, destinations[target]!, (one) => one.command([job])))
  }
}
export type Gateway = ReturnType<typeof makeGateway>

/** Numbers that are the same in each run. */
const seeded = (seed: number) => {
  let state = seed + 1
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  return {
    nextDoubleUnsafe: next,
    nextIntUnsafe: () => Math.floor(next() * Number.MAX_SAFE_INTEGER)
  }
}
