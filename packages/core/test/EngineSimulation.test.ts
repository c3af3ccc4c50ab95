/**
 * Logs and destinations together, in virtual time, under generated commands and faults: calls that are lost, doubled,
 * late or hang, alarms that are lost, late or doubled, processes that end at any moment, sinks that misbehave, changes
 * in mid-run. Then the faults stop, and the oracle's own record is held against the promises. A failure prints a replay
 * token.
 *
 * `HOOKSTREAM_ENGINE_RUNS` sets the number of generated histories (`npm run sim -- --seeds 2000`).
 */
import { describe, expect, it } from "@effect/vitest"
import { Ordering } from "@hookstream/core/workspace/Destination"
import { Effect, Schema } from "effect"
import { destinationIdOf, KEYS, MODES, makeGateway, RATE, sourceIdOf } from "./world/Gateway.ts"
import { makeOracle } from "./world/Oracle.ts"
import { ALARM_FAULTS, FAULTS, makeWorld } from "./world/World.ts"

const RUNS = Number(process.env["HOOKSTREAM_ENGINE_RUNS"] ?? 500)
const SOURCES = 2

const Target = Schema.Literals([0, 1])
const Command = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("Mode"), destination: Target, mode: Schema.Literals(MODES) }),
  Schema.Struct({ _tag: Schema.Literal("KillLog"), source: Target }),
  Schema.Struct({ _tag: Schema.Literal("KillDestination"), destination: Target }),
  Schema.Struct({ _tag: Schema.Literal("Pause"), destination: Target }),
  Schema.Struct({ _tag: Schema.Literal("Resume"), destination: Target }),
  Schema.Struct({ _tag: Schema.Literal("Connect"), source: Target, destination: Target }),
  Schema.Struct({ _tag: Schema.Literal("Disconnect"), source: Target, destination: Target }),
  Schema.Struct({ _tag: Schema.Literal("Redrive"), destination: Target }),
  Schema.Struct({ _tag: Schema.Literal("RetryWaiting"), destination: Target }),
  Schema.Struct({ _tag: Schema.Literal("ResetCircuit"), destination: Target }),
  Schema.Struct({ _tag: Schema.Literal("Replay"), destination: Target }),
  Schema.Struct({ _tag: Schema.Literal("CancelReplay") })
])
type Command = typeof Command.Type
/** Webhooks come, somebody asks for something or something breaks, and time goes by. */
const Act = Schema.Struct({
  source: Target,
  count: Schema.Literals([0, 1, 4, 20]),
  commands: Schema.Array(Command).check(Schema.isMaxLength(2)),
  /** Milliseconds that go by afterwards. */
  ms: Schema.Literals([0, 1, 30, 3000, 65_000, 400_000])
})
const Options = Schema.Struct({
  ordering: Ordering,
  batch: Schema.Literals([1, 5, 30]),
  isLimited: Schema.Boolean
})
const History = Schema.Struct({
  destinations: Schema.Tuple([Options, Options]),
  calls: Schema.Array(Schema.Literals(["none", "none", "none", ...FAULTS])).check(Schema.isMaxLength(12)),
  alarms: Schema.Array(Schema.Literals(["none", ...ALARM_FAULTS])).check(Schema.isMaxLength(4)),
  acts: Schema.Array(Act).check(Schema.isMinLength(2), Schema.isMaxLength(10))
})

const idOf = (prefix: "conn" | "rpl", n: number) => `${prefix}_${n.toString(16).padStart(32, "0")}`

const stats = { histories: 0, events: 0, calls: 0, faults: 0, kills: 0, replays: 0, hours: 0 }

