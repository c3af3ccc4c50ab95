import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Event, newEvent, readMeta } from "@hookstream/core/event/Event"
import { bytesOf, unpack } from "@hookstream/core/event/PackedEvents"
import { CHUNK_BYTES, type EventLogStore, makeStore } from "@hookstream/core/log/EventLog"
import type { Sql, SqlValue } from "@hookstream/core/Sql"
import { makeMemory } from "@hookstream/core/testing/EventLogMemory"
import { append, cases, log } from "@hookstream/core/testing/EventLogSuite"
import { afterAll, describe, expect, it } from "vitest"
import v1 from "./fixtures/log-v1.json" with { type: "json" }
import v3 from "./fixtures/log-v3.json" with { type: "json" }
import { restore } from "./fixtures.ts"
import { nodeSql } from "./NodeSql.ts"

const dir = mkdtempSync(join(tmpdir(), "hookstream-"))
afterAll(() => rmSync(dir, { recursive: true }))
let files = 0

const implementations: Readonly<Record<string, () => EventLogStore>> = {
  "in memory": () => makeMemory(log),
  "on SQLite in memory": () => makeStore(nodeSql(), log),
  "on SQLite in a file": () => makeStore(nodeSql(join(dir, `${files++}.db`)), log)
}
describe.each(Object.entries(implementations))("the event log, %s", (_, make) => {
  it.each(Object.entries(cases))("%s", (_, run) => run(make()))
})

/** A database that shows each statement to `see` first. */
const watched = (sql: Sql, see: (query: string) => void): Sql => ({
  ...sql,
  exec: (query, ...params) => {
    see(query)
    return sql.exec(query, ...params)
  }
})

