/** A window of several runs: what each has to send goes out together, and nothing of one holds up another. */
import { it } from "@effect/vitest"
import { defaultSettings } from "@hookstream/core/delivery/CircuitBreaker"
import type * as Policy from "@hookstream/core/delivery/Policy"
import * as Pump from "@hookstream/core/delivery/Pump"
import { newEvent } from "@hookstream/core/event/Event"
import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import * as EventLog from "@hookstream/core/log/EventLog"
import { delivered, failed, type OutboundEvent, type Outcome } from "@hookstream/core/sink/Sink"
import * as EventLogMemory from "@hookstream/core/testing/EventLogMemory"
import { Clock, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { nodeSql } from "./NodeSql.ts"
import { pumpSettings } from "./PumpSettings.ts"

const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
const ownerOf = (n: number) => ({ sourceId: `src_${n}`, route: String(n).padStart(9, "0") })

interface Given {
  /** Events of each log. */
  readonly events: ReadonlyArray<number>
  readonly answer?: (event: OutboundEvent) => Outcome
  readonly policy?: Partial<Policy.Policy>
  readonly size?: number
  readonly headerBytes?: number
  readonly batch?: { readonly maxEvents: number; readonly maxBytes: number }
  /** Milliseconds that request number `n` (from 1) takes. */
  readonly takes?: (n: number) => number
  /** Logs that cannot be read, by their number from 0. */
  readonly away?: ReadonlySet<number>
  /** Logs that do not answer. */
  readonly hanging?: ReadonlySet<number>
}
/** A destination that is connected to so many logs. */
const given = ({
  events,
  answer = () => delivered({}),
  policy,
  size = 1,
  headerBytes = 0,
  batch = { maxEvents: 100, maxBytes: 1e6 },
  takes = () => 100,
  away = new Set(),
  hanging = new Set()
}: Given) => {
  const journal = DeliveryJournal.makeStore(nodeSql())
  const requests: Array<ReadonlyArray<string>> = []
  const stores = new Map<string, EventLog.EventLogStore>()
  for (const [n, count] of events.entries()) {
    const owner = ownerOf(n)
    const store = EventLogMemory.makeMemory(owner)
    const headers = [["x-long", "h".repeat(headerBytes)]] as const
    const event = newEvent({ ...meta, headers }, new Uint8Array(size))
    store.append(Array.from({ length: count }, () => ({ event, token: "", now: 0 })))
    if (!away.has(n)) stores.set(owner.route, store)
    const connection = `conn_${String(n).padStart(3, "0")}`
    journal.commit([{ _tag: "ConnectionStarted", connection, ...owner, after: 0 }], 0)
    journal.raiseHead(owner.sourceId, count)
  }
  const settings = pumpSettings({
    timeoutMs: 60_000,
    maxInFlight: 2,
    policy: {
      breaker: { ...defaultSettings, enabled: false },
      window: { events: 100, bytes: 1e6 },
      ...policy
    },
    driver: {
      batch,
      send: (all) =>
        Effect.suspend(() => {
          requests.push(all.map(({ event, connectionId }) => `${connectionId.slice(-1)}/${event.seq}`))
          return Effect.as(Effect.sleep(takes(requests.length)), all.map(answer))
        })
    }
  })
  const hangs = new Set([...hanging].map((n) => ownerOf(n).route))
  const reads: Array<string> = []
  const logs = Layer.effect(
    EventLog.EventLog,
    Effect.map(EventLog.EventLog, (log) => ({
      ...log,
      read: (route, after, limits) => {
        reads.push(route)
        return hangs.has(route) ? Effect.never : log.read(route, after, limits)
      }
    }))
  ).pipe(Layer.provide(EventLog.layerStores(stores)))
  const pump = Pump.pass(Effect.succeed(settings), () => {}, Pump.newTurn()).pipe(
    Effect.provide(Layer.mergeAll(DeliveryJournal.layer(journal), logs))
  )
  const passIn = (ms: number) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(pump)
      yield* TestClock.adjust(ms)
      return yield* Fiber.join(fiber)
    })
  return {
    journal,
    requests,
    stores,
    /** How often a log was read. */
    readsOf: (n: number) => reads.filter((route) => route === ownerOf(n).route).length,
    /** One pass of the pump, with the time that it needs. */
    pass: passIn(20_000),
    passIn,
    /** A pass that ends with its process, after so many milliseconds. */
    killedAfter: (ms: number) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(pump)
        yield* TestClock.adjust(ms)
        yield* Fiber.interrupt(fiber)
      })
  }
}

