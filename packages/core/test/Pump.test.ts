import { describe, expect, it } from "@effect/vitest"
import { defaultSettings } from "@hookstream/core/delivery/CircuitBreaker"
import type { ConnectionSettings, Settings } from "@hookstream/core/delivery/DestinationSettings"
import type * as Facts from "@hookstream/core/delivery/Facts"
import * as Policy from "@hookstream/core/delivery/Policy"
import * as Pump from "@hookstream/core/delivery/Pump"
import { defaultPolicy } from "@hookstream/core/delivery/RetryPolicy"
import * as Settle from "@hookstream/core/delivery/Settle"
import { PayloadTooLarge } from "@hookstream/core/Errors"
import { newEvent } from "@hookstream/core/event/Event"
import type * as EventPath from "@hookstream/core/event/EventPath"
import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import * as EventLog from "@hookstream/core/log/EventLog"
import { delivered, type OutboundEvent, type Outcome, SinkError } from "@hookstream/core/sink/Sink"
import * as DeliveryMemory from "@hookstream/core/testing/DeliveryMemory"
import * as EventLogMemory from "@hookstream/core/testing/EventLogMemory"
import { Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { pumpSettings } from "./PumpSettings.ts"

const log = { sourceId: `src_${"0".repeat(32)}`, route: "0123abcde" }

/** A destination with one connection, a log of `events` events, and a sink that answers as `answer` says. */
const given = (
  events: number,
  answer: (outbound: OutboundEvent) => Effect.Effect<Outcome, SinkError>,
  retry = defaultPolicy,
  size = 1,
  policy: Partial<Policy.Policy> = {},
  connection: ConnectionSettings = { filter: () => undefined, rules: 0, orderingKey: undefined },
  maxEvents = 1
) => {
  const store = EventLogMemory.makeMemory(log)
  const journal = DeliveryMemory.makeMemory()
  const sent: Array<string> = []
  const requests: Array<ReadonlyArray<number>> = []
  let inFlight = 0
  let most = 0
  const append = (now = 0) => {
    const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
    const event = newEvent(meta, new Uint8Array(size))
    store.append([{ event, token: "", now }])
    journal.raiseHead(log.sourceId, store.head())
  }
  journal.commit([{ _tag: "ConnectionStarted", connection: "conn_1", ...log, after: 0 }], 0)
  for (let i = 0; i < events; i++) append()
  const settings = pumpSettings({
    maxInFlight: 4,
    policy: { retry, ...policy },
    connections: new Map([["conn_1", connection]]),
    driver: {
      batch: { maxEvents, maxBytes: 1024 },
      send: (batch) =>
        Effect.suspend(() => {
          most = Math.max(most, ++inFlight)
          requests.push(batch.map(({ event }) => event.seq))
          sent.push(...batch.map(({ event, attempt }) => `${event.seq}#${attempt}`))
          return Effect.forEach(batch, answer)
        }).pipe(Effect.ensuring(Effect.sync(() => inFlight--)))
    }
  })
  const layer = Layer.mergeAll(DeliveryJournal.layer(journal), EventLog.layerStores(new Map([[log.route, store]])))
  return {
    run: Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(layer)),
    runAs: (turn: Pump.Turn) => Pump.pass(Effect.succeed(settings), () => {}, turn).pipe(Effect.provide(layer)),
    runWith: (other: Settings) => Pump.pass(Effect.succeed(other)).pipe(Effect.provide(layer)),
    journal,
    sent,
    requests,
    store,
    most: () => most,
    append,
    layer,
    settings
  }
}
/** What is given to the logger. */
const logger = () => {
  const lines: Array<unknown> = []
  return { lines, layer: Logger.layer([Logger.make(({ message }) => lines.push(message))]) }
}
const noJitter = { ...defaultPolicy, jitter: false }
const noBreaker = { ...defaultSettings, enabled: false }
const seqOf = (sent: string) => Number(sent.split("#")[0])
const ok = () => Effect.succeed(delivered({}))
const down = () => Effect.fail(new SinkError({ reason: "Unavailable", detail: "down" }))

describe("an event that comes alone", () => {
  const tags = (journal: DeliveryJournal.DeliveryStore) => journal.facts().map(({ _tag }) => _tag)
  it.effect("is one fact", () =>
    Effect.gen(function* () {
      const { run, append, journal, sent } = given(1, ok)
      yield* run
      append()
      yield* run
      expect(sent).toEqual(["1#1", "2#1"])
      expect(tags(journal)).toEqual(["ConnectionStarted", "WindowSettled", "WindowSettled"])
    })
  )
  it.effect("is planned when others go with it, where there is a limit, and while the destination is paused", () =>
    Effect.gen(function* () {
      const two = given(2, ok)
      yield* two.run
      expect(tags(two.journal)).toContain("WindowPlanned")
      const limits = { requests: 10, records: null, bytes: null }
      const limited = given(1, ok, noJitter, 1, { limits })
      yield* limited.run
      expect(tags(limited.journal)).toContain("WindowPlanned")
      const paused = given(1, ok)
      paused.journal.commit([{ _tag: "Paused", reason: "Unauthorized", detail: "401", probeAt: 0 }], 0)
      yield* paused.run
      expect(tags(paused.journal)).toContain("WindowPlanned")
    })
  )
  it.effect("may have been sent by a process that ended: it is told as unknown and sent again, and once only", () =>
    Effect.gen(function* () {
      const { runAs, append, journal, sent } = given(3, ok)
      const turn = Pump.newTurn(true)
      yield* runAs(turn)
      append()
      yield* runAs(turn)
      expect(sent.toSorted()).toEqual(["1#1", "2#1", "3#1", "4#1"])
      const types = [1, 2, 4].map((seq) => journal.timeline(log.sourceId, seq).map(({ type }) => type))
      expect(types).toEqual([["unknown", "delivered"], ["delivered"], ["delivered"]])
    })
  )
  it.effect("may have been sent also where its log did not say until later that it is there", () =>
    Effect.gen(function* () {
      const { runAs, append, journal } = given(0, ok)
      const turn = Pump.newTurn(true)
      yield* runAs(turn)
      append()
      yield* runAs(turn)
      expect(journal.timeline(log.sourceId, 1).map(({ type }) => type)).toEqual(["unknown", "delivered"])
    })
  )
  it.effect("was not sent by a process that had ended before it came", () =>
    Effect.gen(function* () {
      const { runAs, append, journal, sent } = given(0, ok)
      const turn = Pump.newTurn(true)
      yield* runAs(turn)
      append(11_000)
      append(12_000)
      yield* runAs(turn)
      expect(sent).toEqual(["1#1", "2#1"])
      expect(journal.timeline(log.sourceId, 1).map(({ type }) => type)).toEqual(["delivered"])
    })
  )
  it.effect("is told as unknown where its destination was paused since, but stays in the log until it goes on", () =>
    Effect.gen(function* () {
      const { runAs, journal, sent } = given(1, ok)
      const turn = Pump.newTurn(true)
      journal.commit([{ _tag: "Paused", reason: "user", detail: "", probeAt: null }], 0)
      yield* runAs(turn)
      expect({ sent, cursor: journal.runs()[0]!.cursor }).toEqual({ sent: [], cursor: 0 })
      journal.commit([{ _tag: "Resumed" }], 0)
      yield* runAs(turn)
      expect(journal.timeline(log.sourceId, 1).map(({ type }) => type)).toEqual(["unknown", "delivered"])
    })
  )
  it.effect("that ends the process time and again goes alone, and is a dead letter in the end", () =>
    Effect.gen(function* () {
      const { settings, layer, journal } = given(1, () => Effect.interrupt)
      for (let i = 0; i < 40 && journal.summary().dead === 0; i++) {
        const pass = Pump.pass(Effect.succeed(settings), () => {}, Pump.newTurn(true))
        yield* Effect.exit(Effect.provide(pass, layer))
        yield* TestClock.adjust("1 day")
      }
      expect(journal.statuses(log.sourceId, [1])).toMatchObject([{ status: "dead" }])
    })
  )
  it.effect("whose outcome could not be written down is told as unknown by the next pass", () =>
    Effect.gen(function* () {
      const { settings, store, journal, sent } = given(1, ok)
      let isFull = true
      const failing = {
        ...journal,
        commit: (facts: ReadonlyArray<Facts.Fact>, now: number) => {
          if (isFull) throw new RangeError("disk is full")
          journal.commit(facts, now)
        }
      }
      const layer = Layer.mergeAll(DeliveryJournal.layer(failing), EventLog.layerStores(new Map([[log.route, store]])))
      const turn = Pump.newTurn()
      const pass = Pump.pass(Effect.succeed(settings), () => {}, turn).pipe(Effect.provide(layer))
      expect((yield* Effect.exit(pass))._tag).toBe("Failure")
      isFull = false
      yield* pass
      expect(sent).toEqual(["1#1", "1#1"])
      expect(journal.timeline(log.sourceId, 1).map(({ type }) => type)).toEqual(["unknown", "delivered"])
    })
  )
  it.effect("is not sent by an instance that has no storage any more", () =>
    Effect.gen(function* () {
      const { settings, store, journal, sent } = given(1, ok)
      let reads = 0
      const replaced = {
        ...journal,
        pendingAmong: () => {
          reads++
          throw new RangeError("this instance was replaced")
        }
      }
      const layer = Layer.mergeAll(DeliveryJournal.layer(replaced), EventLog.layerStores(new Map([[log.route, store]])))
      yield* Effect.exit(Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(layer)))
      expect({ reads, sent }).toEqual({ reads: 1, sent: [] })
    })
  )
})

