import { describe, expect, it } from "@effect/vitest"
import * as Facts from "@hookstream/core/delivery/Facts"
import * as State from "@hookstream/core/delivery/State"
import { type DeliveryStore, makeStore } from "@hookstream/core/journal/DeliveryJournal"
import type { Sql } from "@hookstream/core/Sql"
import { Reason } from "@hookstream/core/sink/Sink"
import { cases } from "@hookstream/core/testing/DeliveryJournalSuite"
import { makeMemory } from "@hookstream/core/testing/DeliveryMemory"
import * as Fold from "@hookstream/core/testing/Fold"
import { Schema } from "effect"
import v1 from "./fixtures/journal-v1.json" with { type: "json" }
import v2 from "./fixtures/journal-v2.json" with { type: "json" }
import segments from "./fixtures/journal-v2-segments.json" with { type: "json" }
import { restore } from "./fixtures.ts"
import { nodeSql } from "./NodeSql.ts"

const implementations: Readonly<Record<string, () => DeliveryStore>> = {
  "in memory": makeMemory,
  "on SQLite": () => makeStore(nodeSql())
}
describe.each(Object.entries(implementations))("the delivery journal, %s", (_, make) => {
  it.each(Object.entries(cases))("%s", (_, run) => run(make()))
})

describe("the delivery journal on SQLite", () => {
  const DAY = 24 * 3_600_000
  const started: Facts.Fact = {
    _tag: "ConnectionStarted",
    connection: "conn_1",
    sourceId: "src_1",
    route: "r",
    after: 0
  }
  const version = (n: number): Facts.Fact => ({ _tag: "ConfigChanged", version: n })
  const tables = (sql: Sql) =>
    sql.exec("SELECT name FROM sqlite_master WHERE name GLOB 'journal_[0-9]*' AND type = 'table'").length

  it("is opened again as it was left, and goes on with its numbers", () => {
    const sql = nodeSql()
    const store = makeStore(sql)
    const rates = { requests: 1, records: 2, bytes: 3 }
    const window = { run: "conn_1", lo: 4, hi: 9, seqs: null }
    const failure = { attempt: 1, latency: 1, reason: "Unavailable", detail: "down", key: null } as const
    const settled: ReadonlyArray<Facts.Settlement> = [
      { _tag: "Retry", seq: 1, ...failure, spent: 1, due: 5, restarts: 0, since: 1 },
      { _tag: "Dead", seq: 2, ...failure }
    ]
    const replay = { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents: 2 }
    store.commit(
      [
        started,
        { _tag: "ReplayRequested", connection: "conn_1", replay, after: 0, through: 3 },
        { _tag: "ReplayFinished", run: "conn_1:rpl_1", at: 7 },
        { _tag: "ConnectionChanged", connection: "conn_1", enabled: false, deleted: false },
        { _tag: "WindowSettled", ...window, lo: 1, hi: 3, at: 9, settled, seen: [], rates: null, rest: null },
        { _tag: "WindowPlanned", ...window, configVersion: 0, rates },
        { _tag: "Paused", reason: "Unauthorized", detail: "401", probeAt: 99 }
      ],
      100
    )
    const again = makeStore(sql)
    expect(again.state()).toEqual(store.state())
    expect(again.control()).toMatchObject({ windows: [window], rates, pause: { detail: "401" } })
    expect(again.runs()[1]).toMatchObject({ replay, finishedAt: 7, enabled: false, head: 3 })
    again.commit([version(1), { _tag: "Resumed" }], 100)
    expect(makeStore(sql).facts()).toHaveLength(9)
    expect(makeStore(sql).control()).toMatchObject({ configVersion: 1, pause: null })
  })
  it("writes down its control only when that has changed", () => {
    const writes: Array<string> = []
    const sql = nodeSql()
    const watched: Sql = {
      ...sql,
      exec: (query, ...params) => {
        if (/^\s*(INSERT|UPDATE|DELETE)/.test(query)) writes.push(query)
        return sql.exec(query, ...params)
      }
    }
    const store = makeStore(watched)
    store.commit([started, version(1)], 100)
    writes.length = 0
    store.commit([{ _tag: "ReplayFinished", run: "conn_1", at: 5 }], 100)
    expect(writes.filter((query) => query.includes("control"))).toEqual([])
    store.commit([version(2)], 100)
    expect(writes.filter((query) => query.includes("control"))).toHaveLength(1)
  })
  it("begins a new segment after a day or 5000 facts, and keeps 30 days and 32 of them", () => {
    const sql = nodeSql()
    const store = makeStore(sql)
    store.commit([started], DAY)
    store.commit([version(1)], 2 * DAY - 1)
    expect(tables(sql)).toBe(1)
    store.commit([version(2)], 2 * DAY)
    expect(tables(sql)).toBe(2)
    store.commit(
      Array.from({ length: 4999 }, (_, i) => version(i + 3)),
      2 * DAY
    )
    store.commit([version(6000)], 2 * DAY)
    expect(tables(sql)).toBe(3)
    expect(store.facts()).toHaveLength(5003)
    // The first segment ended on the second day.
    store.commit([version(6001)], 32 * DAY)
    expect(store.facts()[0]).toEqual(started)
    store.commit([version(6002)], 33 * DAY + 1)
    expect(store.facts()[0]).toEqual(version(6000))
    for (let n = 0; n < 33; n++)
      store.commit(
        Array.from({ length: 5000 }, () => version(7000 + n)),
        34 * DAY
      )
    expect(tables(sql)).toBe(32)
    expect(makeStore(sql).control().configVersion).toBe(7032)
  })
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
const RunId = Schema.Literals(["conn_1", "conn_2", "conn_1:rpl_1", "conn_2:rpl_1", "conn_1:rpl_2"])
const Rates = Schema.NullOr(Schema.Struct({ requests: Millis, records: Millis, bytes: Millis }))
const Window = { run: RunId, lo: Seq, hi: Seq, seqs: Schema.NullOr(Schema.Array(Seq)) }
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
  Schema.Struct({ _tag: Schema.Literal("WindowPlanned"), ...Window, configVersion: Seq, rates: Rates }),
  Schema.Struct({
    _tag: Schema.Literal("WindowSettled"),
    ...Window,
    at: Millis,
    settled: Schema.Array(Settlement).check(Schema.isMaxLength(4)),
    seen: Schema.Array(Schema.Struct({ event: Schema.Literals(["a", "b"]), ok: Schema.Boolean })).check(
      Schema.isMaxLength(3)
    ),
    rates: Rates,
    rest: Schema.NullOr(Schema.Struct(Window))
  }),
  Schema.Struct({
    _tag: Schema.Literal("ReplayRequested"),
    connection: Conn,
    replay: Schema.Struct({
      id: Schema.Literals(["rpl_1", "rpl_2"]),
      filterRules: Schema.Tuple([]),
      ratePerSecond: Schema.Literals([10, 7]),
      maxEvents: Schema.NullOr(Seq)
    }),
    after: Seq,
    through: Seq
  }),
  Schema.Struct({ _tag: Schema.Literal("ReplayFinished"), run: RunId, at: Millis }),
  Schema.Struct({ _tag: Schema.Literal("ReplayCancelled"), replay: Schema.Literals(["rpl_1", "rpl_2"]) }),
  Schema.Struct({
    _tag: Schema.Literal("RunCancelled"),
    run: RunId,
    because: Facts.CancelReason,
    after: Seq,
    through: Millis,
    at: Millis
  }),
  Schema.Struct({ _tag: Schema.Literal("RetriesDue"), connection: Schema.NullOr(Conn), at: Millis }),
  Schema.Struct({ _tag: Schema.Literal("BreakerOpened"), at: Millis, until: Millis, probes: Seq }),
  Schema.Struct({ _tag: Schema.Literal("BreakerHalfOpened") }),
  Schema.Struct({ _tag: Schema.Literal("BreakerClosed"), at: Millis }),
  Schema.Struct({
    _tag: Schema.Literal("Redriven"),
    run: RunId,
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
const comparable = (state: State.State) => ({
  control: state.control,
  runs: [...state.runs].sort(),
  pending: [...state.pending].sort(),
  dead: [...state.dead].sort()
})

describe("the journal on SQLite", () => {
  it("drops its facts after thirty days, whole segments at once", () => {
    const store = makeStore(nodeSql())
    const day = 24 * 3_600_000
    for (let n = 1; n <= 90; n++) store.commit([{ _tag: "ConfigChanged", version: n }], n * day)
    const versions = store.facts().flatMap((fact) => (fact._tag === "ConfigChanged" ? [fact.version] : []))
    expect(versions[0]).toBeGreaterThanOrEqual(58)
    expect(versions.at(-1)).toBe(90)
    expect(versions.length).toBeGreaterThan(30)
  })
  it("a commit that fails while a segment begins leaves the old one in place", () => {
    const sql = nodeSql()
    const store = makeStore(sql)
    store.commit([{ _tag: "ConfigChanged", version: 1 }], 1000)
    const broken = { _tag: "WindowSettled", run: "conn_1", settled: null } as unknown as Facts.Fact
    expect(() => store.commit([broken], 1000 + 30 * 3_600_000)).toThrow()
    store.commit([{ _tag: "ConfigChanged", version: 2 }], 1000 + 30 * 3_600_000)
    expect(store.facts()).toHaveLength(2)
    expect(makeStore(sql).facts()).toHaveLength(2)
  })
})

describe("a journal that an older version wrote", () => {
  it("is opened, told and folded by this one: version 1", () => {
    const store = makeStore(restore(v1))
    const facts = store.facts()
    expect(facts).toHaveLength(v1.rows.journal.length)
    const strict = Schema.decodeUnknownSync(Schema.toType(Facts.Fact), { onExcessProperty: "error" })
    for (const fact of facts) expect(strict(fact)).toEqual(fact)
    const folded = facts.reduce(Fold.evolve, State.initialState)
    const state = store.state()
    expect(state.control).toEqual(folded.control)
    expect([...state.pending]).toEqual([...folded.pending].sort())
    expect([...state.dead]).toEqual([...folded.dead])
    expect(state.runs.get("conn_1")).toMatchObject({ cursor: 16, head: 25, replay: null })
    const told = store.timeline("src_1", 13).map(({ n: _, seq: __, replay: ___, ...entry }) => entry)
    expect(told).toEqual(v1.timeline)
    expect([...state.pending.values()].map(({ run, ...rest }) => ({ connection: run, ...rest }))).toEqual(v1.pending)
    expect([...state.dead.values()].map(({ run, ...rest }) => ({ connection: run, ...rest }))).toEqual(v1.dead)
    store.commit([{ _tag: "Resumed" }], 100_000)
    expect(store.facts()).toHaveLength(facts.length + 1)
  })
  it("is opened, told and folded by this one: version 2 without repairs and cancellations", () => {
    const sql = restore(v2)
    const store = makeStore(sql)
    const facts = store.facts()
    expect(facts).toHaveLength(v2.rows.journal_1.length)
    const strict = Schema.decodeUnknownSync(Schema.toType(Facts.Fact), { onExcessProperty: "error" })
    for (const fact of facts) expect(strict(fact)).toEqual(fact)
    expect(comparable(store.state())).toEqual(comparable(facts.reduce(Fold.evolve, State.initialState)))
    const { window, ...control } = v2.control
    expect(store.control()).toEqual({ ...control, windows: [], repairedIn: 0, cancellations: 0 })
    expect(store.timeline("src_1", 4)).toEqual(v2.timeline)
    // What was pending when its connection was deleted was told as waiting; nobody knows where its log was then.
    const known = v2.statuses.filter(({ connection, status }) => connection === "conn_1" || status === "delivered")
    const gone = [2, 3].map((seq) => ({ connection: "conn_2", seq, status: "cancelled" }))
    expect(store.statuses("src_1", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])).toEqual([...known, ...gone])
    expect(store.summary()).toMatchObject({ pending: 3, dead: 2 })
    expect([1, 2].map((n) => store.replay(`rpl_${String(n).padStart(32, "0")}`)?.status)).toEqual([
      "cancelled",
      "finished"
    ])
    store.commit(
      [
        { _tag: "ConfigChanged", version: 5 },
        { _tag: "RetriesDue", connection: null, at: 400 }
      ],
      400
    )
    expect(makeStore(sql).control()).toMatchObject({ configVersion: 5, repairedIn: 5 })
  })
})

describe("a journal whose segments have no rows for later tries", () => {
  const day = 24 * 3_600_000
  const told = (store: DeliveryStore, seq: number) => store.timeline("src_1", seq).map(({ type, at }) => [type, at])

  it("is told as before, and goes on in a segment that has them: version 2", () => {
    const sql = restore(segments)
    const store = makeStore(sql)
    const before = [
      ["failed", 200],
      ["failed", 500],
      ["delivered", day + 900]
    ]
    expect(told(store, 2)).toEqual(before)
    expect(told(store, 4)).toEqual([
      ["dead", 200],
      ["redriven", day + 400]
    ])
    const statuses = (one: DeliveryStore) => one.statuses("src_1", [1, 2, 3, 4, 5, 6]).map(({ status }) => status)
    const expected = ["delivered", "delivered", "filtered", "retrying", "delivered", "retrying"]
    expect(statuses(store)).toEqual(expected)
    expect(store.attempts({}, null, 3).entries.map(({ seq }) => seq)).toEqual([6, 2, 6])
    store.commit([{ _tag: "Redriven", run: "conn_1", seqs: [6], at: day + 1000 }], day + 1000)
    for (const one of [store, makeStore(sql)]) {
      expect(told(one, 6).at(-1)).toEqual(["redriven", day + 1000])
      expect(told(one, 2)).toEqual(before)
      expect(statuses(one)).toEqual(expected)
      expect(one.facts()).toHaveLength(segments.rows.journal_1.length + segments.rows.journal_2.length + 1)
    }
  })
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
      expect(comparable(store.state())).toEqual(comparable(store.facts().reduce(Fold.evolve, State.initialState)))
    },
    { arbitrary: { runs: 500 }, timeout: 60_000 }
  )
})
