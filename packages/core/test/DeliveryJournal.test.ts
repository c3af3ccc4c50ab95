import { describe, expect, it } from "@effect/vitest"
import * as Facts from "@hookstream/core/DeliveryFacts"
import { type DeliveryStore, makeMemory, makeStore } from "@hookstream/core/DeliveryJournal"
import { Reason } from "@hookstream/core/Sink"
import { Schema } from "effect"
import { nodeSql } from "./NodeSql.ts"
import { cases } from "./suites/DeliveryJournalCases.ts"

const implementations: Readonly<Record<string, () => DeliveryStore>> = {
  "in memory": makeMemory,
  "on SQLite": () => makeStore(nodeSql())
}
describe.each(Object.entries(implementations))("the delivery journal, %s", (_, make) => {
  it.each(Object.entries(cases))("%s", (_, run) => run(make()))
})

// ---- Fold laws: whatever facts come, the tables hold what the fold of the journal gives.

const Seq = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))
const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))
const Conn = Schema.Literals(["conn_1", "conn_2"])
const Key = Schema.NullOr(Schema.Literals(["a", "b"]))
const Restarts = Schema.Literals([0, 1, 2])
const Failure = { attempt: Seq, latency: Millis, reason: Reason, detail: Schema.Literal("why"), key: Key }
const Settlement = Schema.Union([
  Schema.Struct({
    _tag: Schema.Literal("Delivered"),
    seq: Seq,
    attempt: Seq,
    latency: Millis,
    receipt: Schema.Struct({})
  }),
  Schema.Struct({
    _tag: Schema.Literal("Retry"),
    seq: Seq,
    ...Failure,
    spent: Seq,
    due: Millis,
    restarts: Restarts,
    since: Millis
  }),
  Schema.Struct({ _tag: Schema.Literal("Filtered"), seq: Seq, rule: Seq }),
  Schema.Struct({
    _tag: Schema.Literal("Waiting"),
    seq: Seq,
    key: Key,
    spent: Seq,
    due: Schema.NullOr(Millis),
    restarts: Restarts
  }),
  Schema.Struct({ _tag: Schema.Literal("Dead"), seq: Seq, ...Failure })
])
const Window = { connection: Conn, lo: Seq, hi: Seq, seqs: Schema.NullOr(Schema.Array(Seq)) }
const Fact = Schema.Union([
  Schema.Struct({
    _tag: Schema.Literal("ConnectionStarted"),
    connection: Conn,
    sourceId: Schema.Literal("src_1"),
    route: Schema.Literal("r"),
    after: Millis
  }),
  Schema.Struct({
    _tag: Schema.Literal("ConnectionChanged"),
    connection: Conn,
    enabled: Schema.Boolean,
    deleted: Schema.Boolean
  }),
  Schema.Struct({ _tag: Schema.Literal("WindowPlanned"), ...Window, configVersion: Seq, rateFullAt: Millis }),
  Schema.Struct({
    _tag: Schema.Literal("WindowSettled"),
    ...Window,
    at: Millis,
    settled: Schema.Array(Settlement).check(Schema.isMaxLength(4))
  }),
  Schema.Struct({ _tag: Schema.Literal("BreakerOpened"), at: Millis, until: Millis, probes: Seq }),
  Schema.Struct({ _tag: Schema.Literal("BreakerHalfOpened") }),
  Schema.Struct({ _tag: Schema.Literal("BreakerClosed"), at: Millis }),
  Schema.Struct({
    _tag: Schema.Literal("Redriven"),
    connection: Conn,
    seqs: Schema.NonEmptyArray(Seq),
    at: Millis
  }),
  Schema.Struct({
    _tag: Schema.Literal("Paused"),
    reason: Schema.Literals(["user", "Unauthorized"]),
    detail: Schema.Literal(""),
    probeAt: Schema.NullOr(Millis)
  }),
  Schema.Struct({ _tag: Schema.Literal("Resumed") }),
  Schema.Struct({ _tag: Schema.Literal("ThrottledUntil"), until: Millis, streak: Seq }),
  Schema.Struct({ _tag: Schema.Literal("ConfigChanged"), version: Seq })
])

/** A settled window has each sequence once, and only pending events are settled by a retry. */
const plausible = (facts: ReadonlyArray<Facts.Fact>) =>
  facts.map((fact) =>
    fact._tag === "WindowSettled"
      ? {
          ...fact,
          settled: fact.settled.filter(({ seq }, i, all) => all.findIndex((other) => other.seq === seq) === i)
        }
      : fact
  )
/** State with its maps in one order. */
const comparable = (state: Facts.State) => ({
  control: state.control,
  connections: [...state.connections].sort(),
  pending: [...state.pending].sort(),
  dead: [...state.dead].sort()
})

describe("the journal's fold", () => {
  it.prop(
    "gives the state that the tables hold",
    [Schema.Array(Fact)],
    ([generated]) => {
      const facts = plausible(generated)
      const store = makeStore(nodeSql())
      for (const fact of facts) store.commit([fact], 1)
      expect(store.facts()).toEqual(facts)
      expect(comparable(store.state())).toEqual(comparable(store.facts().reduce(Facts.evolve, Facts.initialState)))
    },
    { arbitrary: { runs: 500 } }
  )
})