describe("the pump", () => {
  it.effect("delivers everything up to the head, each once, and then waits to be woken", () =>
    Effect.gen(function* () {
      const { run, journal, sent } = given(250, ok)
      expect(yield* run).toBeNull()
      expect(sent).toHaveLength(250)
      expect(new Set(sent).size).toBe(250)
      expect(journal.view(0).runs[0]!.cursor).toBe(250)
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
      expect(journal.timeline(log.sourceId, 1).map(({ type }) => type)).toEqual(["failed", "failed", "dead"])
    })
  )
  it.effect("a sink that dies harms only the event it died of", () =>
    Effect.gen(function* () {
      const { run, journal } = given(3, ({ event }) => (event.seq === 2 ? Effect.die("poison") : ok()))
      const { lines, layer } = logger()
      yield* run.pipe(Effect.provide(layer))
      const error = { name: "string", message: "poison", retryable: false, overloaded: false }
      expect(lines).toEqual([["a sink driver died", { destination: "dst_1", error }]])
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
      expect(journal.timeline(log.sourceId, 1)[0]).toMatchObject({ reason: "TimedOut", latency: 5000 })
    })
  )
  it.effect("a window that a stopped process left open is told as unknown and sent again", () =>
    Effect.gen(function* () {
      const { run, journal, sent } = given(2, ok)
      const left = { run: "conn_1", lo: 1, hi: 2, seqs: null }
      journal.commit([{ _tag: "WindowPlanned", ...left, configVersion: 0, rates: null }], 0)
      yield* run
      expect(sent).toEqual(["1#1", "2#1"])
      expect(journal.timeline(log.sourceId, 2).map(({ type }) => type)).toEqual(["unknown", "delivered"])
    })
  )
  it.effect("bad credentials pause the destination, spend no try, and are probed after five minutes", () =>
    Effect.gen(function* () {
      let good = false
      const { run, journal, sent } = given(250, () =>
        good ? ok() : Effect.fail(new SinkError({ reason: "Unauthorized", detail: "401" }))
      )
      expect(yield* run).toBe(Settle.PROBE_INTERVAL)
      expect(journal.control().pause).toMatchObject({ reason: "Unauthorized", detail: "401" })
      expect(sent.length).toBeLessThanOrEqual(4)
      const before = sent.length
      yield* TestClock.adjust(Settle.PROBE_INTERVAL)
      expect(yield* run).toBe(2 * Settle.PROBE_INTERVAL)
      expect(sent).toHaveLength(before + 1)
      good = true
      yield* TestClock.adjust(Settle.PROBE_INTERVAL)
      expect(yield* run).toBeNull()
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 0 })
      expect(sent.every((one) => one.endsWith("#1"))).toBe(true)
    })
  )
  it.effect("starts no further send after its budget, and asks to be run again", () =>
    Effect.gen(function* () {
      const { runWith, settings, journal, sent } = given(250, () => Effect.as(Effect.sleep(2000), delivered({})))
      const fiber = yield* Effect.forkChild(runWith({ ...settings, maxInFlight: 1 }))
      yield* TestClock.adjust("60 seconds")
      expect(yield* Fiber.join(fiber)).toBe(30_000)
      expect(sent).toHaveLength(15)
      // What was not sent is in the log, not in doubt.
      expect(journal.control().windows).toEqual([])
      expect(journal.summary()).toMatchObject({ pending: 0, connections: [{ cursor: 15 }] })
    })
  )
  it.effect("an event that its log no longer holds is a dead letter, with that reason", () =>
    Effect.gen(function* () {
      const { run, journal } = given(1, down, { ...defaultPolicy, jitter: false })
      yield* run
      const lost = {
        reason: "Unavailable",
        detail: "",
        spent: 1,
        due: 0,
        attempt: 1,
        latency: 0,
        key: null,
        restarts: 0,
        since: 0
      } as const
      const settled = [{ _tag: "Retry", seq: 7, ...lost } as const]
      journal.commit(
        [
          {
            _tag: "WindowSettled",
            run: "conn_1",
            lo: 7,
            hi: 7,
            seqs: [7],
            at: 0,
            settled,
            seen: [],
            rates: null,
            rest: null
          }
        ],
        0
      )
      yield* run
      const detail = "the event is no longer stored: its retention has passed"
      expect(journal.timeline(log.sourceId, 7).at(-1)).toMatchObject({ reason: "Rejected", type: "dead", detail })
    })
  )
  it.effect("large events that are due together are sent in several windows, none taken for gone", () =>
    Effect.gen(function* () {
      let up = false
      const big = Policy.WINDOW_BYTES / 2 + 1
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
      const { lines, layer } = logger()
      const noLogs = Layer.mergeAll(DeliveryJournal.layer(journal), EventLog.layerStores(new Map()), layer)
      expect(yield* Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(noLogs))).toBe(1000)
      expect(journal.view(0).runs[0]!.cursor).toBe(0)
      const message = "there is no log 0123abcde"
      const error = { name: "UnavailableError", message, retryable: false, overloaded: false }
      const fields = { destination: "dst_1", connection: "conn_1", replay: null, error }
      expect(lines).toEqual([["a log could not be read", fields]])
    })
  )

  it.effect("a filtered event is not sent, and the journal says by which rule", () =>
    Effect.gen(function* () {
      const odd: ConnectionSettings = {
        filter: ({ event }) => (event.seq % 2 === 1 ? 4 : undefined),
        rules: 5,
        orderingKey: undefined
      }
      const { run, journal, sent } = given(4, ok, defaultPolicy, 1, {}, odd)
      yield* run
      expect(sent).toEqual(["2#1", "4#1"])
      expect(journal.timeline(log.sourceId, 3)).toMatchObject([{ type: "filtered", rule: 4 }])
    })
  )
  it.effect("a filter that throws harms only the event it threw at", () =>
    Effect.gen(function* () {
      const throwing: ConnectionSettings = {
        filter: ({ event }) => {
          if (event.seq === 2) throw new TypeError("bug")
          return undefined
        },
        rules: 1,
        orderingKey: undefined
      }
      const { run, journal } = given(3, ok, defaultPolicy, 1, {}, throwing)
      yield* run
      const detail = "the connection's filter or ordering key failed on it"
      expect(journal.timeline(log.sourceId, 2)).toMatchObject([{ reason: "Malformed", detail }])
      expect(journal.statuses(log.sourceId, [1, 2, 3]).map(({ status }) => status)).toEqual([
        "delivered",
        "dead",
        "delivered"
      ])
    })
  )
  it.effect("a body too large for the filter's path is a dead letter that names the limit, and harms no other", () =>
    Effect.gen(function* () {
      const large = new PayloadTooLarge({ message: "too many values" })
      const filter: ConnectionSettings["filter"] = ({ event }) => {
        if (event.seq === 2) throw large
        return undefined
      }
      const sink = (outbound: OutboundEvent) => (outbound.event.seq === 4 ? Effect.die(large) : ok())
      const { run, journal } = given(5, sink, defaultPolicy, 1, {}, { filter, rules: 1, orderingKey: undefined }, 3)
      yield* run
      expect(journal.deadLetters(null, 9).letters.map(({ seq, reason, detail }) => [seq, reason, detail])).toEqual([
        [4, "TooLarge", "too many values"],
        [2, "TooLarge", "too many values"]
      ])
      expect(journal.summary()).toMatchObject({ pending: 0, connections: [{ delivered: 3 }] })
    })
  )
  it.effect("keeps to its rate, and says when it goes on", () =>
    Effect.gen(function* () {
      const { run, sent } = given(25, ok, defaultPolicy, 1, { limits: { ...Policy.unlimited, requests: 10 } })
      expect(yield* run).toBe(100)
      expect(sent).toHaveLength(10)
      yield* TestClock.adjust("1 second")
      yield* run
      expect(sent).toHaveLength(20)
      yield* TestClock.adjust("1 second")
      expect(yield* run).toBeNull()
      expect(sent).toHaveLength(25)
    })
  )
})

