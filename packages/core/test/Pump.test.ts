import { describe, expect, it } from "@effect/vitest"
import * as Delivery from "@hookstream/core/Delivery"
import * as DeliveryJournal from "@hookstream/core/DeliveryJournal"
import * as EventLog from "@hookstream/core/EventLog"
import * as Pump from "@hookstream/core/Pump"
import { defaultPolicy } from "@hookstream/core/RetryPolicy"
import { delivered, type OutboundEvent, type Outcome, SinkError } from "@hookstream/core/Sink"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"

const log = { sourceId: `src_${"0".repeat(32)}`, route: "0123abcde" }

/** A destination with one connection, a log of `events` events, and a sink that answers as `answer` says. */
const given = (
  events: number,
  answer: (outbound: OutboundEvent) => Effect.Effect<Outcome, SinkError>,
  retry = defaultPolicy,
  size = 1
) => {
  const store = EventLog.makeMemory(log)
  const journal = DeliveryJournal.makeMemory()
  const sent: Array<string> = []
  let inFlight = 0
  let most = 0
  for (let i = 0; i < events; i++) {
    const event = {
      method: "POST",
      headers: [],
      query: "",
      contentType: null,
      sourceIp: null,
      body: new Uint8Array(size)
    }
    store.append({ event, token: String(i), now: 0 })
  }
  journal.commit([{ _tag: "ConnectionStarted", connection: "conn_1", ...log, after: 0 }], 0)
  journal.raiseHead(log.sourceId, events)
  const settings: Pump.Settings = {
    ...{ destinationId: "dst_1", configVersion: 0, retry, timeoutMs: 5000, maxInFlight: 4, maxPending: 1000 },
    driver: {
      send: (batch) =>
        Effect.suspend(() => {
          most = Math.max(most, ++inFlight)
          sent.push(`${batch[0]!.event.seq}#${batch[0]!.attempt}`)
          return Effect.map(answer(batch[0]!), (outcome) => [outcome])
        }).pipe(Effect.ensuring(Effect.sync(() => inFlight--)))
    }
  }
  const layer = Layer.mergeAll(DeliveryJournal.layer(journal), EventLog.layerStores(new Map([[log.route, store]])))
  return {
    run: Pump.run(Effect.succeed(settings)).pipe(Effect.provide(layer)),
    journal,
    sent,
    most: () => most,
    layer,
    settings
  }
}
const ok = () => Effect.succeed(delivered({}))
const down = () => Effect.fail(new SinkError({ reason: "Unavailable", detail: "down" }))

