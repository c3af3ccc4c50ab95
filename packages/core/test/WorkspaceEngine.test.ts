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
  ingestUrls: [{ generation: 1, expiresAt: null }],
  createdAt: 1,
  updatedAt: 1
})
const hangs = () => new Promise<never>(() => {})

/** A workspace whose logs and destinations answer as `peers` says. Effects sleep in the same virtual time. */
const setUp = async (peers: Partial<WorkspaceEngine.WorkspacePeers> = {}) => {
  const object = fakeObject()
  const told: Array<string> = []
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
        nudgeLog: async () => {},
        nudgeDestination: async () => {},
        claimLog: async () => true,
        configureLog: async (id) => void told.push(id),
        configureDestination: async (id) => void told.push(id),
        commandDestination: async () => {},
        ...peers
      }
    })
  }
  const engine = open()
  await engine.createWorkspace("00000001", { id: "key_1", name: "k", scopes: ["*"], hint: "abcd", createdAt: 1, hash: "h" })
  return { object, engine, open, told }
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
    const { engine, object } = await setUp({ configureLog: (id) => (id === source(1).id ? hangs() : Promise.resolve()) })
    const first = engine.create(source(1), undefined)
    await object.pass(5000)
    await first
    const before = object.now()
    expect(await engine.create(source(2), undefined)).toMatchObject({ ok: true, value: { untold: [] } })
    expect(object.now()).toBe(before)
  })
  it("that could not be told is told by the alarm, after longer and longer pauses, and then no more", async () => {
    let isAway = true
    const { engine, object, told } = await setUp({
      configureLog: async (id) => {
        if (isAway) throw new RangeError("away")
        told.push(id)
      }
    })
    await engine.create(source(1), undefined)
    const pauses: Array<number> = []
    for (let i = 0; i < 7; i++) {
      pauses.push(object.alarmAt()! - object.now())
      await object.ring(engine.alarm)
    }
    expect(pauses).toEqual([2000, 2000, 4000, 8000, 16_000, 32_000, 60_000])
    isAway = false
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