describe("what is told of a try", () => {
  const told = Effect.fnUntraced(function* (send: Settings["driver"]["send"], maxEvents = 1, events = 1) {
    const { runWith, settings, journal } = given(events, ok, noJitter, 1, { breaker: noBreaker }, undefined, maxEvents)
    const fiber = yield* Effect.forkChild(runWith({ ...settings, driver: { ...settings.driver, send } }))
    yield* TestClock.adjust("10 seconds")
    yield* Fiber.join(fiber)
    return Array.from({ length: events }, (_, i) => journal.timeline(log.sourceId, i + 1))
  })
  it.effect("is that the sink said nothing, where it answered for fewer events than it was given", () =>
    Effect.gen(function* () {
      const [first, second] = yield* told((batch) => Effect.succeed(batch.slice(1).map(() => delivered({}))), 2, 2)
      expect(first).toMatchObject([{ type: "delivered" }])
      expect(second).toMatchObject([{ reason: "Unknown", detail: "the sink said nothing about this event" }])
    })
  )
  it.effect("is how long it took, and the setting that ended it", () =>
    Effect.gen(function* () {
      const slow = yield* told((batch) =>
        Effect.as(
          Effect.sleep(70),
          batch.map(() => delivered({ offset: "7" }))
        )
      )
      expect(slow[0]).toMatchObject([{ type: "delivered", attempt: 1, latency: 70, receipt: { offset: "7" } }])
      const hanging = yield* told(() => Effect.never)
      const detail = "no answer within 5000 ms (timeout_ms)"
      expect(hanging[0]).toMatchObject([{ reason: "TimedOut", latency: 5000, detail }])
    })
  )
  it.effect("is where to look for the cause, when the sink's own code failed", () =>
    Effect.gen(function* () {
      const [story] = yield* told(() => Effect.die(new TypeError("with a secret in it")))
      const detail = "the sink could not handle this event; the gateway's log has the cause"
      expect(story).toMatchObject([{ type: "dead", reason: "Malformed", detail }])
    })
  )
  it.effect("is what the sink was given: the destination, the connection, the number of the try", () =>
    Effect.gen(function* () {
      const seen: Array<Omit<OutboundEvent, "event">> = []
      const { run } = given(1, ({ event: _, ...rest }) => (seen.push(rest) === 1 ? down() : ok()), noJitter)
      yield* run
      yield* TestClock.adjust("30 seconds")
      yield* run
      const one = { destinationId: "dst_1", connectionId: "conn_1", replayId: null }
      expect(seen).toEqual([
        { ...one, attempt: 1 },
        { ...one, attempt: 2 }
      ])
    })
  )
})

describe("a destination", () => {
  it.effect("that is gone sends nothing, and asks for no further pass", () =>
    Effect.gen(function* () {
      const { layer, sent } = given(3, ok)
      expect(yield* Pump.pass(Effect.succeed(undefined)).pipe(Effect.provide(layer))).toBeNull()
      expect(sent).toEqual([])
    })
  )
  it.effect("gives each of its connections a part of each window", () =>
    Effect.gen(function* () {
      const served: Array<string> = []
      const answer = ({ connectionId }: OutboundEvent) => {
        if (served.at(-1) !== connectionId) served.push(connectionId)
        return ok()
      }
      const { run, journal } = given(30, answer, defaultPolicy, 1, { window: { events: 10, bytes: 1e6 } })
      for (const connection of ["conn_2", "conn_3"]) {
        journal.commit([{ _tag: "ConnectionStarted", connection, ...log, after: 0 }], 0)
      }
      journal.raiseHead(log.sourceId, 30)
      yield* run
      const round = ["conn_1", "conn_2", "conn_3"]
      // Each window has a part of each.
      expect(served).toEqual(Array.from({ length: 9 }, () => round).flat())
    })
  )
  it.effect("whose log has less than was said asks again soon", () =>
    Effect.gen(function* () {
      const { run, journal, sent } = given(2, ok)
      journal.raiseHead(log.sourceId, 5)
      expect(yield* run).toBe(1000)
      expect(sent).toEqual(["1#1", "2#1"])
      expect(journal.view(0).runs[0]!.cursor).toBe(2)
    })
  )
  it.effect("spends the rate of what was sent, not of what was planned", () =>
    Effect.gen(function* () {
      const refused = () => Effect.fail(new SinkError({ reason: "Unauthorized", detail: "401" }))
      const limits = { requests: 100, records: 100, bytes: 100 }
      const { runWith, settings, journal } = given(50, refused, noJitter, 2, { limits })
      yield* runWith({ ...settings, maxInFlight: 1 })
      expect(journal.control().rates).toEqual({ requests: 10, records: 10, bytes: 20 })
    })
  )
})

