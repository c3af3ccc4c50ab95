import { describe, expect, it } from "@effect/vitest"
import * as Facts from "@hookstream/core/delivery/Facts"
import * as State from "@hookstream/core/delivery/State"
import { type DeliveryStore, makeStore } from "@hookstream/core/journal/DeliveryJournal"
import type { Sql } from "@hookstream/core/Sql"
import { cases } from "@hookstream/core/testing/DeliveryJournalSuite"
import { makeMemory } from "@hookstream/core/testing/DeliveryMemory"
import * as Fold from "@hookstream/core/testing/Fold"
import { Schema, SchemaAST } from "effect"
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
  const delivered = (run: string, seq: number): Facts.Fact => ({
    _tag: "WindowSettled",
    run,
    lo: seq,
    hi: seq,
    seqs: null,
    at: seq,
    settled: [
      seq % 3 === 0
        ? { _tag: "Filtered", seq, rule: 0 }
        : { _tag: "Delivered", seq, attempt: 1, latency: 5, receipt: {} }
    ],
    seen: [],
    rates: null,
    rest: null
  })
  it("is opened as it was left wherever its tables are behind it", () => {
    const sql = nodeSql()
    const store = makeStore(sql)
    const seqs = Array.from({ length: 150 }, (_, i) => i + 1)
    store.commit([started, { ...started, connection: "conn_2" }, version(1)], 100)
    for (const seq of seqs) {
      store.commit([delivered("conn_1", seq)], 100)
      if (seq % 40 === 0) store.commit([delivered("conn_2", seq / 40)], 100)
      const again = makeStore(sql)
      expect(again.state()).toEqual(store.state())
      expect(again.runs().map(({ cursor }) => cursor)).toEqual([seq, Math.floor(seq / 40)])
      expect(again.needs(started.sourceId)?.after).toBe(Math.floor(seq / 40))
    }
    const again = makeStore(sql)
    const status = (seq: number) => (seq % 3 === 0 ? "filtered" : "delivered")
    const own = again.statuses(started.sourceId, seqs).filter(({ connection }) => connection === "conn_1")
    expect(own.map((one) => one.status)).toEqual(seqs.map(status))
    expect(
      seqs.map((seq) => again.timeline(started.sourceId, seq).map(({ connection, type }) => [connection, type]))
    ).toEqual(seqs.map((seq) => [["conn_1", status(seq)], ...(seq <= 3 ? [["conn_2", status(seq)]] : [])]))
  })
  it("writes one row for a window that goes well, and one for its plan, and the tables once in 64", () => {
    const sql = nodeSql()
    const store = makeStore(sql)
    const written = () => Number(sql.exec("SELECT total_changes() AS n")[0]!["n"])
    store.commit([started, version(1)], 100)
    const before = written()
    const planned = { run: "conn_1", lo: 1, hi: 1, seqs: null, configVersion: 1, rates: null }
    store.commit([{ _tag: "WindowPlanned", ...planned }], 100)
    for (let seq = 1; seq <= 63; seq++) store.commit([delivered("conn_1", seq)], 100)
    expect(written() - before).toBe(64)
    store.commit([delivered("conn_1", 64)], 100)
    // The fact, the control, and twice a run and a mark: up to what was behind, and with the fact.
    expect(written() - before).toBe(64 + 6)
  })
  it("looks for an old window among few others", () => {
    const sql = nodeSql()
    const store = makeStore(sql)
    store.commit([started, version(1)], 100)
    for (let seq = 1; seq <= 1000; seq++) store.commit([delivered("conn_1", seq)], 100)
    const plans: Array<unknown> = []
    const watched: Sql = {
      ...sql,
      exec: (query, ...params) => {
        if (query.includes("is_read = 1")) {
          plans.push(...sql.exec(`EXPLAIN QUERY PLAN ${query}`, ...params).map(({ detail }) => detail))
        }
        return sql.exec(query, ...params)
      }
    }
    makeStore(watched).timeline(started.sourceId, 500)
    expect(plans).toContain("SEARCH journal_1 USING INTEGER PRIMARY KEY (rowid>?)")
    expect(plans.filter((one) => /SCAN journal/.test(String(one)))).toEqual([])
    const marks = sql.exec("SELECT hi - first AS behind FROM journal_marks_1").map(({ behind }) => Number(behind))
    expect(Math.max(...marks)).toBeLessThan(64)
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

// The generator is the Schema of the facts, in a world small enough that they meet: a further fact is among them.

const Seq = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))
const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))
/** What a field of this name may be. */
const WORLD: Readonly<Record<string, Schema.Top>> = {
  connection: Schema.Literals(["conn_1", "conn_2"]),
  run: Schema.Literals(["conn_1", "conn_2", "conn_1:rpl_1", "conn_2:rpl_1", "conn_1:rpl_2"]),
  id: Schema.Literals(["rpl_1", "rpl_2"]),
  replay: Schema.Literals(["rpl_1", "rpl_2"]),
  sourceId: Schema.Literal("src_1"),
  route: Schema.Literal("r"),
  epoch: Schema.Literals(["a", "b"]),
  key: Schema.Literals(["a", "b"]),
  event: Schema.Literals(["a", "b"]),
  detail: Schema.Literal("why"),
  restarts: Schema.Literals([0, 1, 2]),
  ratePerSecond: Schema.Literals([10, 7]),
  receipt: Schema.Struct({}),
  filterRules: Schema.Tuple([])
}
const isStruct = (schema: object): schema is Schema.Struct<Schema.Struct.Fields> => "fields" in schema
const isUnion = (schema: object): schema is Schema.Union<ReadonlyArray<Schema.Top>> =>
  "members" in schema && !("literals" in schema)
