/** The queue of a window by itself: which events each request takes, and what is said of those that were not sent. */
import type * as Allowance from "@hookstream/core/delivery/Allowance"
import * as State from "@hookstream/core/delivery/State"
import type { Event } from "@hookstream/core/event/Event"
import { delivered, failed, type Outcome } from "@hookstream/core/sink/Sink"
import { describe, expect, it } from "vitest"
import { type Item, keyInRun, makeQueue, type Request } from "../src/delivery/internal/sendQueue.ts"

const event = (seq: number, size: number): Event => ({
  method: "POST",
  headers: [],
  query: "",
  contentType: null,
  sourceIp: null,
  body: new Uint8Array(size),
  id: `evt_${seq}`,
  sourceId: "src_1",
  seq,
  receivedAt: 0,
  bodyKind: "binary"
})
const runNamed = (id: string): State.Run =>
  State.newRun({ id, connection: id, replay: null, sourceId: "src_1", route: "0123abcde", after: 0, head: 0 })
const run = runNamed("conn_1")
/** An event of one byte without a key, unless said otherwise. */
const item = (seq: number, change: Partial<Item> = {}, size = 1): Item => ({
  run,
  seq,
  event: event(seq, size),
  key: null,
  keyInRun: keyInRun(change.run ?? run, change.key ?? null),
  spent: 0,
  restarts: 0,
  since: null,
  alone: false,
  decided: undefined,
  ...change
})
const items = (count: number, change: Partial<Item> = {}, size = 1) =>
  Array.from({ length: count }, (_, i) => item(i + 1, change, size))
const keyed = (...keys: ReadonlyArray<string | null>) => keys.map((key, i) => item(i + 1, { key }))

interface Bounds extends Partial<Allowance.Allowance> {
  readonly maxEvents?: number
  readonly maxBytes?: number
}
const given = (all: ReadonlyArray<Item>, { maxEvents = 10, maxBytes = 1000, ...allowed }: Bounds = {}) => {
  const everything = { requests: Number.POSITIVE_INFINITY, records: Number.POSITIVE_INFINITY }
  const batch = { maxEvents, maxBytes }
  const queue = makeQueue(batch, all, { ...everything, bytes: Number.POSITIVE_INFINITY, ...allowed })
  const taken: Array<Request> = []
  return {
    queue,
    /** The sequence numbers of the next request. */
    take: () => {
      const request = queue.take()
      if (request !== undefined) taken.push(request)
      return request?.items.map(({ seq }) => seq)
    },
    /** Ends the request that begins with `seq`: one result for each of its events, or one for all. */
    end: (seq: number, ...results: ReadonlyArray<Outcome | "split">) => {
      const request = taken.findLast(({ items: [first] }) => first?.seq === seq)!
      return queue.done(request, results.length === 1 ? request.items.map(() => results[0]!) : results, 7)
    },
    /** What came of each event that has come to its end. */
    results: () => [...queue.settled.values()].map(({ seq, result }) => [seq, result._tag] as const)
  }
}
/** All requests of a queue whose sink takes everything. */
const drain = ({ take, end }: ReturnType<typeof given>) => {
  const requests: Array<ReadonlyArray<number>> = []
  for (let request = take(); request !== undefined; request = take()) {
    requests.push(request)
    end(request[0]!, ok)
  }
  return requests
}
const ok = delivered({})
const down = failed("Unavailable", "down")

describe("a request", () => {
  it("takes as many events as the sink does, in order of sequence", () => {
    expect(drain(given(items(7), { maxEvents: 3 }))).toEqual([[1, 2, 3], [4, 5, 6], [7]])
  })
  it("of an empty window is none, and counts for nothing", () => {
    const { queue, take } = given([])
    expect(take()).toBeUndefined()
    queue.close()
    expect(queue.used).toEqual({ requests: 0, records: 0, bytes: 0 })
    expect(queue.settled.size).toBe(0)
  })
  it("takes exactly as many bytes as the sink does, and not one more", () => {
    expect(drain(given(items(4, {}, 50), { maxBytes: 100 }))).toEqual([
      [1, 2],
      [3, 4]
    ])
    expect(drain(given(items(4, {}, 50), { maxBytes: 99 }))).toEqual([[1], [2], [3], [4]])
  })
  it("takes a first event of any size, and nothing with it", () => {
    expect(drain(given([item(1, {}, 500), item(2), item(3)], { maxBytes: 100 }))).toEqual([[1], [2, 3]])
  })
  it("passes no event that does not fit: what comes after it waits too, however small", () => {
    const all = [item(1, {}, 60), item(2, {}, 60), item(3)]
    expect(drain(given(all, { maxBytes: 100 }))).toEqual([[1], [2, 3]])
  })
  it("counts what it sends: requests, records, and bytes", () => {
    const { queue, take } = given([item(1, {}, 10), item(2, {}, 20), item(3, {}, 40)], { maxEvents: 2 })
    take()
    expect(queue.used).toEqual({ requests: 1, records: 2, bytes: 30 })
    take()
    expect(queue.used).toEqual({ requests: 2, records: 3, bytes: 70 })
    expect(take()).toBeUndefined()
    expect(queue.used).toEqual({ requests: 2, records: 3, bytes: 70 })
  })
})