describe("what is due again", () => {
  it.effect("shares a request once more, unless it failed with others of it", () =>
    Effect.gen(function* () {
      let reason: SinkError["reason"] = "Throttled"
      const refused = () => Effect.fail(new SinkError({ reason, detail: "" }))
      const { run, requests } = given(4, refused, noJitter, 1, { breaker: noBreaker }, undefined, 4)
      yield* run
      reason = "Unavailable"
      yield* TestClock.adjust("1 second")
      yield* run
      yield* TestClock.adjust("30 seconds")
      yield* run
      expect(requests).toEqual([[1, 2, 3, 4], [1, 2, 3, 4], [1], [2], [3], [4]])
    })
  )
  it.effect(
    "comes back at different times where it failed at one, so that it does not fall upon the sink at once",
    () =>
      Effect.gen(function* () {
        const { run, journal } = given(40, down, defaultPolicy, 1, { breaker: noBreaker })
        yield* run
        const dues = [...journal.state().pending.values()].map(({ due }) => due!)
        expect(dues).toHaveLength(40)
        expect(new Set(dues).size).toBeGreaterThan(20)
        expect(Math.min(...dues)).toBeGreaterThanOrEqual(27_000)
        expect(Math.max(...dues)).toBeLessThanOrEqual(33_000)
        expect(Math.max(...dues) - Math.min(...dues)).toBeGreaterThan(2000)
      })
  )
})

describe("a change from outside", () => {
  it.effect.each(["read", "get"] as const)(
    "that comes between the loading of events (%s) and their sending holds",
    (how) =>
      Effect.gen(function* () {
        const { run, journal, settings, store, sent } = given(3, down, noJitter, 1, { breaker: noBreaker })
        if (how === "get") {
          yield* run
          yield* TestClock.adjust("30 seconds")
        }
        const before = sent.length
        const pause = (): void => {
          const user = { _tag: "Paused", reason: "user", detail: "", probeAt: null } as const
          journal.commit([{ _tag: "ConfigChanged", version: 1 }, user], 0)
        }
        const pausing: EventLog.EventLogStore = {
          ...store,
          read: (...args) => {
            if (how === "read") pause()
            return store.read(...args)
          },
          get: (...args) => {
            if (how === "get") pause()
            return store.get(...args)
          }
        }
        const layer = Layer.mergeAll(
          DeliveryJournal.layer(journal),
          EventLog.layerStores(new Map([[log.route, pausing]]))
        )
        expect(yield* Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(layer))).toBeNull()
        expect(sent).toHaveLength(before)
        expect(journal.control()).toMatchObject({ pause: { reason: "user" }, windows: [] })
      })
  )
})

/** Events whose key is their sequence modulo `keys`. */
const byModulo = (keys: number): ConnectionSettings => ({
  filter: () => undefined,
  rules: 0,
  orderingKey: ({ event }) => event.seq % keys
})

describe("order", () => {
  it.effect("by key: an event waits while an earlier one of its key is pending, others flow", () =>
    Effect.gen(function* () {
      let up = false
      const answer = ({ event }: OutboundEvent) => (up || event.seq !== 3 ? ok() : down())
      const policy = { ordering: "key", breaker: noBreaker } as const
      const { run, journal, sent } = given(9, answer, noJitter, 1, policy, byModulo(3))
      expect(yield* run).toBe(30_000)
      expect(journal.statuses(log.sourceId, [3, 6, 9]).map(({ status }) => status)).toEqual([
        "retrying",
        "retrying",
        "retrying"
      ])
      expect(sent.map(seqOf).sort()).toEqual([1, 2, 3, 4, 5, 7, 8])
      expect(journal.timeline(log.sourceId, 6).map(({ type }) => type)).toEqual(["held"])
      up = true
      yield* TestClock.adjust("30 seconds")
      expect(yield* run).toBeNull()
      expect(sent.slice(7)).toEqual(["3#2", "6#1", "9#1"])
    })
  )
  it.effect(
    "by key: by the sink's own where the connection has none, each value its own, all without one together",
    () =>
      Effect.gen(function* () {
        const values = ["a", "b", 1, "1", undefined, "a", 1, undefined, null]
        const { runWith, settings, requests, journal } = given(9, ok, noJitter, 1, { ordering: "key" }, undefined, 9)
        const driver = { ...settings.driver, orderingKey: ({ event }: EventPath.EventView) => values[event.seq - 1] }
        yield* runWith({ ...settings, driver, maxInFlight: 1 })
        expect(requests).toEqual([
          [1, 2, 3, 4, 5, 9],
          [6, 7, 8]
        ])
        expect(journal.summary()).toMatchObject({ pending: 0, dead: 0 })
        const other = given(3, ok, noJitter, 1, { ordering: "key" }, undefined, 9)
        yield* other.run
        expect(other.requests).toEqual([[1], [2], [3]])
      })
  )
  it.effect("by key: what is filtered out is told so, though its key waits", () =>
    Effect.gen(function* () {
      const filtering = {
        ...byModulo(2),
        filter: ({ event }: EventPath.EventView) => (event.seq === 3 ? 0 : undefined),
        rules: 1
      }
      const policy = { ordering: "key", breaker: noBreaker } as const
      const { run, journal, append } = given(2, down, noJitter, 1, policy, filtering)
      yield* run
      for (let seq = 3; seq <= 5; seq++) append()
      yield* run
      const story = (seq: number) => journal.timeline(log.sourceId, seq)
      expect(story(1)).toMatchObject([{ type: "failed" }])
      expect(story(3)).toMatchObject([{ type: "filtered", rule: 0 }])
      expect(story(5)).toMatchObject([{ type: "held" }])
    })
  )
  it.effect("by key: a dead letter lets the next of its key go", () =>
    Effect.gen(function* () {
      const answer = ({ event }: OutboundEvent) =>
        event.seq === 1 ? Effect.fail(new SinkError({ reason: "Rejected", detail: "no" })) : ok()
      const { run, journal } = given(4, answer, noJitter, 1, { ordering: "key" }, byModulo(2))
      yield* run
      expect(journal.statuses(log.sourceId, [1, 3]).map(({ status }) => status)).toEqual(["dead", "delivered"])
    })
  )
  it.effect("by key: never two events of a key at once, and first tries in log order, whatever fails", () =>
    Effect.gen(function* () {
      const busy = new Set<number>()
      let calls = 0
      const answer = ({ event }: OutboundEvent) =>
        Effect.gen(function* () {
          const key = event.seq % 5
          expect(busy.has(key)).toBe(false)
          busy.add(key)
          yield* Effect.sleep(1 + ((event.seq * 7) % 13))
          busy.delete(key)
          return calls++ % 4 === 0 ? yield* down() : delivered({})
        })
      const policy = { ordering: "key", breaker: noBreaker } as const
      const { run, journal, sent } = given(150, answer, { ...noJitter, intervals: [1] }, 1, policy, byModulo(5))
      for (let i = 0; i < 400 && (journal.summary().pending > 0 || i === 0); i++) {
        const fiber = yield* Effect.forkChild(run)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(fiber)
      }
      expect(journal.summary()).toMatchObject({ pending: 0, connections: [{ cursor: 150 }] })
      for (let key = 0; key < 5; key++) {
        const firsts = [...new Set(sent.map(seqOf).filter((seq) => seq % 5 === key))]
        expect(firsts).toEqual(firsts.toSorted((a, b) => a - b))
      }
    })
  )
  it.effect("strict: one after another, and nothing passes an event that waits", () =>
    Effect.gen(function* () {
      let up = false
      const answer = ({ event }: OutboundEvent) => (up || event.seq !== 2 ? ok() : down())
      const { run, sent, most } = given(150, answer, noJitter, 1, { ordering: "strict", breaker: noBreaker })
      yield* run
      expect(sent).toEqual(["1#1", "2#1"])
      up = true
      yield* TestClock.adjust("30 seconds")
      expect(yield* run).toBeNull()
      expect(sent.map(seqOf)).toEqual([1, 2, ...Array.from({ length: 149 }, (_, i) => i + 2)])
      expect(most()).toBe(1)
    })
  )
})

