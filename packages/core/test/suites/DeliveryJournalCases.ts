/** What every delivery journal must do: plain functions, so that they run in Node and inside a Durable Object alike. */
import { deepStrictEqual as equal } from "node:assert/strict"
import type * as Facts from "@hookstream/core/DeliveryFacts"
import type { DeliveryStore } from "@hookstream/core/DeliveryJournal"

const started = (connection: string, after = 0, sourceId = "src_1"): Facts.Fact => ({
  ...({ _tag: "ConnectionStarted", connection, sourceId, route: "0123abcde", after } as const)
})
const windowOf = (lo: number, hi: number) => ({ connection: "conn_1", lo, hi })
const failure = { attempt: 1, latency: 2, key: null, reason: "Unavailable", detail: "down" } as const
const retry = (seq: number, due: number): Facts.Settlement => ({
  _tag: "Retry",
  seq,
  ...failure,
  spent: 1,
  due,
  restarts: 0,
  since: 1
})
const done = (seq: number): Facts.Settlement => ({
  _tag: "Delivered",
  seq,
  attempt: 1,
  latency: 2,
  receipt: { offset: "7" }
})
const dead = (seq: number): Facts.Settlement => ({ _tag: "Dead", seq, ...failure, reason: "Rejected" })
const settled = (lo: number, hi: number, ...all: ReadonlyArray<Facts.Settlement>): Facts.Fact => ({
  _tag: "WindowSettled",
  ...windowOf(lo, hi),
  seqs: null,
  at: 100,
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
    const again = (at: number, one: Facts.Settlement): Facts.Fact => ({
      ...({ _tag: "WindowSettled", ...windowOf(2, 2), seqs: [2], at, settled: [one] } as const)
    })
    const lost = {
      _tag: "Retry",
      seq: 2,
      ...failure,
      reason: "Unknown",
      spent: 1,
      due: 600,
      restarts: 1,
      since: 1
    } as const
    store.commit([again(600, lost)], 600)
    store.commit([again(700, dead(2))], 700)
    store.commit([{ _tag: "Redriven", connection: "conn_1", seqs: [2], at: 800 }], 800)
    store.commit([again(900, done(2))], 900)
    equal(
      store.timeline("src_1", 2).map(({ at, type, nextAt, receipt }) => [at, type, nextAt, receipt]),
      [
        [100, "failed", 500, null],
        [600, "unknown", 600, null],
        [700, "dead", null, null],
        [800, "redriven", 800, null],
        [900, "delivered", null, { offset: "7" }]
      ]
    )
    equal(store.view(9999).due, [])
  },
  "holds an event behind its key, and lets it go when the earlier one is done with": (store) => {
    const keyed = (one: Facts.Settlement): Facts.Settlement => ({ ...one, key: "k" }) as Facts.Settlement
    const held = (seq: number): Facts.Settlement => ({
      _tag: "Waiting",
      seq,
      key: "k",
      spent: 0,
      due: null,
      restarts: 0
    })
    store.commit([started("conn_1"), settled(1, 4, keyed(retry(1, 500)), held(2), held(3), done(4))], 100)
    const due = (now: number) => store.view(now).due.map((one) => [one.seq, one.due])
    equal(due(499), [])
    equal(due(500), [
      [1, 500],
      [2, null],
      [3, null]
    ])
    equal([...store.blockedKeys("conn_1", ["k", "other"])], ["k"])
    equal(store.timeline("src_1", 2)[0]!.type, "held")
    const after: Facts.Fact = {
      _tag: "WindowSettled",
      ...windowOf(1, 1),
      seqs: [1],
      at: 600,
      settled: [keyed(dead(1))]
    }
    store.commit([after], 600)
    equal(due(600), [
      [2, 600],
      [3, null]
    ])
    store.commit([{ ...after, lo: 2, hi: 3, seqs: [2, 3], settled: [done(2), done(3)] }], 700)
    equal([due(9999), [...store.blockedKeys("conn_1", ["k"])]], [[], []])
  },
  "lets nothing of a key go past an event of it that is due later": (store) => {
    const key = "k"
    const held: Facts.Settlement = { _tag: "Waiting", seq: 3, key, spent: 0, due: null, restarts: 0 }
    const first = { ...dead(1), key } as Facts.Settlement
    const second = { ...retry(2, 5000), key } as Facts.Settlement
    store.commit([started("conn_1"), settled(1, 3, first, second, held)], 100)
    store.commit([{ _tag: "Redriven", connection: "conn_1", seqs: [1], at: 200 }], 200)
    equal(
      store.view(200).due.map(({ seq }) => seq),
      [1]
    )
  },
  "brings a dead letter back with all its tries, and hurries what waits for its retry": (store) => {
    store.commit([started("conn_1"), settled(1, 3, dead(1), retry(2, 5000), done(3))], 100)
    store.commit([{ _tag: "Redriven", connection: "conn_1", seqs: [1, 2, 3], at: 200 }], 200)
    equal(
      store.view(200).due.map(({ seq, spent }) => [seq, spent]),
      [
        [1, 0],
        [2, 1]
      ]
    )
    equal(store.summary().dead, 0)
  },
  "makes what waits for its retry due when the circuit closes": (store) => {
    store.commit([started("conn_1"), settled(1, 1, retry(1, 5000))], 100)
    store.commit([{ _tag: "BreakerOpened", at: 100, until: 200, probes: 0 }], 100)
    equal(
      store.view(300).oldest.map(({ seq }) => seq),
      [1]
    )
    store.commit([{ _tag: "BreakerClosed", at: 300 }], 300)
    equal(
      store.view(300).due.map(({ seq }) => seq),
      [1]
    )
  },
  "tells a filtered event from a delivered one": (store) => {
    store.commit([started("conn_1"), settled(1, 2, done(1), { _tag: "Filtered", seq: 2, rule: 3 })], 100)
    equal(
      store.statuses("src_1", [1, 2]).map(({ status }) => status),
      ["delivered", "filtered"]
    )
    equal(
      store.timeline("src_1", 2).map(({ type, rule }) => [type, rule]),
      [["filtered", 3]]
    )
  },
  "pages through dead letters": (store) => {
    store.commit([started("conn_1"), settled(1, 3, dead(1), dead(2), dead(3))], 100)
    const first = store.deadLetters(null, 2)
    equal(
      first.letters.map(({ seq }) => seq),
      [3, 2]
    )
    const second = store.deadLetters(first.next, 2)
    equal([second.letters.map(({ seq }) => seq), second.next], [[1], null])
  },
  "counts a disabled connection's retries as due only when it is enabled again": (store) => {
    const enabled = (value: boolean): Facts.Fact => ({
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
    const broken = {
      _tag: "WindowSettled",
      ...windowOf(1, 1),
      seqs: null,
      at: 1,
      settled: null
    } as unknown as Facts.Fact
    try {
      store.commit([{ _tag: "ThrottledUntil", until: 5, streak: 1 }, broken], 200)
    } catch {
      equal(JSON.stringify([store.facts(), store.control()]), before)
      return
    }
    equal("the broken fact was taken", "it throws")
  }
}
