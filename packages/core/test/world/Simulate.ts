/** A history from its beginning to its judgement. */
import { expect } from "@effect/vitest"
import { makeGateway, numberOf } from "./Gateway.ts"
import { at, type Excuses, type History, makeObey, type Places } from "./History.ts"
import { judgeArrivals, judgeOrder, judgeRest, type Run } from "./Judge.ts"
import { makeOracle } from "./Oracle.ts"
import { RATE } from "./Sinks.ts"
import { makeUser } from "./User.ts"
import { makeWorld } from "./World.ts"

const KEYS = 3
const HOUR = 3_600_000
/** Milliseconds after which a sender gives up a webhook. */
const SENDER_DEADLINE = 30_000

/** Milliseconds that the last webhooks have before the faults stop. */
const ENDING_MS = 1000

/** How much of each there was. */
export interface Figures {
  readonly histories: number
  readonly events: number
  readonly calls: number
  readonly faults: number
  readonly kills: number
  readonly replaced: number
  readonly restored: number
  readonly connections: number
  readonly replays: number
  readonly deleted: number
  readonly hours: number
}

/** Lives through a history; its promises are held at the end. Answers what happened. */
export const simulate = async (history: History): Promise<Figures> => {
  const world = makeWorld(history)
  const { time } = world
  const oracle = makeOracle()
  const options = (id: string) => at(history.destinations, numberOf(id) - 1)
  const gateway = makeGateway(world, oracle, options)
  const user = makeUser(world, oracle, gateway)
  const excuses: Excuses = {
    unfair: new Set(),
    redriven: new Set(),
    doubled: new Set(),
    restored: new Set(),
    hasLostAlarms: history.alarms.includes("lost")
  }
  const run: Run = { world, oracle, gateway, user, excuses }
  const startedAt = time.now()

  const numbers = new Map<number, number>()
  const lanes = new Map<string, Promise<void>>()
  const send = (source: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      const n = (numbers.get(source) ?? 0) + 1
      numbers.set(source, n)
      const sent = { source, n, key: n % KEYS }
      // A sender waits for its answer before it sends the next event of a key.
      const lane = `${source}/${sent.key}`
      const before = lanes.get(lane) ?? Promise.resolve()
      const turn = before.then(() => time.within(SENDER_DEADLINE, gateway.send(sent)).catch(() => undefined))
      lanes.set(lane, turn)
    }
  }

  user.begin()
  const places: Places = {
    sources: Array.from({ length: history.sources }, user.makeSource),
    destinations: history.destinations.map(({ ordering }) => user.makeDestination(ordering))
  }
  for (const source of places.sources) user.connect(source, places.destinations[0]!)
  const { obey, keep } = makeObey(world, gateway, user, places, excuses)
  const isRestoring = history.acts.some(({ commands }) => commands.some(({ _tag }) => _tag === "Restore"))
  await time.pass(10_000)
  for (const { source, count, commands, ms } of history.acts) {
    if (isRestoring) keep()
    send(at(places.sources, source).n, count)
    commands.forEach(obey)
    await time.pass(ms)
  }

  const { connection, count, isCut, steps } = history.ending
  const open = user.connections.filter(
    ({ isGone, source, destination }) => !(isGone || source.isGone || destination.isGone)
  )
  if (open.length > 0) {
    const { source, destination } = at(open, connection)
    send(source.n, count)
    if (isCut) world.cut()
    else {
      excuses.unfair.add(destination.id)
      gateway.destinationOf(destination.id).kill(steps)
    }
    await time.pass(ENDING_MS)
  }

  // The faults stop, and time goes on.
  world.calm()
  for (const { id } of user.destinations) gateway.sinkAt(id).mode = "ok"
  if (excuses.hasLostAlarms) {
    // An alarm that was lost is missed by the sweep, whether an instance that takes it for set is still there or not.
    await time.pass(120_000)
    await gateway.directory.ask((one) => one.sweep())
  }
  await time.pass(4 * HOUR)
  user.settled()
  await time.pass(1)
  await judgeArrivals(run)

  // All goes on.
  for (const one of places.sources) if (one.isStopped) user.stopSource(one, false)
  for (const one of places.destinations) if (one.isStopped) user.stopDestination(one, false)
  for (const one of user.connections) if (one.isStopped && !one.isGone) user.stopConnection(one, false)
  await time.pass(4 * HOUR)
  await judgeArrivals(run)

  // What comes now is accepted by each source that is there, and comes to all that it is connected to.
  const acceptedBefore = oracle.acceptedCount()
  for (const one of user.sources) send(one.n, 1)
  await time.pass(HOUR)
  expect(oracle.acceptedCount() - acceptedBefore, "each source that is there takes events").toBe(places.sources.length)
  await judgeArrivals(run)

  // Nothing is left to do, so nothing is done: an alarm that rings for nothing is paid for ever.
  const { alarms, calls } = world.counts
  await time.pass(HOUR)
  expect(world.counts, "everything is at rest").toMatchObject({ alarms, calls })

  for (const one of places.destinations) {
    await judgeRest(run, one)
    await judgeOrder(run, one)
    if (!options(one.id).isLimited || excuses.doubled.has(one.id)) continue
    expect(oracle.busiest(one.id, 5000), `rate of ${one.id}`).toBeLessThanOrEqual(RATE * 5 + RATE)
  }
  expect(oracle.broken(excuses.restored).join("\n"), "promises that were broken").toBe("")
  expect(world.errors.join("\n"), "what nobody may say in fair weather").toBe("")

  const gone = [...user.sources, ...user.destinations, ...user.connections].filter(({ isGone }) => isGone)
  return {
    histories: 1,
    events: oracle.acceptedCount(),
    calls: world.counts.calls,
    faults: world.counts.faults,
    kills: world.counts.kills,
    replaced: world.counts.replaced,
    restored: world.counts.restored,
    connections: user.connections.length,
    replays: user.replays.length,
    deleted: gone.length,
    hours: (time.now() - startedAt) / HOUR
  }
}
