import type { Source } from "@hookstream/core/workspace/Source"
import * as WorkspaceEngine from "@hookstream/core/workspace/WorkspaceEngine"
import { Clock, Effect, Logger } from "effect"
import { describe, expect, it } from "vitest"
import { fakeObject } from "./FakeObject.ts"

const source = (n: number): Source => ({
  kind: "source",
  id: `src_00000001${String(n).padStart(9, "0")}${"0".repeat(15)}`,
  workspace: "00000001",
  version: 0,
  name: `s${n}`,
  slug: `s${n}`,
  description: null,
  status: "active",
  retentionDays: 7,
  redact: [],
  verification: null,
  ingestVersion: 0,
  ingestUrls: [{ generation: 1, expiresAt: null }],
  createdAt: 1,
  updatedAt: 1
})
const hangs = () => new Promise<never>(() => {})

/** A workspace whose logs and destinations answer as `peers` says. Effects sleep in the same virtual time. */
const setUp = async (peers: Partial<WorkspaceEngine.WorkspacePeers> = {}) => {
  const object = fakeObject()
  const told: Array<string> = []
  const nudged: Array<string> = []
  const open = () => {
    const ports = object.ports()
    const clock: Clock.Clock = {
      ...Effect.runSync(Clock.Clock),
      currentTimeMillisUnsafe: ports.timer.now,
      currentTimeMillis: Effect.sync(ports.timer.now),
      sleep: () => Effect.promise(() => ports.timer.sleep(5000))
    }
    return WorkspaceEngine.make({
      ...ports,
      execute: (effect) =>
        Effect.runPromise(effect.pipe(Effect.provideService(Clock.Clock, clock), Effect.provide(Logger.layer([])))),
      peers: {
        list: async () => {},
        nudgeLog: async (id) => void nudged.push(id),
        nudgeDestination: async (id) => void nudged.push(id),
        claimLog: async () => true,
        configureLog: async (id) => void told.push(id),
        configureDestination: async (id) => void told.push(id),
        commandDestination: async () => {},
        ...peers
      }
    })
  }
  const engine = open()
  await engine.createWorkspace("00000001", {
    id: "key_1",
    name: "k",
    scopes: ["*"],
    hint: "abcd",
    createdAt: 1,
    hash: "h"
  })
  return { object, engine, open, told, nudged }
}

/** A workspace whose logs cannot be reached until they come back. */
const withLogsAway = async () => {
  let isAway = true
  const rig = await setUp({
    configureLog: async (id) => {
      if (isAway) throw new RangeError("away")
      rig.told.push(id)
    }
  })
  return {
    ...rig,
    comeBack: () => {
      isAway = false
    }
  }
}

describe("a change of a workspace", () => {
  it("is answered when those it concerns have heard of it", async () => {
    const { engine, told } = await setUp()
    expect(await engine.create(source(1), undefined)).toMatchObject({ ok: true, value: { untold: [] } })
    expect(told).toEqual([source(1).id])
  })
  it("is stored and answered when one of those hangs, and the answer names it", async () => {
    const { engine, object } = await setUp({ configureLog: hangs })
    const answer = engine.create(source(1), undefined)
    await object.pass(5000)
    expect(await answer).toMatchObject({ ok: true, value: { untold: [source(1).id] } })
    expect(engine.get("source", source(1).id, false).ok).toBe(true)
  })
  it("waits for its own targets only: another that hangs delays it by nothing", async () => {
    const { engine, object } = await setUp({
      configureLog: (id) => (id === source(1).id ? hangs() : Promise.resolve())
    })
    const first = engine.create(source(1), undefined)
    await object.pass(5000)
    await first
    const before = object.now()
    expect(await engine.create(source(2), undefined)).toMatchObject({ ok: true, value: { untold: [] } })
    expect(object.now()).toBe(before)
  })
  it("that could not be told is told by the alarm, after longer and longer pauses, and then no more", async () => {
    const { engine, object, told, comeBack } = await withLogsAway()
    await engine.create(source(1), undefined)
    const pauses: Array<number> = []
    for (let i = 0; i < 7; i++) {
      pauses.push(object.alarmAt()! - object.now())
      await object.ring(engine.alarm)
    }
    expect(pauses).toEqual([2000, 2000, 4000, 8000, 16_000, 32_000, 60_000])
    comeBack()
    await object.ring(engine.alarm)
    expect(told).toEqual([source(1).id])
    expect(object.alarmAt()).toBeUndefined()
  })
  it("that was not told when its process ended is told by the next one", async () => {
    const { engine, object, open, told } = await setUp({ configureLog: () => Promise.reject(new RangeError("away")) })
    await engine.create(source(1), undefined)
    await object.ring(async () => {})
    object.sql.flush()
    object.kill()
    expect(object.alarmAt()).toBeUndefined()
    open()
    expect(object.alarmAt()).toBe(object.now() + 2000)
    expect(told).toEqual([])
  })
  it("stores no source whose log cannot be claimed, and says whether to try again", async () => {
    for (const [claimLog, error] of [
      [async () => false, "conflict"],
      [() => Promise.reject(new RangeError("away")), "unavailable"],
      [hangs, "unavailable"]
    ] as const) {
      const { engine, object } = await setUp({ claimLog })
      const answer = engine.create(source(1), undefined)
      await object.pass(5000)
      expect(await answer).toMatchObject({ ok: false, error })
      expect(engine.get("source", source(1).id, false).ok).toBe(false)
    }
  })
})

