/** What is generated: who sends, what its user asks for, what breaks, and how much time goes by. */
import { routeOf } from "@hookstream/core/Ids"
import { Ordering } from "@hookstream/core/workspace/Destination"
import { Schema } from "effect"
import type { Snapshot } from "../ObjectSql.ts"
import type { Gateway } from "./Gateway.ts"
import { MODES } from "./Sinks.ts"
import type { OwnDestination, OwnSource, User } from "./User.ts"
import { ALARM_FAULTS, FAULTS, outside, type World } from "./World.ts"

const Slot = Schema.Literals([0, 1, 2])
const ofSource = { source: Slot }
const ofDestination = { destination: Slot }
/** One of the connections that are there. */
const ofConnection = { connection: Schema.Literals([0, 1, 2, 3]) }
const isStopped = Schema.Boolean
/** How many accesses to its storage an object still has before it ends. */
const steps = Schema.Literals([0, 1, 2, 5, 9, 17, 40, 70])
const object = Schema.Literals(["destination", "destination", "log", "workspace"])
const kill = Schema.Struct({ _tag: Schema.Literal("Kill"), object, slot: Slot, steps })
/** A log has again what it had so many acts before. */
const restore = Schema.Struct({ _tag: Schema.Literal("Restore"), ...ofSource, acts: Schema.Literals([0, 1, 2, 4]) })
const renew = Schema.Struct({ _tag: Schema.Literal("Renew"), ...ofDestination })
const cancel = Schema.Struct({ _tag: Schema.Literal("CancelReplay") })
const replay = Schema.Struct({ _tag: Schema.Literal("Replay"), ...ofConnection })

/** Two changes, one close behind the other. */
const flip = Schema.Struct({ _tag: Schema.Literal("Flip"), ...ofSource, ...ofDestination })

/** Some stand here more than once, to come more often. */
const Command = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("Mode"), ...ofDestination, mode: Schema.Literals(MODES) }),
  kill,
  kill,
  kill,
  Schema.Struct({ _tag: Schema.Literal("Replace"), object, slot: Slot }),
  Schema.Struct({ _tag: Schema.Literal("DropAlarm"), object, slot: Slot }),
  Schema.Struct({ _tag: Schema.Literal("StopSource"), ...ofSource, isStopped }),
  Schema.Struct({ _tag: Schema.Literal("StopDestination"), ...ofDestination, isStopped }),
  Schema.Struct({ _tag: Schema.Literal("StopConnection"), ...ofConnection, isStopped }),
  flip,
  flip,
  renew,
  restore,
  restore,
  Schema.Struct({ _tag: Schema.Literal("Connect"), ...ofSource, ...ofDestination }),
  Schema.Struct({ _tag: Schema.Literal("Disconnect"), ...ofConnection }),
  Schema.Struct({ _tag: Schema.Literal("AnotherSource"), ...ofSource }),
  Schema.Struct({ _tag: Schema.Literal("AnotherDestination"), ...ofDestination, ordering: Ordering }),
  Schema.Struct({ _tag: Schema.Literal("Redrive"), ...ofDestination }),
  Schema.Struct({ _tag: Schema.Literal("RetryWaiting"), ...ofDestination }),
  Schema.Struct({ _tag: Schema.Literal("ResetCircuit"), ...ofDestination }),
  replay,
  replay,
  cancel,
  cancel
])
export type Command = typeof Command.Type

const Act = Schema.Struct({
  ...ofSource,
  count: Schema.Literals([0, 1, 4, 20]),
  commands: Schema.Array(Command).check(Schema.isMinLength(1), Schema.isMaxLength(4)),
  /** Milliseconds that go by afterwards. */
  ms: Schema.Literals([0, 1, 30, 3000, 65_000, 400_000])
})
/**
 * At last some webhooks come for a connection, and its destination ends at a step on their way, or no object reaches
 * another: after that nothing comes any more.
 */
const Ending = Schema.Struct({
  ...ofConnection,
  count: Schema.Literals([1, 4, 20]),
  isCut: Schema.Boolean,
  steps
})
/** Many are well; what makes old things come after new ones is more frequent than the rest. */
const CALLS = ["none", "none", "none", "none", "twice", "late request", ...FAULTS] as const
const Options = Schema.Struct({
  ordering: Ordering,
  batch: Schema.Literals([1, 5, 30]),
  isLimited: Schema.Boolean
})
export const History = Schema.Struct({
  sources: Schema.Literals([2, 3]),
  destinations: Schema.Array(Options).check(Schema.isMinLength(2), Schema.isMaxLength(3)),
  calls: Schema.Array(Schema.Literals(CALLS)).check(Schema.isMaxLength(12)),
  alarms: Schema.Array(Schema.Literals(["none", "late", "twice", ...ALARM_FAULTS])).check(Schema.isMaxLength(3)),
  acts: Schema.Array(Act).check(Schema.isMinLength(3), Schema.isMaxLength(10)),
  ending: Ending
})
export type History = typeof History.Type

