/**
 * The windows of a pump, as its facts tell them: what is planned before a send, what is recorded of it, and what is
 * resumed.
 */
import { describe, expect, it } from "@effect/vitest"
import { defaultSettings } from "@hookstream/core/delivery/CircuitBreaker"
import type { ConnectionSettings } from "@hookstream/core/delivery/DestinationSettings"
import type * as Facts from "@hookstream/core/delivery/Facts"
import * as Policy from "@hookstream/core/delivery/Policy"
import * as Pump from "@hookstream/core/delivery/Pump"
import { newEvent } from "@hookstream/core/event/Event"
import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import * as EventLog from "@hookstream/core/log/EventLog"
import { delivered, type SinkDriver, SinkError } from "@hookstream/core/sink/Sink"
import * as DeliveryMemory from "@hookstream/core/testing/DeliveryMemory"
import * as EventLogMemory from "@hookstream/core/testing/EventLogMemory"
import { Effect, Exit, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { pumpSettings } from "./PumpSettings.ts"

const log = { sourceId: `src_${"0".repeat(32)}`, route: "0123abcde" }
const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
const ok: SinkDriver["send"] = (batch) => Effect.succeed(batch.map(() => delivered({})))
const down: SinkDriver["send"] = () => Effect.fail(new SinkError({ reason: "Unavailable", detail: "down" }))
const after =
  (ms: number, send: SinkDriver["send"]): SinkDriver["send"] =>
  (batch) =>
    Effect.andThen(Effect.sleep(ms), send(batch))

interface Given {
  readonly send?: SinkDriver["send"]
  readonly size?: number
  readonly policy?: Partial<Policy.Policy>
  readonly filter?: ConnectionSettings["filter"]
  readonly orderingKey?: ConnectionSettings["orderingKey"]
  readonly maxEvents?: number
  readonly maxInFlight?: number
  /** What the pump sees of the log. */
  readonly seen?: (store: EventLog.EventLogStore) => EventLog.EventLogStore
}
const META_BYTES = newEvent(meta, new Uint8Array()).meta.length

/** A destination with a log of `events` events, which it sends one after the other, unless said otherwise. */
const given = (
  events: number,
  {
    send = ok,
    size = 1,
    policy,
    filter = () => undefined,
    orderingKey,
    maxEvents = 1,
    maxInFlight = 1,
    seen = (log) => log
  }: Given
) => {
  const store = EventLogMemory.makeMemory(log)
  const journal = DeliveryMemory.makeMemory()
  const sent: Array<number> = []
  const requests: Array<ReadonlyArray<number>> = []
  journal.commit([{ _tag: "ConnectionStarted", connection: "conn_1", ...log, after: 0 }], 0)
  for (let i = 0; i < events; i++) store.append([{ event: newEvent(meta, new Uint8Array(size)), token: "", now: 0 }])
  journal.raiseHead(log.sourceId, events)
  const settings = pumpSettings({
    timeoutMs: 60_000,
    maxInFlight,
    policy: {
      breaker: { ...defaultSettings, enabled: false },
      ...policy
    },
    connections: new Map([["conn_1", { filter, rules: 1, orderingKey }]]),
    driver: {
      batch: { maxEvents, maxBytes: 1024 },
      send: (batch, tell) => {
        requests.push(batch.map(({ event }) => event.seq))
        sent.push(...batch.map(({ event }) => event.seq))
        return send(batch, tell)
      }
    }
  })
  const layer = Layer.mergeAll(
    DeliveryJournal.layer(journal),
    EventLog.layerStores(new Map([[log.route, seen(store)]]))
  )
  const run = Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(layer))
  const planned = () => journal.facts().filter((fact) => fact._tag === "WindowPlanned")
  const settled = () => journal.facts().filter((fact) => fact._tag === "WindowSettled")
  return {
    run,
    /** A run in so many seconds of virtual time. */
    runFor: (seconds: number) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(run)
        yield* TestClock.adjust(seconds * 1000)
        return yield* Fiber.join(fiber)
      }),
    journal,
    settings,
    sent,
    requests,
    store,
    planned,
    settled,
    /** Each window that was settled: its first event, its last, and what is left of it. */
    parts: () =>
      settled().map(({ lo, hi, seqs, rest }) => ({
        lo,
        hi,
        seqs,
        rest: rest === null ? null : [rest.lo, rest.hi, rest.seqs]
      }))
  }
}
const left = (window: Facts.Window): Facts.Fact => ({ _tag: "WindowPlanned", ...window, configVersion: 0, rates: null })

