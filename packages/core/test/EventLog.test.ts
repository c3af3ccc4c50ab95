import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CHUNK_BYTES, type EventLogStore, makeMemory, makeStore } from "@hookstream/core/EventLog"
import { parseEventId } from "@hookstream/core/Ids"
import { afterAll, describe, expect, it } from "vitest"
import { nodeSql } from "./NodeSql.ts"

const log = { sourceId: `src_${"0".repeat(32)}`, route: "0123abcde" }
const dir = mkdtempSync(join(tmpdir(), "hookstream-"))
afterAll(() => rmSync(dir, { recursive: true }))

const newEvent = (body: string | Uint8Array) => ({
  method: "POST",
  headers: [["content-type", "application/json"]] as const,
  query: "a=1",
  contentType: "application/json",
  sourceIp: "203.0.113.9",
  body: typeof body === "string" ? new TextEncoder().encode(body) : body
})
let tokens = 0
const append = (store: EventLogStore, body: string | Uint8Array, options: { now?: number; token?: string; repeated?: boolean } = {}) =>
  store.append({ event: newEvent(body), token: options.token ?? `token-${tokens++}`, now: options.now ?? 1000, ...("repeated" in options ? { repeated: options.repeated! } : {}) })
const ALL = { maxEvents: 1000, maxBytes: 1e9 }
const seqs = (events: ReadonlyArray<{ readonly seq: number }>) => events.map(({ seq }) => seq)

/** What every event log must do. */
const suite = (name: string, make: () => EventLogStore) =>
  describe(`the event log, ${name}`, () => {
    it("gives back what was appended, byte for byte", () => {
      const store = make()
      const event = append(store, '{"a": 1e2 }', { now: 5000 })
      expect(event).toMatchObject({ seq: 1, receivedAt: 5000, bodyKind: "json", sourceId: log.sourceId, sourceIp: "203.0.113.9" })
      expect(parseEventId(event.id)).toEqual({ receivedAt: 5000, seq: 1, route: log.route })
      const [read] = store.read(0, ALL).events
      expect({ ...read, body: new TextDecoder().decode(read!.body) }).toEqual({ ...event, body: '{"a": 1e2 }' })
      expect(store.get([1])[0]!.id).toBe(event.id)
    })
    it("numbers events from 1 without gaps, and time never goes back", () => {
      const store = make()
      const events = [3000, 2000, 4000].map((now) => append(store, "x", { now }))
      expect(seqs(events)).toEqual([1, 2, 3])
      expect(events.map(({ receivedAt }) => receivedAt)).toEqual([3000, 3000, 4000])
      expect(store.head()).toBe(3)
      expect(store.stats()).toEqual({ count: 3, lastAt: 4000 })
    })
    it("an append asked for again with its token makes no second event", () => {
      const store = make()
      const first = append(store, "x", { token: "t" })
      append(store, "y")
      expect(append(store, "x", { token: "t", repeated: true }).id).toBe(first.id)
      expect(append(store, "z", { token: "unseen", repeated: true }).seq).toBe(3)
      expect(store.head()).toBe(3)
    })
    it("reads after a sequence, bounded by count and bytes, but never nothing", () => {
      const store = make()
      for (const body of ["aaaa", "bbbb", "cccc", "dddd"]) append(store, body)
      expect(seqs(store.read(1, { maxEvents: 2, maxBytes: 1e9 }).events)).toEqual([2, 3])
      expect(seqs(store.read(0, { maxEvents: 9, maxBytes: 8 }).events)).toEqual([1, 2])
      expect(seqs(store.read(0, { maxEvents: 9, maxBytes: 1 }).events)).toEqual([1])
      expect(store.read(4, ALL)).toEqual({ events: [], head: 4 })
    })
    it("gets the events asked for in order, leaving out what it does not hold", () => {
      const store = make()
      for (const body of ["a", "b", "c"]) append(store, body)
      expect(seqs(store.get([3, 1, 99]))).toEqual([1, 3])
    })
    it("lists newest first, without bodies", () => {
      const store = make()
      for (const body of ["a", "b", "c"]) append(store, body)
      const listed = store.list(3, 10)
      expect(seqs(listed)).toEqual([2, 1])
      expect(listed[0]!.body.length).toBe(0)
      expect(seqs(store.list(99, 1))).toEqual([3])
    })
    it.each([0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7])("keeps a body of %i bytes", (size) => {
      const store = make()
      const body = new Uint8Array(size).map((_, i) => (i * 31) % 256)
      append(store, body)
      expect(Buffer.compare(store.read(0, ALL).events[0]!.body, body)).toBe(0)
    })
  })

suite("in memory", () => makeMemory(log))
suite("on SQLite in memory", () => makeStore(nodeSql(), log))
let files = 0
suite("on SQLite in a file", () => makeStore(nodeSql(join(dir, `${files++}.db`)), log))

describe("the event log on SQLite", () => {
  it("goes on where it stood when it is opened again", () => {
    const path = join(dir, "again.db")
    const before = nodeSql(path)
    append(makeStore(before, log), "a", { now: 9000 })
    before.close()
    const after = makeStore(nodeSql(path), log)
    expect(append(after, "b", { now: 1 })).toMatchObject({ seq: 2, receivedAt: 9000 })
  })
  it("an append that fails leaves nothing behind", () => {
    const sql = nodeSql()
    const store = makeStore(sql, log)
    const broken = makeStore(
      { ...sql, exec: (query, ...params) => { if (query.includes("INTO chunks")) throw new TypeError("disk"); return sql.exec(query, ...params) } },
      log
    )
    expect(() => append(broken, new Uint8Array(CHUNK_BYTES + 1))).toThrow("disk")
    expect(store.head()).toBe(0)
    expect(append(store, "x").seq).toBe(1)
  })
  it("an append writes one row: rows are the bill", () => {
    const sql = nodeSql()
    const writes: Array<string> = []
    const store = makeStore(
      { ...sql, exec: (query, ...params) => { if (/^\s*(INSERT|UPDATE|DELETE)/.test(query)) writes.push(query); return sql.exec(query, ...params) } },
      log
    )
    writes.length = 0
    append(store, "{}")
    expect(writes).toHaveLength(1)
  })
})
