import * as LogKeeper from "@hookstream/core/log/LogConfigStore"
import { cases } from "@hookstream/core/testing/RegistrySuite"
import { makeStore } from "@hookstream/core/workspace/Registry"
import { type Source, upcast } from "@hookstream/core/workspace/Source"
import { Result } from "effect"
import { describe, expect, it } from "vitest"
import keeper from "./fixtures/log-keeper-v1.json" with { type: "json" }
import v1 from "./fixtures/registry-v1.json" with { type: "json" }
import v1Replays from "./fixtures/registry-v1-replays.json" with { type: "json" }
import { restore } from "./fixtures.ts"
import { nodeSql } from "./NodeSql.ts"
import { objectSql } from "./ObjectSql.ts"

const ID = `src_${"0".repeat(32)}`

describe("the registry, on SQLite", () => {
  it.each(Object.entries(cases))("%s", (_, run) => run(makeStore(nodeSql())))
  it("gives no version a second time after it was put back: whoever was told of later ones takes the next", () => {
    const sql = objectSql()
    const source = (updatedAt: number) => ({ ...(makeStore(restore(v1)).get("source", ID) as Source), updatedAt })
    const change = (at: number) => {
      const store = makeStore(sql)
      const before = store.get("source", ID)
      const made = before === undefined ? store.create(source(at)) : store.update({ ...before, updatedAt: at })
      return Result.getOrThrow(made).version
    }
    const first = change(1000)
    const then = sql.snapshot()
    // Two of one millisecond are two versions.
    const lost = [change(2000), change(2000)]
    sql.restore(then)
    expect([first, ...lost]).toEqual([1000, 2000, 2001])
    expect(change(2500)).toBeGreaterThan(Math.max(...lost))
  })
  it("numbers the ingest settings of a source by the change that set them, and never by one of before", () => {
    const store = makeStore(nodeSql())
    const { slug, ...source } = upcast({
      kind: "source",
      id: ID,
      workspace: "00000001",
      version: 0,
      name: "s",
      slug: "s",
      description: null,
      status: "active",
      createdAt: 1,
      updatedAt: 10
    })
    let last = Result.getOrThrow(store.create({ ...source, slug })) as Source
    const change = (changes: Partial<Source>) => {
      const asked = { ...last, ...changes, updatedAt: last.updatedAt + 10 }
      last = Result.getOrThrow(store.update(asked)) as Source
      // The answer of the first time was lost on its way.
      expect(Result.getOrThrow(store.update(asked))).toEqual(last)
      expect(store.logConfig(ID).source.ingestVersion).toBe(last.ingestVersion)
      return [last.version, last.ingestVersion]
    }
    expect(last.ingestVersion).toBe(0)
    expect(change({ name: "t" })).toEqual([20, 0])
    expect(change({ verification: { template: "stripe" } })).toEqual([30, 30])
    expect(change({ name: "u" })).toEqual([40, 30])
    expect(change({ redact: ["query.a"] })).toEqual([50, 50])
    expect(change({ redact: [] })).toEqual([60, 60])
    expect(change({ verification: null })).toEqual([70, 70])
    const other = { ...source, id: `src_${"3".repeat(32)}`, slug: "v", verification: { template: "svix" } }
    expect(Result.getOrThrow(store.create(other))).toMatchObject({ version: 71, ingestVersion: 71 })
  })
  it("takes a source of an older edge, which knows no settings but what it leaves out", () => {
    const store = makeStore(nodeSql())
    const { verification, ingestVersion, ...source } = makeStore(restore(v1)).get("source", ID) as Source
    const old = { ...source, redact: ["query.a"] }
    Result.getOrThrow(store.create(old as Partial<Source> as Source))
    const made = store.get("source", ID) as Source
    expect(made).toMatchObject({ ...old, version: made.version, verification: null, ingestVersion: made.version })
  })
  it("opens what version 1 wrote: a source of then keeps its events for the default of days, and its URL", () => {
    const old = { name: "Old", retentionDays: 7, redact: [], ingestUrls: [{ generation: 0, expiresAt: null }] }
    expect(makeStore(restore(v1)).get("source", ID)).toMatchObject(old)
    expect(LogKeeper.makeStore(restore(keeper)).config()?.source).toMatchObject(old)
  })
  it("opens what version 1 wrote: replays told with a config are told as commands, and what waited waits", () => {
    const hex = (n: number) => String(n).padStart(32, "0")
    const sql = restore(v1Replays)
    const store = makeStore(sql)
    const destination = `dst_${hex(1)}`
    expect(store.outbox()).toEqual([
      { target: destination, version: 7, replay: null },
      { target: destination, version: 7, replay: `rpl_${hex(3)}` },
      { target: destination, version: 6, replay: `rpl_${hex(1)}` },
      { target: destination, version: 5, replay: `rpl_${hex(2)}` },
      { target: "directory", version: 0, replay: null }
    ])
    // A destination knows version 6: what it is told as its config is nothing newer, and every later change is.
    expect(store.destinationConfig(destination).version).toBe(3)
    expect(store.get("replay", `rpl_${hex(1)}`)).toMatchObject({ cancelled: true })
    for (const sent of store.outbox()) store.acknowledged(sent)
    expect(makeStore(sql).outbox()).toEqual([])
    store.remove("connection", `conn_${hex(1)}`, 5)
    expect(store.destinationConfig(destination).version).toBe(8)
  })
})