const isOptional = (schema: Schema.Top): schema is Schema.optionalKey<Schema.Top> =>
  "schema" in schema && SchemaAST.isOptional(schema.ast)
const isList = (schema: object): schema is Schema.$Array<Schema.Top> => "value" in schema

/** The same schema, with the values of the world in it. */
const inWorld = (schema: Schema.Top, field: string): Schema.Top => {
  if (isStruct(schema)) {
    return Schema.Struct(
      Object.fromEntries(Object.entries(schema.fields).map(([name, one]) => [name, inWorld(one as Schema.Top, name)]))
    )
  }
  if (isUnion(schema)) return Schema.Union(schema.members.map((one) => inWorld(one, field)))
  if (isOptional(schema)) return Schema.optionalKey(inWorld(schema.schema, field))
  const known = WORLD[field]
  if (known !== undefined) return known
  if (isList(schema)) return Schema.Array(inWorld(schema.value, field)).check(Schema.isMaxLength(4))
  if (schema.ast._tag === "Number") return schema === Schema.Int ? Seq : Millis
  if (schema.ast._tag === "String") throw new RangeError(`the world has no texts for ${field}`)
  return schema
}
const Fact = inWorld(Facts.Fact, "fact") as Schema.Codec<Facts.Fact>

/** A settled window has each sequence once, and somebody asks for one event at least. */
const plausible = (facts: ReadonlyArray<Facts.Fact>) =>
  facts
    .filter((fact) => fact._tag !== "Redriven" || fact.seqs.length > 0)
    .map((fact) =>
      fact._tag === "WindowSettled"
        ? {
            ...fact,
            settled: fact.settled.filter(({ seq }, i, all) => all.findIndex((other) => other.seq === seq) === i)
          }
        : fact
    )
/** Without runs most facts change nothing. */
const begun = ["conn_1", "conn_2"].flatMap((connection): ReadonlyArray<Facts.Fact> => {
  const replay = { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents: null }
  return [
    { _tag: "ConnectionStarted", connection, sourceId: "src_1", route: "r", after: 0 },
    { _tag: "ReplayRequested", connection, replay, after: 0, through: 3 }
  ]
})
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
    expect(store.control()).toEqual({ ...control, windows: [], restored: null, repairedIn: 0, cancellations: 0 })
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
    [Schema.Array(Fact).check(Schema.isMinLength(6), Schema.isMaxLength(30))],
    ([generated]) => {
      const facts = [...begun, ...plausible(generated)]
      const sql = nodeSql()
      const store = makeStore(sql)
      for (const fact of facts) {
        // What is kept in memory from view to view is what a new instance reads.
        store.view(1)
        store.commit([fact], 1)
        expect(store.view(1)).toEqual(makeStore(sql).view(1))
      }
      expect(store.facts()).toEqual(facts)
      expect(comparable(store.state())).toEqual(comparable(store.facts().reduce(Fold.evolve, State.initialState)))
    },
    { arbitrary: { runs: 300 }, timeout: 60_000 }
  )
})
