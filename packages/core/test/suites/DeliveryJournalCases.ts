/** What every delivery journal must do: plain functions, so that they run in Node and inside a Durable Object alike. */
import { deepStrictEqual as equal } from "node:assert/strict"
import type * as Delivery from "@hookstream/core/Delivery"
import type { DeliveryStore } from "@hookstream/core/DeliveryJournal"

const started = (connection: string, after = 0, sourceId = "src_1"): Delivery.Fact => ({
  ...({ _tag: "ConnectionStarted", connection, sourceId, route: "0123abcde", after } as const)
})
const windowOf = (lo: number, hi: number) => ({ connection: "conn_1", lo, hi })
const failure = { attempt: 1, latency: 2, reason: "Unavailable", detail: "down" } as const
const retry = (seq: number, due: number): Delivery.Settlement => ({ _tag: "Retry", seq, ...failure, spent: 1, due })
const done = (seq: number): Delivery.Settlement => ({
  _tag: "Delivered",
  seq,
  attempt: 1,
  latency: 2,
  receipt: { offset: "7" }
})
const dead = (seq: number): Delivery.Settlement => ({ _tag: "Dead", seq, ...failure, reason: "Rejected" })
const settled = (lo: number, hi: number, ...all: ReadonlyArray<Delivery.Settlement>): Delivery.Fact => ({
  _tag: "WindowSettled",
  ...windowOf(lo, hi),
  retry: false,
  settled: all
})

export const cases: Readonly<Record<string, (store: DeliveryStore) => void>> = {
  "moves the cursor with what it settles, and shows what is due": (store) => {
    store.commit([started("conn_1"), settled(1, 3, done(1), retry(2, 500), retry(3, 900))], 100)
    store.raiseHead("src_1", 9)
    store.raiseHead("src_1", 4)
    const view = store.view(500)
    equal([view.connections[0]!.cursor, view.connections[0]!.head], [3, 9])
    equal(
      view.due.map(({ seq }) => seq),
      [2]
    )
    equal([view.nextDue, view.pendingCount], [900, 2])
  },
  "tells where each event stands": (store) => {
    store.commit([started("conn_1", 1), settled(2, 4, done(2), retry(3, 500), dead(4))], 100)
    equal(
      store.statuses("src_1", [1, 2, 3, 4, 5]).map(({ seq, status }) => [seq, status]),
      [
        [2, "delivered"],
        [3, "retrying"],
        [4, "dead"],
        [5, "waiting"]
      ]
    )
    equal(store.statuses("src_2", [2]), [])
  },
  "tells every try of an event, in order": (store) => {
    store.commit([started("conn_1"), settled(1, 2, done(1), retry(2, 500))], 100)
    store.commit([{ _tag: "WindowLost", ...windowOf(2, 2), seqs: [2] }], 600)
    store.commit([{ _tag: "WindowSettled", ...windowOf(2, 2), retry: true, settled: [done(2)] }], 700)
    equal(
      store.attempts("src_1", 2).map(({ at, status, nextAt, receipt }) => [at, status, nextAt, receipt]),
      [
        [100, "failed", 500, null],
        [600, "unknown", null, null],
        [700, "delivered", null, { offset: "7" }]
      ]
    )
    equal(store.view(9999).due, [])
  },
  "counts a disabled connection's retries as due only when it is enabled again": (store) => {
    const enabled = (value: boolean): Delivery.Fact => ({
      ...({ _tag: "ConnectionChanged", connection: "conn_1", enabled: value, deleted: false } as const)
    })
    store.commit([started("conn_1"), settled(1, 1, retry(1, 500)), enabled(false)], 100)
    equal([store.view(600).due.length, store.view(1).nextDue], [0, null])
    store.commit([enabled(true)], 100)
    equal([store.view(600).due.length, store.view(1).nextDue], [1, 500])
  },
  "sums up what a user wants to know": (store) => {
    store.commit([started("conn_1"), settled(1, 3, retry(1, 500), dead(2), dead(3))], 100)
    const { pending, dead: letters, nextDue, lastError } = store.summary()
    equal(
      { pending, letters, nextDue, lastError },
      { pending: 1, letters: 2, nextDue: 500, lastError: { reason: "Unavailable", detail: "down" } }
    )
  },
  "commits all facts or none": (store) => {
    store.commit([started("conn_1")], 100)
    const before = JSON.stringify([store.facts(), store.control()])
    const broken = { _tag: "WindowSettled", ...windowOf(1, 1), retry: false, settled: null } as unknown as Delivery.Fact
    try {
      store.commit([{ _tag: "ThrottledUntil", until: 5, streak: 1 }, broken], 200)
    } catch {
      equal(JSON.stringify([store.facts(), store.control()]), before)
      return
    }
    equal("the broken fact was taken", "it throws")
  }
}
