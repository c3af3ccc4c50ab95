import { makeStore } from "@hookstream/core/log/LogConfigStore"
import type { LogConfig } from "@hookstream/core/workspace/Registry"
import { describe, expect, it } from "vitest"
import { nodeSql } from "./NodeSql.ts"

const [FIRST, SECOND] = [`dst_${"1".repeat(32)}`, `dst_${"2".repeat(32)}`]

const config = (version: number, ...destinations: ReadonlyArray<string>): LogConfig => ({
  version,
  deleted: false,
  destinations,
  source: {
    ...({
      kind: "source",
      id: `src_${"0".repeat(32)}`,
      workspace: "00000001",
      version: 1,
      name: "s",
      slug: "s"
    } as const),
    ...({
      description: null,
      status: "active",
      retentionDays: 7,
      redact: [],
      verification: null,
      ingestVersion: 0,
      ingestUrls: [{ generation: 1, expiresAt: null }],
      createdAt: 1,
      updatedAt: 1
    } as const)
  }
})

describe("what a log keeps beside its events", () => {
  it("knows who was not told of the head, also after a restart", () => {
    const sql = nodeSql()
    const keeper = makeStore(sql)
    keeper.configure(config(1, FIRST, SECOND))
    expect(keeper.behind(3)).toEqual([FIRST, SECOND])
    keeper.notified(FIRST, 3)
    expect(makeStore(sql).behind(3)).toEqual([SECOND])
    expect(makeStore(sql).behind(4)).toEqual([FIRST, SECOND])
  })
  it("keeps the newest config: an older one that arrives late changes nothing", () => {
    const keeper = makeStore(nodeSql())
    keeper.configure(config(2, SECOND))
    keeper.configure(config(1, FIRST))
    expect(keeper.config()).toEqual(config(2, SECOND))
  })
  it("tells a destination from the start again when it comes back", () => {
    const keeper = makeStore(nodeSql())
    keeper.configure(config(1, FIRST))
    keeper.notified(FIRST, 9)
    keeper.configure(config(2))
    keeper.configure(config(3, FIRST))
    expect(keeper.behind(9)).toEqual([FIRST])
  })
})
