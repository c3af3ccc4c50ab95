/**
 * What the engine of a destination asks, counts and stores beside the runs of its pump. With logs:
 * `EngineSimulation.test.ts`.
 */
import { defaultSettings } from "@hookstream/core/delivery/CircuitBreaker"
import * as DeliveryEngine from "@hookstream/core/delivery/DeliveryEngine"
import { defaultPolicy } from "@hookstream/core/delivery/RetryPolicy"
import { newEvent } from "@hookstream/core/event/Event"
import { routeOf, type SourceId } from "@hookstream/core/Ids"
import * as EventLog from "@hookstream/core/log/EventLog"
import * as EventLogMemory from "@hookstream/core/testing/EventLogMemory"
import type { DestinationConfig } from "@hookstream/core/workspace/Registry"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { fakeObject } from "./FakeObject.ts"
import { makeOracle } from "./world/Oracle.ts"
import { servicesOf, type WorldSink } from "./world/Sinks.ts"
import { makeWorld } from "./world/World.ts"

const idOf = (prefix: string, n: number) => `${prefix}_${n.toString(16).padStart(32, "0")}`
const sourceOf = (n: number): SourceId => `src_00000001${n.toString(16).padStart(9, "0")}${"0".repeat(15)}`

const wire = (n: number, deleted = false): DestinationConfig["connections"][number] => ({
  deleted,
  sourceDeleted: false,
  connection: {
    kind: "connection",
    id: idOf("conn", n),
    workspace: "00000001",
    version: 1,
    sourceId: sourceOf(n),
    destinationId: idOf("dst", 1),
    name: null,
    description: null,
    filterRules: [],
    orderingKey: null,
    enabled: true,
    createdAt: 1,
    updatedAt: 1
  }
})

const configOf = (version: number, connections: DestinationConfig["connections"]): DestinationConfig => ({
  version,
  deleted: false,
  connections,
  destination: {
    kind: "destination",
    id: idOf("dst", 1),
    workspace: "00000001",
    version,
    name: "d",
    slug: "d",
    type: "test",
    config: {},
    retry: defaultPolicy,
    breaker: defaultSettings,
    ordering: "none",
    timeoutMs: 1000,
    maxInFlight: 1,
    maxPending: 100,
    ratePerSecond: null,
    status: "active",
    createdAt: 1,
    updatedAt: 1
  }
})

/** A destination whose pump finds nothing to do, and whose logs answer as `head` says. */
const setUp = (
  head: (source: string) => Promise<number> = async () => 0,
  execute: () => Promise<unknown> = () => Promise.resolve(null)
) => {
  const object = fakeObject()
  const queries: Array<string> = []
  let passes = 0
  const open = () => {
    const ports = object.ports()
    return DeliveryEngine.make({
      ...ports,
      sql: {
        transaction: ports.sql.transaction,
        exec: (query, ...params) => {
          queries.push(query)
          return ports.sql.exec(query, ...params)
        }
      },
      peers: {
        told: async (source) => ({ head: await head(source) }),
        agree: async () => {
          throw new RangeError("a log of an older release")
        }
      },
      execute: () => {
        passes++
        return execute() as Promise<never>
      }
    })
  }
  return {
    object,
    engine: open(),
    queries,
    open,
    /** Passes of the pump since they were counted last. */
    passes: () => {
      const counted = passes
      passes = 0
      return counted
    }
  }
}

describe("the number of deliveries that wait", () => {
  it("is asked of the logs anew, whatever they have been asked already", async () => {
    let isHanging = false
    let heads = 0
    const { engine, object } = setUp(async (source) => {
      if (isHanging && source === sourceOf(2)) await new Promise(() => {})
      return heads
    })
    await engine.configure(configOf(1, [wire(1), wire(2)]))
    await object.pass(0)
    isHanging = true
    await engine.configure(configOf(2, [wire(1), wire(2)]))
    await object.pass(0)
    heads = 5
    const waiting = engine.waiting([idOf("conn", 1)])
    await object.pass(10_000)
    expect(await waiting).toBe(5)
  })
})

describe("a wake-up", () => {
  it("counts no dead letters and nothing that waits", async () => {
    const { engine, object, queries } = setUp()
    await engine.configure(configOf(1, [wire(1)]))
    await object.pass(0)
    queries.length = 0
    engine.wake(sourceOf(1), 1)
    await object.pass(0)
    expect(queries.filter((query) => /FROM (dead|pending)/.test(query))).toEqual([])
  })
})

