/** The sweep of the directory, of a workspace, and of a Worker that asks all parts of the directory. */
import { shardOf, shardsOf } from "@hookstream/core/directory/DirectoryContract"
import * as DirectoryEngine from "@hookstream/core/directory/DirectoryEngine"
import { randomWorkspaceId } from "@hookstream/core/Ids"
import { ANYWHERE, JURISDICTIONS, placementOf } from "@hookstream/core/Placement"
import { askEach } from "@hookstream/core/Sweep"
import { describe, expect, it } from "vitest"
import { fakeObject } from "./FakeObject.ts"

const hangs = () => new Promise<never>(() => {})
const idOf = (n: number) => n.toString(16).padStart(8, "0")
const MANY = 1000
/** More alarms than a sweep of so many needs. */
const ALARMS_MAX = 20

/** A part of the directory that lists `count` workspaces, which answer as `sweep` says. */
const setUp = (count: number, sweep: (workspace: string) => Promise<void> = async () => {}) => {
  const object = fakeObject()
  const swept: Array<string> = []
  const open = () =>
    DirectoryEngine.make({
      ...object.ports(),
      peers: {
        sweep: (workspace) => {
          swept.push(workspace)
          return sweep(workspace)
        }
      }
    })
  const engine = open()
  for (let n = 0; n < count; n++) engine.add(idOf(n))
  object.sql.flush()
  const all = Array.from({ length: count }, (_, n) => idOf(n))
  return { object, engine, open, swept, all }
}
/** Lets the alarm ring until none is set; answers how often it rang. */
const rest = async (object: ReturnType<typeof fakeObject>, alarm: () => Promise<void>): Promise<number> => {
  for (let n = 0; n < ALARMS_MAX; n++) {
    if (object.alarmAt() === undefined) return n
    let isOver = false
    const rung = object.ring(alarm).then(() => (isOver = true))
    for (let i = 0; i < 100 && !isOver; i++) await object.pass(1000)
    await rung
  }
  return ALARMS_MAX
}

describe("a sweep of the directory", () => {
  it("answers at once, and asks each workspace once, in parts by its alarm", async () => {
    const { engine, object, swept, all } = setUp(MANY)
    for (const id of all.slice(0, 5)) engine.add(id)
    expect(engine.sweep()).toBeUndefined()
    expect(swept).toEqual([])
    expect(await rest(object, engine.alarm)).toBeGreaterThan(1)
    expect(swept).toEqual(all)
    engine.sweep()
    await rest(object, engine.alarm)
    expect(swept).toEqual([...all, ...all])
  })
  it("is not held up by workspaces that fail or hang, and one line of the log tells of them", async () => {
    const { engine, object, swept, all } = setUp(40, (id) => {
      if (id === idOf(3)) return Promise.reject(new RangeError("away"))
      return id === idOf(7) ? hangs() : Promise.resolve()
    })
    engine.sweep()
    await rest(object, engine.alarm)
    expect(swept.toSorted()).toEqual(all)
    expect(object.lines).toMatchObject([{ level: "warn", fields: { count: 2, objects: [idOf(3), idOf(7)] } }])
  })
  it("asks sixteen at once", async () => {
    let [now, most] = [0, 0]
    const { engine, object } = setUp(100, async () => {
      most = Math.max(most, ++now)
      await Promise.resolve()
      now--
    })
    engine.sweep()
    await rest(object, engine.alarm)
    expect(most).toBe(16)
  })
  it.each([
    ["a new instance", true],
    ["the next sweep", false]
  ])("whose own alarm is lost goes on where it was with %s", async (_, isKilled) => {
    const { engine, object, swept, all, open } = setUp(MANY)
    engine.sweep()
    await object.ring(engine.alarm)
    expect(swept.length).toBeLessThan(MANY)
    await object.ring(async () => {})
    expect(object.alarmAt()).toBeUndefined()
    if (isKilled) object.kill()
    const next = isKilled ? open() : engine
    await object.pass(3_600_000)
    if (!isKilled) next.sweep()
    await rest(object, next.alarm)
    expect(swept).toEqual(all)
  })
  it("that nobody is listed in does nothing and stores nothing", async () => {
    const { engine, object } = setUp(0)
    engine.sweep()
    await engine.alarm()
    expect(object.alarmAt()).toBeUndefined()
    expect(object.sql.exec("SELECT * FROM sqlite_master")).toEqual([])
  })
  it("has a part for each workspace, and none that is never asked", () => {
    for (const jurisdiction of [null, ...JURISDICTIONS]) {
      const placement = { jurisdiction, region: null }
      const used = new Set(Array.from({ length: 2000 }, () => shardOf(randomWorkspaceId(placement))))
      expect([...used].toSorted()).toEqual(shardsOf(jurisdiction).toSorted())
    }
    expect(shardOf("0000001f")).toBe("directory-15")
  })
  it("lists a workspace within its jurisdiction, whatever its region", () => {
    for (const region of [null, "weur", "eeur"] as const) {
      const shard = shardOf(randomWorkspaceId({ jurisdiction: "eu", region }))
      expect(placementOf(shard)).toEqual({ jurisdiction: "eu", region: null })
    }
    expect(placementOf(shardOf(randomWorkspaceId({ jurisdiction: null, region: "weur" })))).toBe(ANYWHERE)
  })
})

it("a Worker asks all parts of the directory, although one fails and one hangs", async () => {
  const object = fakeObject()
  const asked: Array<string> = []
  const shards = shardsOf(null)
  const done = askEach(object.ports(), shards, (shard) => {
    asked.push(shard)
    if (shard === "directory-0") throw new RangeError("away")
    return shard === "directory-1" ? hangs() : Promise.resolve()
  })
  await object.pass(5000)
  await done
  expect(asked).toEqual(shards)
  expect(object.lines).toMatchObject([{ fields: { count: 2 } }])
})
