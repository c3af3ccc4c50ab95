import { NotClaimed } from "@hookstream/core/Errors"
import { newEvent } from "@hookstream/core/event/Event"
import { unpack } from "@hookstream/core/event/PackedEvents"
import { routeOf } from "@hookstream/core/Ids"
import type { Needs } from "@hookstream/core/journal/DeliveryStore"
import type { AppendReply, AppendRequest } from "@hookstream/core/log/LogContract"
import * as LogEngine from "@hookstream/core/log/LogEngine"
import { pack } from "@hookstream/core/log/PackedAppends"
import type { LogConfig } from "@hookstream/core/workspace/Registry"
import type { SourceStatus } from "@hookstream/core/workspace/Source"
import { describe, expect, it } from "vitest"
import { fakeObject } from "./FakeObject.ts"

const SOURCE = `src_${"0".repeat(32)}`
const DAY = 24 * 3_600_000

const config = (version: number, destinations: ReadonlyArray<string>, status: SourceStatus = "active"): LogConfig => ({
  version,
  deleted: false,
  destinations,
  source: {
    kind: "source",
    id: SOURCE,
    workspace: "00000001",
    version,
    name: "s",
    slug: "s",
    description: null,
    status,
    retentionDays: 7,
    redact: [],
    verification: null,
    ingestVersion: 0,
    ingestUrls: [{ generation: 1, expiresAt: null }],
    createdAt: 1,
    updatedAt: 1
  }
})

const [FIRST, SLOW] = [`dst_${"1".repeat(32)}`, `dst_${"2".repeat(32)}`]

const leavesOut = (config: LogConfig, redact: ReadonlyArray<string>): LogConfig => ({
  ...config,
  source: { ...config.source, redact, ingestVersion: config.version }
})

const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
const encoder = new TextEncoder()
let tokens = 0
const request = (bytes = 1): Required<AppendRequest> => ({
  sourceId: SOURCE,
  event: newEvent(meta, new Uint8Array(bytes)),
  token: String(tokens++),
  repeated: false,
  generation: 1,
  redacted: [],
  checked: 0
})

/** A log that nobody has claimed. */
const unclaimed = () => {
  const object = fakeObject()
  const engine = LogEngine.make({
    ...object.ports(),
    databaseSize: () => 0,
    maxBytes: () => 1000,
    peers: { wake: async () => 0, needs: async () => null }
  })
  return { engine, object }
}

/** Up to where a destination needs a log no longer; a number: of who has read nothing. */
type Mark = () => Promise<number | Needs | null>

/** A log whose destinations answer as `wake` says. */
const setUp = (
  destinations: ReadonlyArray<string>,
  wake: LogEngine.LogPeers["wake"] = async () => 0,
  lowWatermark: Mark = async () => null
) => {
  const object = fakeObject()
  const woken: Array<readonly [destination: string, head: number]> = []
  let size = () => 0
  const open = () =>
    LogEngine.make({
      ...object.ports(),
      databaseSize: () => size(),
      maxBytes: () => 1000,
      peers: {
        wake: (destination, source, head, epoch) => {
          woken.push([destination, head])
          return wake(destination, source, head, epoch)
        },
        needs: async () => {
          const needs = await lowWatermark()
          return typeof needs === "number" ? { after: needs, read: [] } : needs
        }
      }
    })
  const engine = open()
  engine.claim(SOURCE)
  engine.configure(config(1, destinations))
  object.sql.flush()
  return {
    object,
    engine,
    woken,
    open,
    setSize: (bytes: number | (() => number)) => {
      size = typeof bytes === "number" ? () => bytes : bytes
    }
  }
}