describe("the event log on SQLite", () => {
  it("goes on where it stood when it is opened again", () => {
    const path = join(dir, "again.db")
    const before = nodeSql(path)
    append(makeStore(before, log), "a", { now: 9000 })
    before.close()
    const after = makeStore(nodeSql(path), log)
    expect(append(after, "b", { now: 1 })).toMatchObject({ seq: 2, receivedAt: 9000 })
  })
  it("opens what version 1 wrote, and goes on with it", () => {
    const store = makeStore(restore(v1), log)
    const { events } = store.read(0, { maxEvents: 9, maxBytes: 1e9 })
    expect(events.map(({ id }) => id)).toEqual(v1.ids)
    expect(events.map(({ body }) => new TextDecoder().decode(body))).toEqual(['{"a":1}', "text", ""])
    expect(append(store, "x", { now: 5 })).toMatchObject({ seq: 4, receivedAt: 3000 })
    const shown = ({ seq, bodyKind, method, headers }: Event) => ({ seq, bodyKind, method, headers })
    const all = store.read(0, { maxEvents: 9, maxBytes: 1e9 }).events.map(shown)
    expect(all.map(({ bodyKind }) => bodyKind)).toEqual(["json", "utf8", "utf8", "utf8"])
    expect(all[0]).toMatchObject({ method: "POST", headers: [["content-type", "application/json"]] })
    expect(store.list(99, 9).map(shown)).toEqual(all.toReversed())
    expect(store.get([1, 2, 3, 4], 1e9).events.map(shown)).toEqual(all)
  })
  it("opens what version 3 wrote, a row for each event, and goes on with a row for each group", () => {
    const store = makeStore(restore(v3), log)
    const bodies = [[...'{"a":1}'], [..."text"], []].map((body) => body.map((char) => char.charCodeAt(0)))
    const told = ({ id, query, headers, body }: Event) => ({ id, query, headers, body: [...body] })
    const expected = [...bodies, [0, 255, 1]].map((body, i) => ({
      id: v3.ids[i],
      query: `n=${i}`,
      headers: [["x-name", "ü"]],
      body
    }))
    const read = (after: number, maxEvents: number) => store.read(after, { maxEvents, maxBytes: 1e9 }).events
    expect(read(0, 9).map(told)).toEqual(expected)
    expect(append(store, "x", { token: "t3", repeated: true }).seq).toBe(4)
    expect(append(store, "y", { now: 2 * 86_400_000 + 9 }).seq).toBe(5)
    expect(read(1, 3).map(told)).toEqual(expected.slice(1))
    expect(read(0, 9).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    expect(store.get([2, 4, 5], 1e9).events.map(({ seq }) => seq)).toEqual([2, 4, 5])
    expect(store.list(99, 3).map(({ seq }) => seq)).toEqual([5, 4, 3])
    expect(store.ids([1, 2, 3, 4])).toEqual(v3.ids)
    store.drop(2 * 86_400_000, 2)
    expect(store.stats()).toMatchObject({ first: 3, firstAt: 2 * 86_400_000 + 2 })
    expect([store.dropOldest(4), store.dropOldest(5), store.stats().first]).toEqual([true, true, 6])
  })
  it("begins a new segment after so many bytes, also of what an earlier instance wrote", () => {
    const sql = nodeSql()
    const open = () => makeStore(sql, log, () => 10_000)
    const body = new Uint8Array(4000)
    for (let n = 0; n < 3; n++) append(open(), body)
    append(open(), body)
    expect([open().dropOldest(3), open().stats().first]).toEqual([true, 4])
    const whole = makeStore(nodeSql(), log, () => 10_000)
    const event = newEvent({ method: "POST", headers: [], query: "", contentType: null, sourceIp: null }, body)
    whole.append(Array.from({ length: 8 }, (_, i) => ({ event, token: `${i}`, now: 1 })))
    expect(whole.read(0, { maxEvents: 99, maxBytes: 1e9 }).events.map(({ seq }) => seq)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8
    ])
    expect([whole.dropOldest(3), whole.dropOldest(5), whole.dropOldest(6), whole.stats().first]).toEqual([
      true,
      false,
      true,
      7
    ])
  })
  it("knows a token among the newest events in whichever segment they are", () => {
    const store = makeStore(nodeSql(), log, () => 1)
    for (let n = 1; n <= 5; n++) append(store, "x", { token: `t${n}` })
    for (let n = 1; n <= 5; n++) expect(append(store, "x", { token: `t${n}`, repeated: true }).seq).toBe(n)
    expect(store.head()).toBe(5)
  })
  it("looks for a token, and for an event that is not there, in no more rows than it must", () => {
    const sql = nodeSql()
    const queries: Array<readonly [string, ReadonlyArray<SqlValue>]> = []
    const noted: Sql["exec"] = (query, ...params) => {
      queries.push([query, params])
      return sql.exec(query, ...params)
    }
    const store = makeStore({ ...sql, exec: noted }, log)
    for (let n = 0; n < 9; n++) append(store, "x")
    queries.length = 0
    append(store, "x", { token: "other", repeated: true })
    store.get([99], 1e9)
    store.ids([99])
    const plans = queries
      .filter(([query]) => query.startsWith("SELECT"))
      .flatMap(([query, params]) => sql.exec(`EXPLAIN QUERY PLAN ${query}`, ...params))
      .map(({ detail }) => String(detail))
    expect(plans.filter((plan) => plan.startsWith("SCAN"))).toEqual([])
    expect(queries.filter(([query]) => query.includes("first <= ? AND last"))).toEqual([])
  })
  it("writes a group as one row, and an event that comes alone by one statement", () => {
    const statements: Array<string> = []
    const sql = nodeSql()
    const store = makeStore(
      watched(sql, (query) => statements.push(query)),
      log
    )
    append(store, "x")
    statements.length = 0
    append(store, "x")
    expect(statements).toHaveLength(1)
    const event = newEvent(
      { method: "POST", headers: [], query: "", contentType: null, sourceIp: null },
      new Uint8Array(9)
    )
    store.append(Array.from({ length: 256 }, (_, i) => ({ event, token: `${i}`, now: 1 })))
    expect(statements).toHaveLength(2)
    expect(store.read(0, { maxEvents: 999, maxBytes: 1e9 }).events).toHaveLength(258)
  })
  it("an append that fails leaves nothing behind", () => {
    const sql = nodeSql()
    const store = makeStore(sql, log)
    const broken = watched(sql, (query) => {
      if (query.includes("INTO chunks_")) throw new TypeError("disk")
    })
    expect(() => append(makeStore(broken, log), new Uint8Array(CHUNK_BYTES + 1))).toThrow("disk")
    expect(store.head()).toBe(0)
    expect(append(store, "x").seq).toBe(1)
  })
  it("a group in which one fails leaves nothing behind", () => {
    const sql = nodeSql()
    let left = 1
    const broken = watched(sql, (query) => {
      if (query.includes("INTO groups_") && left-- === 0) throw new TypeError("disk")
    })
    const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
    const event = newEvent(meta, new Uint8Array(600_000))
    const group = [1, 2, 3].map((n) => ({ event, token: `t${n}`, now: 1 }))
    const store = makeStore(broken, log)
    expect(() => store.append(group)).toThrow("disk")
    expect(store.head()).toBe(0)
    expect(store.append(group).map(({ seq }) => seq)).toEqual([1, 2, 3])
  })
  it("begins a new segment after 100,000 events, so that none grows without end", () => {
    const store = makeStore(nodeSql(), log)
    const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
    const event = newEvent(meta, new Uint8Array(1))
    const group = (count: number) => store.append(Array.from({ length: count }, () => ({ event, token: "", now: 5 })))
    group(99_999)
    group(3)
    expect(store.read(99_998, { maxEvents: 9, maxBytes: 1e6 }).events.map(({ seq }) => seq)).toEqual([
      99_999, 100_000, 100_001, 100_002
    ])
    store.drop(6, 100_000)
    expect(store.stats()).toMatchObject({ first: 100_001, count: 100_002 })
  })
  /** A webhook as GitHub sends it, through Cloudflare. */
  const webhook = (n: number) =>
    newEvent(
      {
        method: "POST",
        headers: [
          ["accept", "*/*"],
          ["accept-encoding", "gzip, br"],
          ["cf-connecting-ip", "203.0.113.9"],
          ["cf-ray", `8f1e2d3c4b5a${n}-IAD`],
          ["content-length", "1034"],
          ["content-type", "application/json"],
          ["host", "hooks.example.com"],
          ["user-agent", "GitHub-Hookshot/044aadd"],
          ["x-github-delivery", `72d3162e-cc78-11e3-81ab-4c9367dc${n}`],
          ["x-github-event", "issues"],
          ["x-github-hook-id", "292430182"],
          ["x-github-hook-installation-target-id", "79929171"],
          ["x-github-hook-installation-target-type", "repository"],
          ["x-hub-signature-256", `sha256=d57c68ca6f92289e6987922ff26938930f6e66a2d161ef06abdf1859230a${n}`]
        ],
        query: "",
        contentType: "application/json",
        sourceIp: "203.0.113.9"
      },
      new Uint8Array()
    )
  it("stores headers that repeat once for a segment", () => {
    const store = makeStore(nodeSql(), log)
    let whole = 0
    for (let n = 1000; n < 1100; n++) {
      store.append([{ event: webhook(n), token: `${n}`, now: 1 }])
      whole += webhook(n).meta.length
    }
    expect(store.read(0, { maxEvents: 999, maxBytes: 1e9 }).bytes / whole).toBeLessThan(0.4)
  })
  it("gives headers whole to readers of the version before, within their limits", () => {
    const store = makeStore(nodeSql(), log)
    store.append(Array.from({ length: 9 }, (_, n) => ({ event: webhook(n), token: `${n}`, now: 1 })))
    const size = webhook(1).meta.length
    const { packed, head } = store.readWhole(3, { maxEvents: 9, maxBytes: 4 * size })
    expect([packed[0]?.headers, head]).toEqual([undefined, 9])
    const events = unpack(packed, log)
    expect(events.map(({ seq }) => seq)).toEqual([4, 5, 6, 7])
    expect(events[0]!.headers).toEqual(readMeta(webhook(3).meta).headers)
    expect(bytesOf(store.readWhole(8, { maxEvents: 9, maxBytes: 1 }).packed)).toBe(size)
    expect(unpack(store.readWhole(9, { maxEvents: 9, maxBytes: 1 }).packed, log)).toEqual([])
  })
  it("forgets of headers what was not written", () => {
    let fails = false
    const sql = watched(nodeSql(), (query) => {
      if (fails && /^INSERT INTO groups/.test(query.trim())) throw new Error("the disk is full")
    })
    const store = makeStore(sql, log)
    fails = true
    expect(() => store.append([{ event: webhook(1), token: "1", now: 1 }])).toThrow("the disk is full")
    fails = false
    store.append([{ event: webhook(2), token: "2", now: 1 }])
    const shown = (one: EventLogStore) =>
      one.read(0, { maxEvents: 9, maxBytes: 1e9 }).events.map(({ headers }) => headers)
    const expected = [readMeta(webhook(2).meta).headers]
    expect([shown(store), shown(makeStore(sql, log))]).toEqual([expected, expected])
  })
  it("an append writes one row: rows are the bill", () => {
    const writes: Array<string> = []
    const store = makeStore(
      watched(nodeSql(), (query) => {
        if (/^\s*(INSERT|UPDATE|DELETE)/.test(query)) writes.push(query)
      }),
      log
    )
    writes.length = 0
    append(store, "{}")
    expect(writes).toHaveLength(1)
    // The first of its kind in a segment costs one more.
    for (const n of [1, 2, 3]) store.append([{ event: webhook(n), token: `${n}`, now: 1 }])
    expect(writes).toHaveLength(5)
  })
})
