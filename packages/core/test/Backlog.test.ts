import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "@effect/vitest"
import * as Pump from "@hookstream/core/delivery/Pump"
import { defaultPolicy } from "@hookstream/core/delivery/RetryPolicy"
import { newEvent } from "@hookstream/core/event/Event"
import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import * as EventLog from "@hookstream/core/log/EventLog"
import { delivered, SinkError } from "@hookstream/core/sink/Sink"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { nodeSql } from "./NodeSql.ts"
import { pumpSettings } from "./PumpSettings.ts"

const EVENTS = 100_000
const MIB = 1024 * 1024
const log = { sourceId: `src_${"0".repeat(32)}`, route: "0123abcde" }

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")
/**
 * Bytes that are still reachable: collected until nothing more falls away, so that it does not matter when the engine
 * collects.
 */
const reachable = async (): Promise<number> => {
  let least = Number.POSITIVE_INFINITY
  for (let still = 0; still < 3; still++) {
    // Weak references hold until the end of the present job.
    await setImmediate()
    collect()
    const { heapUsed } = process.memoryUsage()
    if (heapUsed < least - 32 * 1024) still = 0
    least = Math.min(least, heapUsed)
  }
  return least
}
/** An object for each event would take more. */
const BYTES_PER_EVENT = 32

describe("a backlog of 100,000 events behind a sink that is down for two days", () => {
  it.effect(
    "stays in the log, drains in order, loses nothing, and takes no memory",
    () =>
      Effect.gen(function* () {
        const events = EventLog.makeStore(nodeSql(), log)
        const journal = DeliveryJournal.makeStore(nodeSql())
        journal.commit([{ _tag: "ConnectionStarted", connection: "conn_1", ...log, after: 0 }], 0)
        const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
        const event = newEvent(meta, new Uint8Array(100))
        for (let i = 0; i < EVENTS; i++) events.append([{ event, token: "", now: 0 }])
        journal.raiseHead(log.sourceId, EVENTS)

        let up = false
        let last = 0
        let outOfOrder = 0
        let arrived = 0
        const settings = pumpSettings({
          driver: {
            batch: { maxEvents: 100, maxBytes: MIB },
            send: (batch) => {
              if (!up) return Effect.fail(new SinkError({ reason: "Unavailable", detail: "down" }))
              arrived += batch.length
              for (const { event } of batch) {
                if (event.seq < last) outOfOrder++
                last = event.seq
              }
              return Effect.succeed(batch.map(() => delivered({ offset: "1" })))
            }
          },
          policy: {
            retry: defaultPolicy,
            maxPending: 10_000,
            window: { events: 100, bytes: MIB }
          }
        })
        const layer = Layer.mergeAll(
          DeliveryJournal.layer(journal),
          EventLog.layerStores(new Map([[log.route, events]]))
        )
        const run = Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(layer))
        const heaps: Array<number> = []
        const measure = Effect.map(Effect.promise(reachable), (bytes) => void heaps.push(bytes))

        for (let minute = 0; minute < 2 * 24 * 60; minute++) {
          if (minute % 1000 === 500) yield* measure
          yield* run
          yield* TestClock.adjust("1 minute")
        }
        expect(journal.summary()).toMatchObject({ dead: 0, control: { breaker: { state: "open" } } })
        expect(journal.summary().pending).toBeLessThanOrEqual(10_000)
        up = true
        for (let i = 0; i < 100 && arrived < EVENTS; i++) {
          const fiber = yield* Effect.forkChild(run)
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(fiber)
          yield* measure
        }
        expect({ arrived, outOfOrder }).toMatchObject({ arrived: EVENTS })
        // The probe that closes the circuit may be a later one of the first five.
        expect(outOfOrder).toBeLessThanOrEqual(1)
        expect(journal.summary()).toMatchObject({ dead: 0, pending: 0, connections: [{ delivered: EVENTS }] })
        const [first, ...later] = heaps
        expect(later.length).toBeGreaterThan(2)
        console.log(`reachable, MiB: ${heaps.map((bytes) => (bytes / MIB).toFixed(2)).join(" ")}`)
        expect(Math.max(...later) - first!).toBeLessThan(EVENTS * BYTES_PER_EVENT)
      }),
    120_000
  )
})
