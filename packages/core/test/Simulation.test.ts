/**
 * The whole pipeline in virtual time under generated commands and faults. A pass of the pump may end at any send or
 * commit, as a killed process does; what is committed stays, what is in memory is gone. Afterwards the faults stop, and
 * the history is checked against the promises. A failure prints a replay token.
 *
 * `HOOKSTREAM_SIM_RUNS` sets the number of generated histories (`npm run sim -- --seeds 2000`).
 */
import { describe, expect, it } from "@effect/vitest"
import * as CircuitBreaker from "@hookstream/core/delivery/CircuitBreaker"
import * as Commands from "@hookstream/core/delivery/Commands"
import type { Settings } from "@hookstream/core/delivery/DestinationSettings"
import * as Policy from "@hookstream/core/delivery/Policy"
import * as Pump from "@hookstream/core/delivery/Pump"
import * as Redrive from "@hookstream/core/delivery/Redrive"
import * as State from "@hookstream/core/delivery/State"
import { newEvent } from "@hookstream/core/event/Event"
import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import * as EventLog from "@hookstream/core/log/EventLog"
import { delivered, failed, type OutboundEvent, type Outcome, SinkError, type Tell } from "@hookstream/core/sink/Sink"
import * as EventLogMemory from "@hookstream/core/testing/EventLogMemory"
import * as Fold from "@hookstream/core/testing/Fold"
import { Ordering } from "@hookstream/core/workspace/Destination"
import type { ReplayJob } from "@hookstream/core/workspace/ReplayJob"
import { Clock, Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { objectSql } from "./ObjectSql.ts"
import { pumpSettings } from "./PumpSettings.ts"

const RUNS = Number(process.env["HOOKSTREAM_SIM_RUNS"] ?? 600)

/**
 * What the sink does with requests, one after another. `lost`: produced, and the reply is lost. `hang`: produced, no
 * reply. `told`: produced, the first half is answered for, then no more. `no topic`: the first event is refused for
 * all, the request is ended, and the sink goes on with the rest.
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
/** A pass of the pump, to its end or into a crash. */
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
  "change settings",
  "change another thing",
  "delete connection",
  "redrive",
  "retry all",
  "reset circuit",
  "lose wake-ups",
  "replay",
  "replay often",
  "cancel replay"
])
/**
 * Events come, the sink is in some mode, the pump runs, time goes by, and perhaps somebody asks for something: after
 * the run, or (`during`) in mid-run, when so many requests have been made.
 */