describe("the pump", () => {
  it.effect("delivers everything up to the head, each once, and then waits to be woken", () =>
    Effect.gen(function* () {
      const { run, journal, sent } = given(250, ok)
      expect(yield* run).toBeNull()
      expect(sent).toHaveLength(250)
      expect(new Set(sent).size).toBe(250)
      expect(journal.view(0).connections[0]!.cursor).toBe(250)
    })
  )
  it.effect("has no more requests in flight than it may", () =>
    Effect.gen(function* () {
      const { run, most } = given(20, () => Effect.as(Effect.sleep(10), delivered({})))
      const fiber = yield* Effect.forkChild(run)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      expect(most()).toBe(4)
    })
  )
  it.effect("tries again by the schedule and dead-letters after the last try", () =>
    Effect.gen(function* () {
      const retry = { ...defaultPolicy, jitter: false, maxRetries: 2, intervals: [10, 20] as const }
      const { run, journal, sent } = given(1, down, retry)
      expect(yield* run).toBe(10_000)
      yield* TestClock.adjust("10 seconds")
      expect(yield* run).toBe(30_000)
      yield* TestClock.adjust("20 seconds")
      expect(yield* run).toBeNull()
      expect(sent).toEqual(["1#1", "1#2", "1#3"])
      expect(journal.attempts(log.sourceId, 1).map(({ isDeadLetter }) => isDeadLetter)).toEqual([false, false, true])
    })
  )
  it.effect("a sink that dies harms only the event it died of", () =>
    Effect.gen(function* () {
      const { run, journal } = given(3, ({ event }) => (event.seq === 2 ? Effect.die("poison") : ok()))
      yield* run
      expect(journal.statuses(log.sourceId, [1, 2, 3]).map(({ status }) => status)).toEqual([
        "delivered",
        "dead",
        "delivered"
      ])
    })
  )
  it.effect("an answer that does not come in time is a failed try with an unknown end", () =>
    Effect.gen(function* () {
      const { run, journal } = given(1, () => Effect.never)
      const fiber = yield* Effect.forkChild(run)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fiber)
      expect(journal.attempts(log.sourceId, 1)[0]).toMatchObject({ reason: "TimedOut", latency: 5000 })
    })
  )
  it.effect("a window that a stopped process left open is told as unknown and sent again", () =>
    Effect.gen(function* () {
      const { run, journal, sent } = given(2, ok)
      const left = { connection: "conn_1", lo: 1, hi: 2, seqs: null }
      journal.commit([{ _tag: "WindowPlanned", ...left, configVersion: 0 }], 0)
      yield* run
      expect(sent).toEqual(["1#1", "2#1"])
      expect(journal.attempts(log.sourceId, 2).map(({ status }) => status)).toEqual(["unknown", "delivered"])
    })
  )
  it.effect("bad credentials pause the destination, spend no try, and are probed after five minutes", () =>
    Effect.gen(function* () {
      let good = false
      const { run, journal, sent } = given(250, () =>
        good ? ok() : Effect.fail(new SinkError({ reason: "Unauthorized", detail: "401" }))
      )
      expect(yield* run).toBe(Delivery.PROBE_INTERVAL)
      expect(journal.control().pause).toMatchObject({ reason: "Unauthorized", detail: "401" })
      expect(sent).toHaveLength(Delivery.WINDOW_EVENTS)
      yield* TestClock.adjust(Delivery.PROBE_INTERVAL)
      expect(yield* run).toBe(2 * Delivery.PROBE_INTERVAL)
      expect(sent).toHaveLength(Delivery.WINDOW_EVENTS + 1)
      good = true
      yield* TestClock.adjust(Delivery.PROBE_INTERVAL)
      expect(yield* run).toBeNull()
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 0 })
      expect(sent.every((one) => one.endsWith("#1"))).toBe(true)
    })
  )
  it.effect("starts no further window after its budget, and asks to be run again", () =>
    Effect.gen(function* () {
      const { run, sent } = given(250, () => Effect.as(Effect.sleep(2000), delivered({})))
      const fiber = yield* Effect.forkChild(run)
      yield* TestClock.adjust("60 seconds")
      expect(yield* Fiber.join(fiber)).toBe(50_000)
      expect(sent).toHaveLength(Delivery.WINDOW_EVENTS)
    })
  )
  it.effect("an event that its log no longer holds is a dead letter, with that reason", () =>
    Effect.gen(function* () {
      const { run, journal } = given(1, down, { ...defaultPolicy, jitter: false })
      yield* run
      const lost = { reason: "Unavailable", detail: "", spent: 1, due: 0, attempt: 1, latency: 0 } as const
      const settled = [{ _tag: "Retry", seq: 7, ...lost } as const]
      journal.commit([{ _tag: "WindowSettled", connection: "conn_1", lo: 7, hi: 7, retry: true, settled }], 0)
      yield* run
      expect(journal.attempts(log.sourceId, 7).at(-1)).toMatchObject({ reason: "Rejected", isDeadLetter: true })
    })
  )
  it.effect("large events that are due together are sent in several windows, none taken for gone", () =>
    Effect.gen(function* () {
      let up = false
      const big = Delivery.WINDOW_BYTES / 2 + 1
      const { run, journal, sent } = given(4, () => (up ? ok() : down()), { ...defaultPolicy, jitter: false }, big)
      yield* run
      up = true
      yield* TestClock.adjust("30 seconds")
      yield* run
      expect(sent).toHaveLength(8)
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 0 })
    })
  )
  it.effect("a log that cannot be read is asked again soon, and nothing is skipped", () =>
    Effect.gen(function* () {
      const { journal, settings } = given(3, ok)
      const noLogs = Layer.mergeAll(DeliveryJournal.layer(journal), EventLog.layerStores(new Map()))
      expect(yield* Pump.run(Effect.succeed(settings)).pipe(Effect.provide(noLogs))).toBe(1000)
      expect(journal.view(0).connections[0]!.cursor).toBe(0)
    })
  )
})
