/** What every delivery journal must do: plain functions, so that they run in Node and inside a Durable Object alike. */
import { deepStrictEqual as equal } from "node:assert/strict"
import type * as Facts from "../src/delivery/Facts.ts"
import type { DeliveryStore } from "../src/journal/DeliveryJournal.ts"

/** Events up to there are no longer needed. */
const mark = (store: DeliveryStore, source: string) => store.needs(source)?.after ?? null

const started = (connection: string, after = 0, sourceId = "src_1"): Facts.Fact => ({
  _tag: "ConnectionStarted",
  connection,
  sourceId,
  route: "0123abcde",
  after
})
const windowOf = (lo: number, hi: number, run = "conn_1") => ({ run, lo, hi })
const rest = { seen: [], rates: null, rest: null } as const
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
  settled: all,
  ...rest
})

export const cases: Readonly<Record<string, (store: DeliveryStore) => void>> = {
  "knows under which epochs it has read, and goes back with a log that was restored": (store) => {
    const read = (id: string, first: number, fact: Facts.Fact): Facts.Fact =>
      fact._tag === "WindowSettled" ? { ...fact, epochs: [{ id, first }] } : fact
    const run = () => store.runs()[0]!
    store.commit([started("conn_1"), read("a", 1, settled(1, 3, done(1), done(2), dead(3)))], 1)
    store.commit([read("b", 5, settled(4, 6, done(4), retry(5, 900), dead(6)))], 2)
    // Nothing of it was sent: the cursor stays.
    store.commit([{ ...settled(7, 9), seqs: [], epochs: [{ id: "c", first: 7 }] } as Facts.Fact], 3)
    const marks = [
      { epoch: "", through: 0 },
      { epoch: "a", through: 4 },
      { epoch: "b", through: 6 }
    ]
    equal([run().cursor, run().marks, store.openAbove("conn_1", 4)], [6, marks, 2])
    const back = { run: "conn_1", sourceId: "src_1", from: 6, through: 4 }
    store.commit([{ _tag: "LogRestored", ...back, marks: marks.slice(0, 2), open: 2, at: 4 }], 4)
    equal([run().cursor, run().marks], [4, marks.slice(0, 2)])
    equal([store.view(1000).pendingCount, store.openAbove("conn_1", 4), store.openAbove("conn_1", 0)], [0, 0, 1])
    equal([store.timeline("src_1", 5), store.timeline("src_1", 6)], [[], []])
    store.commit([settled(5, 7, done(5), done(6), done(7))], 5)
    const types = (seq: number) => store.timeline("src_1", seq).map(({ type }) => type)
    equal([3, 4, 5, 6].map(types), [["dead"], ["delivered"], ["delivered"], ["delivered"]])
    equal(store.control().restored, { ...back, at: 4 })
  },
  "finds what is left of a window that a restore of the log has cut": (store) => {
    store.commit([started("conn_1"), settled(1, 5, done(1), done(2), done(3), done(4), done(5))], 1)
    const back = { run: "conn_1", sourceId: "src_1", from: 5, through: 3 }
    store.commit([{ _tag: "LogRestored", ...back, marks: [], open: 0, at: 2 }], 2)
    store.commit([settled(4, 4, retry(4, 500))], 3)
    const types = (seq: number) => store.timeline("src_1", seq).map(({ type }) => type)
    equal([2, 3, 4, 5].map(types), [["delivered"], ["delivered"], ["failed"], []])
  },
  "moves the cursor with what it settles, and shows what is due": (store) => {
    store.commit([started("conn_1"), settled(1, 3, done(1), retry(2, 500), retry(3, 900))], 100)
    store.raiseHead("src_1", 9)
    store.raiseHead("src_1", 4)
    const view = store.view(500)
    equal([view.runs[0]!.cursor, view.runs[0]!.head], [3, 9])
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
  "shows what is due, oldest first, and no more than a window holds": (store) => {
    const all = Array.from({ length: 150 }, (_, i) => retry(i + 1, 1000 - i))
    store.commit([started("conn_1"), settled(1, 150, ...all)], 100)
    const { due, nextDue, pendingCount } = store.view(950)
    equal([due.length, due[0]!.seq, due.at(-1)!.seq], [100, 150, 51])
    equal([nextDue, pendingCount], [951, 150])
    const later = store.view(850)
    equal([later.due.length, later.nextDue], [0, 851])
    equal([store.view(2000).due[0]!.due, store.view(2000).nextDue], [851, null])
  },
  "shows what waits behind the keys that are due, as far as a window holds it": (store) => {
    const behind = (seq: number, key: string): Facts.Settlement => ({
      _tag: "Waiting",
      seq,
      key,
      spent: 0,
      due: null,
      restarts: 0
    })
    const keyed = (seq: number, due: number, key: string) => ({ ...retry(seq, due), key }) as Facts.Settlement
    const many = Array.from({ length: 120 }, (_, i) => behind(i + 10, "a"))
    store.commit(
      [started("conn_1"), settled(1, 200, keyed(1, 500, "a"), keyed(2, 900, "b"), behind(3, "b"), ...many)],
      100
    )
    const due = (now: number) => store.view(now).due.map(({ seq }) => seq)
    equal(due(500), [1, ...Array.from({ length: 99 }, (_, i) => i + 10)])
    equal(due(900).slice(0, 2), [1, 2])
    equal(due(900).length, 100)
  },
  "shows what a probe may ask with only while the circuit is open: what has a time, of what is enabled, oldest first": (
    store
  ) => {
    const behind: Facts.Settlement = { _tag: "Waiting", seq: 3, key: "k", spent: 0, due: null, restarts: 0 }
    store.commit([started("conn_2"), { ...settled(9, 9, retry(9, 700)), run: "conn_2" } as Facts.Fact], 100)
    const keyed = { ...retry(2, 500), key: "k" } as Facts.Settlement
    store.commit([started("conn_1"), settled(1, 5, retry(5, 400), keyed, behind)], 100)
    const oldest = () => store.view(9999).oldest.map(({ run, seq }) => [run, seq])
    equal(oldest(), [])
    store.commit([{ _tag: "BreakerOpened", at: 100, until: 200, probes: 0 }], 100)
    equal(oldest(), [
      ["conn_1", 2],
      ["conn_1", 5],
      ["conn_2", 9]
    ])
    store.commit([{ _tag: "BreakerHalfOpened" }], 100)
    equal(oldest().length, 3)
    store.commit([{ _tag: "ConnectionChanged", connection: "conn_2", enabled: false, deleted: false }], 100)
    equal(oldest().length, 2)
    store.commit([{ _tag: "BreakerClosed", at: 300 }], 300)
    equal(oldest(), [])
  },
  "gives the tries of an outage back when the circuit opens, and only then": (store) => {
    const spent = (seq: number, reason: "Unavailable" | "TimedOut" | "Unknown" | "Throttled") =>
      ({ ...retry(seq, 500), reason, spent: 3 }) as Facts.Settlement
    const outage = [spent(1, "Unavailable"), spent(2, "TimedOut"), spent(3, "Unknown"), spent(4, "Throttled")]
    store.commit([started("conn_1"), settled(1, 4, ...outage)], 100)
    const tries = () => store.view(500).due.map(({ spent }) => spent)
    equal(tries(), [3, 3, 3, 3])
    store.commit([{ _tag: "BreakerOpened", at: 100, until: 200, probes: 0 }], 100)
    equal(tries(), [0, 0, 0, 3])
    store.commit([{ ...settled(1, 1, spent(1, "Unknown")), seqs: [1] } as Facts.Fact], 200)
    store.commit([{ _tag: "BreakerOpened", at: 200, until: 300, probes: 1 }], 200)
    equal(tries(), [3, 0, 0, 3])
  },
  "keeps what is not its own apart: other runs, other sources": (store) => {
    store.commit([started("conn_1"), started("conn_2", 0, "src_2")], 100)
    store.commit([settled(1, 2, retry(1, 500), dead(2))], 100)
    store.commit(
      [{ ...settled(1, 3, { ...retry(1, 600), key: "k" } as Facts.Settlement), run: "conn_2" } as Facts.Fact],
      100
    )
    equal(
      store.pendingAmong("conn_1", [1, 2, 3]).map(({ run, seq }) => [run, seq]),
      [["conn_1", 1]]
    )
    equal([store.blockedKeys("conn_1", ["k"]).size, store.blockedKeys("conn_2", ["k"]).size], [0, 1])
    equal([store.isOpen("conn_1", 1), store.isOpen("conn_1", 2), store.isOpen("conn_2", 2)], [true, true, false])
    equal([mark(store, "src_1"), mark(store, "src_2"), mark(store, "src_3")], [0, 0, null])
    store.raiseHead("src_2", 7)
    equal(
      store.view(0).runs.map(({ id, head, pending }) => [id, head, pending]),
      [
        ["conn_1", 0, 1],
        ["conn_2", 7, 1]
      ]
    )
    equal(store.timeline("src_2", 2), [])
    equal(
      store.statuses("src_2", [1, 2]).map(({ connection, status }) => [connection, status]),
      [
        ["conn_2", "retrying"],
        ["conn_2", "delivered"]
      ]
    )
    equal(store.deadLetters({ run: "conn_1", seq: 2 }, 9).letters, [])
    equal(store.deadLetters({ run: "conn_1", seq: 3 }, 9).letters.length, 1)
  },
  "shows once what waits behind several of its key": (store) => {
    const keyed = (one: Facts.Settlement) => ({ ...one, key: "k" }) as Facts.Settlement
    const behind: Facts.Settlement = { _tag: "Waiting", seq: 3, key: "k", spent: 0, due: null, restarts: 0 }
    const other = { ...settled(3, 3, behind), run: "conn_2" } as Facts.Fact
    const ahead = { ...settled(1, 1, keyed(retry(1, 500))), run: "conn_2" } as Facts.Fact
    store.commit([started("conn_1"), settled(1, 3, keyed(retry(1, 500)), keyed(retry(2, 500)), behind)], 100)
    store.commit([started("conn_2"), ahead, other], 100)
    const due = store.view(500).due.map(({ run, seq }) => `${run}/${seq}`)
    equal(due.toSorted(), ["conn_1/1", "conn_1/2", "conn_1/3", "conn_2/1", "conn_2/3"])
  },
  "tells of an event over several connections in the order in which it happened": (store) => {
    store.commit([started("conn_1"), started("conn_2")], 100)
    store.commit([settled(1, 1, retry(1, 500))], 200)
    store.commit([{ ...settled(1, 1, retry(1, 500)), run: "conn_2" } as Facts.Fact], 300)
    store.commit([{ ...settled(1, 1, done(1)), seqs: [1] } as Facts.Fact], 600)
    store.commit([{ ...settled(1, 1, done(1)), seqs: [1], run: "conn_2" } as Facts.Fact], 700)
    equal(
      store.timeline("src_1", 1).map(({ connection, type }) => [connection, type]),
      [
        ["conn_1", "failed"],
        ["conn_2", "failed"],
        ["conn_1", "delivered"],
        ["conn_2", "delivered"]
      ]
    )
  },
  "leaves the cursor where it is when it settles a retry": (store) => {
    store.commit([started("conn_1"), settled(1, 9, retry(2, 500))], 100)
    store.commit([{ ...settled(2, 2, done(2)), seqs: [2] } as Facts.Fact], 600)
    equal([store.runs()[0]!.cursor, store.runs()[0]!.delivered, store.view(600).due], [9, 1, []])
  },
  "keeps a replay out of what a connection is told by, and counts the dead letters that limit it": (store) => {
    const replay = { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents: 3 }
    const asked = (id: string, maxEvents: number | null): Facts.Fact => ({
      _tag: "ReplayRequested",
      connection: "conn_1",
      replay: { ...replay, id, maxEvents },
      after: 0,
      through: 8
    })
    store.commit([started("conn_1"), settled(1, 3, done(1)), asked("rpl_1", 3), asked("rpl_2", null)], 100)
    const dying = (id: string) => ({ ...settled(1, 2, dead(1), dead(2)), run: `conn_1:${id}` }) as Facts.Fact
    store.commit([dying("rpl_1"), dying("rpl_2")], 100)
    equal(
      store.view(100).runs.map(({ id, dead }) => [id, dead]),
      [
        ["conn_1", 0],
        ["conn_1:rpl_1", 2],
        ["conn_1:rpl_2", 0]
      ]
    )
    equal(
      store.summary().connections.map(({ id }) => id),
      ["conn_1"]
    )
    equal(
      store.statuses("src_1", [1]).map(({ status }) => status),
      ["delivered"]
    )
    equal(store.view(100).due, [])
  },
  "tells over the days: tries and redrives in order, what was filtered, the newest first": (store) => {
    const day = 24 * 3_600_000
    store.commit([started("conn_1"), settled(1, 5, dead(2), dead(5), { _tag: "Filtered", seq: 3, rule: 0 })], day)
    store.commit([{ _tag: "Redriven", run: "conn_1", seqs: [5, 2], at: 3 * day }], 3 * day)
    store.commit([{ ...settled(2, 2, done(2)), seqs: [2] } as Facts.Fact], 5 * day)
    store.commit([settled(6, 6, done(6))], 7 * day)
    const types = (seq: number) => store.timeline("src_1", seq).map(({ type, at }) => [type, at / day])
    equal(types(2), [
      ["dead", 1],
      ["redriven", 3],
      ["delivered", 5]
    ])
    equal(types(5), [
      ["dead", 1],
      ["redriven", 3]
    ])
    equal(types(4), [])
    equal(
      store.statuses("src_1", [3, 4, 6]).map(({ status }) => status),
      ["filtered", "delivered", "delivered"]
    )
    equal(
      store.attempts({}, null, 9).entries.map(({ seq }) => seq),
      [6, 2, 5, 2]
    )
    equal(store.attempts({}, null, 9).next, null)
  },
  "tells every try of an event, in order": (store) => {
    store.commit([started("conn_1"), settled(1, 2, done(1), retry(2, 500))], 100)
    const again = (at: number, one: Facts.Settlement): Facts.Fact => ({
      _tag: "WindowSettled",
      ...windowOf(2, 2),
      seqs: [2],
      at,
      settled: [one],
      ...rest
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
    store.commit([{ _tag: "Redriven", run: "conn_1", seqs: [2], at: 800 }], 800)
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
      settled: [keyed(dead(1))],
      ...rest
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
    store.commit([{ _tag: "Redriven", run: "conn_1", seqs: [1], at: 200 }], 200)
    equal(
      store.view(200).due.map(({ seq }) => seq),
      [1]
    )
  },
  "brings a dead letter back with all its tries, and hurries what waits for its retry": (store) => {
    store.commit([started("conn_1"), settled(1, 3, dead(1), retry(2, 5000), done(3))], 100)
    store.commit([{ _tag: "Redriven", run: "conn_1", seqs: [1, 2, 3], at: 200 }], 200)
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
      _tag: "ConnectionChanged",
      connection: "conn_1",
      enabled: value,
      deleted: false
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
      settled: null,
      ...rest
    } as unknown as Facts.Fact
    try {
      store.commit([{ _tag: "ThrottledUntil", until: 5, streak: 1 }, broken], 200)
    } catch {
      equal(JSON.stringify([store.facts(), store.control()]), before)
      return
    }
    equal("the broken fact was taken", "it throws")
  },
  "keeps a replay apart from the live run, and tells how far it is": (store) => {
    const replay = { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents: 3 }
    const run = "conn_1:rpl_1"
    const replayed = (lo: number, hi: number, ...all: ReadonlyArray<Facts.Settlement>): Facts.Fact => ({
      _tag: "WindowSettled",
      ...windowOf(lo, hi, run),
      seqs: null,
      at: 5000,
      settled: all,
      ...rest
    })
    store.commit([started("conn_1"), settled(1, 9, done(1), dead(2))], 100)
    store.commit([{ _tag: "ReplayRequested", connection: "conn_1", replay, after: 2, through: 8 }], 200)
    store.raiseHead("src_1", 20)
    const view = store.view(200).runs
    equal(
      view.map(({ id, cursor, head }) => [id, cursor, head]),
      [
        ["conn_1", 9, 20],
        [run, 2, 8]
      ]
    )
    store.commit([replayed(3, 5, done(3), { _tag: "Filtered", seq: 4, rule: 0 }, retry(5, 6000))], 5000)
    equal(store.replay("rpl_1"), {
      status: "running",
      total: 6,
      processed: 2,
      delivered: 1,
      filtered: 1,
      dead: 0,
      pending: 1
    })
    // Two events were sent at ten a second.
    equal(store.view(5000).runs[1]!.rateFullAt, 5200)
    equal(mark(store, "src_1"), 4)
    const [entry] = store.timeline("src_1", 3)
    equal([entry!.replay, entry!.connection], ["rpl_1", "conn_1"])
    equal(store.statuses("src_1", [3])[0]!.status, "delivered")
    const again = { ...replayed(5, 5, dead(5)), seqs: [5] } as Facts.Fact
    store.commit([again, replayed(6, 8, done(6)), { _tag: "ReplayFinished", run, at: 7000 }], 7000)
    equal(store.replay("rpl_1"), {
      status: "finished",
      total: 6,
      processed: 6,
      delivered: 2,
      filtered: 1,
      dead: 1,
      pending: 0
    })
    equal(
      store.view(9000).runs.map(({ id }) => id),
      ["conn_1"]
    )
    equal(mark(store, "src_1"), 9)
    equal(store.replay("rpl_2"), undefined)
    // A dead letter of a finished replay can be redriven.
    store.commit([{ _tag: "Redriven", run, seqs: [5], at: 9000 }], 9000)
    equal(
      store.view(9000).due.map((one) => [one.run, one.seq]),
      [[run, 5]]
    )
    equal(
      store.view(9000).runs.map(({ id }) => id),
      ["conn_1", run]
    )
  },
  "makes what waits for its retry due after a repair, with the tries it has spent, on one connection or on all": (
    store
  ) => {
    const other = { ...settled(1, 1, retry(1, 7000)), run: "conn_2" } as Facts.Fact
    const held: Facts.Settlement = { _tag: "Waiting", seq: 3, key: "k", spent: 0, due: null, restarts: 0 }
    const first = { ...retry(2, 9000), key: "k" } as Facts.Settlement
    store.commit([started("conn_1"), started("conn_2"), settled(1, 3, retry(1, 5000), first, held), other], 100)
    const due = () => store.view(400).due.map(({ run, seq, spent, due: at }) => [run, seq, spent, at])
    store.commit([{ _tag: "RetriesDue", connection: "conn_2", at: 300 }], 300)
    equal(due(), [["conn_2", 1, 1, 300]])
    equal(store.control().repairedIn, 0)
    store.commit(
      [
        { _tag: "ConfigChanged", version: 4 },
        { _tag: "RetriesDue", connection: null, at: 400 }
      ],
      400
    )
    equal(due(), [
      ["conn_1", 1, 1, 400],
      ["conn_1", 2, 1, 400],
      ["conn_2", 1, 1, 400],
      ["conn_1", 3, 0, null]
    ])
    equal([store.control().repairedIn, store.view(400).nextDue], [4, null])
  },
  "cancels what waits when a connection is deleted, and tells so of each event": (store) => {
    const run = "conn_1:rpl_1"
    const replay = { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents: null }
    const cancelled = (id: string, through: number): Facts.Fact => ({
      _tag: "RunCancelled",
      run: id,
      because: "connection deleted",
      after: 0,
      through,
      at: 300
    })
    const mixed = settled(1, 4, done(1), retry(2, 500), dead(3), { _tag: "Filtered", seq: 4, rule: 0 })
    store.commit(
      [started("conn_1"), mixed, started("conn_2"), { ...settled(1, 1, retry(1, 900)), run: "conn_2" } as Facts.Fact],
      100
    )
    store.commit([{ _tag: "ReplayRequested", connection: "conn_1", replay, after: 0, through: 4 }], 200)
    store.commit([{ ...settled(1, 2, done(1), retry(2, 500)), run } as Facts.Fact], 250)
    store.raiseHead("src_1", 6)
    const gone: Facts.Fact = { _tag: "ConnectionChanged", connection: "conn_1", enabled: true, deleted: true }
    store.commit([gone, cancelled("conn_1", 6), cancelled(run, 4)], 300)
    // The log goes on, for others.
    store.raiseHead("src_1", 9)
    const statuses = () =>
      store
        .statuses("src_1", [1, 2, 3, 4, 5, 6, 7])
        .flatMap(({ connection, seq, status }) => (connection === "conn_1" ? [[seq, status]] : []))
    equal(statuses(), [
      [1, "delivered"],
      [2, "cancelled"],
      [3, "dead"],
      [4, "filtered"],
      [5, "cancelled"],
      [6, "cancelled"]
    ])
    const told = (seq: number) =>
      store
        .timeline("src_1", seq)
        .flatMap(({ connection, type, replay: id, at, detail }) =>
          connection === "conn_1" && type === "cancelled" ? [[id, at, detail]] : []
        )
    equal([1, 2, 3, 5, 7].map(told), [
      [],
      [
        [null, 300, "connection deleted"],
        ["rpl_1", 300, "connection deleted"]
      ],
      [["rpl_1", 300, "connection deleted"]],
      [[null, 300, "connection deleted"]],
      []
    ])
    const { pending, nextDue, dead: letters } = store.summary()
    equal([pending, nextDue, letters], [1, 900, 1])
    equal([store.view(600).pendingCount, mark(store, "src_1")], [1, 0])
    equal(
      store.pendingAfter(null, 9).map(({ run: of, seq }) => [of, seq]),
      [["conn_2", 1]]
    )
    equal([store.isOpen("conn_1", 2), store.isOpen("conn_1", 3), store.isOpen("conn_2", 1)], [false, false, true])
    equal(store.replay("rpl_1"), {
      status: "cancelled",
      total: 4,
      processed: 1,
      delivered: 1,
      filtered: 0,
      dead: 0,
      pending: 0
    })
    equal(
      store.deadLetters(null, 9).letters.map(({ seq }) => seq),
      [3]
    )
  },
  "of what was on its way when its connection was deleted tells what came of it": (store) => {
    const gone: Facts.Fact = { _tag: "ConnectionChanged", connection: "conn_1", enabled: true, deleted: true }
    const ended: Facts.Fact = {
      _tag: "RunCancelled",
      run: "conn_1",
      because: "connection deleted",
      after: 0,
      through: 4,
      at: 300
    }
    store.commit([started("conn_1"), gone, ended, settled(1, 2, done(1), retry(2, 500))], 300)
    equal(
      store.statuses("src_1", [1, 2, 3, 4, 5]).map(({ seq, status }) => [seq, status]),
      [
        [1, "delivered"],
        [2, "cancelled"],
        [3, "cancelled"],
        [4, "cancelled"]
      ]
    )
    equal(
      [1, 2, 3].map((seq) => store.timeline("src_1", seq).map(({ type }) => type)),
      [["delivered"], ["cancelled", "failed"], ["cancelled"]]
    )
    equal(store.view(900).due, [])
  },
  "pages through what waits": (store) => {
    store.commit([started("conn_1"), settled(1, 3, retry(1, 500), retry(2, 200), retry(3, 100))], 100)
    const seqs = (from: Parameters<DeliveryStore["pendingAfter"]>[0]) =>
      store.pendingAfter(from, 2).map(({ seq }) => seq)
    equal([seqs(null), seqs({ run: "conn_1", seq: 2 }), seqs({ run: "conn_1", seq: 3 })], [[1, 2], [3], []])
  },
  "says of a replay that finished that it did, though its connection was deleted afterwards": (store) => {
    const replay = { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents: null }
    store.commit(
      [started("conn_1"), { _tag: "ReplayRequested", connection: "conn_1", replay, after: 0, through: 1 }],
      100
    )
    store.commit([{ ...settled(1, 1, done(1)), run: "conn_1:rpl_1" } as Facts.Fact], 100)
    store.commit([{ _tag: "ReplayFinished", run: "conn_1:rpl_1", at: 200 }], 200)
    store.commit([{ _tag: "ConnectionChanged", connection: "conn_1", enabled: true, deleted: true }], 300)
    equal(store.replay("rpl_1")!.status, "finished")
  },
  "sends nothing more of a cancelled replay, whatever becomes of its connection": (store) => {
    const replay = { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents: null }
    store.commit(
      [started("conn_1"), { _tag: "ReplayRequested", connection: "conn_1", replay, after: 0, through: 8 }],
      100
    )
    store.commit([{ ...settled(1, 1, retry(1, 300)), run: "conn_1:rpl_1" } as Facts.Fact], 200)
    store.commit([{ _tag: "ReplayCancelled", replay: "rpl_1" }], 200)
    store.commit([{ _tag: "ConnectionChanged", connection: "conn_1", enabled: true, deleted: false }], 300)
    const { runs, due, pendingCount } = store.view(400)
    equal([runs.map(({ id }) => id), due.length, pendingCount], [["conn_1"], 0, 0])
    equal(store.replay("rpl_1")!.status, "cancelled")
  },
  "ends a replay with its connection": (store) => {
    const replay = { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents: null }
    store.commit(
      [started("conn_1"), { _tag: "ReplayRequested", connection: "conn_1", replay, after: 0, through: 8 }],
      100
    )
    store.commit([{ _tag: "ConnectionChanged", connection: "conn_1", enabled: true, deleted: true }], 300)
    equal([store.view(400).runs, mark(store, "src_1")], [[], null])
  },
  "goes on in the middle of a window of which a part is settled": (store) => {
    const left = { run: "conn_1", lo: 4, hi: 9, seqs: null }
    const part = { ...settled(1, 3, done(1), done(2), done(3)), rest: left } as Facts.Fact
    store.commit(
      [started("conn_1"), { _tag: "WindowPlanned", ...windowOf(1, 9), seqs: null, configVersion: 0, rates: null }],
      100
    )
    store.commit([part], 100)
    equal([store.control().windows, store.view(100).runs[0]!.cursor], [[left], 3])
  },
  "pages through tries, newest first, and knows the run of each": (store) => {
    store.commit([started("conn_1"), settled(1, 3, done(1), retry(2, 500), dead(3))], 100)
    store.commit([{ ...settled(2, 2, done(2)), seqs: [2] } as Facts.Fact], 600)
    const of = (page: ReturnType<DeliveryStore["attempts"]>) => page.entries.map(({ seq, type }) => [seq, type])
    const first = store.attempts({}, null, 2)
    equal(of(first), [
      [2, "delivered"],
      [3, "dead"]
    ])
    const second = store.attempts({}, first.next, 2)
    equal(of(second), [
      [2, "failed"],
      [1, "delivered"]
    ])
    equal(of(store.attempts({ status: "dead" }, null, 9)), [[3, "dead"]])
    equal(of(store.attempts({ connection: "conn_2" }, null, 9)), [])
    equal(store.runOfAttempt(first.entries[1]!), "conn_1")
    equal(store.runOfAttempt({ n: first.entries[1]!.n, seq: 7 }), undefined)
    equal(store.runOfAttempt({ n: 999, seq: 3 }), undefined)
  },
  "forgets facts after thirty days, and no state with them": (store) => {
    const day = 24 * 3_600_000
    store.commit([started("conn_1"), settled(1, 2, retry(1, 500), dead(2))], day)
    for (let n = 2; n <= 60; n++) store.commit([{ _tag: "ConfigChanged", version: n }], n * day)
    const { pending, dead: letters } = store.summary()
    equal([pending, letters, store.control().configVersion], [1, 1, 60])
    equal(store.runs().length, 1)
  }
}
