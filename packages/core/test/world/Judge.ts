/** What is judged at the end of a history: by the oracle, and by what only the gateway can tell: the dead, and rest. */
import { expect } from "@effect/vitest"
import { unpack } from "@hookstream/core/event/PackedEvents"
import { routeOf } from "@hookstream/core/Ids"
import { type Gateway, sourceIdOf } from "./Gateway.ts"
import type { Excuses } from "./History.ts"
import { laneOf, type Oracle, type Sent } from "./Oracle.ts"
import type { OwnDestination, User } from "./User.ts"
import type { World } from "./World.ts"

/** A world with everything in it. */
export interface Run {
  readonly world: World
  readonly oracle: Oracle
  readonly gateway: Gateway
  readonly user: User
  readonly excuses: Excuses
}

/** The events that are dead on a lane, as the destination tells. */
const deadOf = async ({ gateway }: Run, destination: string, source: number, lane: string) => {
  const { letters } = await gateway.destinationOf(destination).ask((one) => one.deadLetters(null, 10_000))
  const own = letters.filter(({ connection, replay }) => laneOf(connection, replay) === lane)
  const log = gateway.logOf(routeOf(sourceIdOf(source)))
  const names = own.map(async ({ seq }) => {
    const page = await log.ask((one) => one.read(seq - 1, { maxEvents: 1, maxBytes: 1e6 }))
    const { n } = JSON.parse(new TextDecoder().decode(page.packed[0]!.bodies))
    return `${source}/${n}`
  })
  return new Set(await Promise.all(names))
}

/** The events that the log of a source holds, in order. */
const heldBy = async ({ gateway }: Run, source: number): Promise<ReadonlyArray<string>> => {
  const [sourceId, route] = [sourceIdOf(source), routeOf(sourceIdOf(source))]
  const names: Array<string> = []
  for (;;) {
    const after = names.length
    const { packed, head } = await gateway
      .logOf(route)
      .ask((one) => one.read(after, { maxEvents: 1000, maxBytes: 1e8 }))
    for (const { body } of unpack(packed, { sourceId, route })) {
      names.push(`${source}/${JSON.parse(new TextDecoder().decode(body)).n}`)
    }
    if (names.length >= head) return names
  }
}
/** Whether a restore took it out of its log. */
const lostBy = async (run: Run, source: number): Promise<(name: string) => boolean> => {
  if (!run.excuses.restored.has(source)) return () => false
  const held = await heldBy(run, source)
  return (name) => !held.includes(name)
}

/** Everything that is owed has arrived, or is dead for a reason. */
export const judgeArrivals = async (run: Run): Promise<void> => {
  const { oracle, world, excuses } = run
  for (const { id, destination, source, events } of oracle.missing(world.time.now())) {
    const dead = await deadOf(run, destination, source, id)
    const isLost = await lostBy(run, source)
    const owed = events.filter((event) => !isLost(oracle.nameOf(event)))
    expect(
      owed.map(oracle.nameOf).filter((name) => !dead.has(name)),
      `lost on ${id} to ${destination}`
    ).toEqual([])
    const unjust = owed.filter((event) => !excuses.unfair.has(destination) && !oracle.wasRefused(id, event))
    expect(unjust, `dead without a refusal on ${id}`).toEqual([])
  }
}
export const judgeOrder = async (run: Run, { id, ordering }: OwnDestination): Promise<void> => {
  const { oracle, excuses } = run
  if (ordering === "none" || excuses.redriven.has(id)) return
  for (const { lane, event, after } of oracle.outOfOrder(id)) {
    // A request that comes again after a restore is stored behind others: the order is that of the log.
    const held = excuses.restored.has(event.source) ? await heldBy(run, event.source) : undefined
    const place = (one: Sent, find: "indexOf" | "lastIndexOf") => held?.[find](oracle.nameOf(one)) ?? 0
    if (place(event, "lastIndexOf") > place(after, "indexOf") || place(event, "indexOf") === -1) continue
    const dead = await deadOf(run, id, event.source, lane)
    expect(dead.has(oracle.nameOf(event)), `${oracle.nameOf(event)} came after ${after.n} on ${lane}`).toBe(true)
  }
}
/** What a destination says of itself: nothing is left to do, and each replay that is wanted is over. */
export const judgeRest = async ({ world, gateway, oracle, user }: Run, { id }: OwnDestination): Promise<void> => {
  if (!user.connections.some((one) => one.isMade && one.destination.id === id)) return
  // It may have to ask its logs, which takes time.
  const asked = gateway.destinationOf(id).ask((one) => one.summary())
  await world.time.pass(5000)
  const { connections, pending } = await asked
  const lag = connections.filter(({ deleted }) => !deleted).map(({ head, cursor }) => Math.max(0, head - cursor))
  expect({ lag, pending }, `${id} has come to rest`).toEqual({ lag: lag.map(() => 0), pending: 0 })
  for (const { replay } of oracle.wanted().filter(({ destination }) => destination === id)) {
    if (replay === null || !user.replays.some((one) => one.id === replay && one.isMade)) continue
    const progress = await gateway.destinationOf(id).ask((one) => one.replay(replay))
    expect(progress?.status ?? "unknown", `${replay} on ${id}`).toMatch(/finished|cancelled/)
  }
}