/** What stands at each place of the world now: of what was deleted, what came after it. */
export interface Places {
  readonly sources: Array<OwnSource>
  readonly destinations: Array<OwnDestination>
}

/** What a history did that excuses something at its end. */
export interface Excuses {
  /** Destinations whose tries may have been used up by something else than a refusal. */
  readonly unfair: Set<string>
  /** Destinations whose dead letters came back, out of order. */
  readonly redriven: Set<string>
  /** Destinations of which two instances may have sent at once. */
  readonly doubled: Set<string>
  /** Sources whose log was restored to an earlier time. */
  readonly restored: Set<number>
  /** An alarm was lost, so that a sweep may have to come before what it stood for is done. */
  readonly hasLostAlarms: boolean
}

/** What stands at a slot, of which there may be more than things. */
export const at = <A>(all: ReadonlyArray<A>, slot: number): A => all[slot % all.length]!

export const makeObey = (world: World, gateway: Gateway, user: User, places: Places, excuses: Excuses) => {
  /** What the logs held at the begin of each act. */
  const kept: Array<ReadonlyMap<string, Snapshot>> = []
  const breakable = (command: Extract<Command, { readonly object: unknown }>) => {
    if (command.object === "workspace") return gateway.workspace
    if (command.object === "log") return gateway.logOf(routeOf(at(places.sources, command.slot).id))
    const { id } = at(places.destinations, command.slot)
    excuses.unfair.add(id)
    if (command._tag === "Replace") excuses.doubled.add(id)
    return gateway.destinationOf(id)
  }
  const obey = (command: Command): void => {
    const source = "source" in command ? at(places.sources, command.source) : places.sources[0]!
    const destination =
      "destination" in command ? at(places.destinations, command.destination) : places.destinations[0]!
    const object = gateway.destinationOf(destination.id)
    const open = user.connections.filter(({ isGone }) => !isGone)
    const wire = "connection" in command && open.length > 0 ? at(open, command.connection) : undefined
    const ask = (asked: Promise<unknown>): void => void asked.catch(() => undefined)
    switch (command._tag) {
      case "Mode":
        gateway.sinkAt(destination.id).mode = command.mode
        if (command.mode === "lost" || command.mode === "hang") excuses.unfair.add(destination.id)
        break
      case "Kill":
        breakable(command).kill(command.steps)
        break
      case "Replace":
        breakable(command).replace()
        break
      case "DropAlarm":
        // Otherwise most histories would be excused.
        if (excuses.hasLostAlarms) breakable(command).dropAlarm()
        break
      case "Restore": {
        const then = kept.at(-1 - command.acts)?.get(source.id)
        // Before it was configured it was nobody's.
        if (then?.tables.some(([name, rows]) => name === "log_config" && rows.length > 0) !== true) break
        gateway.logOf(routeOf(source.id)).restore(then)
        excuses.restored.add(source.n)
        user.touch(source)
        break
      }
      case "StopSource":
        user.stopSource(source, command.isStopped)
        break
      case "StopDestination":
        user.stopDestination(destination, command.isStopped)
        break
      case "StopConnection":
        if (wire !== undefined) user.stopConnection(wire, command.isStopped)
        break
      case "Flip":
        for (const isStopped of [true, false]) {
          user.stopSource(source, isStopped)
          user.stopDestination(destination, isStopped)
        }
        break
      case "Renew":
        user.renew(destination)
        break
      case "Connect":
        if (!open.some((one) => one.source === source && one.destination === destination)) {
          user.connect(source, destination)
        }
        break
      case "Disconnect":
        if (wire !== undefined) user.removeConnection(wire)
        break
      case "AnotherSource":
        user.removeSource(source)
        places.sources[command.source % places.sources.length] = user.makeSource()
        break
      case "AnotherDestination":
        user.removeDestination(destination)
        places.destinations[command.destination % places.destinations.length] = user.makeDestination(command.ordering)
        break
      case "Redrive":
        excuses.redriven.add(destination.id)
        ask(world.call(outside, object, (one) => one.redrive({})))
        break
      case "RetryWaiting":
        ask(world.call(outside, object, (one) => one.retryWaiting({})))
        break
      case "ResetCircuit":
        ask(world.call(outside, object, (one) => one.resetCircuit()))
        break
      case "Replay":
        if (wire !== undefined) user.replay(wire.destination)
        break
      case "CancelReplay": {
        const last = user.replays.findLast(({ isGone }) => !isGone)
        if (last !== undefined) user.cancel(last)
        break
      }
    }
  }
  return {
    obey,
    /** An act begins. */
    keep: (): void => {
      kept.push(new Map(places.sources.map(({ id }) => [id, gateway.logOf(routeOf(id)).snapshot()])))
    }
  }
}