describe("the logs", () => {
  const wires = (count: number) => Array.from({ length: count }, (_, i) => wire(i + 1))
  /** A destination with so many logs, of which the second one hangs when it is asked anew. */
  const withOneThatHangs = async (count: number) => {
    let isHanging = false
    const rig = setUp(async (source) => (isHanging && source === sourceOf(2) ? await new Promise<never>(() => {}) : 7))
    await rig.engine.configure(configOf(1, wires(count)))
    await rig.object.pass(0)
    isHanging = true
    await rig.engine.configure(configOf(2, wires(count)))
    return rig
  }
  it("that answer are delivered from while another hangs: a pass waits for it once, and not for long", async () => {
    const { engine, object, passes } = await withOneThatHangs(3)
    passes()
    await object.pass(499)
    expect(passes()).toBe(0)
    await object.pass(1)
    expect(passes()).toBe(1)
    for (let n = 8; n < 12; n++) {
      engine.wake(sourceOf(1), n)
      await object.pass(0)
    }
    expect(passes()).toBe(4)
    await object.pass(2000)
    expect(object.lines).toMatchObject([{ message: "a log did not say how far it is" }])
  })
  it("that may be asked are asked while another hangs, and no pass follows another for nothing", async () => {
    const { engine, object, passes } = await withOneThatHangs(2)
    await object.pass(600)
    passes()
    // What the first log said no longer counts, while the second one is still being asked.
    await engine.configure(configOf(3, wires(2)))
    await object.pass(10)
    expect(passes()).toBeLessThanOrEqual(2)
  })
  it("that answer late are heard: another pass follows", async () => {
    let answer = (_: number): void => {}
    const { engine, object, passes } = setUp(() => new Promise((resolve) => (answer = resolve)))
    const configured = engine.configure(configOf(1, wires(1)))
    await object.pass(0)
    answer(3)
    await configured
    await object.pass(1000)
    expect(passes()).toBe(1)
    answer(5)
    await object.pass(0)
    expect([passes(), (await engine.summary()).connections[0]?.head]).toEqual([1, 5])
  })
  it("that did not answer are asked again after five seconds, by the alarm, and no sooner", async () => {
    let isDown = false
    const asked: Array<number> = []
    const { engine, object } = setUp(async () => {
      asked.push(object.now())
      if (isDown) throw new RangeError("reset")
      return 0
    })
    await engine.configure(configOf(1, wires(1)))
    await object.pass(0)
    isDown = true
    asked.length = 0
    await engine.configure(configOf(2, wires(1)))
    await object.pass(0)
    engine.wake(sourceOf(1), 1)
    engine.wake(sourceOf(1), 2)
    await object.pass(0)
    expect(asked).toHaveLength(1)
    isDown = false
    await object.ring(engine.alarm)
    await object.pass(0)
    expect(asked.map((at) => at - asked[0]!)).toEqual([0, 5000])
  })
  it("are not told of when more was read while the answer was on its way", async () => {
    const { engine, object } = setUp(async () => {
      await object.ports().timer.sleep(1000)
      return 5
    })
    const configured = engine.configure(configOf(1, wires(1)))
    await object.pass(10_000)
    await configured
    await engine.configure(configOf(2, wires(1)))
    object.sql.exec("UPDATE runs SET cursor = 6")
    await object.pass(10_000)
    expect(object.lines).toEqual([])
  })
  it("are compared with what was read of them by one query for all", async () => {
    const { engine, object, queries } = setUp()
    await engine.configure(configOf(1, wires(100)))
    await object.pass(0)
    expect(queries.filter((query) => query.startsWith("SELECT * FROM runs ORDER BY id")).length).toBeLessThan(10)
  })
  it("are asked sixteen at once", async () => {
    let [now, most] = [0, 0]
    const { engine, object } = setUp(async () => {
      most = Math.max(most, ++now)
      await Promise.resolve()
      now--
      return 0
    })
    await engine.configure(configOf(1, wires(100)))
    await object.pass(0)
    expect(most).toBe(16)
  })
})

describe("an alarm", () => {
  it("does not last as long as the passes do, and another stands behind them", async () => {
    let end = (): void => {}
    let isBusy = false
    const { engine, object } = setUp(
      async () => 0,
      () => (isBusy ? new Promise<null>((resolve) => (end = () => resolve(null))) : Promise.resolve(null))
    )
    await engine.configure(configOf(1, [wire(1)]))
    await object.pass(0)
    isBusy = true
    let isOver = false
    const rung = engine.alarm().then(() => (isOver = true))
    await object.pass(59_999)
    expect(isOver).toBe(false)
    await object.pass(1)
    await rung
    expect(object.alarmAt()).toBe(object.now() + 5000)
    end()
    await object.pass(0)
  })
})