describe("an event that goes alone", () => {
  it("shares no request, neither with what comes before it nor with what comes after", () => {
    const all = [item(1), item(2), item(3, { alone: true }), item(4, { alone: true }), item(5), item(6)]
    expect(drain(given(all))).toEqual([[1, 2], [3], [4], [5, 6]])
  })
})

describe("an event that is decided before it is sent", () => {
  it("is settled with that as its turn comes, without a request, and those around it go together", () => {
    const all = [item(1), item(2, { decided: { _tag: "Filtered", rule: 3 } }), item(3)]
    const { queue, take } = given(all)
    expect(take()).toEqual([1, 3])
    expect([...queue.settled.values()]).toEqual([
      {
        run: "conn_1",
        seq: 2,
        key: null,
        spent: 0,
        restarts: 0,
        since: null,
        request: null,
        latency: 0,
        result: { _tag: "Filtered", rule: 3 },
        besideRefusal: false
      }
    ])
    expect(queue.used).toEqual({ requests: 1, records: 2, bytes: 2 })
  })
  it("takes no room in the request", () => {
    const all = [item(1, { decided: { _tag: "Filtered", rule: 0 } }), item(2), item(3), item(4)]
    expect(drain(given(all, { maxEvents: 2 }))).toEqual([[2, 3], [4]])
  })
  it("is told so although its key is on its way or must wait", () => {
    const filtered = { _tag: "Filtered", rule: 0 } as const
    const { take, end, results } = given([
      item(1, { key: "a" }),
      item(2, { key: "a", decided: filtered }),
      item(3, { key: "a" }),
      item(4, { key: "a", decided: filtered })
    ])
    expect(take()).toEqual([1])
    expect(results()).toEqual([
      [2, "Filtered"],
      [4, "Filtered"]
    ])
    end(1, down)
    expect(take()).toBeUndefined()
    expect(results().slice(2)).toEqual([
      [1, "Failed"],
      [3, "Held"]
    ])
  })
  it("lets the next of its key go where it was filtered out, and holds it where it waits", () => {
    const filtered = item(1, { key: "a", decided: { _tag: "Filtered", rule: 0 } })
    const held = item(2, { key: "b", decided: { _tag: "Held" } })
    const { take, results } = given([filtered, held, item(3, { key: "a" }), item(4, { key: "b" })])
    expect(take()).toEqual([3])
    expect(results()).toEqual([
      [1, "Filtered"],
      [2, "Held"],
      [4, "Held"]
    ])
  })
  it("holds only its own key: an event without a key, even one that waits, holds none", () => {
    const { take } = given([item(1, { decided: { _tag: "Held" } }), item(2), item(3, { key: "null" })])
    expect(take()).toEqual([2, 3])
  })
  it("was not started where its event is missing", () => {
    const { take, results } = given([item(1, { event: undefined }), item(2)])
    expect(take()).toEqual([2])
    expect(results()).toEqual([[1, "NotStarted"]])
  })
})

describe("events of one key", () => {
  it("never share a request, and the next one starts when the one before was delivered", () => {
    const { take, end } = given(keyed("a", "a", "b", null, "a", null))
    expect(take()).toEqual([1, 3, 4, 6])
    expect(take()).toBeUndefined()
    expect(end(1, ok).map(({ seq }) => seq)).toEqual([1, 3, 4, 6])
    expect(take()).toEqual([2])
    end(2, ok)
    expect(take()).toEqual([5])
  })
  it("wait while an earlier one is on its way, and those of other keys pass them", () => {
    const { take, end } = given(keyed("a", "b", "a", "b"), { maxEvents: 1 })
    expect(take()).toEqual([1])
    expect(take()).toEqual([2])
    expect(take()).toBeUndefined()
    end(2, ok)
    expect(take()).toEqual([4])
    expect(take()).toBeUndefined()
    end(1, ok)
    expect(take()).toEqual([3])
  })
  it("are held behind one that failed, those of other keys are not", () => {
    const { take, end, results } = given(keyed("a", "b", "a", "b", null))
    expect(take()).toEqual([1, 2, 5])
    end(1, down, ok, down)
    expect(take()).toEqual([4])
    expect(results()).toEqual([
      [1, "Failed"],
      [2, "Delivered"],
      [5, "Failed"],
      [3, "Held"]
    ])
  })
  it("take no room in a request while they wait", () => {
    expect(drain(given(keyed("a", "a", "a", "b", "c"), { maxEvents: 2 }))).toEqual([[1, 4], [2, 5], [3]])
  })
})