/** Events that are due again, as a window of the whole log leaves them. */
const due = (journal: DeliveryJournal.DeliveryStore, hi: number, seqs: ReadonlyArray<number>) => {
  const waiting = { _tag: "Waiting", key: null, spent: 0, due: 0, restarts: 0 } as const
  const settled = seqs.map((seq) => ({ ...waiting, seq }))
  const window = { run: "conn_1", lo: 1, hi, seqs: null, at: 0, seen: [], rates: null, rest: null }
  journal.commit([{ _tag: "WindowSettled", ...window, settled }], 0)
}

describe("what is planned", () => {
  it.effect("is what the rate lets out, with the rate spent for it before anything is sent", () =>
    Effect.gen(function* () {
      const limits = { requests: 100, records: 50, bytes: 1000 }
      const { run, planned } = given(3, { size: 7, policy: { limits } })
      yield* run
      expect(planned()).toMatchObject([{ lo: 1, hi: 3, seqs: null, rates: { requests: 30, records: 60, bytes: 21 } }])
    })
  )
  it.effect("ends with the event that reaches the rate of bytes", () =>
    Effect.gen(function* () {
      const { run, planned } = given(4, { size: 5, policy: { limits: { ...Policy.unlimited, bytes: 10 } } })
      yield* run
      expect(planned()).toMatchObject([{ lo: 1, hi: 2, rates: { bytes: 1000 } }])
    })
  )
  it.effect("is nothing where the filter lets no event pass, and no rate is spent", () =>
    Effect.gen(function* () {
      const limits = { ...Policy.unlimited, requests: 2 }
      const { run, planned, sent, journal } = given(9, { filter: () => 0, policy: { limits } })
      expect(yield* run).toBeNull()
      expect(planned()).toEqual([])
      expect(sent).toEqual([])
      expect(journal.control().rates.requests).toBe(0)
      expect(journal.runs()[0]).toMatchObject({ cursor: 9 })
    })
  )
  it.effect("goes past what is filtered out, which takes nothing of the rate", () =>
    Effect.gen(function* () {
      const limits = { ...Policy.unlimited, records: 2 }
      const { run, planned } = given(9, { filter: ({ event }) => (event.seq < 6 ? 0 : undefined), policy: { limits } })
      yield* run
      expect(planned()).toMatchObject([{ lo: 1, hi: 7, rates: { records: 1000 } }])
    })
  )
  it.effect("of retries is those that the rate lets out, by their numbers", () =>
    Effect.gen(function* () {
      const limits = { ...Policy.unlimited, records: 2 }
      const { run, journal, planned } = given(5, { policy: { limits } })
      due(journal, 5, [1, 3, 5])
      yield* run
      expect(planned()).toMatchObject([{ lo: 1, hi: 3, seqs: [1, 3] }])
    })
  )
})

describe("what is written down", () => {
  it.effect("is what came within 100 ms, then the next, and the last without a rest", () =>
    Effect.gen(function* () {
      const { runFor, parts } = given(5, { send: after(50, ok) })
      yield* runFor(1)
      expect(parts()).toEqual([
        { lo: 1, hi: 2, seqs: null, rest: [3, 5, null] },
        { lo: 3, hi: 4, seqs: null, rest: [5, 5, null] },
        { lo: 5, hi: 5, seqs: null, rest: null }
      ])
    })
  )
  it.effect("of retries names those that are done, and those that are on their way", () =>
    Effect.gen(function* () {
      const { runFor, journal, parts } = given(6, { send: after(50, ok) })
      due(journal, 6, [1, 3, 4, 6])
      yield* runFor(1)
      expect(parts().slice(1)).toEqual([
        { lo: 1, hi: 3, seqs: [1, 3], rest: [4, 6, [4, 6]] },
        { lo: 4, hi: 6, seqs: [4, 6], rest: null }
      ])
    })
  )
  it.effect("of a window whose rest was never sent is that nothing came of it", () =>
    Effect.gen(function* () {
      const { run, journal, parts, settled, sent } = given(5, { send: after(50, ok) })
      const fiber = yield* Effect.forkChild(run)
      yield* TestClock.adjust(75)
      const pause = { _tag: "Paused", reason: "user", detail: "", probeAt: null } as const
      journal.commit([{ _tag: "ConfigChanged", version: 1 }, pause], 75)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      expect(parts()).toEqual([
        { lo: 1, hi: 2, seqs: null, rest: [3, 5, null] },
        { lo: 3, hi: 5, seqs: [], rest: null }
      ])
      expect(settled()[1]!.settled).toEqual([])
      expect(journal.runs()[0]).toMatchObject({ cursor: 2 })
      expect(sent).toEqual([1, 2])
    })
  )
  it.effect("of a window that was stopped is one part, though more of it was planned", () =>
    Effect.gen(function* () {
      const refused: SinkDriver["send"] = () => Effect.fail(new SinkError({ reason: "Unauthorized", detail: "401" }))
      const { run, parts } = given(5, { send: refused })
      yield* run
      expect(parts()).toEqual([{ lo: 1, hi: 1, seqs: null, rest: null }])
    })
  )
})

