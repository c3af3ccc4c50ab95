/** A log that is put back to an earlier time while its destination goes on, in the world of the simulation. */
import { describe, expect, it } from "@effect/vitest"
import { routeOf } from "@hookstream/core/Ids"
import { makeGateway, sourceIdOf } from "./world/Gateway.ts"
import { makeOracle } from "./world/Oracle.ts"
import { makeUser } from "./world/User.ts"
import { makeWorld } from "./world/World.ts"

const SOURCE = sourceIdOf(1)
const DAY = 24 * 3_600_000

/** A source with a destination, to which this many events came, which were delivered. */
const setUp = async (count: number) => {
  const world = makeWorld({ calls: [], alarms: [] })
  const oracle = makeOracle()
  const gateway = makeGateway(world, oracle, () => ({ batch: 5, isLimited: false }))
  const user = makeUser(world, oracle, gateway)
  const { time } = world
  user.begin()
  const source = user.makeSource()
  const destination = user.makeDestination("none")
  user.connect(source, destination)
  await time.pass(10_000)
  const log = gateway.logOf(routeOf(source.id))
  const object = gateway.destinationOf(destination.id)
  let sent = 0
  const send = async (many: number): Promise<void> => {
    for (let i = 0; i < many; i++) await world.time.within(5000, pumped(gateway.send({ source: 1, n: ++sent, key: 1 })))
    await time.pass(1000)
  }
  /** Time goes by while somebody waits. */
  const pumped = <A>(work: Promise<A>): Promise<A> => {
    void time.pass(100)
    return work
  }
  await send(count)
  return {
    world,
    user,
    source,
    log,
    object,
    send,
    sink: gateway.sinkAt(destination.id),
    /** The numbers of the events that arrived since it was asked last. */
    arrived: () => oracle.arrivedAt(destination.id),
    summary: () => pumped(object.ask((one) => one.summary()))
  }
}

describe("a log that is restored to an earlier time", () => {
  it("delivers what comes under the sequences of events that were lost, and the destination says so", async () => {
    const { world, log, object, send, arrived, summary } = await setUp(3)
    const then = log.snapshot()
    await send(4)
    expect(arrived()).toEqual([1, 2, 3, 4, 5, 6, 7])
    log.restore(then)
    await send(1)
    await world.time.pass(5000)
    expect(arrived()).toEqual([8])
    const { control, connections } = await summary()
    expect(control.restored).toMatchObject({ from: 7, through: 3 })
    expect(connections).toMatchObject([{ cursor: 4, head: 4 }])
    const { entries } = await object.ask((one) => one.attempts({}, null, 100))
    expect(entries.map(({ seq, isGone = false }) => [seq, isGone])).toEqual([
      [4, false],
      [7, true],
      [6, true],
      [5, true],
      [4, true],
      [3, false],
      [2, false],
      [1, false]
    ])
    expect(await object.ask((one) => one.timeline(SOURCE, 4))).toHaveLength(1)
    const lost = entries.find(({ seq, isGone }) => seq === 4 && isGone === true)!
    expect(await object.ask((one) => one.retryAttempt(lost))).toBe("unknown")
  })
  it("delivers it also when more came than was lost, and to a destination that began anew", async () => {
    const { world, log, object, send, arrived } = await setUp(3)
    const then = log.snapshot()
    await send(2)
    arrived()
    object.kill(0)
    log.restore(then)
    // The first wake-up that arrives is of a later event than the last one that was read.
    world.cut()
    await send(6)
    world.calm()
    await world.time.pass(70_000)
    expect(arrived()).toEqual([6, 7, 8, 9, 10, 11])
  })
  it("is noticed by a retry, though nothing woke the destination", async () => {
    const { world, sink, log, send, arrived, summary } = await setUp(3)
    const then = log.snapshot()
    sink.mode = "down"
    await send(2)
    log.restore(then)
    world.cut()
    await send(2)
    log.dropAlarm()
    world.calm()
    sink.mode = "ok"
    arrived()
    await world.time.pass(DAY / 24)
    expect(arrived()).toEqual([6, 7])
    expect((await summary()).control.restored).toMatchObject({ from: 5, through: 3 })
  })
  it("tries again what it has, and nothing of what it lost, nor what has its sequence now", async () => {
    const { world, sink, log, send, arrived, summary } = await setUp(3)
    sink.mode = "down"
    await send(1)
    const then = log.snapshot()
    await send(2)
    expect((await summary()).pending).toBe(3)
    log.restore(then)
    await send(1)
    sink.mode = "ok"
    arrived()
    await world.time.pass(DAY / 24)
    expect(arrived()).toEqual([4, 7])
    expect(await summary()).toMatchObject({ pending: 0, dead: 0 })
  })
  it("has no dead letters of what it lost: brought back they would be what has their sequences now", async () => {
    const { world, sink, log, object, send, arrived, summary } = await setUp(3)
    const then = log.snapshot()
    sink.mode = "poison"
    await send(4)
    expect((await summary()).dead).toBe(1)
    log.restore(then)
    sink.mode = "ok"
    await send(4)
    await world.time.pass(5000)
    arrived()
    expect(await object.ask((one) => one.redrive({}))).toBe(0)
    await world.time.pass(5000)
    expect([arrived(), (await summary()).dead]).toEqual([[], 0])
  })
  it("ends a replay of what it lost", async () => {
    const { world, user, log, object, send, arrived } = await setUp(20)
    const then = log.snapshot()
    await send(10)
    arrived()
    user.replay(user.destinations[0]!)
    // What it has sent is still there, and not what it has yet to send.
    await world.time.pass(2500)
    log.restore(then)
    await world.time.pass(DAY)
    expect(await object.ask((one) => one.replay(user.replays[0]!.id))).toMatchObject({ status: "finished" })
    arrived()
    await send(1)
    expect(arrived()).toEqual([31])
  })
})
