/** What every event log must do: plain functions, so that they run in Node and inside a Durable Object alike. */
import { deepStrictEqual as equal, ok } from "node:assert/strict"
import { type Event, type EventMeta, newEvent } from "../src/event/Event.ts"
import { parseEventId } from "../src/Ids.ts"
import { CHUNK_BYTES, type EventLogStore } from "../src/log/EventLog.ts"

export const log = { sourceId: `src_${"0".repeat(32)}`, route: "0123abcde" }

const META: EventMeta = {
  method: "POST",
  // None, so that all logs count the same bytes: some leave out headers that repeat.
  headers: [],
  query: "a=1",
  contentType: "application/json",
  sourceIp: "203.0.113.9"
}
const eventOf = (body: string | Uint8Array) =>
  newEvent(META, typeof body === "string" ? new TextEncoder().encode(body) : body)
/** Bytes of each event beside its body. */
const META_BYTES = eventOf("").meta.length
/** Bytes of so many events with bodies of so many bytes. */
const bytesOf = (events: number, body: number) => events * (META_BYTES + body)
let tokens = 0
export const append = (
  store: EventLogStore,
  body: string | Uint8Array,
  options: { readonly now?: number; readonly token?: string; readonly repeated?: boolean } = {}
) =>
  store.append([
    {
      event: eventOf(body),
      token: options.token ?? `token-${tokens++}`,
      now: options.now ?? 1000,
      repeated: options.repeated ?? false
    }
  ])[0]!
const DAY = 24 * 3_600_000
const ALL = { maxEvents: 1000, maxBytes: 1e9 }
const seqs = (events: ReadonlyArray<{ readonly seq: number }>) => events.map(({ seq }) => seq)

/** From `from` down, at most `count` of them, to 1. */
const countdown = (from: number, count: number) => Array.from({ length: Math.min(count, from) }, (_, i) => from - i)
/** From `from` up, at most `count` of them, to `end`. */
const countup = (from: number, count: number, end: number) =>
  Array.from({ length: Math.min(count, end - from + 1) }, (_, i) => from + i)

const keepsBody = (size: number) => (store: EventLogStore) => {
  const body = new Uint8Array(size).map((_, i) => (i * 31) % 256)
  append(store, body)
  const read = store.read(0, ALL).events[0]!.body
  equal(read.length, size)
  ok(read.every((byte, i) => byte === body[i]))
}