describe("a log that cannot be read", () => {
  it.effect("holds up no event of another log, pending or new, and is asked again", () =>
    Effect.gen(function* () {
      const { run, journal, sent } = given(3, ok)
      const other = { sourceId: `src_${"1".repeat(32)}`, route: "away00000" }
      journal.commit([{ _tag: "ConnectionStarted", connection: "conn_0", ...other, after: 0 }], 0)
      journal.raiseHead(other.sourceId, 5)
      const waits = (id: string, seq: number): Facts.Fact => ({
        _tag: "WindowSettled",
        run: id,
        lo: seq,
        hi: seq,
        seqs: null,
        at: 0,
        settled: [{ _tag: "Waiting", seq, key: null, spent: 0, due: 0, restarts: 0 }],
        seen: [],
        rates: null,
        rest: null
      })
      journal.commit([waits("conn_0", 1), waits("conn_1", 1)], 0)
      expect(yield* run).toBe(1000)
      expect(sent).toEqual(["1#1", "2#1", "3#1"])
      expect(journal.view(0).runs.map(({ id, cursor, pending }) => [id, cursor, pending])).toEqual([
        ["conn_0", 1, 1],
        ["conn_1", 3, 0]
      ])
    })
  )
})

describe("a change that comes while a window is on its way", () => {
  it.effect("stops its sends: nothing more leaves by the old config, and what was not sent stays in the log", () =>
    Effect.gen(function* () {
      const { runWith, settings, sent, journal } = given(40, () => Effect.as(Effect.sleep(10), delivered({})))
      const fiber = yield* Effect.forkChild(runWith(settings))
      yield* TestClock.adjust(15)
      const pause = { _tag: "Paused", reason: "user", detail: "", probeAt: null } as const
      journal.commit([{ _tag: "ConfigChanged", version: 1 }, pause], 15)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      expect(sent.length).toBeLessThanOrEqual(8)
      expect(journal.view(0).runs[0]).toMatchObject({ cursor: sent.length, pending: 0 })
    })
  )
  it.effect("sends nothing of a replay that is cancelled while its events are read", () =>
    Effect.gen(function* () {
      const { journal, sent, settings, store } = given(0, ok)
      const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
      for (let i = 0; i < 9; i++) store.append([{ event: newEvent(meta, new Uint8Array(1)), token: "", now: 0 }])
      const replay = { id: "rpl_1", filterRules: [], ratePerSecond: 100, maxEvents: null }
      journal.commit([{ _tag: "ReplayRequested", connection: "conn_1", replay, after: 0, through: 9 }], 0)
      const cancelled = {
        _tag: "RunCancelled",
        run: "conn_1:rpl_1",
        because: "replay cancelled",
        after: 0,
        through: 9,
        at: 0
      } as const
      const cancelling: EventLog.EventLogStore = {
        ...store,
        read: (after, limits) => {
          journal.commit([cancelled], 0)
          return store.read(after, limits)
        }
      }
      const logs = EventLog.layerStores(new Map([[log.route, cancelling]]))
      yield* Pump.pass(Effect.succeed(settings)).pipe(
        Effect.provide(Layer.mergeAll(DeliveryJournal.layer(journal), logs))
      )
      expect(sent).toEqual([])
    })
  )
  it.effect("a request that fails after its host was repaired is made again at once, by the new config", () =>
    Effect.gen(function* () {
      const { layer, settings, journal, sent } = given(1, () => Effect.never)
      const fixed: Settings = {
        ...settings,
        configVersion: 1,
        driver: { ...settings.driver, send: (batch) => Effect.succeed(batch.map(() => delivered({}))) }
      }
      const current = Effect.sync(() => (journal.control().configVersion === 0 ? settings : fixed))
      const fiber = yield* Effect.forkChild(Pump.pass(current).pipe(Effect.provide(layer)))
      yield* TestClock.adjust("1 second")
      journal.commit(
        [
          { _tag: "ConfigChanged", version: 1 },
          { _tag: "RetriesDue", connection: null, at: 1000 }
        ],
        1000
      )
      yield* TestClock.adjust("4 seconds")
      expect(yield* Fiber.join(fiber)).toBeNull()
      expect(sent).toEqual(["1#1"])
      expect(journal.timeline(log.sourceId, 1).map(({ type, attempt }) => [type, attempt])).toEqual([
        ["failed", 1],
        ["delivered", 2]
      ])
    })
  )
})

describe("a window that a stopped process left open", () => {
  /** Nothing is sent but what was lost: the process ends again at the first send. */
  const lost = Effect.fnUntraced(function* (facts: ReadonlyArray<Facts.Fact>, lo: number) {
    const policy = { ordering: "key" } as const
    const { run, journal, sent } = given(6, () => Effect.interrupt, noJitter, 1, policy, byModulo(2))
    journal.commit(facts, 0)
    const window = { run: "conn_1", lo, hi: 6, seqs: null }
    journal.commit([{ _tag: "WindowPlanned", ...window, configVersion: 0, rates: null }], 0)
    yield* Effect.exit(run)
    return { pending: [...journal.state().pending.values()].sort((a, b) => a.seq - b.seq), sent, journal }
  })
  it.effect("is sent again with one event of each key first, the others behind it", () =>
    Effect.gen(function* () {
      const { pending, sent } = yield* lost([], 1)
      expect(pending.map(({ seq, due, restarts }) => [seq, due, restarts])).toEqual([
        [1, 0, 1],
        [2, 0, 1],
        [3, null, 1],
        [4, null, 1],
        [5, null, 1],
        [6, null, 1]
      ])
      expect(sent.map(seqOf).every((seq) => seq < 3)).toBe(true)
    })
  )
  it.effect("goes behind what has become pending of its key since, but is told as unknown: it may have been sent", () =>
    Effect.gen(function* () {
      const letter = { seq: 1, attempt: 1, latency: 0, reason: "Rejected", detail: "", key: "1" } as const
      const window = { run: "conn_1", lo: 1, hi: 1, seqs: null, at: 0, seen: [], rates: null, rest: null }
      const { pending, journal } = yield* lost(
        [
          { _tag: "WindowSettled", ...window, settled: [{ _tag: "Dead", ...letter }] },
          { _tag: "Redriven", run: "conn_1", seqs: [1], at: 9000 }
        ],
        2
      )
      expect(pending.map(({ seq, due, restarts }) => [seq, due, restarts])).toEqual([
        [1, 9000, 0],
        [2, 0, 1],
        [3, null, 1],
        [4, null, 1],
        [5, null, 1],
        [6, null, 1]
      ])
      expect(journal.timeline(log.sourceId, 3)).toMatchObject([{ type: "unknown", reason: "Unknown" }])
    })
  )
})

