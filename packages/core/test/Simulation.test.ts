/**
 * The whole pipeline in virtual time under generated commands and faults. A run of the pump may end at any send or commit, as a
 * killed process does; what is committed stays, what is in memory is gone. Afterwards the faults stop, and the history is checked
 * against the promises. A failure prints a replay token.
 *
 * `HOOKSTREAM_SIM_RUNS` sets the number of generated histories (`npm run sim -- --seeds 2000`).
 */
import { describe, expect, it } from "@effect/vitest"
import * as CircuitBreaker from "@hookstream/core/CircuitBreaker"
import * as Delivery from "@hookstream/core/Delivery"
import * as Facts from "@hookstream/core/DeliveryFacts"
import * as DeliveryJournal from "@hookstream/core/DeliveryJournal"
import { Ordering } from "@hookstream/core/Destination"
import { newEvent } from "@hookstream/core/Event"
import * as EventLog from "@hookstream/core/EventLog"
import * as Pump from "@hookstream/core/Pump"
import { delivered, failed, type OutboundEvent, type Outcome, SinkError, type Tell } from "@hookstream/core/Sink"
import { Clock, Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { objectSql } from "./ObjectSql.ts"

const RUNS = Number(process.env["HOOKSTREAM_SIM_RUNS"] ?? 150)

/**
 * What the sink does with requests, one after another. `lost`: produced, and the reply is lost. `hang`: produced, no reply. `told`:
 * produced, the first half is answered for, then no more. `no topic`: the first event is refused for all, the request is ended, and
 * the sink goes on with the rest.
 */
const Mode = Schema.Literals([
  "ok",
  "down",
  "lost",
  "hang",
  "flaky",
  "poison",
  "unauthorized",
  "throttled",
  "slow",
  "partial",
  "told",
  "no topic",
  "too large"
])
/** A run of the pump, to its end or into a crash. */
const Step = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("Run") }),
  Schema.Struct({
    _tag: Schema.Literal("CrashAtSend"),
    n: Schema.Literals([0, 1, 2, 7, 30]),
    produced: Schema.Boolean
  }),
  Schema.Struct({
    _tag: Schema.Literal("CrashAtCommit"),
    n: Schema.Literals([0, 1, 2, 3]),
    committed: Schema.Boolean,
    gated: Schema.Boolean
  })
])
const Ask = Schema.Literals([
  "pause",
  "resume",
  "disable",
  "enable",
  "redrive",
  "reset circuit",
  "lose wake-ups",
  "replay",
  "cancel replay"
])
/** Events come, the sink is in some mode, the pump runs, time goes by, and perhaps somebody asks for something. */
const Act = Schema.Struct({
  count: Schema.Literals([0, 1, 3, 40, 150]),
  mode: Mode,
  step: Step,
  ms: Schema.Literals([0, 50, 5000, 61_000, 3_600_000, 90_000_000]),
  ask: Schema.NullOr(Ask)
})
type Act = typeof Act.Type
const History = Schema.Struct({
  ordering: Ordering,
  rate: Schema.Literals([0, 50]),
  /** Events that share a request. */
  batch: Schema.Literals([1, 1, 4, 30]),
  acts: Schema.Array(Act).check(Schema.isMinLength(2), Schema.isMaxLength(14))
})

const log = { sourceId: `src_${"0".repeat(32)}`, route: "0123abcde" }
const CONNECTION = "conn_1"
const KEYS = 4
const POISON = 7
const TIMEOUT = 2000

const stats = { histories: 0, hours: 0, events: 0, replays: 0, faults: 0, duplicates: 0, dead: 0 }

