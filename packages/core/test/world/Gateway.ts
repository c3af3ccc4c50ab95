/** The gateway in the world: a workspace, logs and destinations, each an engine of core, and the edge. */
import type { Asked } from "@hookstream/core/Contract"
import * as DeliveryEngine from "@hookstream/core/delivery/DeliveryEngine"
import * as DirectoryEngine from "@hookstream/core/directory/DirectoryEngine"
import { UnavailableError } from "@hookstream/core/Errors"
import { newEvent } from "@hookstream/core/event/Event"
import { type Route, routeOf } from "@hookstream/core/Ids"
import * as EventLog from "@hookstream/core/log/EventLog"
import type { LogContract } from "@hookstream/core/log/LogContract"
import * as LogEngine from "@hookstream/core/log/LogEngine"
import * as WorkspaceEngine from "@hookstream/core/workspace/WorkspaceEngine"
import { Clock, Effect, Layer, Logger } from "effect"
import type { Oracle, Sent } from "./Oracle.ts"
import { type SinkOptions, servicesOf, type WorldSink } from "./Sinks.ts"
import { type Life, outside, type World, type WorldObject } from "./World.ts"

export const WORKSPACE = "00000001"
const hex = (n: number, digits: number) => n.toString(16).padStart(digits, "0")
export const sourceIdOf = (n: number) => `src_${WORKSPACE}${hex(n, 9)}1${hex(n, 14)}`
export const idOf = (prefix: "dst" | "conn" | "rpl" | "key", n: number) => `${prefix}_${hex(n, 32)}`
export const destinationIdOf = (n: number) => idOf("dst", n)
/** Which destination it was, from 1. */
export const numberOf = (destination: string) => Number.parseInt(destination.slice(4), 16)

/** Tries of the edge to append a webhook, and milliseconds between them. */
const TRIES = 3
const PAUSE_MS = 50

const remembered = <K, V>(make: (key: K) => V): ((key: K) => V) => {
  const known = new Map<K, V>()
  return (key) => {
    const value = known.get(key) ?? make(key)
    known.set(key, value)
    return value
  }
}

/** `sinkOf`: what the sink of a new destination can do. */
export const makeGateway = (world: World, oracle: Oracle, sinkOf: (destination: string) => SinkOptions) => {
  const { time, call } = world

  const logOf = remembered(
    (route: Route): WorldObject<LogEngine.LogEngine> =>
      world.object(`log ${route}`, (life) =>
        LogEngine.make({
          ...life.ports,
          databaseSize: () => 0,
          maxBytes: () => 8e9,
          peers: {
            wake: (id, source, head, epoch) =>
              call(life, destinationOf(id), (one) => one.wakeUnder(source, head, epoch)),
            needs: (id, source) => call(life, destinationOf(id), (one) => one.needs(source))
          }
        })
      )
  )

  /** The logs as a destination reads them. */
  const eventLogOf = (life: Life): EventLog.EventLog["Service"] =>
    EventLog.ofLogs((route, method) =>
      Effect.tryPromise({
        // An engine answers some of its methods at once.
        try: () => call(life, logOf(route), (engine) => method(engine as object as Asked<LogContract>)),
        catch: (cause) => new UnavailableError({ message: "the log did not answer", cause })
      })
    )

  const sinkAt = remembered(
    (destination: string): WorldSink => ({ mode: "ok", destination, options: sinkOf(destination) })
  )
  const destinationOf = remembered(
    (id: string): WorldObject<DeliveryEngine.DeliveryEngine> =>
      world.object(
        id,
        (life) => {
          const services = servicesOf(world, oracle, sinkAt(id), life, eventLogOf(life))
          return DeliveryEngine.make({
            ...life.ports,
            peers: {
              told: async (source) => {
                const { count, epochs } = await call(life, logOf(routeOf(source)), (log) => log.stats())
                return { head: count, epochs }
              },
              agree: (source, readers) => call(life, logOf(routeOf(source)), (log) => log.agree(readers))
            },
            execute: (effect) => Effect.runPromiseWith(services)(effect)
          })
        },
        () => oracle.ended(id, time.now())
      )
  )

  const services = Layer.mergeAll(Layer.succeed(Clock.Clock, time.clock), Logger.layer([]))
  const workspace: WorldObject<WorkspaceEngine.WorkspaceEngine> = world.object("workspace", (life) =>
    WorkspaceEngine.make({
      ...life.ports,
      execute: (effect) => Effect.runPromise(Effect.provide(effect, services)),
      peers: {
        list: (id) => call(life, directory, (one) => one.add(id)),
        nudgeLog: (source) => call(life, logOf(routeOf(source)), (log) => log.nudge()),
        nudgeDestination: (id) => call(life, destinationOf(id), (one) => one.nudge()),
        claimLog: (source) => call(life, logOf(routeOf(source)), (log) => log.claim(source)),
        configureLog: (source, config) => call(life, logOf(routeOf(source)), (log) => log.configure(config)),
        configureDestination: (id, config) => call(life, destinationOf(id), (one) => one.configure(config)),
        commandDestination: (id, jobs) => call(life, destinationOf(id), (one) => one.command(jobs))
      }
    })
  )

  const directory: WorldObject<DirectoryEngine.DirectoryEngine> = world.object("directory", (life) =>
    DirectoryEngine.make({
      ...life.ports,
      peers: { sweep: () => call(life, workspace, (one) => one.sweep()) }
    })
  )

  // -------------------------------------------------------------------------------------------------------------------
  // The edge: as the ingest route does, with one token for all tries of a webhook

  let tokens = 0
  const encoder = new TextEncoder()
  const send = async (sent: Sent): Promise<void> => {
    const meta = { method: "POST", headers: [], query: "", contentType: "application/json", sourceIp: null }
    const event = newEvent(meta, encoder.encode(JSON.stringify(sent)))
    const sourceId = sourceIdOf(sent.source)
    const token = String(tokens++)
    let asked = 0
    const began = time.now()
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      try {
        const reply = await call(outside, logOf(routeOf(sourceId)), (log) =>
          log.append({
            sourceId,
            event,
            token,
            repeated: asked++ > 0,
            generation: 1,
            redacted: [],
            checked: 0
          })
        )
        if (reply._tag === "Accepted") oracle.accepted(sent, began, time.now())
        return
      } catch {
        await time.sleep(PAUSE_MS * attempt)
      }
    }
  }

  return { workspace, directory, logOf, destinationOf, sinkAt, send }
}
export type Gateway = ReturnType<typeof makeGateway>