describe("an append", () => {
  it("that comes alone is answered at once; those that come close to it share one transaction", async () => {
    const { engine, object } = setUp([])
    const first = engine.append(request())
    expect(first).toMatchObject({ _tag: "Accepted" })
    const others = [engine.append(request()), engine.append(request())]
    expect(engine.stats().count).toBe(1)
    await object.pass(0)
    expect(await Promise.all(others)).toMatchObject([{ _tag: "Accepted" }, { _tag: "Accepted" }])
    expect(engine.stats().count).toBe(3)
  })
  it("of a group that cannot be written fails with it, and none of the group is stored", async () => {
    const { engine, object } = setUp([])
    engine.append(request())
    const bad = { ...request(), event: { ...request().event, meta: null as never } }
    const replies = Promise.allSettled([engine.append(request()), engine.append(bad)])
    await object.pass(0)
    expect((await replies).map(({ status }) => status)).toEqual(["rejected", "rejected"])
    expect(engine.stats().count).toBe(1)
  })
  it("that comes in one call with others is written with them, in order and as it was", async () => {
    const { engine, object } = setUp([])
    const all = ["é", "", "😀"].map((text, i) => {
      const meta = { method: "POST", headers: [["x", text]], query: "", contentType: null, sourceIp: null } as const
      return { ...request(), token: `${i}`, event: newEvent(meta, encoder.encode(text)) }
    })
    const replies = engine.appendAll(pack(all)) as ReadonlyArray<AppendReply>
    expect(new Set(replies.map((reply) => reply._tag === "Accepted" && reply.id)).size).toBe(3)
    const { packed } = engine.read(0, { maxEvents: 10, maxBytes: 10_000 })
    const events = unpack(packed, { sourceId: SOURCE, route: routeOf(SOURCE) })
    expect(events.map(({ headers, body }) => [headers, new TextDecoder().decode(body)])).toEqual([
      [[["x", "é"]], "é"],
      [[["x", ""]], ""],
      [[["x", "😀"]], "😀"]
    ])
    const again = engine.append({ ...request(), token: "1", repeated: true })
    await object.pass(0)
    expect(await again).toEqual(replies[1])
  })
  it("that comes in one call with others is refused by itself", () => {
    const { engine } = setUp([])
    engine.configure(leavesOut(config(2, []), ["payload.card"]))
    const [stale, known] = [request(), { ...request(), redacted: ["payload.card"], checked: 2 }]
    const other = { ...request(), generation: 99 }
    expect(engine.appendAll(pack([stale, known, other]))).toMatchObject([
      { _tag: "Recheck", version: 2, redact: ["payload.card"], verification: null },
      { _tag: "Accepted" },
      { _tag: "NotFound" }
    ])
    expect(engine.stats().count).toBe(1)
  })
  it("that comes in one call with others waits for those that came before", async () => {
    const { engine, object } = setUp([])
    engine.append(request())
    const before = engine.append(request())
    const all = engine.appendAll(pack([request(), request()]))
    expect(engine.stats().count).toBe(1)
    await object.pass(0)
    const ids = [await before, ...(await all)].map((reply) => reply._tag === "Accepted" && reply.id)
    expect(ids).toEqual(ids.toSorted())
    expect(engine.stats().count).toBe(4)
  })
  it.each([
    ["is paused", config(2, [], "paused"), request(), "Paused"],
    ["is disabled", config(2, [], "disabled"), request(), "NotFound"],
    ["is deleted", { ...config(2, []), deleted: true }, request(), "NotFound"],
    ["is another one", config(2, []), { ...request(), sourceId: `src_${"1".repeat(32)}` }, "NotFound"]
  ] as const)("is refused, and not stored, when the source %s", (_, changed, asked, answer) => {
    const { engine } = setUp([])
    engine.configure(changed)
    expect(engine.append(asked)).toEqual({ _tag: answer })
    expect(engine.stats().count).toBe(0)
  })
  it("is sent back where something else must be left out of it than was", async () => {
    const { engine, object } = setUp([])
    const wanted = ["payload.card"]
    engine.configure(leavesOut(config(2, []), wanted))
    const { checked, ...old } = request()
    expect(engine.append(old)).toEqual({ _tag: "Redact", paths: wanted })
    const { index, ...rest } = pack([request()])
    const short = JSON.stringify(JSON.parse(index).map((entry: ReadonlyArray<unknown>) => entry.slice(0, 7)))
    const all = engine.appendAll({ ...rest, index: short })
    await object.pass(1)
    expect(await all).toEqual([{ _tag: "Redact", paths: wanted }])
    expect(engine.stats().count).toBe(0)
  })
  it("is sent back with the settings that hold now where it was checked by others, older or newer", async () => {
    const { engine, object } = setUp([])
    const { source, ...rest } = config(7, [])
    const verification = { template: "stripe" }
    engine.configure({ ...rest, source: { ...source, verification, ingestVersion: 5 } })
    const settings = { _tag: "Recheck", version: 5, redact: [], verification }
    const all = [0, 4, 7, 5].map((checked) => engine.append({ ...request(), checked }))
    await object.pass(1)
    expect(await Promise.all(all)).toEqual([settings, settings, settings, { _tag: "Accepted", id: expect.any(String) }])
    expect(engine.settings(SOURCE, 1)).toEqual(settings)
    expect(engine.stats().count).toBe(1)
    expect(engine.settings(SOURCE, 2)).toEqual({ _tag: "NotFound" })
    engine.configure(config(8, [], "paused"))
    expect(engine.settings(SOURCE, 1)).toEqual({ _tag: "Paused" })
  })
  it("is checked by what an older workspace tells too, which numbers no settings", async () => {
    const { engine, object } = setUp([])
    const { source, ...rest } = config(2, [])
    const { verification, ingestVersion, ...old } = source
    engine.configure({ ...rest, source: old as typeof source })
    expect(engine.append(request())).toMatchObject({ _tag: "Accepted" })
    await object.pass(1)
    const demanding = { ...source, version: 3, verification: { template: "stripe" } }
    engine.configure({ ...rest, version: 3, source: demanding })
    const reply = engine.append(request())
    await object.pass(1)
    expect(await reply).toMatchObject({ _tag: "Recheck", version: 3, verification: { template: "stripe" } })
  })
  it("of an edge that verifies nothing is not taken for a source that demands it", () => {
    const { engine } = setUp([])
    const { source, ...rest } = config(2, [])
    engine.configure({ ...rest, source: { ...source, verification: { template: "stripe" }, ingestVersion: 2 } })
    const { checked, ...old } = request()
    expect(engine.append(old)).toEqual({ _tag: "Paused" })
    expect(engine.stats().count).toBe(0)
  })
  it("of an edge of version 1, which says nothing of URLs and of what was left out, is taken", () => {
    const { engine } = setUp([])
    const { source, ...rest } = config(2, [])
    engine.configure({ ...rest, source: { ...source, ingestUrls: [{ generation: 0, expiresAt: null }] } })
    const { generation, redacted, checked, ...old } = request()
    expect(engine.append(old)).toMatchObject({ _tag: "Accepted" })
  })
  it.each([
    ["the source is paused", config(2, [], "paused"), 0],
    ["the source leaves out other things", leavesOut(config(2, []), ["headers.x"]), 0],
    ["the log is full", config(2, []), 2000]
  ])("that was stored is answered again as it was, although meanwhile %s", async (_, changed, bytes) => {
    const { engine, object, setSize } = setUp([])
    const asked = request(600)
    const first = engine.append(asked)
    await object.pass(0)
    engine.configure(changed)
    setSize(bytes)
    expect(engine.append({ ...asked, repeated: true })).toEqual(first)
    expect(engine.stats().count).toBe(1)
  })
  it("is refused while the log has no room, and taken again when there is", async () => {
    const { engine, object, setSize } = setUp([])
    setSize(1000)
    expect(engine.append(request())).toEqual({ _tag: "Full" })
    await object.pass(1)
    setSize(0)
    expect(engine.append(request())).toMatchObject({ _tag: "Accepted" })
  })
  it("asks for the size of the database again before the room may be used up", async () => {
    const { engine, object, setSize } = setUp([])
    expect(engine.append(request(400))).toMatchObject({ _tag: "Accepted" })
    await object.pass(1)
    setSize(1000)
    expect(engine.append(request(400))).toMatchObject({ _tag: "Accepted" })
    await object.pass(1)
    expect(engine.append(request())).toEqual({ _tag: "Full" })
  })
})