describe("a window of several runs", () => {
  it.effect("sends one event of each of sixty logs in one request", () =>
    Effect.gen(function* () {
      const { pass, requests, journal } = given({ events: Array.from({ length: 60 }, () => 1) })
      expect(yield* pass).toBeNull()
      expect(requests.map(({ length }) => length)).toEqual([60])
      expect(journal.runs().map(({ cursor, delivered }) => [cursor, delivered])).toEqual(
        Array.from({ length: 60 }, () => [1, 1])
      )
      const facts = journal.facts().filter(({ _tag }) => _tag === "WindowPlanned" || _tag === "WindowSettled")
      expect(facts).toHaveLength(120)
      expect(journal.control().windows).toEqual([])
    })
  )
  it.effect("leaves every one of its runs open when the process ends, and each is sent again", () =>
    Effect.gen(function* () {
      const { pass, killedAfter, requests, journal } = given({ events: [2, 1, 3] })
      yield* killedAfter(50)
      expect(journal.control().windows.map(({ run, hi }) => [run, hi])).toEqual([
        ["conn_000", 2],
        ["conn_001", 1],
        ["conn_002", 3]
      ])
      expect(yield* pass).toBeNull()
      const all = ["0/1", "0/2", "1/1", "2/1", "2/2", "2/3"]
      expect(requests[0]).toEqual(all)
      // What may have ended the process is sent alone.
      expect(requests.slice(1).flat().toSorted()).toEqual(all)
      expect(journal.control().windows).toEqual([])
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 0 })
    })
  )
  it.effect("goes without a run that the process left open and whose log cannot be read", () =>
    Effect.gen(function* () {
      const { pass, killedAfter, requests, journal, stores } = given({ events: [1, 1] })
      yield* killedAfter(50)
      stores.delete(ownerOf(0).route)
      yield* pass
      expect(requests).toEqual([["0/1", "1/1"], ["1/1"]])
      expect(journal.control().windows.map(({ run }) => run)).toEqual(["conn_000"])
    })
  )
  it.effect("goes without a log that cannot be read, which is asked again soon", () =>
    Effect.gen(function* () {
      const { pass, requests, journal } = given({ events: [1, 1, 1], away: new Set([1]) })
      expect(yield* pass).toBe(1000)
      expect(requests).toEqual([["0/1", "2/1"]])
      expect(journal.runs().map(({ cursor }) => cursor)).toEqual([1, 0, 1])
    })
  )
  it.effect("retries what is due of one, however much is due of another whose log cannot be read", () =>
    Effect.gen(function* () {
      let isDown = true
      const answer = () => (isDown ? failed("Unavailable", "down") : delivered({}))
      const { pass, requests, journal, stores } = given({ events: [200, 1], answer })
      const change = (enabled: boolean) =>
        journal.commit([{ _tag: "ConnectionChanged", connection: "conn_001", enabled, deleted: false }], 0)
      change(false)
      yield* pass
      change(true)
      yield* pass
      isDown = false
      requests.length = 0
      stores.delete(ownerOf(0).route)
      yield* TestClock.adjust("1 minute")
      yield* pass
      expect(requests).toEqual([["1/1"]])
    })
  )
  it.effect("is held up by a log that hangs for a quarter of the time at most, while the others have something", () =>
    Effect.gen(function* () {
      const { passIn, readsOf, requests, stores, journal } = given({ events: [0, 1, 0], hanging: new Set([1]) })
      const event = newEvent(meta, new Uint8Array(1))
      let sent = 0
      while ((yield* Clock.currentTimeMillis) < 800_000) {
        stores.get(ownerOf(0).route)!.append([{ event, token: "", now: 0 }])
        journal.raiseHead(ownerOf(0).sourceId, ++sent)
        yield* passIn(25_000)
      }
      expect(requests.flat()).toHaveLength(sent)
      // It takes twenty seconds to be given up, and is left out for sixty.
      expect(readsOf(1)).toBeGreaterThan(5)
      expect(readsOf(1)).toBeLessThanOrEqual(10)
    })
  )
  it.effect("retries what is due of all of them together", () =>
    Effect.gen(function* () {
      let isDown = true
      const answer = () => (isDown ? failed("Unavailable", "down") : delivered({}))
      const { pass, requests, journal } = given({ events: [1, 2], answer })
      expect(yield* pass).toBe(30_100)
      isDown = false
      yield* TestClock.adjust("30 seconds")
      expect(yield* pass).toBeNull()
      // What failed with others is sent alone.
      expect(requests.slice(1).flat().toSorted()).toEqual(["0/1", "1/1", "1/2"])
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 0 })
    })
  )
  it.effect("retries what is due of one, though the log of another is nobody's any more", () =>
    Effect.gen(function* () {
      let isDown = true
      const answer = () => (isDown ? failed("Unavailable", "down") : delivered({}))
      const { pass, requests, journal, stores } = given({ events: [1, 1], answer })
      yield* pass
      isDown = false
      requests.length = 0
      const { route } = ownerOf(0)
      stores.set(route, { ...stores.get(route)!, get: () => ({ events: [], bytes: 0, through: 0 }) })
      yield* TestClock.adjust("30 seconds")
      expect(yield* pass).toBe((yield* Clock.currentTimeMillis) - 20_000 + 1000)
      expect(requests).toEqual([["1/1"]])
      expect(journal.summary()).toMatchObject({ pending: 1, dead: 0 })
    })
  )
  it.effect("has a reason for each event that failed, and delivers the others", () =>
    Effect.gen(function* () {
      const answer = ({ event, connectionId }: OutboundEvent) =>
        connectionId === "conn_001" && event.seq === 2 ? failed("Rejected", "no") : delivered({})
      const { pass, journal } = given({ events: [2, 3], answer })
      expect(yield* pass).toBeNull()
      expect(journal.runs().map(({ delivered }) => delivered)).toEqual([2, 2])
      expect(journal.deadLetters(null, 9).letters).toMatchObject([{ connection: "conn_001", seq: 2 }])
    })
  )
  it.effect.each([
    ["bodies", { size: 1000 }],
    ["headers", { headerBytes: 1000 }]
  ] as const)("holds no more bytes than it may, of %s, and takes what it left next", ([, large]) =>
    Effect.gen(function* () {
      const { pass, requests, journal } = given({
        events: Array.from({ length: 20 }, () => 1),
        policy: { window: { events: 100, bytes: 4000 } },
        ...large
      })
      expect(yield* pass).toBeNull()
      // Four logs are read at once, so that the last of them may be too many.
      expect(Math.max(...requests.map(({ length }) => length))).toBeLessThanOrEqual(7)
      expect(requests.flat()).toHaveLength(20)
      expect(journal.summary()).toMatchObject({ pending: 0, dead: 0 })
    })
  )
  it.effect("shares what little is allowed among all of them", () =>
    Effect.gen(function* () {
      const limits = { requests: null, records: 9, bytes: null }
      const { pass, requests } = given({ events: [200, 200, 200], policy: { limits } })
      yield* pass
      expect(requests[0]).toEqual(["0/1", "0/2", "0/3", "1/1", "1/2", "1/3", "2/1", "2/2", "2/3"])
    })
  )
  it.effect("counts a request that fails once for the breaker, also when its runs are written down one by one", () =>
    Effect.gen(function* () {
      const { pass, requests, journal } = given({
        events: [4, 4],
        answer: () => failed("Unavailable", "down"),
        batch: { maxEvents: 3, maxBytes: 1e6 },
        takes: (n) => (n === 1 ? 900 : 200),
        policy: { breaker: { ...defaultSettings, threshold: 4 } }
      })
      yield* pass
      // The second ends before the first, which what is the first run's in it waits for.
      expect(requests.slice(0, 3)).toEqual([
        ["0/1", "0/2", "0/3"],
        ["0/4", "1/1", "1/2"],
        ["1/3", "1/4"]
      ])
      expect(journal.control().breaker).toMatchObject({ state: "closed", failures: 3 })
    })
  )
  it.effect("gives each its turn where one event a second is allowed", () =>
    Effect.gen(function* () {
      const limits = { requests: 1, records: null, bytes: null }
      const { pass, requests } = given({
        events: [9, 9, 9],
        policy: { limits },
        batch: { maxEvents: 1, maxBytes: 1e6 }
      })
      for (let n = 0; n < 4; n++) yield* pass
      expect(requests.flat()).toEqual(["0/1", "1/1", "2/1", "0/2"])
    })
  )
})

describe("a replay with a limit", () => {
  it.effect("takes no more events than it may, also of those that are held behind their key", () =>
    Effect.gen(function* () {
      let isDown = true
      const { pass, journal } = given({
        events: [50],
        answer: () => (isDown ? failed("Unavailable", "down") : delivered({})),
        policy: { ordering: "key" }
      })
      journal.commit([{ _tag: "ConnectionChanged", connection: "conn_000", enabled: false, deleted: false }], 0)
      journal.commit([{ _tag: "ConnectionStarted", connection: "conn_001", ...ownerOf(0), after: 50 }], 0)
      const replay = { id: "rpl_1", maxEvents: 5, ratePerSecond: 2, filterRules: [] }
      journal.commit([{ _tag: "ReplayRequested", connection: "conn_001", replay, after: 0, through: 50 }], 0)
      yield* pass
      yield* TestClock.adjust("10 seconds")
      yield* pass
      expect(journal.summary().pending).toBeLessThanOrEqual(5)
      isDown = false
      for (let n = 0; n < 4; n++) {
        yield* TestClock.adjust("1 hour")
        yield* pass
      }
      expect(journal.replay("rpl_1")).toMatchObject({ status: "finished", delivered: 5, pending: 0 })
    })
  )
})
