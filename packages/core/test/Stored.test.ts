import * as DestinationConfigStore from "@hookstream/core/delivery/DestinationConfigStore"
import { StoreTooNew, StoreUnreadable } from "@hookstream/core/Errors"
import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import * as EventLog from "@hookstream/core/log/EventLog"
import * as LogConfigStore from "@hookstream/core/log/LogConfigStore"
import type { Sql } from "@hookstream/core/Sql"
import * as Stored from "@hookstream/core/Stored"
import * as Registry from "@hookstream/core/workspace/Registry"
import { Schema } from "effect"
import { describe, expect, it } from "vitest"
import destination from "./fixtures/destination-config-v1.json" with { type: "json" }
import keeper from "./fixtures/log-keeper-v1.json" with { type: "json" }
import registry from "./fixtures/registry-v1.json" with { type: "json" }
import { restore } from "./fixtures.ts"
import { nodeSql } from "./NodeSql.ts"

const log = { sourceId: `src_${"0".repeat(32)}`, route: "000000001" }

/** Each database, with what of it has a version. */
const stores: ReadonlyArray<readonly [name: string, open: (sql: Sql) => void, versions: ReadonlyArray<string>]> = [
  [
    "a log",
    (sql) => {
      EventLog.makeStore(sql, log)
      LogConfigStore.makeStore(sql)
    },
    ["EventLog", "LogKeeper", "LogKeeper config"]
  ],
  [
    "a destination",
    (sql) => {
      DeliveryJournal.makeStore(sql)
      DestinationConfigStore.makeStore(sql)
    },
    ["DeliveryJournal", "DeliveryJournal facts", "DestinationConfig", "DestinationConfig config"]
  ],
  ["a workspace", (sql) => void Registry.makeStore(sql), ["Registry", "Registry entities", "Registry keys"]]
]

describe.each(stores)("the database of %s", (_, open, versions) => {
  it("says of each thing in which version it is stored", () => {
    const sql = nodeSql()
    open(sql)
    expect(sql.exec("SELECT store FROM schema_versions ORDER BY store").map(({ store }) => store)).toEqual(versions)
  })
  it.each(versions)("is not opened where a newer release has written %s", (store) => {
    const sql = nodeSql()
    open(sql)
    const known = Number(sql.exec("SELECT version FROM schema_versions WHERE store = ?", store)[0]!["version"])
    sql.exec("UPDATE schema_versions SET version = ? WHERE store = ?", known + 1, store)
    const before = sql.exec("SELECT * FROM schema_versions")
    expect(() => open(sql)).toThrow(new StoreTooNew({ store, stored: known + 1, known }))
    expect(sql.exec("SELECT * FROM schema_versions")).toEqual(before)
    sql.exec("UPDATE schema_versions SET version = ? WHERE store = ?", known, store)
    expect(() => open(sql)).not.toThrow()
  })
})

describe("what version 1 stored", () => {
  it("is brought to the present form when it is read, and may stand beside what is written now", () => {
    const sql = restore(registry)
    const store = Registry.makeStore(sql)
    const old = store.get("source", log.sourceId) as Registry.EntityOf<"source">
    expect(old).toMatchObject({ name: "Old", retentionDays: 7, redact: [] })
    store.create({ ...old, id: `src_${"1".repeat(32)}`, slug: "new" })
    expect(sql.exec("SELECT v FROM entities ORDER BY n").map(({ v }) => v)).toEqual([1, 3])
    expect(sql.exec("SELECT v FROM changes ORDER BY version").map(({ v }) => v)).toEqual([1, 3])
    expect(Registry.makeStore(sql).list("source", { cursor: null, limit: 9 }).items).toMatchObject([
      { slug: "new" },
      { slug: "old" }
    ])
  })
  it("of version 2, in which a source had no verification and no number of its settings", () => {
    const sql = restore(registry)
    const old = Registry.makeStore(sql).get("source", log.sourceId) as Registry.EntityOf<"source">
    const made = { ...old, id: `src_${"1".repeat(32)}`, slug: "new", redact: ["query.a"] }
    Registry.makeStore(sql).create(made)
    const stored = Registry.makeStore(sql).get("source", made.id) as Registry.EntityOf<"source">
    sql.exec("UPDATE entities SET v = 2, entity = json_remove(entity, '$.verification', '$.ingestVersion') WHERE v = 3")
    expect(Registry.makeStore(sql).get("source", made.id)).toEqual(stored)
    expect(stored).toMatchObject({ verification: null, ingestVersion: stored.version })
  })
  it("of a log", () => {
    const sql = restore(keeper)
    const config = LogConfigStore.makeStore(sql).config()!
    expect(config.source).toMatchObject({ name: "Old", retentionDays: 7 })
    LogConfigStore.makeStore(sql).configure({ ...config, version: 2 })
    expect(sql.exec("SELECT v FROM log_config")).toEqual([{ v: 3 }])
    expect(LogConfigStore.makeStore(sql).config()).toEqual({ ...config, version: 2 })
  })
  it("of a destination, which did not know whether a source was deleted", () => {
    const sql = restore(destination)
    const config = DestinationConfigStore.makeStore(sql).config()!
    expect(config.connections).toMatchObject([{ deleted: false, sourceDeleted: false }])
    DestinationConfigStore.makeStore(sql).configure(config)
    expect(sql.exec("SELECT v FROM destination_config")).toEqual([{ v: 2 }])
    expect(DestinationConfigStore.makeStore(sql).config()).toEqual(config)
  })
})

describe("a stored value", () => {
  const form: Stored.Form<{ readonly name: string; readonly size: number }> = {
    name: "boxes",
    schema: Schema.Struct({ name: Schema.String, size: Schema.Int }),
    steps: [
      (box: { readonly title: string }) => ({ name: box.title }),
      (box: { readonly name: string }) => ({ ...box, size: box.name.length })
    ]
  }
  it("goes through the steps from its own version on", () => {
    const { read, version } = Stored.open(nodeSql(), form)
    expect(version).toBe(3)
    expect(read(1, '{"title":"abc"}')).toEqual({ name: "abc", size: 3 })
    expect(read(2, '{"name":"abc"}')).toEqual({ name: "abc", size: 3 })
    expect(read(3, '{"name":"abc","size":9}')).toEqual({ name: "abc", size: 9 })
  })
  it.each([
    ["is no JSON", "{", ""],
    ["lacks a field", '{"name":"hush"}', "size"],
    ["has a field of another kind", '{"name":"hush","size":"hush"}', "size"]
  ])("that %s is not taken for one; what is said of it does not hold it", (_, json, path) => {
    const { read } = Stored.open(nodeSql(), form)
    const error = new StoreUnreadable({ store: "boxes", version: 3, path })
    expect(() => read(3, json)).toThrow(error)
    expect(error.message).not.toContain("hush")
  })
})
