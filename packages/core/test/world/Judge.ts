/** What is judged at the end of a history: by the oracle, and by what only the gateway can tell: the dead, and rest. */
import { expect } from "@effect/vitest"
import { routeOf } from "@hookstream/core/Ids"
import { type Gateway, sourceIdOf } from "./Gateway.ts"
import type { Excuses } from "./History.ts"
import { laneOf, type Oracle } from "./Oracle.ts"
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

/** Everything that is owed has arrived, or is dead for a reason. */
export const judgeArrivals = async (run: Run): Promise<void> => {
  const { oracle, world, excuses } = run
  for (const { id, destination, source, events } of oracle.missing(world.time.now())) {
    const dead = await deadOf(run, destination, source, id)
    expect(
      events.map(oracle.nameOf).filter((name) => !dead.has(name)),
      `lost on ${id} to ${destination}`
    ).toEqual([])
    const unjust = events.filter((event) => !excuses.unfair.has(destination) && !oracle.wasRefused(id, event))
    expect(unjust, `dead without a refusal on ${id}`).toEqual([])
  }
}
export const judgeOrder = async (run: Run, { id, ordering }: OwnDestination): Promise<void> => {
  const { oracle, excuses } = run
  if (ordering === "none" || excuses.redriven.has(id)) return
  for (const { lane, event, after } of oracle.outOfOrder(id)) {
    const dead = await deadOf(run, id, event.source, lane)
    expect(dead.has(oracle.nameOf(event)), `${oracle.nameOf(event)} came after ${after} on ${lane}`).toBe(true)
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
