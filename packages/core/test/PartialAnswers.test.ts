/** Requests of which the sink has answered a part: what is known stands, whatever comes of the rest. */
import { describe, expect, it } from "@effect/vitest"
import * as Pump from "@hookstream/core/delivery/Pump"
import { newEvent } from "@hookstream/core/event/Event"
import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import * as EventLog from "@hookstream/core/log/EventLog"
import { delivered, failed, type SinkDriver, SinkError } from "@hookstream/core/sink/Sink"
import * as DeliveryMemory from "@hookstream/core/testing/DeliveryMemory"
import * as EventLogMemory from "@hookstream/core/testing/EventLogMemory"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { pumpSettings } from "./PumpSettings.ts"

const log = { sourceId: `src_${"0".repeat(32)}`, route: "0123abcde" }

/** A destination with `events` events waiting, which it sends in requests of ten. */
const given = (events: number, send: SinkDriver["send"]) => {
  const store = EventLogMemory.makeMemory(log)
  const journal = DeliveryMemory.makeMemory()
  journal.commit([{ _tag: "ConnectionStarted", connection: "conn_1", ...log, after: 0 }], 0)
  const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
  for (let i = 0; i < events; i++) store.append([{ event: newEvent(meta, new Uint8Array(1)), token: "", now: 0 }])
  journal.raiseHead(log.sourceId, store.head())
  const sent: Array<ReadonlyArray<string>> = []
  const settings = pumpSettings({
    driver: {
      batch: { maxEvents: 10, maxBytes: 1024 },
      send: (batch, tell) => {
        sent.push(batch.map(({ event, attempt }) => `${event.seq}#${attempt}`))
        return send(batch, tell)
      }
    }
  })
  const layer = Layer.mergeAll(DeliveryJournal.layer(journal), EventLog.layerStores(new Map([[log.route, store]])))
  const run = Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(layer)))
    yield* TestClock.adjust("6 seconds")
    return yield* Fiber.join(fiber)
  })
  /** What became of each event, as its latest entry says. */
  const outcomes = () =>
    Array.from({ length: events }, (_, i) => {
      const last = journal.timeline(log.sourceId, i + 1).at(-1)
      return last?.type === "failed" || last?.type === "dead"
        ? `${last.type} ${last.reason}`
        : (last?.type ?? "waiting")
    })
  return { run, journal, sent, outcomes }
}
const fail = (reason: SinkError["reason"]) => Effect.fail(new SinkError({ reason, detail: "as asked" }))

describe("a request of several events", () => {
  it.effect("that times out keeps what the sink has said: only the rest is unknown and sent again", () =>
    Effect.gen(function* () {
      let hangs = true
      const { run, outcomes, sent } = given(4, (batch, tell) => {
        if (!hangs) return Effect.succeed(batch.map(() => delivered({})))
        tell?.(0, delivered({ offset: "7" }))
        tell?.(1, failed("Rejected", "no"))
        return Effect.never
      })
      yield* run
      expect(outcomes()).toEqual(["delivered", "dead Rejected", "failed TimedOut", "failed TimedOut"])
      hangs = false
      yield* TestClock.adjust("30 seconds")
      yield* run
      expect(outcomes()).toEqual(["delivered", "dead Rejected", "delivered", "delivered"])
      expect(sent).toEqual([["1#1", "2#1", "3#1", "4#1"], ["3#2"], ["4#2"]])
    })
  )
  it.effect("that fails as a whole keeps what the sink has said, and divides the rest", () =>
    Effect.gen(function* () {
      const { run, outcomes, sent } = given(6, (batch, tell) => {
        if (batch.length < 3) return Effect.succeed(batch.map(() => delivered({})))
        if (batch.length < 6) return fail("Unavailable")
        tell?.(0, delivered({}))
        tell?.(4, delivered({}))
        return fail("TooLarge")
      })
      yield* run
      expect(outcomes()).toEqual(Array.from({ length: 6 }, () => "delivered"))
      expect(sent).toEqual([
        ["1#1", "2#1", "3#1", "4#1", "5#1", "6#1"],
        ["2#1", "3#1"],
        ["4#1", "6#1"]
      ])
    })
  )
  it.effect("whose driver dies keeps what the sink has said", () =>
    Effect.gen(function* () {
      const { run, outcomes, sent } = given(3, (batch, tell) => {
        if (batch.length === 1) return Effect.succeed([delivered({})])
        tell?.(0, delivered({}))
        return Effect.die("a defect")
      })
      yield* run
      expect(outcomes()).toEqual(["delivered", "delivered", "delivered"])
      expect(sent).toEqual([["1#1", "2#1", "3#1"], ["2#1"], ["3#1"]])
    })
  )
  it.effect.each(["Unauthorized", "Misconfigured"] as const)(
    "of which one is %s pauses the destination at once, and no event of it spends a try",
    (reason) =>
      Effect.gen(function* () {
        let refuses = true
        const { run, outcomes, sent, journal } = given(25, (batch) =>
          Effect.succeed(
            batch.map((_, i) => {
              if (!refuses) return delivered({})
              if (i === 1) return failed(reason, "refused")
              return i === 0 ? delivered({}) : failed(i % 2 === 0 ? "Unknown" : "TimedOut", "not read")
            })
          )
        )
        yield* run
        expect(sent).toHaveLength(1)
        expect(journal.control()).toMatchObject({ pause: { reason }, breaker: { state: "closed", failures: 0 } })
        expect(outcomes().slice(0, 5)).toEqual([
          "delivered",
          `failed ${reason}`,
          "failed Unknown",
          "failed TimedOut",
          "failed Unknown"
        ])
        expect(outcomes().slice(10)).toEqual(Array.from({ length: 15 }, () => "waiting"))
        // As often as it is asked and refused.
        for (let i = 0; i < 20; i++) {
          yield* TestClock.adjust("5 minutes")
          yield* run
        }
        expect(journal.summary()).toMatchObject({ dead: 0 })
        refuses = false
        yield* TestClock.adjust("5 minutes")
        yield* run
        expect(outcomes()).toEqual(Array.from({ length: 25 }, () => "delivered"))
        expect(sent.flat().filter((one) => !one.endsWith("#1"))).toEqual([])
      })
  )
})