describe("a request that has ended", () => {
  it("answers its outcomes alone, with its number, its latency and what was known of each event", () => {
    const first = item(1, { key: "a", spent: 2, restarts: 1, since: 99 })
    const { end, take } = given([first, item(2)], { maxEvents: 1 })
    take()
    take()
    const told = { request: 2, latency: 7, besideRefusal: false }
    expect(end(2, ok)).toEqual([
      { run: "conn_1", seq: 2, key: null, spent: 0, restarts: 0, since: null, ...told, result: ok }
    ])
    expect(end(1, down)).toEqual([
      { run: "conn_1", seq: 1, key: "a", spent: 2, restarts: 1, since: 99, ...told, request: 1, result: down }
    ])
  })
  it("marks all of its events when one outcome pauses the destination, and those of no other request", () => {
    const { take, end } = given(items(4), { maxEvents: 2 })
    take()
    take()
    const refused = end(1, failed("Unauthorized", "401"), failed("Unknown", "no answer"))
    expect(refused.map(({ besideRefusal }) => besideRefusal)).toEqual([true, true])
    expect(end(3, down, ok).map(({ besideRefusal }) => besideRefusal)).toEqual([false, false])
  })
  it("marks those that have an outcome where the others are to be sent again", () => {
    const { take, end } = given(items(3))
    take()
    const ended = end(1, "split", failed("Unauthorized", "401"), ok)
    expect(ended.map(({ seq, besideRefusal }) => [seq, besideRefusal])).toEqual([
      [2, true],
      [3, true]
    ])
  })
})

describe("a queue that gives nothing more", () => {
  it("may still, as long as a request is on its way", () => {
    const { queue, take, end } = given(keyed("a", "a"), { maxEvents: 1 })
    expect(queue.isIdle()).toBe(true)
    take()
    expect([take(), queue.isIdle()]).toEqual([undefined, false])
    end(1, ok)
    expect([take(), queue.isIdle()]).toEqual([[2], false])
    end(2, ok)
    expect([take(), queue.isIdle()]).toEqual([undefined, true])
  })
})

describe("a request that is too large", () => {
  it("is sent again in two halves, the first the larger one, and those in halves again", () => {
    const { queue, take, end } = given(items(7), { maxEvents: 5 })
    expect(take()).toEqual([1, 2, 3, 4, 5])
    expect(end(1, "split")).toEqual([])
    expect(queue.isSplit()).toBe(true)
    expect(take()).toEqual([1, 2, 3])
    end(1, "split")
    expect(take()).toEqual([1, 2])
    end(1, ok)
    expect(take()).toEqual([3, 4])
    expect(take()).toEqual([5, 6, 7])
    expect(queue.isSplit()).toBe(false)
  })
  it.each([
    [1, 3],
    [3, 1]
  ])("goes before what was behind it, in order of sequence, whichever request ended first (%i)", (first, second) => {
    const { take, end } = given(items(6), { maxEvents: 2 })
    expect([take(), take()]).toEqual([
      [1, 2],
      [3, 4]
    ])
    end(first, "split")
    end(second, "split")
    expect([take(), take(), take(), take(), take()]).toEqual([[1], [2], [3], [4], [5, 6]])
  })
  it("keeps what is known of some of its events, and halves the others", () => {
    const { take, end } = given(items(5))
    take()
    const ended = end(1, ok, "split", "split", down, "split")
    expect(ended.map(({ seq }) => seq)).toEqual([1, 4])
    expect(take()).toEqual([2, 3])
    expect(take()).toEqual([5])
  })
  it("frees its keys, but the next of a key still comes after the halves", () => {
    const { take, end } = given(keyed("a", "b", "a", "b"))
    expect(take()).toEqual([1, 2])
    end(1, "split")
    expect(take()).toEqual([1])
    expect(take()).toEqual([2])
    expect(take()).toBeUndefined()
    end(1, down)
    expect(take()).toBeUndefined()
    end(2, ok)
    expect(take()).toEqual([4])
  })
  it("is sent to its end although everything allowed is spent by then", () => {
    const { queue, take, end } = given(items(6), { maxEvents: 4, requests: 1, records: 4, bytes: 4 })
    expect(take()).toEqual([1, 2, 3, 4])
    expect(queue.isSplit()).toBe(false)
    end(1, "split")
    const halves = drain({ queue, take, end, results: () => [] })
    expect(halves.flat()).toEqual([1, 2, 3, 4])
    expect(queue.isSplit()).toBe(false)
    expect(take()).toBeUndefined()
  })
})

