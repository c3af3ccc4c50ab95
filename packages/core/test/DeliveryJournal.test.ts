import * as Delivery from "@hookstream/core/Delivery"
import { type DeliveryStore, makeMemory, makeStore } from "@hookstream/core/DeliveryJournal"
import { Reason } from "@hookstream/core/Sink"
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { nodeSql } from "./NodeSql.ts"

const started = (connection: string, after = 0, sourceId = "src_1"): Delivery.Fact => ({
  ...{ _tag: "ConnectionStarted", connection, sourceId, route: "0123abcde", after }
})
const windowOf = (lo: number, hi: number) => ({ connection: "conn_1", lo, hi })
const retry = (seq: number, due: number, spent = 1): Delivery.Settlement => ({
  ...{ _tag: "Retry", seq, attempt: spent, latency: 2, reason: "Unavailable", detail: "down", spent, due }
})
const done = (seq: number): Delivery.Settlement => ({ _tag: "Delivered", seq, attempt: 1, latency: 2, receipt: { offset: "7" } })
const dead = (seq: number): Delivery.Settlement => ({
  ...{ _tag: "Dead", seq, attempt: 1, latency: 2, reason: "Rejected", detail: "no" }
})
const settled = (lo: number, hi: number, ...all: ReadonlyArray<Delivery.Settlement>): Delivery.Fact => ({
  ...{ _tag: "WindowSettled", ...windowOf(lo, hi), retry: false, settled: all }
})

/** What every delivery journal must do. */
const suite = (name: string, make: () => DeliveryStore) =>
  describe(`the delivery journal, ${name}`, () => {
    it("moves the cursor with what it settles, and shows what is due", () => {
      const store = make()
      store.commit([started("conn_1"), settled(1, 3, done(1), retry(2, 500), retry(3, 900))], 100)
      store.raiseHead("src_1", 9)
      store.raiseHead("src_1", 4)
      const view = store.view(500)
      expect(view.connections[0]).toMatchObject({ cursor: 3, head: 9 })
      expect(view.due.map(({ seq }) => seq)).toEqual([2])
      expect([view.nextDue, view.pendingCount]).toEqual([900, 2])
    })
    it("tells where each event stands", () => {
      const store = make()
      store.commit([started("conn_1", 1), settled(2, 4, done(2), retry(3, 500), dead(4))], 100)
      const statuses = store.statuses("src_1", [1, 2, 3, 4, 5]).map(({ seq, status }) => [seq, status])
      expect(statuses).toEqual([[2, "delivered"], [3, "retrying"], [4, "dead"], [5, "waiting"]])
      expect(store.statuses("src_2", [2])).toEqual([])
    })
    it("tells every try of an event, in order", () => {
      const store = make()
      const again: Delivery.Fact = { _tag: "WindowSettled", ...windowOf(2, 2), retry: true, settled: [done(2)] }
      store.commit([started("conn_1"), settled(1, 2, done(1), retry(2, 500))], 100)
      store.commit([{ _tag: "WindowLost", ...windowOf(2, 2), seqs: [2] }], 600)
      store.commit([again], 700)
      expect(store.attempts("src_1", 2).map(({ at, status, nextAt, receipt }) => [at, status, nextAt, receipt])).toEqual([
        [100, "failed", 500, null],
        [600, "unknown", null, null],
        [700, "delivered", null, { offset: "7" }]
      ])
      expect(store.view(9999).due).toEqual([])
    })
    it("counts neither a disabled nor a deleted connection's retries as due", () => {
      const store = make()
      store.commit([started("conn_1"), settled(1, 1, retry(1, 500))], 100)
      store.commit([{ _tag: "ConnectionChanged", connection: "conn_1", enabled: false, deleted: false }], 100)
      expect([store.view(600).due, store.view(1).nextDue]).toEqual([[], null])
    })
    it("sums up what a user wants to know", () => {
      const store = make()
      store.commit([started("conn_1"), settled(1, 3, retry(1, 500), dead(2), dead(3))], 100)
      expect(store.summary()).toMatchObject({
        ...{ pending: 1, dead: 2, nextDue: 500, lastError: { reason: "Unavailable", detail: "down" } }
      })
    })
  })

suite("in memory", makeMemory)
suite("on SQLite", () => makeStore(nodeSql()))

// ---- Fold laws: whatever facts come, the tables hold what the fold of the journal gives.

const Seq = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))
const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))
const Conn = Schema.Literals(["conn_1", "conn_2"])
const Failure = { attempt: Seq, latency: Millis, reason: Reason, detail: Schema.Literal("why") }
const Settlement = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("Delivered"), seq: Seq, attempt: Seq, latency: Millis, receipt: Schema.Struct({}) }),
  Schema.Struct({ _tag: Schema.Literal("Retry"), seq: Seq, ...Failure, spent: Seq, due: Millis }),
  Schema.Struct({ _tag: Schema.Literal("Dead"), seq: Seq, ...Failure })
])
const Window = { connection: Conn, lo: Seq, hi: Seq, seqs: Schema.NullOr(Schema.Array(Seq)) }
const Fact = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("ConnectionStarted"), connection: Conn, sourceId: Schema.Literal("src_1"), route: Schema.Literal("r"), after: Millis }),
  Schema.Struct({ _tag: Schema.Literal("ConnectionChanged"), connection: Conn, enabled: Schema.Boolean, deleted: Schema.Boolean }),
  Schema.Struct({ _tag: Schema.Literal("WindowPlanned"), ...Window, configVersion: Seq }),
  Schema.Struct({ _tag: Schema.Literal("WindowSettled"), connection: Conn, lo: Seq, hi: Seq, retry: Schema.Boolean, settled: Schema.Array(Settlement).check(Schema.isMaxLength(4)) }),
  Schema.Struct({ _tag: Schema.Literal("WindowLost"), ...Window }),
  Schema.Struct({ _tag: Schema.Literal("Paused"), reason: Schema.Literals(["user", "Unauthorized"]), detail: Schema.Literal(""), probeAt: Schema.NullOr(Millis) }),
  Schema.Struct({ _tag: Schema.Literal("Resumed") }),
  Schema.Struct({ _tag: Schema.Literal("ThrottledUntil"), until: Millis, streak: Seq }),
  Schema.Struct({ _tag: Schema.Literal("ConfigChanged"), version: Seq })
])

/** A settled window has each sequence once, and only pending events are settled by a retry. */
const plausible = (facts: ReadonlyArray<Delivery.Fact>) =>
  facts.map((fact) =>
    fact._tag === "WindowSettled"
      ? { ...fact, settled: fact.settled.filter(({ seq }, i, all) => all.findIndex((other) => other.seq === seq) === i) }
      : fact
  )
/** State with its maps in one order. */
const comparable = (state: Delivery.State) => ({
  control: state.control,
  connections: [...state.connections].sort(),
  pending: [...state.pending].sort(),
  dead: [...state.dead].sort()
})

describe("the journal's fold", () => {
  it.prop("gives the state that the tables hold", [Schema.Array(Fact)], ([generated]) => {
    const facts = plausible(generated)
    const store = makeStore(nodeSql())
    for (const fact of facts) store.commit([fact], 1)
    expect(store.facts()).toEqual(facts)
    expect(comparable(store.state())).toEqual(comparable(store.facts().reduce(Delivery.evolve, Delivery.initialState)))
  })
})