describe("a window that a stopped process left open", () => {
  it.effect("is no larger than it was, whatever came to its log since", () =>
    Effect.gen(function* () {
      const { run, journal, parts, sent } = given(9, {})
      journal.commit([left({ run: "conn_1", lo: 2, hi: 4, seqs: null })], 0)
      yield* run
      expect(parts()[0]).toEqual({ lo: 2, hi: 4, seqs: null, rest: null })
      expect(sent).toContain(9)
    })
  )
  it.effect("is told as filtered where the filter lets an event not pass: it was never sent", () =>
    Effect.gen(function* () {
      const { run, journal, sent } = given(3, { filter: ({ event }) => (event.seq === 2 ? 0 : undefined) })
      journal.commit([left({ run: "conn_1", lo: 1, hi: 3, seqs: null })], 0)
      yield* run
      expect(sent).toEqual([1, 3])
      expect(journal.statuses(log.sourceId, [1, 2, 3]).map(({ status }) => status)).toEqual([
        "delivered",
        "filtered",
        "delivered"
      ])
    })
  )
  it.effect("of a run that has ended is closed as it was, with no outcome", () =>
    Effect.gen(function* () {
      const { run, journal, settled } = given(4, {})
      journal.commit([{ _tag: "ConnectionStarted", connection: "conn_2", ...log, after: 4 }], 0)
      journal.commit([left({ run: "conn_1", lo: 1, hi: 4, seqs: null })], 0)
      journal.commit([{ _tag: "ConnectionChanged", connection: "conn_1", enabled: true, deleted: true }], 0)
      yield* run
      expect(settled()).toMatchObject([{ run: "conn_1", lo: 1, hi: 4, seqs: [], settled: [], rest: null }])
    })
  )
  it.effect("of retries that came to an end is closed with no outcome", () =>
    Effect.gen(function* () {
      const { run, journal, settled } = given(4, {})
      yield* run
      journal.commit([left({ run: "conn_1", lo: 2, hi: 3, seqs: [2, 3] })], 0)
      yield* run
      expect(settled().slice(1)).toMatchObject([{ lo: 2, hi: 3, seqs: [2, 3], settled: [] }])
    })
  )
  it.effect("of retries is taken up in parts where they are more bytes than a window", () =>
    Effect.gen(function* () {
      const { run, journal, parts } = given(3, {
        size: 10,
        policy: { window: { events: 9, bytes: 2 * (10 + META_BYTES) } }
      })
      due(journal, 3, [1, 2, 3])
      journal.commit([left({ run: "conn_1", lo: 1, hi: 3, seqs: [1, 2, 3] })], 0)
      yield* run
      expect(parts().slice(1, 3)).toEqual([
        { lo: 1, hi: 2, seqs: [1, 2], rest: [3, 3, [3]] },
        { lo: 3, hi: 3, seqs: [3], rest: null }
      ])
    })
  )
  it.effect("waits, and is told in the log, while its events cannot be read", () =>
    Effect.gen(function* () {
      const { journal, sent, settings } = given(3, {})
      const lines: Array<unknown> = []
      const logger = Logger.layer([Logger.make(({ logLevel, message }) => lines.push([logLevel, message]))])
      const noLogs = Layer.mergeAll(DeliveryJournal.layer(journal), EventLog.layerStores(new Map()), logger)
      journal.commit([left({ run: "conn_1", lo: 1, hi: 3, seqs: null })], 0)
      yield* TestClock.adjust(5000)
      expect(yield* Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(noLogs))).toBe(6000)
      expect(lines).toMatchObject([["Warn", ["a log could not be read", { connection: "conn_1", replay: null }]]])
      expect(journal.control().windows).toMatchObject([{ lo: 1, hi: 3 }])
      expect(sent).toEqual([])
    })
  )
  it.effect("waits while its log has less than was said, and does not ask it again at once", () =>
    Effect.gen(function* () {
      let reads = 0
      const seen = (store: EventLog.EventLogStore): EventLog.EventLogStore => ({
        ...store,
        read: (from, limits) => {
          // A pump that asks again and again would not end.
          if (++reads > 3) throw new Error("asked again at once")
          return store.read(from, limits)
        }
      })
      const { run, journal } = given(0, { seen })
      journal.raiseHead(log.sourceId, 3)
      journal.commit([left({ run: "conn_1", lo: 1, hi: 3, seqs: null })], 0)
      expect(yield* Effect.exit(run)).toEqual(Exit.succeed(1000))
      expect(reads).toBe(1)
      expect(journal.control().windows).toMatchObject([{ lo: 1, hi: 3 }])
    })
  )
})