const simulate = Effect.fnUntraced(function* ({ ordering, rate, batch: maxEvents, acts }: typeof History.Type) {
  const startedAt = yield* Clock.currentTimeMillis
  const events = EventLog.makeMemory(log)
  const sql = objectSql()
  let store = DeliveryJournal.makeStore(sql)
  const now = Clock.currentTimeMillis
  store.commit([{ _tag: "ConnectionStarted", connection: CONNECTION, ...log, after: 0 }], yield* now)

  let mode: typeof Mode.Type = "ok"
  let calls = 0
  let wakes = true
  let version = 0
  let paused = false
  let enabled = true
  /** Arrivals at the sink, in order: of the live run, and of each replay. */
  const arrivals = new Map<string, Array<number>>([["live", []]])
  const redriven = new Set<number>()
  const replays: Array<string> = []
  const cancelled = new Set<string>()
  const busy = new Map<number, number>()
  let crash:
    | { readonly at: "send" | "commit"; left: number; readonly done: boolean; readonly gated: boolean }
    | undefined

  const crashes = (at: "send" | "commit") => crash?.at === at && crash.left-- === 0
  const produce = (batch: ReadonlyArray<OutboundEvent>) => {
    for (const { event, replayId } of batch) arrivals.get(replayId ?? "live")!.push(event.seq)
  }
  const answer = (
    batch: ReadonlyArray<OutboundEvent>,
    tell: Tell
  ): Effect.Effect<ReadonlyArray<Outcome>, SinkError> => {
    const fail = (reason: SinkError["reason"]) => Effect.fail(new SinkError({ reason, detail: mode }))
    const done = Effect.sync(() => {
      produce(batch)
      return batch.map(() => delivered({}))
    })
    const lost = Effect.andThen(
      Effect.sync(() => produce(batch)),
      fail("Unknown")
    )
    calls++
    switch (mode) {
      case "ok":
        return done
      case "slow":
        return Effect.andThen(Effect.sleep(1 + (calls % 5) * 10), done)
      case "down":
        return fail("Unavailable")
      case "lost":
        return lost
      case "hang":
        return Effect.andThen(
          Effect.sync(() => produce(batch)),
          Effect.never
        )
      case "flaky":
        return calls % 3 === 0 ? fail("Unavailable") : calls % 7 === 0 ? lost : done
      case "partial": {
        // The first half is produced and answered, then the answer breaks off.
        const half = Math.ceil(batch.length / 2)
        produce(batch)
        return Effect.succeed(batch.map((_, i) => (i < half ? delivered({}) : failed("Unknown", mode))))
      }
      case "told":
        produce(batch)
        for (let i = 0; i < batch.length / 2; i++) tell(i, delivered({}))
        return Effect.never
      case "no topic":
        produce(batch.slice(1))
        return Effect.succeed(batch.map((_, i) => failed(i === 0 ? "Misconfigured" : "Unknown", mode)))
      case "too large":
        return batch.length > 2 ? fail("TooLarge") : done
      case "poison": {
        const isBad = ({ event }: OutboundEvent) => event.seq % POISON === 0
        produce(batch.filter((one) => !isBad(one)))
        return Effect.succeed(batch.map((one) => (isBad(one) ? failed("Rejected", mode) : delivered({}))))
      }
      case "unauthorized":
        return fail("Unauthorized")
      case "throttled":
        return Effect.fail(new SinkError({ reason: "Throttled", detail: mode, retryAfter: 500 }))
    }
  }
  const send = (batch: ReadonlyArray<OutboundEvent>, tell: Tell = () => {}) =>
    Effect.gen(function* () {
      for (const { event } of batch) {
        const key = event.seq % KEYS
        if (ordering !== "none" && [...busy.values()].some((other) => ordering === "strict" || other === key)) {
          return yield* Effect.die("two events of a key at once")
        }
        busy.set(event.seq, key)
      }
      // The output gate: nothing leaves before what was written is committed.
      sql.flush()
      if (crashes("send")) {
        if (crash!.done) produce(batch)
        return yield* Effect.interrupt
      }
      return yield* answer(batch, tell)
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          for (const { event } of batch) busy.delete(event.seq)
        })
      )
    )

  const policy: Delivery.Policy = {
    ordering,
    retry: { enabled: true, maxRetries: 5, backoff: "exponential", intervals: [30, 300, 1800], jitter: true },
    breaker: CircuitBreaker.defaultSettings,
    limits: { ...Delivery.unlimited, requests: rate === 0 ? null : rate },
    window: { events: Delivery.WINDOW_EVENTS, bytes: Delivery.WINDOW_BYTES },
    maxPending: 400
  }
  const current = Effect.sync(
    (): Pump.Settings => ({
      ...{
        destinationId: "dst_1",
        configVersion: version,
        driver: { batch: { maxEvents, maxBytes: 1024 }, check: Effect.succeed([]), send },
        policy,
        timeoutMs: TIMEOUT,
        maxInFlight: 4
      },
      connections: new Map([
        [CONNECTION, { filter: () => undefined, rules: 0, orderingKey: ({ event }) => event.seq % KEYS }]
      ])
    })
  )
  // The store is another one after each crash.
  const journal = (): DeliveryJournal.DeliveryJournal["Service"] => DeliveryJournal.make(store)
  const crashing: DeliveryJournal.DeliveryJournal["Service"] = {
    control: Effect.suspend(() => journal().control),
    view: Effect.suspend(() => journal().view),
    pendingAmong: (run, seqs) => Effect.suspend(() => journal().pendingAmong(run, seqs)),
    blockedKeys: (run, keys) => Effect.suspend(() => journal().blockedKeys(run, keys)),
    commit: (facts) =>
      Effect.suspend(() => {
        const crashed = crashes("commit")
        if (!crashed) return journal().commit(facts)
        if (!crash!.done) return Effect.interrupt
        return Effect.andThen(
          journal().commit(facts),
          Effect.suspend(() => {
            if (crash!.gated) sql.flush()
            return Effect.interrupt
          })
        )
      })
  }
  const layer = Layer.mergeAll(
    Layer.succeed(DeliveryJournal.DeliveryJournal, crashing),
    EventLog.layerStores(new Map([[log.route, events]]))
  )

  /** One run of the pump, in as much virtual time as it needs; a crash ends it as a killed process ends. */
  const run = Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Pump.run(current).pipe(Effect.provide(layer), Effect.exit))
    for (let i = 0; i < 100 && fiber.pollUnsafe() === undefined; i++) yield* TestClock.adjust(TIMEOUT)
    const exit = yield* Fiber.join(fiber)
    if (exit._tag === "Failure" && !JSON.stringify(exit.cause).includes("Interrupt")) return yield* exit
    if (exit._tag === "Failure") {
      // Memory is gone, and with it what was not committed; the constructor runs again.
      sql.crash()
      store = DeliveryJournal.makeStore(sql)
    } else sql.flush()
    crash = undefined
    expect(store.view(0).pendingCount, "pending is bounded").toBeLessThanOrEqual(policy.maxPending)
    return undefined
  })
  const cancel = Effect.gen(function* () {
    const last = replays.at(-1)
    if (last === undefined) return
    cancelled.add(last)
    store.commit([{ _tag: "ReplayCancelled", replay: last }], yield* now)
  })
  const replay = Effect.gen(function* () {
    const through = events.head()
    if (through === 0) return
    const id = `rpl_${replays.length}`
    replays.push(id)
    arrivals.set(id, [])
    const asked = { id, filterRules: [], ratePerSecond: 40, maxEvents: null }
    const after = Math.floor(through / 3)
    store.commit([{ _tag: "ReplayRequested", connection: CONNECTION, replay: asked, after, through }], yield* now)
  })
  const configure = Effect.gen(function* () {
    version++
    const facts: Array<Facts.Fact> = [{ _tag: "ConfigChanged", version }]
    facts.push({ _tag: "ConnectionChanged", connection: CONNECTION, enabled, deleted: false })
    const user = store.control().pause?.reason === "user"
    if (paused && !user) facts.push({ _tag: "Paused", reason: "user", detail: "", probeAt: null })
    if (!paused && user) facts.push({ _tag: "Resumed" })
    store.commit(facts, yield* now)
  })
  const redrive = Effect.gen(function* () {
    const letters = store.deadLetters(null, 1000).letters.filter((letter) => letter.replay === null)
    if (letters.length === 0) return
    for (const { seq } of letters) redriven.add(seq)
    const at = yield* now
    store.commit([{ _tag: "Redriven", run: CONNECTION, seqs: letters.map(({ seq }) => seq), at }], at)
  })

  const obey = Effect.fnUntraced(function* (ask: Act["ask"]) {
    switch (ask) {
      case "pause":
      case "resume":
        paused = ask === "pause"
        return yield* configure
      case "disable":
      case "enable":
        enabled = ask === "enable"
        return yield* configure
      case "redrive":
        return yield* redrive
      case "reset circuit": {
        const at = yield* now
        if (store.control().breaker.state !== "closed") store.commit([{ _tag: "BreakerClosed", at }], at)
        return
      }
      case "replay":
        return yield* replay
      case "cancel replay":
        return yield* cancel
      case "lose wake-ups":
        wakes = false
        return
      case null:
        return
    }
  })

  let folded = Facts.initialState
  let told = 0
  /** The fold of the journal is the state of the tables, at every moment. */
  const checkFold = () => {
    const facts = store.facts()
    folded = facts.slice(told).reduce(Facts.evolve, folded)
    told = facts.length
    const state = store.state()
    expect(state.control).toEqual(folded.control)
    // The head of a live run is a hint, no fact.
    const runs = (one: Facts.State) =>
      [...one.runs.values()]
        .map((run) => (run.replay === null ? { ...run, head: 0 } : run))
        .sort((a, b) => (a.id < b.id ? -1 : 1))
    expect(runs(state)).toEqual(runs(folded))
    expect([...state.pending].sort()).toEqual([...folded.pending].sort())
    expect([...state.dead].sort()).toEqual([...folded.dead].sort())
  }

  for (const { count, mode: wanted, step, ms, ask } of acts) {
    for (let i = 0; i < count; i++) {
      const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
      const event = newEvent(meta, new Uint8Array(1))
      events.append([{ event, token: "", now: yield* now }])
    }
    if (wakes) store.raiseHead(log.sourceId, events.head())
    mode = wanted
    if (mode !== "ok") stats.faults++
    if (step._tag === "CrashAtSend") crash = { at: "send", left: step.n, done: step.produced, gated: true }
    if (step._tag === "CrashAtCommit") crash = { at: "commit", left: step.n, done: step.committed, gated: step.gated }
    if (crash !== undefined) stats.faults++
    yield* run
    checkFold()
    yield* TestClock.adjust(ms)
    yield* obey(ask)
  }

  // The faults stop, and time goes on.
  mode = "ok"
  paused = false
  enabled = true
  yield* configure
  store.raiseHead(log.sourceId, events.head())
  const settled = () => {
    const { runs, pendingCount } = store.view(0)
    return pendingCount === 0 && runs.every(({ replay, cursor }) => replay === null && cursor === events.head())
  }
  for (let i = 0; i < 300 && !settled(); i++) {
    yield* run
    yield* TestClock.adjust("30 minutes")
  }

  // Every event is delivered or dead, whatever happened.
  const seqs = Array.from({ length: events.head() }, (_, i) => i + 1)
  const statuses = store.statuses(log.sourceId, seqs)
  const dead = new Set(statuses.filter(({ status }) => status === "dead").map(({ seq }) => seq))
  expect(statuses.filter(({ status }) => status !== "delivered" && status !== "dead")).toEqual([])
  // What the journal calls delivered has arrived.
  const arrived = new Set(arrivals.get("live"))
  expect(statuses.filter(({ seq, status }) => status === "delivered" && !arrived.has(seq))).toEqual([])
  // Every replay came to its end, and its events to theirs.
  for (const id of replays) {
    const { status, total, processed, delivered, dead } = store.replay(id)!
    if (cancelled.has(id)) {
      expect(["cancelled", "finished"]).toContain(status)
    } else {
      expect({ status, processed, sum: delivered + dead }).toEqual({ status: "finished", processed: total, sum: total })
      expect(new Set(arrivals.get(id)).size, id).toBeGreaterThanOrEqual(delivered)
    }
  }
  let twice = 0
  for (const [run, seqsOf] of arrivals) {
    const replay = run === "live" ? null : run
    // A duplicate only after an unknown outcome.
    for (const [seq, all] of Map.groupBy(seqsOf, (seq) => seq)) {
      if (all.length === 1) continue
      twice++
      const story = store.timeline(log.sourceId, seq).filter((entry) => entry.replay === replay)
      const unknown = story.filter(({ reason }) => reason === "Unknown" || reason === "TimedOut").length
      expect(all.length, `arrivals of ${seq} in ${run}`).toBeLessThanOrEqual(unknown + 1)
    }
    // With an order, first arrivals of a key are in the order of the log (redriven dead letters come late).
    if (ordering === "none") continue
    const died = new Set(
      store.deadLetters(null, 100_000).letters.flatMap((one) => (one.replay === replay ? one.seq : []))
    )
    const firsts = [...new Set(seqsOf)].filter((seq) => !died.has(seq) && (replay !== null || !redriven.has(seq)))
    for (let key = 0; key < (ordering === "key" ? KEYS : 1); key++) {
      const own = ordering === "key" ? firsts.filter((seq) => seq % KEYS === key) : firsts
      expect(own).toEqual(own.toSorted((a, b) => a - b))
    }
  }
  // An outage alone dead-letters nothing: only what the sink refused, or failed while others passed, may be dead.
  const unfair = acts.some(
    ({ mode, step }) => ["flaky", "lost", "hang", "partial", "told"].includes(mode) || step._tag !== "Run"
  )
  const refused = (seq: number) => store.timeline(log.sourceId, seq).some(({ reason }) => reason === "Rejected")
  if (!unfair) expect([...dead].filter((seq) => !refused(seq))).toEqual([])
  checkFold()

  stats.histories++
  stats.events += events.head()
  stats.replays += replays.length
  stats.duplicates += twice
  stats.dead += dead.size
  stats.hours += ((yield* now) - startedAt) / 3_600_000
})

describe("the pipeline under faults", () => {
  it.effect.prop("keeps its promises", [History], ([history]) => simulate(history), {
    arbitrary: { runs: RUNS },
    timeout: 600_000
  })
  it("was tried", () => {
    console.log({ ...stats, hours: Math.round(stats.hours) })
    expect(stats.histories).toBeGreaterThanOrEqual(RUNS)
  })
})