describe("a new workspace", () => {
  const key = { id: "key_1", name: "k", scopes: ["*"], hint: "abcd", createdAt: 1, hash: "h" } as const
  const unclaimed = (list: WorkspaceEngine.WorkspacePeers["list"]) => {
    const object = fakeObject()
    const peers = {
      list,
      nudgeLog: hangs,
      nudgeDestination: hangs,
      claimLog: hangs,
      configureLog: hangs,
      configureDestination: hangs,
      commandDestination: hangs
    }
    return { object, engine: WorkspaceEngine.make({ ...object.ports(), execute: Effect.runPromise, peers }) }
  }
  it("is listed before it is made, and is not made where it cannot be", async () => {
    const listed: Array<string> = []
    const { engine } = unclaimed(async (id) => void listed.push(id))
    expect(await engine.createWorkspace("00000001", key)).toMatchObject({ ok: true })
    expect(listed).toEqual(["00000001"])
    for (const list of [hangs, () => Promise.reject(new RangeError("away"))]) {
      const { engine, object } = unclaimed(list)
      const answer = engine.createWorkspace("00000001", key)
      await object.pass(5000)
      expect(await answer).toMatchObject({ ok: false, error: "unavailable" })
      expect(object.sql.exec("SELECT * FROM sqlite_master")).toEqual([])
    }
  })
  it("that was not made is swept in vain", async () => {
    const { engine, object } = unclaimed(hangs)
    engine.sweep()
    expect(object.alarmAt()).toBeUndefined()
  })
})

describe("a workspace from before there was a directory", () => {
  it("has itself listed by its alarm, again until it is", async () => {
    let isAway = false
    const listed: Array<string> = []
    const { object, open } = await setUp({
      list: async (id) => {
        if (isAway) throw new RangeError("away")
        listed.push(id)
      }
    })
    listed.length = 0
    isAway = true
    object.sql.exec("UPDATE schema_versions SET version = 4 WHERE store = 'Registry'")
    object.sql.flush()
    const engine = open()
    await object.ring(engine.alarm)
    expect(listed).toEqual([])
    isAway = false
    await object.ring(engine.alarm)
    expect(listed).toEqual(["00000001"])
    expect(object.alarmAt()).toBeUndefined()
  })
})

describe("a sweep of a workspace", () => {
  const DAY = 24 * 3_600_000
  it("answers at once and nudges each of its sources and destinations, in parts by its alarm", async () => {
    const { engine, object, nudged } = await setUp()
    const all = Array.from({ length: 600 }, (_, n) => source(n))
    for (const one of all) await engine.create(one, undefined)
    while (object.alarmAt() !== undefined) await object.ring(engine.alarm)
    engine.sweep()
    expect(nudged).toEqual([])
    let alarms = 0
    for (; object.alarmAt() !== undefined; alarms++) {
      const rung = object.ring(engine.alarm)
      await object.pass(0)
      for (let i = 0; i < 200; i++) await Promise.resolve()
      await rung
    }
    expect(alarms).toBe(3)
    expect(nudged).toEqual(all.map(({ id }) => id))
  })
  it("nudges the log of a deleted source for as long as it may hold events", async () => {
    const { engine, object, nudged } = await setUp()
    await engine.create(source(1), undefined)
    await engine.remove("source", source(1).id)
    const sweep = async () => {
      nudged.length = 0
      engine.sweep()
      while (object.alarmAt() !== undefined) await object.ring(engine.alarm)
      return nudged.length
    }
    expect(await sweep()).toBe(1)
    await object.pass(30 * DAY)
    expect(await sweep()).toBe(1)
    await object.pass(2 * DAY)
    expect(await sweep()).toBe(0)
  })
  it("tells what was not told yet, too", async () => {
    const { engine, object, told, comeBack } = await withLogsAway()
    await engine.create(source(1), undefined)
    await object.ring(async () => {})
    comeBack()
    await object.pass(3_600_000)
    engine.sweep()
    while (object.alarmAt() !== undefined) await object.ring(engine.alarm)
    expect(told).toEqual([source(1).id])
  })
})

describe("a workspace that nobody has claimed", () => {
  it("knows no key, and makes none", () => {
    const object = fakeObject()
    const engine = WorkspaceEngine.make({
      ...object.ports(),
      execute: Effect.runPromise,
      peers: {
        list: hangs,
        nudgeLog: hangs,
        nudgeDestination: hangs,
        claimLog: hangs,
        configureLog: hangs,
        configureDestination: hangs,
        commandDestination: hangs
      }
    })
    expect(engine.authenticate("h")).toBeUndefined()
    const key = { id: "key_1", name: "k", scopes: ["*"], hint: "abcd", createdAt: 1, hash: "h" } as const
    expect(engine.createKey("00000001", key)).toMatchObject({ ok: false, error: "not_found" })
    expect(object.sql.exec("SELECT * FROM sqlite_master")).toEqual([])
  })
})