describe("a log that holds less than was said", () => {
  const empty =
    (head: number) =>
    (store: EventLog.EventLogStore): EventLog.EventLogStore => ({
      ...store,
      read: () => ({ events: [], bytes: 0, head })
    })
  const replay = (journal: DeliveryJournal.DeliveryStore) => {
    const what = { id: "rpl_1", filterRules: [], ratePerSecond: 100, maxEvents: null }
    journal.commit([{ _tag: "ReplayRequested", connection: "conn_1", replay: what, after: 0, through: 3 }], 0)
  }
  it.effect("is asked again by a live run, even where its head is what was said", () =>
    Effect.gen(function* () {
      const { run, journal, settled } = given(3, { seen: empty(3) })
      expect(yield* run).toBe(1000)
      expect(settled()).toEqual([])
      expect(journal.runs()[0]).toMatchObject({ cursor: 0 })
    })
  )
  it.effect("is passed over by a replay where it no longer holds its events, and asked again where it is behind", () =>
    Effect.gen(function* () {
      const gone = given(3, {})
      yield* gone.run
      replay(gone.journal)
      gone.store.drop(Number.POSITIVE_INFINITY, 3)
      expect(yield* gone.run).toBeNull()
      expect(gone.journal.replay("rpl_1")).toMatchObject({ status: "finished", delivered: 0 })

      const behind = given(0, { seen: empty(2) })
      replay(behind.journal)
      expect(yield* behind.run).toBe(1000)
      expect(behind.journal.replay("rpl_1")).toMatchObject({ status: "running", processed: 0 })
    })
  )
})

/** A log whose reads wait for something. */
const slowLog = (store: EventLog.EventLogStore, wait: Effect.Effect<void>) => {
  const slow = Effect.map(EventLog.EventLog, (service) => ({
    ...service,
    read: (...args: Parameters<typeof service.read>) => Effect.andThen(wait, service.read(...args))
  }))
  return Layer.effect(EventLog.EventLog, slow).pipe(Layer.provide(EventLog.layerStores(new Map([[log.route, store]]))))
}

describe("a log that does not answer", () => {
  it.effect("is left after twenty seconds, told in the log, and asked again a second later", () =>
    Effect.gen(function* () {
      const { journal, settings, store } = given(3, {})
      const lines: Array<unknown> = []
      const logger = Logger.layer([Logger.make(({ message }) => lines.push(message))])
      const layer = Layer.mergeAll(DeliveryJournal.layer(journal), slowLog(store, Effect.never), logger)
      const fiber = yield* Effect.forkChild(Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(layer)))
      yield* TestClock.adjust("20 seconds")
      expect(yield* Fiber.join(fiber)).toBe(21_000)
      const error = { name: "UnavailableError", message: "the log did not answer within 20000 ms" }
      expect(lines).toMatchObject([["a log could not be read", { error }]])
    })
  )
})

describe("a window that was read when the time of the pass was up", () => {
  it.effect("is begun all the same, so that a slow log does not stop everything", () =>
    Effect.gen(function* () {
      const policy = { window: { events: 1, bytes: Policy.WINDOW_BYTES } }
      const { journal, settings, store, sent } = given(3, { send: after(27_000, ok), policy })
      const layer = Layer.mergeAll(DeliveryJournal.layer(journal), slowLog(store, Effect.sleep(2000)))
      const fiber = yield* Effect.forkChild(Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(layer)))
      yield* TestClock.adjust("2 minutes")
      expect(yield* Fiber.join(fiber)).toBe(58_000)
      expect(sent).toEqual([1, 2])
    })
  )
})