export const cases: Readonly<Record<string, (store: EventLogStore) => void>> = {
  "gives back what was appended, byte for byte": (store) => {
    const event = append(store, '{"a": 1e2 }', { now: 5000 })
    equal([event.seq, event.receivedAt], [1, 5000])
    equal(parseEventId(event.id), { receivedAt: 5000, seq: 1, route: log.route })
    const [read] = store.read(0, ALL).events
    const { id, seq, receivedAt, sourceId, bodyKind, method, headers, query, contentType, sourceIp, body } = read!
    equal({ id, seq, receivedAt, sourceId, bodyKind }, { ...event, sourceId: log.sourceId, bodyKind: "json" })
    equal({ method, headers, query, contentType, sourceIp }, META)
    equal(new TextDecoder().decode(body), '{"a": 1e2 }')
    equal(store.get([1], 1e9).events[0]!.id, event.id)
  },
  "numbers events from 1 without gaps, and time never goes back": (store) => {
    const events = [3000, 2000, 4000].map((now) => append(store, "x", { now }))
    equal(seqs(events), [1, 2, 3])
    equal(
      events.map(({ receivedAt }) => receivedAt),
      [3000, 3000, 4000]
    )
    equal(store.head(), 3)
    equal(store.stats(), { sourceId: log.sourceId, count: 3, first: 1, firstAt: 3000, lastAt: 4000 })
  },
  "an append asked for again with its token makes no second event": (store) => {
    const first = append(store, "x", { token: "t" })
    append(store, "y")
    equal(append(store, "x", { token: "t", repeated: true }).id, first.id)
    equal(append(store, "z", { token: "unseen", repeated: true }).seq, 3)
    equal(store.head(), 3)
  },
  "an append is asked for again behind thousands of others, and makes no second event all the same": (store) => {
    const first = append(store, "x", { token: "t" })
    store.append(Array.from({ length: 4990 }, (_, i) => ({ event: eventOf("y"), token: `other-${i}`, now: 1000 })))
    equal(append(store, "x", { token: "t", repeated: true }).id, first.id)
    equal(store.head(), 4991)
  },
  "appends a group in order, a repeat among them once, even of one in the same group": (store) => {
    append(store, "x", { token: "old" })
    const one = (body: string, token: string, repeated = false) => ({
      event: eventOf(body),
      token,
      now: 1000,
      repeated
    })
    const events = store.append([
      one("a", "t1"),
      one("x", "old", true),
      one("b", "t2"),
      one("a", "t1", true),
      one("c", "t3")
    ])
    equal(seqs(events), [2, 1, 3, 2, 4])
    equal([store.head(), seqs(store.read(0, ALL).events)], [4, [1, 2, 3, 4]])
    equal(store.append([]), [])
  },
  "reads after a sequence, bounded by count and bytes, but never nothing": (store) => {
    for (const body of ["aaaa", "bbbb", "cccc", "dddd"]) append(store, body)
    equal(seqs(store.read(1, { maxEvents: 2, maxBytes: 1e9 }).events), [2, 3])
    equal(seqs(store.read(0, { maxEvents: 9, maxBytes: bytesOf(2, 4) }).events), [1, 2])
    equal(seqs(store.read(0, { maxEvents: 9, maxBytes: bytesOf(2, 4) - 1 }).events), [1])
    equal(seqs(store.read(0, { maxEvents: 9, maxBytes: 1 }).events), [1])
    equal(store.read(4, ALL), { events: [], bytes: 0, head: 4 })
  },
  "reads bodies of any size and any bytes at once, each as it came": (store) => {
    const sizes = [0, 1, 700_000, 400_000, 0, CHUNK_BYTES + 5, 3, CHUNK_BYTES, 0]
    const bodies = sizes.map((size, i) => new Uint8Array(size).map((_, at) => (at * 7 + i * 131) % 256))
    for (const body of bodies) append(store, body)
    const { events } = store.read(0, ALL)
    equal(
      events.map(({ body }) => body.length),
      sizes
    )
    ok(events.every(({ body }, i) => body.every((byte, at) => byte === bodies[i]![at])))
    equal(
      events.map(({ method }) => method),
      sizes.map(() => META.method)
    )
  },
  "keeps headers as they came, whichever they were before": (store) => {
    const names = ["x-one", "x-two", "content-type", "x-\u00fc"]
    const values = ["application/json", "1", "", '"\\,[0]', "\u2028", "v".repeat(600)]
    const all = Array.from({ length: 60 }, (_, i) =>
      Array.from({ length: i % 6 }, (_, j): readonly [string, string] => [
        i === 30 ? `x-${j}` : names[(i + j * j) % names.length]!,
        values[(i * j + i) % values.length]!
      ])
    )
    all.push(
      Array.from({ length: 100 }, (_, i) => [`n-${i}`, `${i}`] as const),
      [["n-99", "99"]]
    )
    const appends = all.map((headers, i) => ({
      event: newEvent({ ...META, headers }, new Uint8Array([i])),
      token: `h${i}`,
      // Half of them on another day.
      now: i < 30 ? 1000 : 2 * DAY
    }))
    for (const one of appends.slice(0, 5)) store.append([one])
    store.append(appends.slice(5, 40))
    for (const one of appends.slice(40)) store.append([one])
    const headersOf = (events: ReadonlyArray<Event>) => events.map(({ headers }) => headers)
    const page = (after: number) => store.read(after, { maxEvents: 7, maxBytes: 1e9 }).events
    equal(headersOf(store.read(0, ALL).events), all)
    equal(
      all.flatMap((_, i) => (i % 7 === 0 ? headersOf(page(i)) : [])),
      all
    )
    equal(
      headersOf(
        store.get(
          all.map((_, i) => i + 1),
          1e9
        ).events
      ),
      all
    )
    equal(headersOf(store.list(99, 99)), all.toReversed())
  },
  "keeps metas apart, whatever is in them": (store) => {
    const queries = ["a\nb", "ü\u2028", "", '"\\,']
    for (const query of queries) {
      store.append([{ event: newEvent({ ...META, query }, new Uint8Array()), token: query, now: 0 }])
    }
    equal(
      store.read(0, ALL).events.map(({ query }) => query),
      queries
    )
    equal(
      store.list(99, 9).map(({ query }) => query),
      queries.toReversed()
    )
  },
  "gets the events asked for in order, leaving out what it does not hold": (store) => {
    for (const body of ["a", "b", "c"]) append(store, body)
    equal(seqs(store.get([3, 1, 99], 1e9).events), [1, 3])
    equal(store.get([99], 1e9), { events: [], bytes: 0, through: 99 })
  },
  "gets no more bytes at once than asked for, but never nothing": (store) => {
    for (const body of ["aaaa", "bbbb", "cccc"]) append(store, body)
    const found = store.get([1, 2, 3], bytesOf(2, 4))
    equal([seqs(found.events), found.through], [[1, 2], 2])
    equal(seqs(store.get([2, 3], 1).events), [2])
  },
  "lists newest first, without bodies": (store) => {
    for (const body of ["a", "b", "c"]) append(store, body)
    const listed = store.list(3, 10)
    equal(seqs(listed), [2, 1])
    equal(listed[0]!.body.length, 0)
    equal(seqs(store.list(99, 1)), [3])
  },
  "finds what was accepted in a span of time": (store) => {
    for (const now of [1000, 2000, 2000, 3000]) append(store, "x", { now })
    equal(store.range(2000, 3000), { after: 1, through: 3 })
    equal(store.range(0, 9999), { after: 0, through: 4 })
    equal(store.range(2500, 2600), { after: 3, through: 3 })
    equal(store.range(5000, 9000), { after: 4, through: 4 })
  },
  "drops what is old and no longer needed, and nothing else": (store) => {
    for (let day = 1; day <= 10; day++) {
      append(store, "x", { now: day * DAY })
      append(store, new Uint8Array(CHUNK_BYTES + 1), { now: day * DAY + 5 })
    }
    store.drop(5 * DAY, 6)
    equal(store.stats().first, 7)
    store.drop(5 * DAY, 999)
    equal([store.stats().first, store.stats().count], [9, 20])
    equal(seqs(store.read(0, { maxEvents: 3, maxBytes: 1e9 }).events), [9, 10, 11])
    equal(seqs(store.read(9, ALL).events).length, 11)
    equal(
      store.get([8, 10], 1e9).events.map(({ seq, body }) => [seq, body.length]),
      [[10, CHUNK_BYTES + 1]]
    )
    equal(seqs(store.list(12, 100)), [11, 10, 9])
    equal(store.range(0, 6 * DAY), { after: 8, through: 10 })
  },
  "counts what an event carries beside its body": (store) => {
    const header = ["x-long", "h".repeat(12_000)] as const
    const large = newEvent({ ...META, headers: [header] }, new Uint8Array())
    store.append([1, 2, 3].map((n) => ({ event: large, token: `${n}`, now: 1 })))
    equal(seqs(store.read(0, { maxEvents: 9, maxBytes: 30_000 }).events), [1, 2])
    const found = store.get([1, 2, 3], 30_000)
    equal([seqs(found.events), found.through], [[1, 2], 2])
  },
  "drops the oldest of what is no longer needed, whatever its age, when room is needed": (store) => {
    for (let day = 1; day <= 3; day++) append(store, "x", { now: day * DAY })
    equal([store.dropOldest(0), store.stats().first], [false, 1])
    equal([store.dropOldest(1), store.stats().first, store.stats().firstAt], [true, 2, 2 * DAY])
    equal(
      [store.dropOldest(1), store.dropOldest(99), store.dropOldest(99), store.dropOldest(99)],
      [false, true, true, false]
    )
    equal([store.oldest(), store.stats().firstAt, append(store, "y", { now: 1 }).seq], [null, null, 4])
    equal(seqs(store.read(0, ALL).events), [4])
  },
  "reads, finds and lists events of one group one by one": (store) => {
    const bodies = Array.from({ length: 9 }, (_, i) => `{"n":${i + 1}}`)
    const events = bodies.map((body, i) => ({ event: eventOf(body), token: `g${i}`, now: 1000 + i }))
    store.append(events.slice(0, 5))
    store.append(events.slice(5))
    const text = ({ body }: { readonly body: Uint8Array }) => new TextDecoder().decode(body)
    for (let from = 0; from < 9; from++) {
      for (let count = 1; count <= 9; count++) {
        const read = store.read(from, { maxEvents: count, maxBytes: 1e9 }).events
        equal(read.map(text), bodies.slice(from, from + count))
        equal(seqs(store.list(from + 2, count)), countdown(from + 1, count))
      }
      equal(seqs(store.read(from, { maxEvents: 9, maxBytes: bytesOf(3, 7) }).events), countup(from + 1, 3, 9))
      equal(store.get([from + 1], 1e9).events.map(text), [bodies[from]])
      equal(store.range(1000 + from, 1009), { after: from, through: 9 })
    }
    equal(store.get([9, 2, 7, 1], 1e9).events.map(text), [bodies[0], bodies[1], bodies[6], bodies[8]])
    equal(store.ids([6, 5]).length, 2)
    equal(append(store, "again", { token: "g3", repeated: true }).seq, 4)
  },
  "cuts a group that no row holds": (store) => {
    const sizes = [600_000, 600_000, 5, 400_000, CHUNK_BYTES + 1, 1, 1]
    const events = sizes.map((size, i) => ({ event: eventOf(new Uint8Array(size).fill(i)), token: `${i}`, now: 1 }))
    equal(seqs(store.append(events)), [1, 2, 3, 4, 5, 6, 7])
    const { events: read } = store.read(0, ALL)
    equal(
      read.map(({ body }) => body.length),
      sizes
    )
    ok(read.every(({ body }, i) => body.every((byte) => byte === i)))
    equal(append(store, "x", { token: "5", repeated: true }).seq, 6)
  },
  "names the events that it holds, over the days, and no others": (store) => {
    const events = [1, 2, 3, 4].map((day) => append(store, "x", { now: day * DAY }))
    const idsOf = (...all: ReadonlyArray<number>) => all.map((seq) => events[seq - 1]!.id)
    equal(store.ids([1, 3, 4, 9]), idsOf(1, 3, 4))
    store.drop(3 * DAY, 2)
    equal([store.ids([1, 2, 3, 4]), store.ids([]), store.ids([0, 5])], [idsOf(3, 4), [], []])
  },
  "is empty at first": (store) => {
    equal(store.stats(), { sourceId: log.sourceId, count: 0, first: 1, firstAt: null, lastAt: null })
    equal([store.head(), store.oldest(), store.list(99, 9)], [0, null, []])
    equal(
      [store.read(0, ALL), store.range(0, 9999)],
      [
        { events: [], bytes: 0, head: 0 },
        { after: 0, through: 0 }
      ]
    )
    store.drop(9999, 9999)
    equal([append(store, "x", { now: 0 }).seq, store.stats().lastAt], [1, 0])
  },
  "keeps a day that ends at the very time before which it drops, and the day of the very event that is needed": (
    store
  ) => {
    for (let day = 1; day <= 3; day++) append(store, "x", { now: day * DAY })
    store.drop(DAY, 99)
    equal(store.stats().first, 1)
    store.drop(99 * DAY, 0)
    equal(store.stats().first, 1)
    store.drop(DAY + 1, 1)
    equal([store.stats().first, store.oldest()], [2, 2 * DAY])
  },
  "begins a new segment after a day, not before": (store) => {
    for (const now of [DAY, 2 * DAY - 1, 2 * DAY, 2 * DAY + 1]) append(store, "x", { now })
    store.drop(2 * DAY, 99)
    equal(store.stats().first, 3)
  },
  "reads across days as much as is asked for, and no more": (store) => {
    for (let day = 1; day <= 3; day++) for (const body of ["aaaa", "bbbb"]) append(store, body, { now: day * DAY })
    const read = (after: number, maxEvents: number, maxBytes = 1e9) =>
      seqs(store.read(after, { maxEvents, maxBytes }).events)
    equal([read(0, 2), read(0, 3), read(1, 1), read(1, 3), read(2, 2)], [[1, 2], [1, 2, 3], [2], [2, 3, 4], [3, 4]])
    equal(
      [read(0, 9, bytesOf(2, 4)), read(0, 9, bytesOf(3, 4)), read(0, 9, bytesOf(3, 4) - 1), read(3, 9, 1)],
      [[1, 2], [1, 2, 3], [1, 2], [4]]
    )
    equal(
      [seqs(store.list(5, 3)), seqs(store.list(4, 2)), seqs(store.list(3, 9))],
      [
        [4, 3, 2],
        [3, 2],
        [2, 1]
      ]
    )
    equal(store.range(2 * DAY, 3 * DAY), { after: 2, through: 4 })
  },
  "reads large bodies one at a time where a page has no room for more": (store) => {
    const half = CHUNK_BYTES / 2
    for (const size of [half, half, half, 2 * CHUNK_BYTES, 1]) append(store, new Uint8Array(size).fill(size % 251))
    const read = (maxBytes: number) => store.read(0, { maxEvents: 9, maxBytes }).events.map(({ body }) => body.length)
    equal(read(1), [half])
    equal(read(bytesOf(2, half)), [half, half])
    equal(read(bytesOf(3, half)), [half, half, half])
    equal(read(5 * CHUNK_BYTES), [half, half, half, 2 * CHUNK_BYTES, 1])
  },
  "goes on with its sequence and its time after everything is dropped": (store) => {
    append(store, "x", { now: 5 * DAY })
    append(store, "y", { now: 5 * DAY })
    store.drop(99 * DAY, 2)
    equal([store.oldest(), store.read(0, ALL).events, store.head()], [null, [], 2])
    equal(store.stats(), { sourceId: log.sourceId, count: 2, first: 3, firstAt: null, lastAt: 5 * DAY })
    const { seq, receivedAt } = append(store, "z", { now: 1000 })
    equal([seq, receivedAt, store.oldest()], [3, 5 * DAY, 5 * DAY])
    equal(seqs(store.read(0, ALL).events), [3])
  },
  "reads over the days without a gap, bounded all the same": (store) => {
    for (let day = 1; day <= 6; day++) append(store, "xxxx", { now: day * DAY })
    equal(seqs(store.read(1, { maxEvents: 3, maxBytes: 1e9 }).events), [2, 3, 4])
    equal(seqs(store.read(0, { maxEvents: 9, maxBytes: bytesOf(2, 4) }).events), [1, 2])
    equal(seqs(store.list(99, 4)), [6, 5, 4, 3])
    equal(
      append(store, "again", { token: "t", now: 7 * DAY }).id,
      append(store, "again", { token: "t", repeated: true, now: 8 * DAY }).id
    )
  },
  "keeps an empty body": keepsBody(0),
  "keeps a body of one byte": keepsBody(1),
  "keeps a body of one whole chunk": keepsBody(CHUNK_BYTES),
  "keeps a body of a chunk and a byte": keepsBody(CHUNK_BYTES + 1),
  "keeps a body of several chunks": keepsBody(3 * CHUNK_BYTES + 7)
}