describe("a window left open by a run", () => {
  const left = (window: Facts.Window): Facts.Fact => ({
    _tag: "WindowPlanned",
    ...window,
    configVersion: 0,
    rates: null
  })
  it.effect("that has ended since is closed, and nothing of it is sent", () =>
    Effect.gen(function* () {
      const { run, journal, sent } = given(4, ok)
      journal.commit([left({ run: "conn_1", lo: 1, hi: 4, seqs: null })], 0)
      journal.commit([{ _tag: "ConnectionChanged", connection: "conn_1", enabled: true, deleted: true }], 0)
      expect(yield* run).toBeNull()
      expect(sent).toEqual([])
      expect(journal.control().windows).toEqual([])
      expect(journal.runs()[0]).toMatchObject({ cursor: 0, delivered: 0 })
    })
  )
  it.effect("of retries is closed when they are no longer pending, and sends those that are", () =>
    Effect.gen(function* () {
      const { run, journal, sent } = given(4, ({ event }) => (event.seq < 3 ? down() : ok()), noJitter)
      yield* run
      journal.commit([left({ run: "conn_1", lo: 3, hi: 4, seqs: [3, 4] })], 0)
      yield* run
      expect(sent).toHaveLength(4)
      expect(journal.control().windows).toEqual([])
      journal.commit([left({ run: "conn_1", lo: 1, hi: 3, seqs: [1, 3] })], 0)
      yield* run
      expect(sent.slice(4)).toEqual(["1#2"])
      expect(journal.timeline(log.sourceId, 1).map(({ type }) => type)).toEqual(["failed", "unknown", "failed"])
    })
  )
  it.effect("is taken up in parts where it holds more bytes than a window", () =>
    Effect.gen(function* () {
      const { run, journal, sent } = given(6, ok, noJitter, 10, { window: { events: 9, bytes: 20 } })
      journal.commit([left({ run: "conn_1", lo: 1, hi: 6, seqs: null })], 0)
      yield* run
      expect(sent.map(seqOf).sort()).toEqual([1, 2, 3, 4, 5, 6])
      for (let seq = 1; seq <= 6; seq++) {
        const story = journal.timeline(log.sourceId, seq).map(({ type }) => type)
        expect(story, `of ${seq}`).toEqual(["unknown", "delivered"])
      }
    })
  )
})

describe("the circuit breaker", () => {
  it.effect(
    "opens after five failures in a row, leaves the backlog in the log, and drains it in order",
    () =>
      Effect.gen(function* () {
        let up = false
        const { run, journal, sent } = given(5000, () => (up ? ok() : down()), noJitter)
        expect(yield* run).toBe(60_000)
        const open = journal.summary()
        expect(open.control.breaker.state).toBe("open")
        expect(open.pending).toBeLessThanOrEqual(Policy.WINDOW_EVENTS)
        // Two days without the sink: one probe a minute, which spends no try.
        for (let minute = 0; minute < 2 * 24 * 60; minute++) {
          yield* TestClock.adjust("1 minute")
          yield* run
        }
        const probes = sent.length
        expect(probes).toBeLessThan(2 * 24 * 60 + 20)
        expect(journal.summary()).toMatchObject({ dead: 0 })
        up = true
        yield* TestClock.adjust("1 minute")
        expect(yield* run).toBeNull()
        expect(journal.summary()).toMatchObject({ pending: 0, dead: 0, control: { breaker: { state: "closed" } } })
        const drained = sent.slice(probes + 1).map(seqOf)
        expect(drained).toEqual(drained.toSorted((a, b) => a - b))
        expect(new Set(sent.map(seqOf)).size).toBe(5000)
      }),
    30_000
  )
  it.effect("one event that always fails opens nothing, and ends as a dead letter among thousands that pass", () =>
    Effect.gen(function* () {
      const { run, journal, append } = given(2000, ({ event }) => (event.seq === 700 ? down() : ok()), noJitter)
      for (let i = 0; i < 8; i++) {
        append()
        yield* run
        expect(journal.control().breaker.state).toBe("closed")
        yield* TestClock.adjust("1 day")
      }
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 1 })
      expect(journal.timeline(log.sourceId, 700)).toHaveLength(6)
    })
  )
  it.effect("asks with another event when a probe fails, so that one bad event does not keep it open", () =>
    Effect.gen(function* () {
      let healthy = false
      const answer = ({ event }: OutboundEvent) => (healthy && event.seq !== 1 ? ok() : down())
      const { run, journal } = given(20, answer, noJitter)
      yield* run
      expect(journal.control().breaker.state).toBe("open")
      healthy = true
      for (let i = 0; i < 3; i++) {
        yield* TestClock.adjust("1 minute")
        yield* run
      }
      expect(journal.control().breaker.state).toBe("closed")
      expect(journal.facts().some(({ _tag }) => _tag === "BreakerHalfOpened")).toBe(true)
      expect(journal.summary().pending).toBeLessThanOrEqual(1)
    })
  )
  it.effect("an event alone behind a sink that is down is kept, however long, and delivered after", () =>
    Effect.gen(function* () {
      let up = false
      const { run, journal } = given(1, () => (up ? ok() : down()), noJitter)
      for (let day = 0; day < 30; day++) {
        yield* run
        yield* TestClock.adjust("1 day")
      }
      expect(journal.summary()).toMatchObject({ pending: 1, dead: 0 })
      up = true
      yield* run
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 0 })
    })
  )
  it.effect("switched off, every failure spends its try", () =>
    Effect.gen(function* () {
      const { run, journal } = given(20, down, { ...noJitter, maxRetries: 0 }, 1, { breaker: noBreaker })
      yield* run
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 20 })
    })
  )
})

describe("an event that ends the process", () => {
  it.effect("is sent alone after the second time, spends its tries from the third, and ends as a dead letter", () =>
    Effect.gen(function* () {
      // The process ends in the send: the run dies without settling, and another goes on.
      const { run, journal, sent } = given(20, ({ event }) => (event.seq === 7 ? Effect.interrupt : ok()), {
        ...noJitter,
        maxRetries: 2
      })
      for (
        let i = 0;
        i < 40 && (journal.control().windows.length > 0 || journal.summary().pending > 0 || i === 0);
        i++
      ) {
        yield* Effect.exit(run)
        yield* TestClock.adjust("1 second")
      }
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 1 })
      expect(journal.statuses(log.sourceId, [7])[0]!.status).toBe("dead")
      expect(journal.statuses(log.sourceId, [6, 8, 20]).map(({ status }) => status)).toEqual([
        "delivered",
        "delivered",
        "delivered"
      ])
      // Twice among others, as if it were nobody's fault; then alone, at the expense of its tries.
      expect(sent.filter((one) => one.startsWith("7#"))).toEqual(["7#1", "7#1", "7#1", "7#2", "7#3"])
      const planned = journal
        .facts()
        .flatMap((fact) => (fact._tag === "WindowPlanned" && fact.lo <= 7 && fact.hi >= 7 ? [fact.seqs] : []))
      expect(planned).toHaveLength(5)
      expect(planned.slice(2)).toEqual([[7], [7], [7]])
    })
  )
})