const simulate = async (history: typeof History.Type): Promise<void> => {
  const world = makeWorld({ calls: history.calls, alarms: history.alarms })
  const oracle = makeOracle()
  const gateway = makeGateway(world, oracle, { sources: SOURCES, destinations: history.destinations })
  const { time } = world
  const startedAt = time.now()
  const numbers = Array.from({ length: SOURCES }, () => 0)
  const lanes = new Map<string, Promise<void>>()
  const replays: Array<{ readonly id: string; readonly target: number; isCancelled: boolean; readonly at: number }> = []
  /** Where tries may have been used up by something else than a refusal. */
  const unfair = new Set<number>()
  const redriven = new Set<number>()
  let connections = 0
  let asked = 0

  const background: Array<Promise<unknown>> = []
  const start = (work: Promise<unknown>): undefined => {
    background.push(work.catch(() => undefined))
  }
  const open = (source: number, destination: number) =>
    gateway.wires.find(
      ({ connection, deleted }) =>
        !deleted &&
        connection.sourceId === sourceIdOf(source) &&
        connection.destinationId === destinationIdOf(destination)
    )

  const send = (source: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      const n = ++numbers[source]!
      const sent = { source, n, key: n % KEYS }
      // A sender waits for its answer before it sends the next event of a key.
      const lane = `${sent.source}/${sent.key}`
      const before = lanes.get(lane) ?? Promise.resolve()
      lanes.set(
        lane,
        before.then(() => gateway.send(sent))
      )
    }
  }
  const obey = (command: Command): undefined => {
    switch (command._tag) {
      case "Mode":
        gateway.modes[command.destination] = command.mode
        if (command.mode === "lost" || command.mode === "hang") unfair.add(command.destination)
        return
      case "KillLog":
        stats.kills++
        gateway.logs[command.source]!.kill()
        return
      case "KillDestination":
        stats.kills++
        unfair.add(command.destination)
        oracle.killed(destinationIdOf(command.destination), time.now())
        gateway.destinations[command.destination]!.kill()
        return
      case "Pause":
      case "Resume":
        gateway.paused[command.destination] = command._tag === "Pause"
        gateway.touch(destinationIdOf(command.destination))
        return start(gateway.tellDestination(command.destination))
      case "Connect":
        if (open(command.source, command.destination) !== undefined) return
        return start(gateway.connect(command.source, command.destination, idOf("conn", connections++)))
      case "Disconnect": {
        const wire = open(command.source, command.destination)
        if (wire === undefined) return
        wire.deleted = true
        wire.until = time.now()
        gateway.touch(sourceIdOf(command.source))
        gateway.touch(destinationIdOf(command.destination))
        start(gateway.tellLog(command.source))
        return start(gateway.tellDestination(command.destination))
      }
      case "Redrive":
        redriven.add(command.destination)
        return start(gateway.destinations[command.destination]!.ask((one) => one.redrive({})))
      case "RetryWaiting":
        return start(gateway.destinations[command.destination]!.ask((one) => one.retryWaiting({})))
      case "ResetCircuit":
        return start(gateway.destinations[command.destination]!.ask((one) => one.resetCircuit()))
      case "Replay":
        return start(replay(command.destination))
      case "CancelReplay": {
        const last = replays.at(-1)
        if (last === undefined || last.isCancelled) return
        last.isCancelled = true
        return start(gateway.command(last.target, gateway.replayJob(last.id, last.target, [], true)))
      }
    }
  }
  const replay = async (target: number): Promise<void> => {
    const id = idOf("rpl", asked++)
    const at = time.now()
    const own = gateway.wires.filter(
      ({ connection, deleted, from }) =>
        !deleted && from !== undefined && connection.destinationId === destinationIdOf(target)
    )
    const parts = await Promise.all(
      own.map(async ({ connection }) => ({
        connection: connection.id,
        after: 0,
        through: (
          await gateway.logs[Number.parseInt(connection.sourceId.slice(12, 21), 16) - 1]!.ask((log) => log.stats())
        ).count
      }))
    )
    if (parts.length === 0) return
    replays.push({ id, target, isCancelled: false, at })
    await gateway.command(target, gateway.replayJob(id, target, parts, false))
  }

  for (let i = 0; i < SOURCES; i++) {
    gateway.touch(sourceIdOf(i))
    await gateway.logs[i]!.ask((log) => log.claim(sourceIdOf(i)))
    start(gateway.tellLog(i))
    start(gateway.connect(i, 0, idOf("conn", connections++)))
  }
  await time.pass(10_000)

  for (const { source, count, commands, ms } of history.acts) {
    send(source, count)
    commands.forEach(obey)
    await time.pass(ms)
  }

  // The faults stop, and time goes on.
  world.calm()
  if (history.alarms.includes("lost")) {
    // An alarm that was lost is missed only when something else comes, for nothing sweeps yet. So after two minutes
    // something does.
    await time.pass(120_000)
    for (let i = 0; i < SOURCES; i++) start(gateway.send({ source: i, n: ++numbers[i]!, key: KEYS }))
  }
  for (let i = 0; i < history.destinations.length; i++) {
    gateway.modes[i] = "ok"
    if (!gateway.paused[i]) continue
    gateway.paused[i] = false
    gateway.touch(destinationIdOf(i))
    start(gateway.tellDestination(i))
  }
  await time.pass(4 * 3_600_000)

  // Nothing is left to do, so nothing is done: an alarm that rings for nothing is paid for ever.
  const { alarms, calls } = world.counts
  await time.pass(3_600_000)
  expect(world.counts, "everything is at rest").toMatchObject({ alarms, calls })

  const live = gateway.wires.filter(({ deleted }) => !deleted)
  for (let i = 0; i < history.destinations.length; i++) {
    const id = destinationIdOf(i)
    const { ordering, isLimited } = history.destinations[i]!
    const destination = gateway.destinations[i]!
    const own = live.filter(({ connection }) => connection.destinationId === id)
    if (gateway.wires.some(({ connection }) => connection.destinationId === id)) {
      // It may have to ask its logs, which takes time.
      const asked = destination.ask((one) => one.summary())
      await time.pass(5000)
      const { connections: runs, pending } = await asked
      const lag = runs.filter(({ deleted }) => !deleted).map(({ head, cursor }) => Math.max(0, head - cursor))
      expect({ lag, pending }, `${id} has come to rest`).toEqual({ lag: lag.map(() => 0), pending: 0 })
    }
    const letters = await destination.ask((one) => one.deadLetters(null, 10_000))
    const dead = new Set<string>()
    for (const { connection, seq, replay: of } of letters.letters) {
      if (of !== null) continue
      const source = sourceOf(gateway.wires, connection)
      const page = await gateway.logs[source]!.ask((log) => log.read(seq - 1, { maxEvents: 1, maxBytes: 1e6 }))
      const { n } = JSON.parse(new TextDecoder().decode(page.packed[0]!.bodies))
      dead.add(`${source}/${n}`)
    }

    // Everything accepted while a connection stands has arrived, or is dead for a reason.
    for (const { connection, from } of own) {
      const source = sourceOf(gateway.wires, connection.id)
      const missing = oracle.missing(id, source, from ?? Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
      const lost = missing.filter((sent) => !dead.has(oracle.nameOf(sent)))
      expect(lost, `lost on ${connection.id} to ${id}`).toEqual([])
      if (!unfair.has(i)) {
        const unjust = missing.filter((sent) => !oracle.wasRefused(id, sent))
        expect(unjust, `dead without a refusal in ${id}`).toEqual([])
      }
    }
    expect(oracle.unexplained(id, id), `duplicates in ${id}`).toEqual([])
    if (ordering !== "none" && !redriven.has(i)) {
      expect(oracle.outOfOrder(id, dead), `order in ${id}`).toEqual([])
    }
    if (isLimited) expect(oracle.busiest(id, 5000), `rate of ${id}`).toBeLessThanOrEqual(RATE * 5 + RATE)
  }
  for (const { id, target } of replays) {
    expect(oracle.unexplained(id, destinationIdOf(target)), `duplicates in ${id}`).toEqual([])
  }

  stats.histories++
  stats.events += oracle.acceptedCount()
  stats.calls += world.counts.calls
  stats.faults += world.counts.faults
  stats.replays += replays.length
  stats.hours += (time.now() - startedAt) / 3_600_000
}

const sourceOf = (
  wires: ReadonlyArray<{ readonly connection: { readonly id: string; readonly sourceId: string } }>,
  connection: string
): number => {
  const found = wires.find((wire) => wire.connection.id === connection)!
  return Number.parseInt(found.connection.sourceId.slice(12, 21), 16) - 1
}

describe("logs and destinations under faults", () => {
  it.effect.prop("keep their promises", [History], ([history]) => Effect.promise(() => simulate(history)), {
    arbitrary: { runs: RUNS },
    timeout: 600_000
  })
  it("were tried", () => {
    console.log({ ...stats, hours: Math.round(stats.hours) })
    expect(stats.histories).toBeGreaterThanOrEqual(RUNS)
  })
})