describe("a slot that has nothing to send", () => {
  /** The most requests that were on their way at once, of those that `counts`. */
  const counting = (send: SinkDriver["send"], counts: (size: number) => boolean) => {
    const seen = { now: 0, most: 0 }
    const counted: SinkDriver["send"] = (batch, tell) => {
      if (!counts(batch.length)) return send(batch, tell)
      seen.most = Math.max(seen.most, ++seen.now)
      return Effect.ensuring(
        send(batch, tell),
        Effect.sync(() => seen.now--)
      )
    }
    return { seen, counted }
  }
  it.effect("takes one of the halves of a request that was too large", () =>
    Effect.gen(function* () {
      const tooLarge = after(10, () => Effect.fail(new SinkError({ reason: "TooLarge", detail: "413" })))
      const halving: SinkDriver["send"] = (batch, tell) => (batch.length > 2 ? tooLarge : after(10, ok))(batch, tell)
      const { seen, counted } = counting(halving, (size) => size <= 2)
      const { runFor, requests } = given(4, { send: counted, maxEvents: 4, maxInFlight: 3 })
      yield* runFor(1)
      expect(requests).toEqual([
        [1, 2, 3, 4],
        [1, 2],
        [3, 4]
      ])
      expect(seen.most).toBe(2)
    })
  )
  it.effect("is not held up by a request that takes long", () =>
    Effect.gen(function* () {
      const slowFirst: SinkDriver["send"] = (batch, tell) =>
        after(batch[0]!.event.seq === 1 ? 10_000 : 10, ok)(batch, tell)
      const { run, sent } = given(9, { send: slowFirst, maxInFlight: 2 })
      const fiber = yield* Effect.forkChild(run)
      yield* TestClock.adjust("1 second")
      expect(sent).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(fiber)).toBeNull()
    })
  )
  it.effect("takes the next of a key when the one before has ended", () =>
    Effect.gen(function* () {
      const { seen, counted } = counting(after(10, ok), () => true)
      const orderingKey: ConnectionSettings["orderingKey"] = ({ event }) => event.seq % 2
      const policy = { ordering: "key" } as const
      const { runFor, sent } = given(6, { send: counted, maxInFlight: 3, policy, orderingKey })
      yield* runFor(1)
      expect([sent, seen.most]).toEqual([[1, 2, 3, 4, 5, 6], 2])
    })
  )
})

describe("a window whose time is up", () => {
  it.effect("still sends the halves of what was on its way, and nothing else", () =>
    Effect.gen(function* () {
      const late: SinkDriver["send"] = (batch, tell) =>
        batch.length > 1
          ? after(31_000, () => Effect.fail(new SinkError({ reason: "TooLarge", detail: "413" })))(batch, tell)
          : ok(batch, tell)
      const { runFor, requests } = given(6, { send: late, maxEvents: 2, maxInFlight: 2 })
      yield* runFor(60)
      expect(requests).toEqual([[1, 2], [3, 4], [1], [2], [3], [4]])
    })
  )
})

describe("a live run", () => {
  it.effect("takes what came since its log told it", () =>
    Effect.gen(function* () {
      const { run, sent, store } = given(2, {})
      store.append([{ event: newEvent(meta, new Uint8Array(1)), token: "", now: 0 }])
      expect(yield* run).toBeNull()
      expect(sent).toEqual([1, 2, 3])
    })
  )
})

describe("the key of an event", () => {
  it.effect("is the same for all of a strict connection, whatever its ordering key says", () =>
    Effect.gen(function* () {
      const orderingKey: ConnectionSettings["orderingKey"] = ({ event }) => event.seq
      const { run, requests } = given(3, { maxEvents: 10, policy: { ordering: "strict" }, orderingKey })
      yield* run
      expect(requests).toEqual([[1], [2], [3]])
    })
  )
  it.effect("is the same for those that have no value at its path, and for no other", () =>
    Effect.gen(function* () {
      const orderingKey: ConnectionSettings["orderingKey"] = ({ event }) => (event.seq < 3 ? undefined : event.seq)
      const { run, requests, journal } = given(3, {
        send: down,
        maxEvents: 10,
        policy: { ordering: "key" },
        orderingKey
      })
      yield* run
      expect(requests).toEqual([[1, 3]])
      expect([...journal.state().pending.values()].map(({ seq, key }) => [seq, key])).toEqual([
        [1, ""],
        [2, ""],
        [3, "3"]
      ])
    })
  )
})

describe("a rule of a replay's filter", () => {
  it.effect("is counted after those of the connection", () =>
    Effect.gen(function* () {
      const { run, journal, settled } = given(1, {})
      yield* run
      const rule = (value: string) => ({ field: "method", op: "eq", value }) as const
      const replay = {
        id: "rpl_1",
        filterRules: [rule("POST"), rule("PUT")],
        ratePerSecond: 100,
        maxEvents: null
      }
      journal.commit([{ _tag: "ReplayRequested", connection: "conn_1", replay, after: 0, through: 1 }], 0)
      yield* run
      expect(settled().at(-1)!.settled).toMatchObject([{ _tag: "Filtered", rule: 2 }])
    })
  )
})
