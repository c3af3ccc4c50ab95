/** What the destinations of the world send to: sinks that misbehave, and tell the oracle what reaches them. */
import type { PumpServices } from "@hookstream/core/delivery/DeliveryEngine"
import * as EventPath from "@hookstream/core/event/EventPath"
import { EventLog } from "@hookstream/core/log/EventLog"
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
import { Clock, Effect, Layer, Logger, Random, Schema } from "effect"
import { HttpClient } from "effect/http"
import { laneOf, type Oracle, type Sent } from "./Oracle.ts"
import type { Life, World } from "./World.ts"

/**
 * What a sink does with requests. `lost`: it takes them, and its reply is lost. `hang`: it takes them, and never
 * replies.
 */
export const MODES = ["ok", "slow", "down", "lost", "hang", "poison", "unauthorized", "throttled"] as const
export type Mode = (typeof MODES)[number]

/** Every so many events the sink refuses one while it is in mode `poison`. */
const POISON = 7
/** Requests per second that a sink with limits asks for. */
export const RATE = 2

export interface SinkOptions {
  readonly batch: number
  readonly isLimited: boolean
}

/** The sink of one destination. */
export interface WorldSink {
  mode: Mode
  readonly destination: string
  readonly options: SinkOptions
}

/** The config that the user gives it: its number grows with each change. */
export const Config = Schema.Struct({ generation: Schema.Int })

const decoder = new TextDecoder()
const sentOf = ({ event }: OutboundEvent): Sent => JSON.parse(decoder.decode(event.body))
const laneOfEvent = ({ connectionId, replayId }: OutboundEvent) => laneOf(connectionId, replayId)
const isBad = (one: OutboundEvent) => sentOf(one).n % POISON === 0

/** One request: it arrives, even when its sender is gone by then, and the sink answers by its mode. */
const answer = async (
  { time }: World,
  oracle: Oracle,
  { destination, mode }: WorldSink,
  life: Life,
  generation: number,
  batch: ReadonlyArray<OutboundEvent>
): Promise<ReadonlyArray<Outcome>> => {
  const fail = (reason: SinkError["reason"], retryAfter?: number): never => {
    throw new SinkError({ reason, detail: mode, ...(retryAfter === undefined ? {} : { retryAfter }) })
  }
  if (!life.isRunning()) return await new Promise(() => {})
  life.gate()
  const lanes = Map.groupBy(batch, laneOfEvent)
  oracle.request({
    destination,
    lanes: [...lanes.keys()],
    at: time.now(),
    generation,
    replacedAt: life.replacedAt()
  })
  await time.sleep(mode === "slow" ? 40 : 2)
  if (mode === "down") return fail("Unavailable")
  if (mode === "unauthorized") return fail("Unauthorized")
  if (mode === "throttled") return fail("Throttled", 500)
  const refused = (one: OutboundEvent) => mode === "poison" && isBad(one)
  const answered = [...lanes].map(([lane, all]) =>
    oracle.arrived(lane, all.filter((one) => !refused(one)).map(sentOf), time.now())
  )
  if (mode === "lost") return fail("Unknown")
  if (mode === "hang") return await new Promise(() => {})
  for (const one of batch) if (refused(one)) oracle.refused(laneOfEvent(one), sentOf(one))
  await time.sleep(1)
  if (life.isRunning() && life.replacedAt() === undefined) for (const one of answered) one()
  return batch.map((one) => (refused(one) ? failed("Rejected", mode) : delivered({})))
}

/** What the pump of a destination works with. */
export const servicesOf = (world: World, oracle: Oracle, one: WorldSink, life: Life, log: EventLog["Service"]) => {
  const { batch, isLimited } = one.options
  const sink = makeSink({
    type: "world",
    title: "World",
    supports: { batch: true, receipts: false },
    config: Config,
    target: () => "https://world.example",
    driver: ({ generation }) =>
      Effect.succeed({
        batch: { maxEvents: batch, maxBytes: 1024 * 1024 },
        ...(isLimited ? { limits: { requestsPerSecond: RATE } } : {}),
        orderingKey: EventPath.compile("payload.key")!,
        check: Effect.succeed([]),
        send: (all) =>
          Effect.tryPromise({
            try: () => answer(world, oracle, one, life, generation, all),
            catch: (cause) => cause as SinkError
          })
      })
  })
  const layer: Layer.Layer<PumpServices> = Layer.mergeAll(
    Layer.succeed(EventLog, log),
    SinkRegistry.layer([sink]),
    SecretVault.layer(`1:${Buffer.alloc(32, 1).toString("base64")}`),
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make(() => Effect.die("no sink of the world calls by HTTP"))
    ),
    // Faults are what this is about: nobody reads of each.
    Logger.layer([]),
    Layer.succeed(Clock.Clock, world.time.clock),
    Layer.succeed(Random.Random, seeded())
  )
  return Effect.runSync(Effect.scoped(Layer.build(layer)))
}

/** Numbers that are the same in each run. */
const seeded = () => {
  let state = 1
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  return {
    nextDoubleUnsafe: next,
    nextIntUnsafe: () => Math.floor(next() * Number.MAX_SAFE_INTEGER)
  }
}
