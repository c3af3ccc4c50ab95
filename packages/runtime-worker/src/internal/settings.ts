import type { Connection } from "@hookstream/core/Connection"
import * as Delivery from "@hookstream/core/Delivery"
import type { Destination } from "@hookstream/core/Destination"
import * as DestinationDriver from "@hookstream/core/DestinationDriver"
import * as EventPath from "@hookstream/core/EventPath"
import * as EventSecrets from "@hookstream/core/EventSecrets"
import * as Filter from "@hookstream/core/Filter"
import type * as Pump from "@hookstream/core/Pump"
import * as Redaction from "@hookstream/core/Redaction"
import type { DestinationConfig } from "@hookstream/core/Registry"
import { SecretVault } from "@hookstream/core/SecretVault"
import type { SinkDriver } from "@hookstream/core/Sink"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Env } from "../Env.ts"
import { runtimeOf } from "../Layers.ts"

/** Requests of one connection that a window has: reading and settling cost the same for few as for many. */
const WINDOW_REQUESTS = 4
/** A window is held in memory while it is sent. */
const WINDOW_EVENTS_MAX = 3000
const WINDOW_BYTES_MAX = 8 * 1024 * 1024

/** What `plan` and `settle` go by. */
export const policyOf = (destination: Destination): Delivery.Policy => ({
  ...{ ordering: destination.ordering, retry: destination.retry, breaker: destination.breaker },
  limits: { ...Delivery.unlimited, requests: destination.ratePerSecond },
  maxPending: destination.maxPending,
  window: { events: Delivery.WINDOW_EVENTS, bytes: Delivery.WINDOW_BYTES }
})

const smaller = (a: number | null, b: number | undefined): number | null =>
  a === null || b === undefined ? (b ?? a) : Math.min(a, b)

/** The same, with what the sink itself asks for. */
const policyWith = (destination: Destination, { batch, limits }: SinkDriver): Delivery.Policy => {
  const policy = policyOf(destination)
  const { maxInFlight } = destination
  return {
    ...policy,
    limits: {
      requests: smaller(policy.limits.requests, limits?.requestsPerSecond),
      records: limits?.recordsPerSecond ?? null,
      bytes: limits?.bytesPerSecond ?? null
    },
    // Several for every request that may be on its way, but bounded.
    window: {
      events: Math.min(
        Math.max(Delivery.WINDOW_EVENTS, batch.maxEvents * maxInFlight * WINDOW_REQUESTS),
        WINDOW_EVENTS_MAX
      ),
      bytes:
        batch.maxEvents === 1
          ? Delivery.WINDOW_BYTES
          : Math.min(Math.max(Delivery.WINDOW_BYTES, batch.maxBytes * maxInFlight * WINDOW_REQUESTS), WINDOW_BYTES_MAX)
    }
  }
}

const connectionSettings = ({ filterRules, orderingKey }: Connection): Pump.ConnectionSettings => ({
  filter: Filter.compile(filterRules),
  rules: filterRules.length,
  orderingKey: orderingKey === null ? undefined : EventPath.compile(orderingKey)
})

/** Opens what events hide for the runs whose filter, ordering key or sink reads it. */
const opener = ({ connections }: DestinationConfig, { reads = [] }: SinkDriver, vault: SecretVault["Service"]) => {
  const open = EventSecrets.open(vault)
  const isRead = (rules: Connection["filterRules"]) => rules.some(({ field }) => Redaction.readsMasked(field))
  const reading = new Set(
    connections.flatMap(({ connection: { id, filterRules, orderingKey } }) =>
      isRead(filterRules) || [...reads, orderingKey ?? ""].some(Redaction.readsMasked) ? [id] : []
    )
  )
  const pump: Pump.Settings["open"] = (run, events) =>
    reading.has(run.connection) || isRead(run.replay?.filterRules ?? []) ? open(events) : Effect.succeed(events)
  return pump
}

/** What the pump of this destination works by: its secrets opened, its driver made. */
export const makeSettings = (env: Env, config: DestinationConfig): Promise<Pump.Settings> =>
  runtimeOf(env).runPromise(
    Effect.all([DestinationDriver.make(config.destination), SecretVault]).pipe(
      // The driver lives as long as the object.
      Effect.provideService(Scope.Scope, Effect.runSync(Scope.make())),
      Effect.map(([driver, vault]) => ({
        open: opener(config, driver, vault),
        ...{ destinationId: config.destination.id, configVersion: config.version, driver },
        ...{ timeoutMs: config.destination.timeoutMs, maxInFlight: config.destination.maxInFlight },
        policy: policyWith(config.destination, driver),
        connections: new Map(
          config.connections.map(({ connection }) => [connection.id, connectionSettings(connection)])
        )
      }))
    )
  )
