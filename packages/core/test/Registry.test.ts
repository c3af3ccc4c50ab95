import * as LogKeeper from "@hookstream/core/log/LogConfigStore"
import { cases } from "@hookstream/core/testing/RegistrySuite"
import { makeStore } from "@hookstream/core/workspace/Registry"
import { describe, expect, it } from "vitest"
import keeper from "./fixtures/log-keeper-v1.json" with { type: "json" }
import v1 from "./fixtures/registry-v1.json" with { type: "json" }
import v1Replays from "./fixtures/registry-v1-replays.json" with { type: "json" }
import { restore } from "./fixtures.ts"
import { nodeSql } from "./NodeSql.ts"

describe("the registry, on SQLite", () => {
  it.each(Object.entries(cases))("%s", (_, run) => run(makeStore(nodeSql())))
  it("opens what version 1 wrote: a source of then keeps its events for the default of days, and its URL", () => {
    const id = `src_${"0".repeat(32)}`
    const old = { name: "Old", retentionDays: 7, redact: [], ingestUrls: [{ generation: 0, expiresAt: null }] }
    expect(makeStore(restore(v1)).get("source", id)).toMatchObject(old)
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
