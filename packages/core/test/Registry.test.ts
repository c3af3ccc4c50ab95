import * as LogKeeper from "@hookstream/core/LogKeeper"
import { makeStore } from "@hookstream/core/Registry"
import { cases } from "@hookstream/core/testing/RegistrySuite"
import { describe, expect, it } from "vitest"
import keeper from "./fixtures/log-keeper-v1.json" with { type: "json" }
import v1 from "./fixtures/registry-v1.json" with { type: "json" }
import { restore } from "./fixtures.ts"
import { nodeSql } from "./NodeSql.ts"

describe("the registry, on SQLite", () => {
  it.each(Object.entries(cases))("%s", (_, run) => run(makeStore(nodeSql())))
  it("opens what version 1 wrote: a source of then keeps its events for the default of days", () => {
    const id = `src_${"0".repeat(32)}`
    expect(makeStore(restore(v1)).get("source", id)).toMatchObject({ name: "Old", retentionDays: 7 })
    expect(LogKeeper.makeStore(restore(keeper)).config()?.source).toMatchObject({ name: "Old", retentionDays: 7 })
  })
})