const Act = Schema.Struct({
  count: Schema.Literals([0, 1, 3, 40, 150]),
  mode: Mode,
  step: Step,
  ms: Schema.Literals([0, 50, 5000, 61_000, 3_600_000, 90_000_000]),
  ask: Schema.NullOr(Ask),
  during: Schema.NullOr(Schema.Struct({ requests: Schema.Literals([1, 2, 5, 20]), ask: Ask }))
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
const KEYS = 4
const POISON = 7
const TIMEOUT = 2000
const META = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
const EVENT = newEvent(META, new Uint8Array(1))

const stats = { histories: 0, hours: 0, events: 0, replays: 0, faults: 0, duplicates: 0, dead: 0, cancelled: 0 }

/** A connection from its beginning to its end: what was accepted meanwhile is its own. */
interface Era {
  readonly connection: string
  readonly after: number
  /** The log's head when it was deleted. */
  through: number
}

const simulate = Effect.fnUntraced(function* ({ ordering, rate, batch: maxEvents, acts }: typeof History.Type) {
  const startedAt = yield* Clock.currentTimeMillis
  const events = EventLogMemory.makeMemory(log)
  const sql = objectSql()
  let store = DeliveryJournal.makeStore(sql)
  let turn = Pump.newTurn()
  const now = Clock.currentTimeMillis

  let mode: typeof Mode.Type = "ok"
  let calls = 0
  let wakes = true
  let version = 0
  let paused = false
  let enabled = true
  const eras: Array<Era> = []
  const era = () => eras.at(-1)!
  /** Arrivals at the sink, in order: of each connection, and of each replay. */
  const arrivals = new Map<string, Array<number>>()
  /** What the sink saw and must not: a defect of it would end as a dead letter. */
  const violations: Array<string> = []
  let asking: Act["during"] = null
  let requests = 0
  const redriven = new Set<string>()
  const replays: Array<ReplayJob> = []
  const cancelled = new Set<string>()
  /** What is on its way, and the key of each. */
  const busy = new Map<OutboundEvent, number>()
  let crash:
    | { readonly at: "send" | "commit"; left: number; readonly done: boolean; readonly gated: boolean }
    | undefined

  let isDead = false

  const crashes = (at: "send" | "commit") => crash?.at === at && crash.left-- === 0
  const produce = (batch: ReadonlyArray<OutboundEvent>) => {
    for (const { event, replayId, connectionId } of batch) arrivals.get(replayId ?? connectionId)!.push(event.seq)
  }
  const answer = (
    batch: ReadonlyArray<OutboundEvent>,
    tell: Tell
  ): Effect.Effect<ReadonlyArray<Outcome>, SinkError> => {
    const fail = (reason: SinkError["reason"]) => Effect.suspend(() => new SinkError({ reason, detail: mode }))
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
      for (const one of batch) {
        const { event, connectionId, replayId } = one
        const key = event.seq % KEYS
        const isBehind = ([other, otherKey]: readonly [OutboundEvent, number]) =>
          other.connectionId === connectionId &&
          other.replayId === replayId &&
          (ordering === "strict" || otherKey === key)
        if (ordering !== "none" && [...busy].some(isBehind)) violations.push("two events of a key at once")
        busy.set(one, key)
        // Nothing starts once a person has stopped it.
        const isStopped = paused || !enabled || connectionId !== era().connection || cancelled.has(replayId ?? "")
        if (isStopped) violations.push(`a request of ${replayId ?? connectionId} started after it was stopped`)
      }
      // The output gate: nothing leaves before what was written is committed.
      sql.flush()
      const due = asking !== null && ++requests === asking.requests ? asking.ask : null
      if (due !== null) {
        yield* obey(due)
        // Who asked has its answer, which waited for the commit.
        sql.flush()
      }
      if (isDead) violations.push("a request started in a process that has ended")
      if (crashes("send")) {
        isDead = true
        if (crash!.done) produce(batch)
        return yield* Effect.interrupt
      }
      return yield* answer(batch, tell)
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          for (const one of batch) busy.delete(one)
        })
      )
    )

  const policy: Policy.Policy = {
    ordering,
    retry: { enabled: true, maxRetries: 5, backoff: "exponential", intervals: [30, 300, 1800], jitter: true },
    breaker: CircuitBreaker.defaultSettings,
    limits: { ...Policy.unlimited, requests: rate === 0 ? null : rate },
    window: { events: Policy.WINDOW_EVENTS, bytes: Policy.WINDOW_BYTES },
    maxPending: 400
  }
  const current = Effect.sync(
    (): Settings =>
      pumpSettings({
        configVersion: version,
        driver: { batch: { maxEvents, maxBytes: 1024 }, send },
        policy,
        timeoutMs: TIMEOUT,
        maxInFlight: 4,
        connections: new Map([
          [era().connection, { filter: () => undefined, rules: 0, orderingKey: ({ event }) => event.seq % KEYS }]
        ])
      })
  )
  // The store is another one after each crash.
  const journal = (): DeliveryJournal.DeliveryJournal["Service"] => DeliveryJournal.make(store)
  const crashing: DeliveryJournal.DeliveryJournal["Service"] = {
    control: Effect.suspend(() => journal().control),
    view: (away) => Effect.suspend(() => journal().view(away)),
    pendingAmong: (run, seqs) => Effect.suspend(() => journal().pendingAmong(run, seqs)),
    blockedKeys: (run, keys) => Effect.suspend(() => journal().blockedKeys(run, keys)),
    commit: (facts) =>
      Effect.suspend(() => {
        const crashed = crashes("commit")
        if (!crashed) return journal().commit(facts)
        isDead = true
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

  /** One pass of the pump, in as much virtual time as it needs; a crash ends it as a killed process ends. */
  const run = Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Pump.pass(current, () => {}, turn).pipe(Effect.provide(layer), Effect.exit))
    for (let i = 0; i < 100 && fiber.pollUnsafe() === undefined; i++) yield* TestClock.adjust(TIMEOUT)
    const exit = yield* Fiber.join(fiber)
    if (exit._tag === "Failure" && !JSON.stringify(exit.cause).includes("Interrupt")) return yield* exit
    if (exit._tag === "Failure") {
      // Memory is gone, and with it what was not committed; the constructor runs again.
      sql.crash()
      store = DeliveryJournal.makeStore(sql)
      turn = Pump.newTurn(true)
    } else sql.flush()
    crash = undefined
    isDead = false
    expect(store.view(0).pendingCount, "pending is bounded").toBeLessThanOrEqual(policy.maxPending)
    return undefined
  })
  const tell = (jobs: ReadonlyArray<ReplayJob>) =>
    Effect.map(now, (at) => store.commit(Commands.command(store.runs(), jobs, at), at))
  const cancel = Effect.suspend(() => {
    const last = replays.at(-1)
    if (last === undefined) return Effect.void
    cancelled.add(last.id)
    return tell([{ ...last, cancelled: true }])
  })
  const replay = Effect.suspend(() => {
    const through = events.head()
    if (through === 0) return Effect.void
    const job: ReplayJob = {
      kind: "replay",
      id: `rpl_${replays.length}`,
      workspace: "00000001",
      version: 0,
      destinationId: "dst_1",
      sourceId: null,
      connectionId: null,
      from: 0,
      to: 0,
      filterRules: [],
      ratePerSecond: 40,
      maxEvents: null,
      parts: [{ connection: era().connection, after: Math.floor(through / 3), through }],
      cancelled: false,
      createdAt: 0,
      updatedAt: 0
    }
    replays.push(job)
    arrivals.set(job.id, [])
    // Whatever is told twice is done once.
    return Effect.andThen(tell([job]), tell([job]))
  })
  const configure = Effect.fnUntraced(function* (change: Commands.Change = "none") {
    version++
    const at = yield* now
    const connections = eras.map(
      ({ connection, through }): Commands.WantedConnection => ({
        id: connection,
        sourceId: log.sourceId,
        route: log.route,
        enabled,
        deleted: through === Number.POSITIVE_INFINITY ? null : "connection deleted"
      })
    )
    const heads = new Map([[log.sourceId, { head: events.head() }]])
    const facts = Commands.configure(store.control(), store.runs(), { version, paused, change, connections }, heads, at)
    store.commit(facts, at)
    // Whatever waits is due after a repair, and nothing holds it back but the circuit's probe.
    if (paused || change === "none") return
    const enabledRuns = new Set(store.runs().flatMap(({ id, enabled }) => (enabled ? [id] : [])))
    const late = store.pendingAfter(null, 1000).filter(({ run, due }) => enabledRuns.has(run) && (due ?? 0) > at)
    expect(late).toEqual([])
    const { breaker, throttledUntil } = store.control()
    expect(breaker.state === "closed" || breaker.until <= at).toBe(true)
    if (change === "settings") expect(throttledUntil).toBe(0)
  })
  const connect = Effect.suspend(() => {
    const connection = `conn_${eras.length + 1}`
    if (eras.length > 0) era().through = events.head()
    for (const { id } of replays) cancelled.add(id)
    eras.push({ connection, after: events.head(), through: Number.POSITIVE_INFINITY })
    arrivals.set(connection, [])
    return configure()
  })
  const again = Effect.fnUntraced(function* (ask: typeof Redrive.redrive) {
    const before = new Set(store.pendingAfter(null, 10_000).map(({ run, seq }) => State.eventKey(run, seq)))
    const count = ask(store, {}, yield* now)
    const waits = store.pendingAfter(null, 10_000)
    if (ask === Redrive.retryWaiting) {
      const at = yield* now
      expect([count, waits.filter(({ due }) => (due ?? 0) > at)]).toEqual([before.size, []])
    } else {
      const back = waits.filter(({ run, seq }) => !before.has(State.eventKey(run, seq)))
      expect(back).toHaveLength(count)
      for (const { run, seq } of back) redriven.add(State.eventKey(run, seq))
    }
  })

  const obey = Effect.fnUntraced(function* (ask: Act["ask"]) {
    switch (ask) {
      case "pause":
      case "resume":
        paused = ask === "pause"
        return yield* configure("resume")
      case "disable":
      case "enable":
        enabled = ask === "enable"
        return yield* configure()
      case "change settings":
        return yield* configure("settings")
      case "change another thing":
        return yield* configure()
      case "delete connection":
        return yield* connect
      case "redrive":
        return yield* again(Redrive.redrive)
      case "retry all":
        return yield* again(Redrive.retryWaiting)
      case "reset circuit": {
        const at = yield* now
        store.commit(Commands.resetCircuit(store.control(), at), at)
        return
      }
      case "replay":
        return yield* replay
      case "replay often":
        for (let i = 0; i < 5; i++) yield* replay
        return
      case "cancel replay":
        return yield* cancel
      case "lose wake-ups":
        wakes = false
        return
      case null:
        return
    }
  })

  let folded = State.initialState
  let told = 0
  /** The fold of the journal is the state of the tables, at every moment. */
  const checkFold = () => {
    const facts = store.facts()
    folded = facts.slice(told).reduce(Fold.evolve, folded)
    told = facts.length
    const state = store.state()
    expect(state.control).toEqual(folded.control)
    // The head of a live run is a hint, no fact.
    const runs = (one: State.State) =>
      [...one.runs.values()]
        .map((run) => (run.replay === null && !run.deleted ? { ...run, head: 0 } : run))
        .sort((a, b) => (a.id < b.id ? -1 : 1))
    expect(runs(state)).toEqual(runs(folded))
    expect([...state.pending].sort()).toEqual([...folded.pending].sort())
    expect([...state.dead].sort()).toEqual([...folded.dead].sort())
  }

  yield* connect
  for (const { count, mode: wanted, step, ms, ask, during } of acts) {
    const at = yield* now
    for (let i = 0; i < count; i++) events.append([{ event: EVENT, token: "", now: at }])
    if (wakes) store.raiseHead(log.sourceId, events.head())
    mode = wanted
    if (mode !== "ok") stats.faults++
    if (step._tag === "CrashAtSend") crash = { at: "send", left: step.n, done: step.produced, gated: true }
    if (step._tag === "CrashAtCommit") crash = { at: "commit", left: step.n, done: step.committed, gated: step.gated }
    if (crash !== undefined) stats.faults++
    asking = during
    requests = 0
    yield* run
    asking = null
    expect(violations).toEqual([])
    checkFold()
    yield* TestClock.adjust(ms)
    yield* obey(ask)
  }

  // The faults stop, and time goes on.
  mode = "ok"
  paused = false
  enabled = true
  yield* configure()
  store.raiseHead(log.sourceId, events.head())
  const settled = () => {
    const { runs, pendingCount } = store.view(0)
    return pendingCount === 0 && runs.every(({ replay, cursor }) => replay === null && cursor === events.head())
  }
  for (let i = 0; i < 300 && !settled(); i++) {
    yield* run
    yield* TestClock.adjust("30 minutes")
  }

  expect(violations).toEqual([])
  // Every event is delivered or dead on the connection of its time, or cancelled with it, whatever happened.
  const seqs = Array.from({ length: events.head() }, (_, i) => i + 1)
  const statuses = store.statuses(log.sourceId, seqs)
  const owner = (seq: number) => eras.find(({ after, through }) => after < seq && seq <= through)!.connection
  expect(
    statuses.map(({ seq, connection }) => [seq, connection]).toSorted(([a], [b]) => Number(a) - Number(b))
  ).toEqual(seqs.map((seq) => [seq, owner(seq)]))
  const of = (wanted: DeliveryJournal.DeliveryStatus["status"]) =>
    new Set(statuses.filter(({ status }) => status === wanted).map(({ seq }) => seq))
  const dead = of("dead")
  const gone = of("cancelled")
  const ends = (connection: string) =>
    connection === era().connection ? ["delivered", "dead"] : ["delivered", "dead", "cancelled"]
  expect(statuses.filter(({ connection, status }) => !ends(connection).includes(status))).toEqual([])
  // What the journal calls delivered has arrived.
  expect([...of("delivered")].filter((seq) => !arrivals.get(owner(seq))!.includes(seq))).toEqual([])
  // The timeline says so of what was cancelled, once, and of nothing else.
  for (const seq of seqs.filter((seq) => gone.has(seq) || seq % 10 === 0)) {
    const told = store.timeline(log.sourceId, seq).filter(({ type, replay }) => type === "cancelled" && replay === null)
    expect(told.map(({ connection, detail }) => [connection, detail])).toEqual(
      gone.has(seq) ? [[owner(seq), "connection deleted"]] : []
    )
  }
  // Every replay came to its end, and its events to theirs.
  for (const { id } of replays) {
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
    const replay = run.startsWith("rpl_") ? run : null
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
      store.deadLetters(null, 100_000).letters.flatMap((one) => ((one.replay ?? one.connection) === run ? one.seq : []))
    )
    const late = (seq: number) =>
      redriven.has(State.eventKey(run, seq)) ||
      eras.some(({ connection }) => redriven.has(`${connection}:${run}/${seq}`))
    const firsts = [...new Set(seqsOf)].filter((seq) => !died.has(seq) && !late(seq))
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
  stats.cancelled += gone.size
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