describe("what is allowed", () => {
  it("ends the requests", () => {
    expect(drain(given(items(6), { maxEvents: 2, requests: 2 }))).toEqual([
      [1, 2],
      [3, 4]
    ])
  })
  it("ends the records, to the record, over all requests", () => {
    expect(drain(given(items(9), { maxEvents: 2, records: 5 }))).toEqual([[1, 2], [3, 4], [5]])
  })
  it("ends the bytes with the request that passes them, which is made whole", () => {
    expect(drain(given(items(9, {}, 10), { maxEvents: 2, bytes: 30 }))).toEqual([
      [1, 2],
      [3, 4]
    ])
    expect(drain(given(items(9, {}, 10), { maxEvents: 2, bytes: 40 }))).toEqual([
      [1, 2],
      [3, 4]
    ])
    expect(drain(given(items(9, {}, 10), { maxEvents: 2, bytes: 41 })).flat()).toEqual([1, 2, 3, 4, 5, 6])
  })
  it("lets the first request out in any case: it was planned", () => {
    expect(drain(given(items(2), { requests: 0, records: 0, bytes: 0 }))).toEqual([[1]])
  })
  it("settles nothing once it is spent", () => {
    const { take, results } = given([item(1), item(2, { decided: { _tag: "Held" } })], { maxEvents: 1, requests: 1 })
    take()
    const before = results()
    expect(take()).toBeUndefined()
    expect(results()).toEqual(before)
  })
})

describe("a queue that is closed", () => {
  it("says what was not sent before the last that was: held behind its key, or not started", () => {
    const { queue, take, end, results } = given(keyed("a", "b", "a", "b", null, null, "c", null), { maxEvents: 3 })
    expect(take()).toEqual([1, 2, 5])
    expect(take()).toEqual([6, 7, 8])
    end(6, ok)
    end(1, down, ok, ok)
    queue.close()
    expect(results().slice(6)).toEqual([
      [3, "Held"],
      [4, "NotStarted"]
    ])
  })
  it("says nothing of those behind the last that was sent", () => {
    const { queue, take, end, results } = given(items(5), { maxEvents: 2 })
    take()
    end(1, ok)
    queue.close()
    expect(results()).toEqual([
      [1, "Delivered"],
      [2, "Delivered"]
    ])
  })
  it("says of what was decided what it was decided, and of a half that was not sent that it was not started", () => {
    const { queue, take, end, results } = given([item(1), item(2), item(3), item(4, { key: "a" })], { maxEvents: 2 })
    take()
    take()
    end(1, "split")
    end(3, ok)
    queue.close()
    expect(results()).toEqual([
      [3, "Delivered"],
      [4, "Delivered"],
      [1, "NotStarted"],
      [2, "NotStarted"]
    ])
  })
})

describe("a window of several runs", () => {
  const other = runNamed("conn_2")
  it("goes out in requests that they share, each run in order of sequence", () => {
    const { take } = given([item(7), item(8), item(1, { run: other }), item(2, { run: other })], { maxEvents: 3 })
    expect([take(), take(), take()]).toEqual([[7, 8, 1], [2], undefined])
  })
  it("keeps the order of a key within each, and a key of one holds up none of the other", () => {
    const all = [item(7, { key: "k" }), item(8, { key: "k" }), item(1, { run: other, key: "k" })]
    const { take, end, results } = given(all)
    expect([take(), take()]).toEqual([[7, 1], undefined])
    end(7, down, ok)
    expect([take(), results()]).toEqual([
      undefined,
      [
        [7, "Failed"],
        [1, "Delivered"],
        [8, "Held"]
      ]
    ])
  })
  it("sends the halves of a request again in the order of the window, whatever their sequences", () => {
    const { take, end } = given([item(7), item(8), item(1, { run: other }), item(2, { run: other })])
    expect(take()).toEqual([7, 8, 1, 2])
    end(7, "split")
    expect([take(), take()]).toEqual([
      [7, 8],
      [1, 2]
    ])
  })
  it("leaves of each run what comes after the last that was sent, and says why the others wait", () => {
    const all = [
      item(7),
      item(8, { key: "k" }),
      item(9, { key: "k" }),
      item(1, { run: other }),
      item(2, { run: other })
    ]
    const { queue, take, end, results } = given(all, { maxEvents: 2, requests: 1 })
    take()
    end(7, ok)
    queue.close()
    expect(results()).toEqual([
      [7, "Delivered"],
      [8, "Delivered"]
    ])
  })
})