describe("a destination whose alarm was lost", () => {
  it("asks its logs once it is nudged, when its instance is new and does not know how far they are", async () => {
    let asked = 0
    const { object, engine, open } = setUp(async () => {
      asked++
      return 0
    })
    await engine.configure(configOf(1, [wire(1)]))
    await object.pass(0)
    object.kill()
    await object.ring(async () => {})
    const next = open()
    expect(object.alarmAt()).toBeUndefined()
    asked = 0
    next.nudge()
    expect(object.alarmAt()).toBe(object.now() + 5000)
    await object.ring(next.alarm)
    await object.pass(0)
    expect(asked).toBe(1)
    while (object.alarmAt() !== undefined) await object.ring(next.alarm)
    next.nudge()
    expect(object.alarmAt()).toBeUndefined()
  })
  it("goes on once it is nudged, also the instance that takes its alarm for set", async () => {
    const { object, engine, passes } = setUp()
    await engine.configure(configOf(1, [wire(1)]))
    await object.pass(0)
    while (object.alarmAt() !== undefined) await object.ring(engine.alarm)
    engine.wake(sourceOf(1), 5)
    await object.pass(0)
    await object.ring(async () => {})
    await object.pass(3_600_000)
    passes()
    engine.nudge()
    expect(object.alarmAt()).toBe(object.now() + 5000)
    await object.ring(engine.alarm)
    await object.pass(0)
    expect(passes()).toBe(1)
  })
  it("that was deleted is left alone", async () => {
    const { object, engine } = setUp()
    await engine.configure({ ...configOf(1, [wire(1)]), deleted: true })
    await object.ring(async () => {})
    await object.pass(3_600_000)
    engine.nudge()
    expect(object.alarmAt()).toBeUndefined()
  })
})

describe("what is stored of a configuration", () => {
  it("does not grow with the connections that were deleted", async () => {
    const { engine, object } = setUp()
    await engine.configure(configOf(1, [wire(1), wire(2)]))
    await engine.configure(configOf(2, [wire(1), ...Array.from({ length: 5000 }, (_, i) => wire(2 + i, true))]))
    const [row] = object.sql.exec("SELECT config FROM destination_config")
    const stored: DestinationConfig = JSON.parse(row!["config"] as string)
    expect(stored.connections).toHaveLength(1)
    expect((await engine.summary()).connections).toMatchObject([{ deleted: false }, { deleted: true }])
  })
})

/** A destination in the world of the simulation, where nothing goes wrong by itself, with one log. */
const inWorld = async () => {
  const world = makeWorld({ calls: [], alarms: [] })
  world.calm()
  const source = sourceOf(1)
  const log = EventLogMemory.makeMemory({ sourceId: source, route: routeOf(source) })
  const logs = EventLog.layerStores(new Map([[routeOf(source), log]]))
  const service = Effect.runSync(Effect.provide(EventLog.EventLog, logs))
  const sink: WorldSink = { mode: "ok", destination: idOf("dst", 1), options: { batch: 1, isLimited: false } }
  const destination = world.object("a destination", (life) => {
    const services = servicesOf(world, makeOracle(), sink, life, service)
    return DeliveryEngine.make({
      ...life.ports,
      peers: {
        told: async () => ({ head: log.head() }),
        agree: () => Promise.reject(new Error("no log is restored here"))
      },
      execute: (effect) => Effect.runPromiseWith(services)(effect)
    })
  })
  const config = configOf(1, [wire(1)])
  const own = { ...config.destination, type: "world", config: { generation: 1 } }
  await destination.ask((one) => one.configure({ ...config, destination: own }))
  await world.time.pass(20_000)
  const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
  let n = 0
  return {
    sink,
    /** The process ends, and what is in its memory is gone. */
    kill: () => destination.kill(0),
    pass: world.time.pass,
    /** An event comes, and the destination hears of it. */
    come: async () => {
      const body = new TextEncoder().encode(JSON.stringify({ source: 1, n: ++n, key: 1 }))
      log.append([{ event: newEvent(meta, body), token: "", now: 0 }])
      await destination.ask((one) => one.wake(source, n))
      await world.time.pass(100)
    },
    /** What is told of an event. */
    told: async (seq: number) => (await destination.ask((one) => one.timeline(source, seq))).map((entry) => entry.type)
  }
}

describe("an event that comes alone", () => {
  it("and was being sent when its process ended is told as unknown, and sent again by the alarm", async () => {
    const { sink, kill, pass, come, told } = await inWorld()
    sink.mode = "hang"
    await come()
    kill()
    sink.mode = "ok"
    await pass(10_000)
    expect(await told(1)).toEqual(["unknown", "delivered"])
  })
  it("is told so too when the next one comes before the alarm", async () => {
    const { sink, kill, come, told } = await inWorld()
    sink.mode = "hang"
    await come()
    kill()
    sink.mode = "ok"
    await come()
    expect([await told(1), await told(2)]).toEqual([["unknown", "delivered"], ["delivered"]])
  })
  it("to a new instance is no unknown one where the last instance had come to rest", async () => {
    const { kill, pass, come, told } = await inWorld()
    await come()
    await pass(20_000)
    kill()
    await come()
    expect([await told(1), await told(2)]).toEqual([["delivered"], ["delivered"]])
  })
  it("to a new instance is no unknown one because a retry is due later", async () => {
    const { sink, kill, pass, come, told } = await inWorld()
    sink.mode = "down"
    await come()
    await pass(10_000)
    kill()
    sink.mode = "ok"
    await come()
    expect([await told(1), await told(2)]).toEqual([["failed"], ["delivered"]])
  })
})
