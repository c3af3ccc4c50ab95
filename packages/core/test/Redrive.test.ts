import type * as Facts from "@hookstream/core/delivery/Facts"
import * as Redrive from "@hookstream/core/delivery/Redrive"
import { type DeliveryStore, makeStore } from "@hookstream/core/journal/DeliveryJournal"
import { makeMemory } from "@hookstream/core/testing/DeliveryMemory"
import { describe, expect, it } from "vitest"
import { nodeSql } from "./NodeSql.ts"

const EVENTS = 1201
const started = (connection: string): Facts.Fact => ({
  _tag: "ConnectionStarted",
  connection,
  sourceId: "src_1",
  route: "0123abcde",
  after: 0
})
const failure = { attempt: 1, latency: 2, key: null, detail: "down" } as const
const settled = (run: string, one: (seq: number) => Facts.Settlement, count = EVENTS): Facts.Fact => ({
  _tag: "WindowSettled",
  run,
  lo: 1,
  hi: count,
  seqs: null,
  at: 100,
  settled: Array.from({ length: count }, (_, i) => one(i + 1)),
  seen: [],
  rates: null,
  rest: null
})
const waits = (seq: number): Facts.Settlement => ({
  _tag: "Retry",
  seq,
  ...failure,
  reason: seq % 2 === 0 ? "TimedOut" : "Unavailable",
  spent: 2,
  due: 9000,
  restarts: 0,
  since: 1
})
const dead = (seq: number): Facts.Settlement => ({ _tag: "Dead", seq, ...failure, reason: "Rejected" })
const deleted = (connection: string): Facts.Fact => ({
  _tag: "ConnectionChanged",
  connection,
  enabled: true,
  deleted: true
})

describe.each<readonly [string, () => DeliveryStore]>([
  ["in memory", makeMemory],
  ["on SQLite", () => makeStore(nodeSql())]
])("what a person wants tried again, %s", (_, make) => {
  it("is all that waits, with the tries that it has spent, and an open circuit asks at once", () => {
    const store = make()
    store.commit([started("conn_1"), started("conn_2"), settled("conn_1", waits), settled("conn_2", waits, 3)], 100)
    store.commit([{ _tag: "BreakerOpened", at: 100, until: 86_400_000, probes: 3 }], 100)
    expect(Redrive.retryWaiting(store, {}, 200)).toBe(EVENTS + 3)
    expect(store.pendingAfter(null, 9999).filter(({ due }) => due !== 200)).toEqual([])
    expect(store.control().breaker).toMatchObject({ state: "open", since: 100, until: 200, probes: 3 })
    expect(store.timeline("src_1", 7).map(({ type }) => type)).toEqual(["failed", "redriven"])
  })
  it("is what the filter names", () => {
    const store = make()
    store.commit([started("conn_1"), started("conn_2"), settled("conn_1", waits, 5), settled("conn_2", waits, 5)], 100)
    expect(Redrive.retryWaiting(store, { connection: "conn_2", reason: "TimedOut" }, 200)).toBe(2)
    const due = store.pendingAfter(null, 99).filter((one) => one.due === 200)
    expect(due.map(({ run, seq }) => [run, seq])).toEqual([
      ["conn_2", 2],
      ["conn_2", 4]
    ])
    expect(Redrive.retryWaiting(store, { reason: "Throttled" }, 200)).toBe(0)
  })
  it("is nothing of a deleted connection, dead or waiting", () => {
    const store = make()
    store.commit([started("conn_1"), started("conn_2"), settled("conn_1", waits, 3), settled("conn_2", dead, 3)], 100)
    store.commit([deleted("conn_1"), deleted("conn_2")], 100)
    const before = store.facts().length
    expect([Redrive.retryWaiting(store, {}, 200), Redrive.redrive(store, {}, 200)]).toEqual([0, 0])
    expect([1, 2].map((seq) => Redrive.retryEvent(store, "src_1", seq, 200))).toEqual([0, 0])
    expect(Redrive.retryDelivery(store, "conn_2", 1, 200)).toBe("settled")
    expect(store.facts()).toHaveLength(before)
    expect(store.summary().dead).toBe(3)
  })
  it("is every dead letter, however many", () => {
    const store = make()
    store.commit([started("conn_1"), settled("conn_1", dead)], 100)
    expect(Redrive.redrive(store, {}, 200)).toBe(EVENTS)
    expect(store.summary()).toMatchObject({ dead: 0, pending: EVENTS, nextDue: 200 })
  })
  it("is one event, on each connection where it is dead or waits", () => {
    const store = make()
    store.commit([started("conn_1"), started("conn_2"), settled("conn_1", waits, 3), settled("conn_2", dead, 3)], 100)
    expect(Redrive.retryEvent(store, "src_1", 2, 200)).toBe(2)
    expect(Redrive.retryEvent(store, "src_1", 4, 200)).toBe(0)
    expect(Redrive.retryDelivery(store, "conn_1", 3, 300)).toBe("retried")
    expect(store.view(300).due).toHaveLength(3)
  })
})