describe("several events in a request", () => {
  const batched = (
    events: number,
    answer: Parameters<typeof given>[1],
    maxEvents: number,
    policy: Partial<Policy.Policy> = {},
    connection?: ConnectionSettings,
    size = 1
  ) => given(events, answer, noJitter, size, policy, connection, maxEvents)

  it.effect("share it as far as they wait anyway", () =>
    Effect.gen(function* () {
      const { run, requests, journal } = batched(25, ok, 10)
      expect(yield* run).toBeNull()
      expect(requests.map(({ length }) => length)).toEqual([10, 10, 5])
      expect(journal.summary().connections[0]).toMatchObject({ cursor: 25, delivered: 25 })
    })
  )
  it.effect("are bounded by bytes, but a large one goes alone", () =>
    Effect.gen(function* () {
      const { run, requests } = batched(5, ok, 10, {}, undefined, 500)
      yield* run
      expect(requests).toEqual([[1, 2], [3, 4], [5]])
      const large = batched(2, ok, 10, {}, undefined, 2000)
      yield* large.run
      expect(large.requests).toEqual([[1], [2]])
    })
  )
  it.effect("never two of a key together, nor one while another of its key is on its way", () =>
    Effect.gen(function* () {
      const busy = new Set<number>()
      const slow = ({ event }: OutboundEvent) =>
        Effect.gen(function* () {
          expect(busy.has(event.seq % 5)).toBe(false)
          busy.add(event.seq % 5)
          yield* Effect.sleep(event.seq % 7)
          busy.delete(event.seq % 5)
          return delivered({})
        })
      const { run, requests, sent } = batched(60, slow, 3, { ordering: "key" }, byModulo(5))
      const fiber = yield* Effect.forkChild(run)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      for (const request of requests) expect(new Set(request.map((seq) => seq % 5)).size).toBe(request.length)
      for (let key = 0; key < 5; key++) {
        const own = sent.map(seqOf).filter((seq) => seq % 5 === key)
        expect(own).toEqual(own.toSorted((a, b) => a - b))
      }
      expect(sent).toHaveLength(60)
    })
  )
  it.effect("are halved when they are too large together, and only the one that is too large alone is dead", () =>
    Effect.gen(function* () {
      let most = 0
      const together = batched(20, ok, 16)
      const { journal, settings } = together
      const refusing: Settings["driver"] = {
        ...settings.driver,
        send: (batch) => {
          if (batch.length > 4 || batch.some(({ event }) => event.seq === 7)) {
            return Effect.fail(new SinkError({ reason: "TooLarge", detail: "413" }))
          }
          most = Math.max(most, batch.length)
          return settings.driver.send(batch)
        }
      }
      yield* together.runWith({ ...settings, driver: refusing })
      expect(most).toBe(4)
      expect(together.requests.flat()).toHaveLength(19)
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 1 })
      expect(journal.statuses(log.sourceId, [7])[0]!.status).toBe("dead")
    })
  )
  it.effect.each(["TooLarge", "Rejected", "Malformed"] as const)(
    "whose request is refused for good (%s) are asked one half after the other, until only the bad one is dead",
    (reason) =>
      Effect.gen(function* () {
        const { runWith, settings, journal } = batched(16, ok, 16)
        const send: Settings["driver"]["send"] = (batch) =>
          batch.some(({ event }) => event.seq === 11)
            ? Effect.fail(new SinkError({ reason, detail: "no" }))
            : settings.driver.send(batch)
        yield* runWith({ ...settings, driver: { ...settings.driver, send } })
        expect(journal.summary()).toMatchObject({ pending: 0, dead: 1 })
        expect(journal.statuses(log.sourceId, [11])[0]!.status).toBe("dead")
      })
  )
  it.effect("that failed together are sent again one by one, so that one that always fails harms no other", () =>
    Effect.gen(function* () {
      const { run, requests, journal } = batched(12, ({ event }) => (event.seq === 5 ? down() : ok()), 4, {
        breaker: noBreaker
      })
      yield* run
      expect(requests).toEqual([
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [9, 10, 11, 12]
      ])
      yield* TestClock.adjust("30 seconds")
      yield* run
      expect(requests.slice(3)).toEqual([[5], [6], [7], [8]])
      expect(journal.summary()).toMatchObject({ pending: 1, dead: 0 })
    })
  )
  it.effect("are as many as the rate of bytes lets out, and say when it goes on", () =>
    Effect.gen(function* () {
      const limits = { ...Policy.unlimited, bytes: 10 }
      const { run, requests, journal } = batched(6, ok, 2, { limits }, undefined, 4)
      // The request that passes the limit is made whole: 12 bytes of 10.
      expect(yield* run).toBe(300)
      expect(requests).toEqual([[1, 2], [3]])
      expect(journal.control().rates).toMatchObject({ bytes: 1200 })
      yield* TestClock.adjust("299 millis")
      expect(yield* run).toBe(300)
      yield* TestClock.adjust("1 millis")
      expect(yield* run).toBe(700)
      expect(requests.slice(2)).toEqual([[4]])
    })
  )
  it.effect("make no more requests than the rate lets out, however small these are", () =>
    Effect.gen(function* () {
      const limits = { ...Policy.unlimited, requests: 2 }
      const { run, requests, journal } = batched(6, ok, 10, { limits }, undefined, 600)
      expect(yield* run).toBe(500)
      expect(requests).toEqual([[1], [2]])
      // The others are where they were, not in doubt.
      expect(journal.summary()).toMatchObject({ pending: 0, connections: [{ cursor: 2, delivered: 2 }] })
    })
  )
  it.effect("are sent in halves to their end, though the rate is spent by then", () =>
    Effect.gen(function* () {
      const together = batched(8, ok, 4, { limits: { ...Policy.unlimited, requests: 1 } })
      const { journal, settings, requests } = together
      const send: Settings["driver"]["send"] = (batch) =>
        batch.length > 1
          ? Effect.fail(new SinkError({ reason: "TooLarge", detail: "413" }))
          : settings.driver.send(batch)
      yield* together.runWith({ ...settings, maxInFlight: 1, driver: { ...settings.driver, send } })
      expect(requests).toEqual([[1], [2], [3], [4]])
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 0, connections: [{ cursor: 4 }] })
    })
  )
  it.effect("are written down by 500 at most", () =>
    Effect.gen(function* () {
      const { run, journal } = batched(1200, ok, 100, { window: { events: 2000, bytes: 1e9 }, maxPending: 5000 })
      yield* run
      const settled = journal.facts().flatMap((fact) => (fact._tag === "WindowSettled" ? [fact] : []))
      expect(settled.map(({ lo, hi, settled }) => [lo, hi, settled.length])).toEqual([
        [1, 500, 500],
        [501, 1000, 500],
        [1001, 1200, 200]
      ])
      expect(settled.map(({ rest }) => rest?.lo ?? null)).toEqual([501, 1001, null])
    })
  )
  it.effect.each([
    ["due at once", () => Effect.as(Effect.sleep(50), delivered({})), "postponed"],
    ["behind the one that failed", () => Effect.andThen(Effect.sleep(50), down()), "held"]
  ] as const)("that were not sent, among others that were, when sending stopped are %s", ([, first, told]) =>
    Effect.gen(function* () {
      const answer = ({ event }: OutboundEvent) => {
        if (event.seq === 1) return first()
        return event.seq === 4 ? Effect.fail(new SinkError({ reason: "Unauthorized", detail: "401" })) : ok()
      }
      const { run, journal, sent } = batched(6, answer, 1, { ordering: "key", breaker: noBreaker }, byModulo(2))
      const fiber = yield* Effect.forkChild(run)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      expect(sent.map(seqOf)).toEqual([1, 2, 4])
      expect(journal.timeline(log.sourceId, 3)).toMatchObject([{ type: told }])
      expect(journal.runs()[0]).toMatchObject({ cursor: 4 })
    })
  )
  it.effect("count as one request for the rate", () =>
    Effect.gen(function* () {
      const limits = { requests: 2, records: 15, bytes: null }
      const { run, requests } = batched(40, ok, 10, { limits })
      yield* run
      expect(requests).toEqual([Array.from({ length: 10 }, (_, i) => i + 1), [11, 12, 13, 14, 15]])
      yield* TestClock.adjust("1 second")
      yield* run
      expect(requests.slice(2).map(({ length }) => length)).toEqual([10, 5])
    })
  )
})