describe("a wake-up", () => {
  it("follows each append, and those that come while a destination is called share the next one", async () => {
    let reply = (_: number) => {}
    const { engine, object, woken } = setUp([FIRST], () => new Promise((resolve) => (reply = resolve)))
    engine.append(request())
    engine.append(request())
    engine.append(request())
    await object.pass(0)
    expect(woken).toEqual([[FIRST, 1]])
    reply(0)
    await object.pass(0)
    expect(woken).toEqual([
      [FIRST, 1],
      [FIRST, 3]
    ])
  })
  it("of one destination does not wait for another that hangs", async () => {
    const { engine, object, woken } = setUp([SLOW, FIRST], (id) =>
      id === SLOW ? new Promise(() => {}) : Promise.resolve(0)
    )
    for (let i = 0; i < 3; i++) {
      engine.append(request())
      await object.pass(10)
    }
    expect(woken.filter(([id]) => id === FIRST).map(([, head]) => head)).toEqual([1, 2, 3])
  })
  it("that failed is repeated by the alarm, after longer and longer pauses", async () => {
    const { engine, object, woken } = setUp([FIRST], () => Promise.reject(new RangeError("unreachable")))
    engine.append(request())
    await object.pass(0)
    const pauses: Array<number> = []
    for (let i = 0; i < 8; i++) {
      const before = object.now()
      pauses.push(object.alarmAt()! - before)
      await object.ring(engine.alarm)
    }
    expect(pauses).toEqual([2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
    expect(woken).toHaveLength(9)
    expect(object.lines[0]).toMatchObject({ level: "warn", fields: { destination: FIRST } })
  })
  it("that was lost with the process is repeated by the alarm of the next one", async () => {
    const { engine, object, open, woken } = setUp([FIRST], () => new Promise(() => {}))
    engine.append(request())
    object.sql.flush()
    object.kill()
    const next = open()
    await object.pass(2000)
    const rung = object.ring(next.alarm)
    await object.pass(10_000)
    await rung
    expect(woken).toEqual([
      [FIRST, 1],
      [FIRST, 1]
    ])
  })
  it("is due at the start of an instance whose alarm was lost", async () => {
    const { engine, object, open } = setUp([FIRST], () => new Promise(() => {}))
    engine.append(request())
    object.sql.flush()
    await object.ring(async () => {})
    expect(object.alarmAt()).toBeUndefined()
    object.kill()
    open()
    expect(object.alarmAt()).toBe(object.now() + 2000)
  })
  it("that comes while the alarm calls the destination follows that call", async () => {
    let reply = (_: number) => {}
    const { engine, object, open, woken } = setUp([FIRST], () => new Promise((resolve) => (reply = resolve)))
    engine.append(request())
    object.sql.flush()
    object.kill()
    const next = open()
    await object.pass(2000)
    const rung = object.ring(next.alarm)
    await object.pass(0)
    next.append(request())
    await object.pass(0)
    reply(0)
    await object.pass(0)
    expect(woken.slice(1)).toEqual([
      [FIRST, 1],
      [FIRST, 2]
    ])
    reply(0)
    await rung
  })
  it("that came is not noted: a row for each destination would be most of what an event costs", async () => {
    const { engine, object, woken } = setUp([FIRST, SLOW])
    engine.append(request())
    await object.pass(10)
    await object.ring(engine.alarm)
    expect(woken).toEqual([
      [FIRST, 1],
      [SLOW, 1]
    ])
    expect(object.sql.exec("SELECT * FROM notified")).toEqual([])
    expect(object.alarmAt()).toBeGreaterThan(object.now() + DAY)
  })
  it("that cannot be noted ends no alarm by an error, and is repeated", async () => {
    const { engine, object, open, woken } = setUp([FIRST])
    engine.append(request())
    object.sql.exec("CREATE TRIGGER full BEFORE INSERT ON notified BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    object.sql.flush()
    object.kill()
    const next = open()
    await object.ring(next.alarm)
    expect(object.lines.at(-1)).toMatchObject({ level: "error" })
    expect(object.alarmAt()).toBe(object.now() + 4000)
    object.sql.exec("DROP TRIGGER full")
    await object.ring(next.alarm)
    expect(woken.slice(1)).toEqual([[FIRST, 1]])
    expect(object.alarmAt()).toBeGreaterThan(object.now() + DAY)
  })
  it("by the alarm does not wait for a destination that does not say what it needs", async () => {
    let isAway = true
    const { engine, object, woken } = setUp(
      [FIRST],
      () => (isAway ? Promise.reject(new RangeError("unreachable")) : Promise.resolve(0)),
      () => new Promise(() => {})
    )
    engine.append(request())
    await object.pass(8 * DAY)
    isAway = false
    const before = woken.length
    const rung = object.ring(engine.alarm)
    await object.pass(0)
    expect(woken.slice(before)).toEqual([[FIRST, 1]])
    await object.pass(30_000)
    await rung
  })
  it("is kept back while the destination rests, and the alarm sends it", async () => {
    const { engine, object, woken } = setUp([FIRST], async () => 5000)
    engine.append(request())
    await object.pass(10)
    engine.append(request())
    await object.pass(10)
    expect(woken).toEqual([[FIRST, 1]])
    await object.ring(engine.alarm)
    expect(woken.at(-1)).toEqual([FIRST, 2])
  })
  it("that hangs ends no alarm late: it is over after its deadline, and another follows", async () => {
    const { engine, object } = setUp([FIRST], () => new Promise(() => {}))
    engine.append(request())
    await object.pass(2000)
    let isOver = false
    void object.ring(engine.alarm).then(() => {
      isOver = true
    })
    // The call has been under way for two seconds.
    await object.pass(7999)
    expect(isOver).toBe(false)
    await object.pass(1)
    expect(isOver).toBe(true)
    expect(object.alarmAt()).toBeGreaterThan(object.now())
  })
  it("that reached its destination is the last: the alarm has nothing to repeat", async () => {
    const { engine, object, woken } = setUp([FIRST])
    engine.append(request())
    await object.pass(0)
    await object.ring(engine.alarm)
    expect(woken).toEqual([[FIRST, 1]])
    expect(object.alarmAt()).toBe(object.now() + 7 * DAY - 2000)
  })
})

describe("retention", () => {
  it("drops what is old and below every destination's low watermark, by the alarm", async () => {
    let mark = 0
    const { engine, object } = setUp(
      [FIRST],
      async () => 0,
      async () => mark
    )
    engine.append(request())
    await object.pass(0)
    await object.ring(engine.alarm)
    await object.pass(8 * DAY)
    await object.ring(engine.alarm)
    expect(engine.stats().first, "a destination still needs it").toBe(1)
    mark = 1
    await object.ring(engine.alarm)
    expect(engine.stats().first).toBe(2)
  })
  it("drops nothing for a destination that has read what a restored log has not", async () => {
    let read = { epoch: "lost", through: 1 }
    const { engine, object } = setUp(
      [FIRST],
      async () => 0,
      async () => ({ after: 1, read: [read] })
    )
    engine.append(request())
    await object.pass(8 * DAY)
    await object.ring(engine.alarm)
    expect(engine.stats().first).toBe(1)
    read = { epoch: engine.stats().epochs!.at(-1)!.id, through: 2 }
    await object.pass(DAY)
    await object.ring(engine.alarm)
    expect(engine.stats().first, "more was read than there is").toBe(1)
    read = { ...read, through: 1 }
    await object.pass(DAY)
    await object.ring(engine.alarm)
    expect(engine.stats().first).toBe(2)
  })
  it("is not put off by what comes later, however often the log begins anew", async () => {
    const { engine, object, open } = setUp([])
    engine.append(request())
    object.sql.flush()
    const due = object.alarmAt()
    expect(due).toBe(object.now() + 7 * DAY)
    await object.pass(DAY / 2)
    object.kill()
    const next = open()
    next.append(request())
    object.sql.flush()
    // Events of one day go together, with the last of them.
    expect(object.alarmAt()).toBeLessThanOrEqual(object.now() + 7 * DAY)
    await object.pass(2 * DAY)
    object.kill()
    open().append(request())
    object.sql.flush()
    expect(object.alarmAt()).toBe(due! + DAY / 2)
  })
  it("drops nothing while a destination cannot be asked, nor when it does not answer", async () => {
    let ask: Mark = () => Promise.reject(new RangeError("unreachable"))
    const { engine, object } = setUp(
      [FIRST],
      async () => 0,
      () => ask()
    )
    engine.append(request())
    await object.pass(0)
    await object.ring(engine.alarm)
    await object.pass(8 * DAY)
    await object.ring(engine.alarm)
    expect(engine.stats().first).toBe(1)
    expect(object.lines.at(-1)).toMatchObject({ level: "error" })
    ask = () => new Promise(() => {})
    await object.pass(3_600_000)
    const rung = object.ring(engine.alarm)
    await object.pass(30_000)
    await rung
    expect(engine.stats().first).toBe(1)
    expect(object.alarmAt()).toBe(object.now() - 30_000 + 3_600_000)
  })
})

describe("a log that is nearly full", () => {
  /** Each event takes a tenth of its room, and is a segment. */
  const filling = (lowWatermark: Mark, destinations = ["dst_1"]) => {
    const rig = setUp(destinations, async () => 0, lowWatermark)
    rig.setSize(() => {
      const { count, first } = rig.engine.stats()
      return 100 * (count - first + 1)
    })
    /** Appends these many, each by itself; answers how many were taken. */
    const send = async (count: number): Promise<number> => {
      let taken = 0
      for (let i = 0; i < count; i++) {
        const reply = await rig.engine.append(request(1024 * 1024))
        if (reply._tag === "Accepted") taken++
        await rig.object.pass(0)
      }
      return taken
    }
    return { ...rig, send, held: () => rig.engine.stats().count - rig.engine.stats().first + 1 }
  }
  it("gives up its oldest events that nobody needs, down to four fifths of its room, and takes on", async () => {
    const { engine, object, send, held } = filling(async () => null)
    expect(await send(9)).toBe(9)
    await object.ring(engine.alarm)
    expect(held(), "no pressure yet").toBe(9)
    expect(await send(1)).toBe(1)
    expect(object.alarmAt()! - object.now()).toBeLessThanOrEqual(10_000)
    await object.ring(engine.alarm)
    expect(engine.stats()).toMatchObject({ first: 3, count: 10 })
    expect(await send(2)).toBe(2)
    expect(object.lines).toEqual([])
  })
  it("keeps what a destination needs: senders are refused, until it needs it no more", async () => {
    let mark = 3
    const { engine, object, send, held } = filling(async () => mark)
    expect(await send(12)).toBe(10)
    await object.ring(engine.alarm)
    expect(engine.stats().first).toBe(3)
    expect(await send(9)).toBe(2)
    await object.pass(10_000)
    await object.ring(engine.alarm)
    expect(engine.stats().first).toBe(4)
    await send(2)
    await object.pass(10_000)
    await object.ring(engine.alarm)
    expect([engine.stats().first, await send(1)]).toEqual([4, 0])
    expect(object.lines.at(-1)).toMatchObject({
      level: "warn",
      message: "a log is nearly full, and its destinations still need what it holds",
      fields: { needed_from: 4 }
    })
    mark = 99
    await object.pass(10_000)
    await object.ring(engine.alarm)
    expect([held(), await send(1)]).toEqual([8, 1])
  })
  it("keeps what came while its destinations were asked: of that nobody was", async () => {
    let answer = (_: null): void => {}
    const { engine, object, send, setSize } = filling(() => new Promise((resolve) => (answer = resolve)))
    setSize(950)
    await send(2)
    await object.pass(10_000)
    const rung = engine.alarm()
    await send(1)
    answer(null)
    await rung
    expect(engine.stats()).toMatchObject({ first: 3, count: 3 })
  })
  it("looks no oftener than every ten seconds at what it can give up", async () => {
    let asked = 0
    const { engine, object, send } = filling(async () => {
      asked++
      return 0
    })
    await send(10)
    for (let second = 0; second < 30; second++) {
      await send(5)
      if (object.alarmAt()! <= object.now()) await object.ring(engine.alarm)
      await object.pass(1000)
    }
    expect(asked).toBeGreaterThan(1)
    expect(asked).toBeLessThanOrEqual(4)
  })
})

describe("a log that was claimed, and not told of its source yet", () => {
  it("is read as one without events", () => {
    const { engine } = unclaimed()
    engine.claim(SOURCE)
    expect(engine.list(9, 9).sourceId).toBe(SOURCE)
    expect(engine.get([1], 9)).toMatchObject({ sourceId: SOURCE, through: 1 })
    expect(engine.read(0, { maxEvents: 1, maxBytes: 1 })).toMatchObject({ sourceId: SOURCE, head: 0 })
    expect(engine.append(request())).toEqual({ _tag: "NotFound" })
  })
})

describe("a log whose alarm was lost", () => {
  it.each([
    ["a new instance", true],
    ["the instance that takes its alarm for set", false]
  ])("wakes whom it did not reach once it is nudged: %s", async (_, isKilled) => {
    let isAway = true
    const { engine, object, open, woken } = setUp([FIRST], () =>
      isAway ? Promise.reject(new RangeError("away")) : Promise.resolve(0)
    )
    engine.append(request())
    await object.pass(0)
    await object.ring(async () => {})
    if (isKilled) object.kill()
    isAway = false
    const next = isKilled ? open() : engine
    // A new instance sets the alarm by itself. Here that one is lost too.
    await object.ring(async () => {})
    await object.pass(3_600_000)
    next.nudge()
    expect(object.alarmAt()).toBe(object.now() + 2000)
    woken.length = 0
    await object.ring(next.alarm)
    expect(woken).toEqual([[FIRST, 1]])
  })
  it("drops what is past its retention once it is nudged", async () => {
    const { engine, object, open } = setUp([])
    engine.append(request())
    await object.pass(0)
    object.kill()
    await object.ring(async () => {})
    expect(object.now()).toBeGreaterThan(7 * DAY)
    const next = open()
    expect(object.alarmAt()).toBeUndefined()
    expect(next.list(10, 10).packed).not.toMatchObject([{ index: "[]" }])
    next.nudge()
    await object.pass(DAY)
    await object.ring(next.alarm)
    expect(next.list(10, 10).packed).toMatchObject([{ index: "[]" }])
  })
  it("that has nothing to do sets none", async () => {
    const { engine, object } = setUp([FIRST])
    await object.ring(engine.alarm)
    engine.nudge()
    expect(object.alarmAt()).toBeUndefined()
  })
})

describe("a log that nobody has claimed", () => {
  it("stores nothing, finds nothing and says so", () => {
    const { engine, object } = unclaimed()
    expect(engine.get([1], 10)).toBeUndefined()
    expect(engine.append(request())).toEqual({ _tag: "NotFound" })
    expect(() => engine.stats()).toThrow(NotClaimed)
    expect(object.sql.exec("SELECT * FROM sqlite_master")).toEqual([])
  })
  it("belongs to its first source for good", () => {
    const { engine, open, object } = setUp([])
    object.sql.flush()
    expect(open().claim(`src_${"1".repeat(32)}`)).toBe(false)
    expect(engine.claim(SOURCE)).toBe(true)
  })
})
