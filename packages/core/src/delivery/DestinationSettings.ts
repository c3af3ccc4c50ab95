/** What a destination is delivered by: its own settings, its connections, and what its sink asks for. Pure. */
import * as Effect from "effect/Effect"
import type { UnavailableError } from "../Errors.ts"
import type { Event } from "../event/Event.ts"
import * as EventPath from "../event/EventPath.ts"
import * as EventSecrets from "../event/EventSecrets.ts"
import * as Filter from "../event/Filter.ts"
import * as Redaction from "../event/Redaction.ts"
import type { SecretVault } from "../secret/SecretVault.ts"
import type { SinkDriver } from "../sink/Sink.ts"
import type { Connection } from "../workspace/Connection.ts"
import type { Destination } from "../workspace/Destination.ts"
import type { DestinationConfig } from "../workspace/Registry.ts"
import * as Policy from "./Policy.ts"
import type * as State from "./State.ts"

/** What a connection does with an event before it is sent, compiled once for each version of the config. */
export interface ConnectionSettings {
  readonly filter: Filter.Filter
  /** How many rules the filter has. */
  readonly rules: number
  /**
   * What the ordering key is read from; without it the sink's own key, without that all events of the connection share
   * one.
   */
  readonly orderingKey: EventPath.Read | undefined
}

/** What the pump needs to know of its destination, read anew before each window. */
export interface Settings {
  readonly destinationId: string
  readonly configVersion: number
  readonly driver: SinkDriver
  readonly policy: Policy.Policy
  readonly timeoutMs: number
  /** Requests at once. */
  readonly maxInFlight: number
  readonly connections: ReadonlyMap<string, ConnectionSettings>
  /** The events as the run must see them: with what they hide where anything reads it (see `EventSecrets.ts`). */
  readonly open: (run: State.Run, events: ReadonlyArray<Event>) => Effect.Effect<ReadonlyArray<Event>, UnavailableError>
}

/** Requests of one connection that a window has: reading and settling cost the same for few as for many. */
const WINDOW_REQUESTS = 4
/** A window is held in memory while it is sent. */
const WINDOW_EVENTS_MAX = 3000
const WINDOW_BYTES_MAX = 8 * 1024 * 1024

type Configured = Pick<Destination, "ordering" | "retry" | "breaker" | "ratePerSecond" | "maxPending" | "maxInFlight">

/** The policy by the destination's own settings, before those of its sink. */
export const policyOf = ({ ordering, retry, breaker, ratePerSecond, maxPending }: Configured): Policy.Policy => ({
  ordering,
  retry,
  breaker,
  limits: { ...Policy.unlimited, requests: ratePerSecond },
  maxPending,
  window: { events: Policy.WINDOW_EVENTS, bytes: Policy.WINDOW_BYTES }
})

const smaller = (a: number | null, b: number | undefined): number | null =>
  a === null || b === undefined ? (b ?? a) : Math.min(a, b)

/**
 * The policy with what the sink asks for: the smaller of two rates counts, and a window holds several requests for each
 * that may be in flight, but is bounded (3000 events, 8 MiB).
 */
const policyFor = (settings: Configured, { batch, limits }: Pick<SinkDriver, "batch" | "limits">): Policy.Policy => {
  const policy = policyOf(settings)
  const requests = settings.maxInFlight * WINDOW_REQUESTS
  const between = (least: number, wanted: number, most: number) => Math.min(Math.max(least, wanted), most)
  return {
    ...policy,
    limits: {
      requests: smaller(policy.limits.requests, limits?.requestsPerSecond),
      records: limits?.recordsPerSecond ?? null,
      bytes: limits?.bytesPerSecond ?? null
    },
    window: {
      events: between(Policy.WINDOW_EVENTS, batch.maxEvents * requests, WINDOW_EVENTS_MAX),
      bytes:
        batch.maxEvents === 1
          ? Policy.WINDOW_BYTES
          : between(Policy.WINDOW_BYTES, batch.maxBytes * requests, WINDOW_BYTES_MAX)
    }
  }
}

const connectionSettings = ({ filterRules, orderingKey }: Connection): ConnectionSettings => ({
  filter: Filter.compile(filterRules),
  rules: filterRules.length,
  orderingKey: orderingKey === null ? undefined : EventPath.compile(orderingKey)
})

/** Opens what events hide for the runs whose filter, ordering key or sink reads it. */
const opener = (
  { connections }: DestinationConfig,
  { reads = [] }: SinkDriver,
  vault: SecretVault["Service"]
): Settings["open"] => {
  const open = EventSecrets.open(vault)
  const isRead = (rules: Connection["filterRules"]) =>
    Filter.comparisonsOf(rules).some(({ field }) => Redaction.readsMasked(field))
  const reading = new Set(
    connections.flatMap(({ connection: { id, filterRules, orderingKey } }) =>
      isRead(filterRules) || [...reads, orderingKey ?? ""].some(Redaction.readsMasked) ? [id] : []
    )
  )
  return (run, events) =>
    reading.has(run.connection) || isRead(run.replay?.filterRules ?? []) ? open(events) : Effect.succeed(events)
}

/** What the pump of a destination works by, with the driver of its sink. */
export const settingsOf = (config: DestinationConfig, driver: SinkDriver, vault: SecretVault["Service"]): Settings => {
  const { version, destination, connections } = config
  return {
    destinationId: destination.id,
    configVersion: version,
    driver,
    policy: policyFor(destination, driver),
    timeoutMs: destination.timeoutMs,
    maxInFlight: destination.maxInFlight,
    connections: new Map(connections.map(({ connection }) => [connection.id, connectionSettings(connection)])),
    open: opener(config, driver, vault)
  }
}