describe("a part of a window", () => {
  it.effect("is written down while the rest is on its way, so that a crash repeats little", () =>
    Effect.gen(function* () {
      const answer = ({ event }: OutboundEvent) =>
        event.seq === 90 ? Effect.interrupt : Effect.as(Effect.sleep(20), delivered({}))
      const { run, journal, sent } = given(100, answer, noJitter)
      const fiber = yield* Effect.forkChild(Effect.exit(run))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      expect(sent.length).toBeGreaterThan(88)
      const [window] = journal.control().windows
      expect(window!.hi).toBe(100)
      expect(window!.lo).toBeGreaterThan(60)
      expect(journal.statuses(log.sourceId, [window!.lo - 1, window!.lo]).map(({ status }) => status)).toEqual([
        "delivered",
        "waiting"
      ])
    })
  )
  it.effect("that was never sent stays in the log, and is not pending", () =>
    Effect.gen(function* () {
      const { run, journal } = given(100, down, noJitter)
      yield* run
      expect(journal.control().breaker.state).toBe("open")
      expect(journal.summary().pending).toBeLessThan(12)
    })
  )
})

describe("a replay", () => {
  const start = (journal: DeliveryJournal.DeliveryStore, after: number, through: number, change = {}) =>
    journal.commit(
      [
        {
          _tag: "ReplayRequested",
          connection: "conn_1",
          after,
          through,
          replay: { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents: null, ...change }
        }
      ],
      0
    )
  it.effect("sends its part of the log again, marked, at its rate, beside the live run", () =>
    Effect.gen(function* () {
      const ids: Array<string | null> = []
      const answer = ({ replayId }: OutboundEvent) => {
        ids.push(replayId)
        return ok()
      }
      const { run, journal, sent, append } = given(30, answer)
      yield* run
      start(journal, 5, 20)
      expect(yield* run).toBe(100)
      expect(sent.slice(30).map(seqOf)).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
      expect(journal.replay("rpl_1")).toMatchObject({ status: "running", total: 15, processed: 10, delivered: 10 })
      append()
      yield* run
      expect(sent).toHaveLength(41)
      yield* TestClock.adjust("1 second")
      expect(yield* run).toBeNull()
      expect(journal.replay("rpl_1")).toMatchObject({ status: "finished", processed: 15, delivered: 15 })
      expect(ids.filter((id) => id === "rpl_1")).toHaveLength(15)
      expect(ids.filter((id) => id === null)).toHaveLength(31)
      expect(journal.timeline(log.sourceId, 6).map(({ type, replay }) => [type, replay])).toEqual([
        ["delivered", null],
        ["delivered", "rpl_1"]
      ])
    })
  )
  it.effect("goes by its own filter too, and sends no more than it may", () =>
    Effect.gen(function* () {
      const threeRules = { filter: () => undefined, rules: 3, orderingKey: undefined }
      const { run, journal, sent } = given(30, ok, defaultPolicy, 1, {}, threeRules)
      yield* run
      const filterRules = [{ field: "method", op: "eq", value: "GET" }] as const
      start(journal, 0, 30, { filterRules })
      expect(yield* run).toBeNull()
      expect(sent).toHaveLength(30)
      expect(journal.replay("rpl_1")).toMatchObject({ status: "finished", filtered: 30, delivered: 0 })
      // Its rules are counted after those of the connection.
      expect(journal.timeline(log.sourceId, 1).at(-1)).toMatchObject({ type: "filtered", rule: 3 })
      const limited = given(30, ok)
      yield* limited.run
      start(limited.journal, 0, 30, { maxEvents: 4 })
      expect(yield* limited.run).toBeNull()
      expect(limited.sent.slice(30).map(seqOf)).toEqual([1, 2, 3, 4])
      expect(limited.journal.replay("rpl_1")).toMatchObject({ status: "finished", delivered: 4 })
    })
  )
  it.effect.each([
    ["its end", 20],
    ["the end of the log", 30]
  ] as const)("passes over what its log no longer holds, up to %s, and is finished", ([, through]) =>
    Effect.gen(function* () {
      const { run, journal, store, sent } = given(30, ok)
      yield* run
      start(journal, 5, through)
      store.drop(1, through)
      expect(yield* run).toBeNull()
      expect(journal.replay("rpl_1")).toMatchObject({ status: "finished", delivered: 0 })
      expect(sent).toHaveLength(30)
      expect(journal.facts().length).toBeLessThan(20)
    })
  )
  it.effect("retries like the live run, and leaves the live run's outcome as it is", () =>
    Effect.gen(function* () {
      let up = true
      const { run, journal } = given(3, ({ event }) => (up || event.seq !== 2 ? ok() : down()), noJitter)
      yield* run
      up = false
      start(journal, 0, 3)
      yield* run
      expect(journal.replay("rpl_1")).toMatchObject({ status: "running", pending: 1, delivered: 2 })
      expect(journal.statuses(log.sourceId, [2])[0]!.status).toBe("delivered")
      up = true
      yield* TestClock.adjust("30 seconds")
      yield* run
      expect(journal.replay("rpl_1")).toMatchObject({ status: "finished", delivered: 3 })
    })
  )
  it.effect("takes nothing for sent after a crash that its rate had not let out", () =>
    Effect.gen(function* () {
      const answer = ({ replayId }: OutboundEvent) => (replayId === null ? ok() : Effect.interrupt)
      const { run, journal } = given(30, answer, noJitter)
      yield* run
      start(journal, 0, 30, { ratePerSecond: 3 })
      yield* Effect.exit(run)
      expect(journal.control().windows).toMatchObject([{ lo: 1, hi: 3 }])
    })
  )
  it.effect("goes on after a crash where it stood", () =>
    Effect.gen(function* () {
      let crash = true
      const answer = ({ event, replayId }: OutboundEvent) => {
        if (!crash || replayId === null || event.seq !== 7) return ok()
        crash = false
        return Effect.interrupt
      }
      const { run, journal, sent } = given(10, answer, noJitter)
      yield* run
      start(journal, 0, 10)
      yield* Effect.exit(run)
      yield* TestClock.adjust("10 seconds")
      yield* run
      yield* TestClock.adjust("10 seconds")
      expect(yield* run).toBeNull()
      expect(journal.replay("rpl_1")).toMatchObject({ status: "finished", delivered: 10 })
      expect(new Set(sent.slice(10).map(seqOf)).size).toBe(10)
    })
  )
})
