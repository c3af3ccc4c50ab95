/**
 * The user of the world: makes, changes and deletes things through the workspace, one change of a thing after another,
 * each again until it is answered. What was answered with nothing untold holds from then on; the rest must hold at the
 * end (`settled`). Both the oracle is told.
 */
import * as CircuitBreaker from "@hookstream/core/delivery/CircuitBreaker"
import { routeOf } from "@hookstream/core/Ids"
import type { Reply } from "@hookstream/core/Reply"
import type { Connection } from "@hookstream/core/workspace/Connection"
import type { Destination, Ordering } from "@hookstream/core/workspace/Destination"
import type { Change, Entity, EntityOf, Kind } from "@hookstream/core/workspace/Registry"
import type { ReplayJob } from "@hookstream/core/workspace/ReplayJob"
import type { Source } from "@hookstream/core/workspace/Source"
import { destinationIdOf, type Gateway, idOf, sourceIdOf, WORKSPACE } from "./Gateway.ts"
import { intakeScope, laneOf, type Oracle, sourceScope } from "./Oracle.ts"
import { outside, type World, type WorldObject } from "./World.ts"

/** Milliseconds after which a client asks again: longer than a workspace takes, and than any request is late. */
const CLIENT_DEADLINE = 20_000
const CLIENT_PAUSE = 1000
/** Milliseconds without an answer after which a sink's request has failed. */
const TIMEOUT = 2000

/** Events of a replay per second: it is under way for a while. */
const REPLAY_RATE = 2

/** A thing of the user's. */
interface Thing {
  readonly id: string
  /** It was made, and its user knows. */
  isMade: boolean
  /** Its user wants it no more. */
  isGone: boolean
  /** Paused, disabled or cancelled. */
  isStopped: boolean
}
export interface OwnSource extends Thing {
  readonly n: number
}
export interface OwnDestination extends Thing {
  readonly ordering: Ordering
  generation: number
}
export interface OwnConnection extends Thing {
  readonly source: OwnSource
  readonly destination: OwnDestination
}
export interface OwnReplay extends Thing {
  readonly destination: OwnDestination
}
/** The oracle is told what holds, and from when on. */
type Hold = (at: number) => unknown

const fresh = (id: string): Thing => ({ id, isMade: false, isGone: false, isStopped: false })

export const makeUser = (world: World, oracle: Oracle, gateway: Gateway) => {
  const { time, call } = world
  const sources: Array<OwnSource> = []
  const destinations: Array<OwnDestination> = []
  const connections: Array<OwnConnection> = []
  const replays: Array<OwnReplay> = []

  /** What was answered and not told to all yet, by what it changes. */
  const untold = new Map<string, Hold>()
  const turns = new Map<string, Promise<void>>()
  const inTurn = (id: string, work: () => Promise<void>): void => {
    turns.set(id, (turns.get(id) ?? Promise.resolve()).then(work))
  }

  const askOf = async <E, A>(object: WorldObject<E>, method: (engine: E) => A | Promise<A>): Promise<A> => {
    for (;;) {
      try {
        return await time.within(CLIENT_DEADLINE, call(outside, object, method))
      } catch {
        await time.sleep(CLIENT_PAUSE)
      }
    }
  }
  const told = (what: string, change: Reply<Change<Entity>>, hold: Hold): void => {
    untold.delete(what)
    if (change.ok && change.value.untold.length === 0) hold(time.now())
    else untold.set(what, hold)
  }
  const create = async (thing: Thing, entity: Entity, hold: Hold): Promise<void> => {
    const { id } = entity
    for (;;) {
      const made = await askOf(gateway.workspace, (one) => one.create(entity, { key: id, digest: id }))
      thing.isMade = made.ok
      if (made.ok) return told(`${id} was made`, made, hold)
      if (made.error !== "unavailable") return
      await time.sleep(CLIENT_PAUSE)
    }
  }
  const update = <K extends Kind>(
    kind: K,
    id: string,
    how: (entity: EntityOf<K>) => EntityOf<K>,
    what: string,
    hold: Hold
  ): void =>
    inTurn(id, async () => {
      for (;;) {
        const found = await askOf(gateway.workspace, (one) => one.get(kind, id, false))
        if (!found.ok) return
        const changed: Entity = { ...how(found.value as EntityOf<K>), updatedAt: time.now() }
        const answer = await askOf(gateway.workspace, (one) => one.update(changed))
        if (answer.ok) return told(what, answer, hold)
      }
    })
  /** Stops it, or lets it go on. `scope`: what the oracle calls it. */
  const stop = <K extends Kind>(
    thing: Thing,
    isStopped: boolean,
    kind: K,
    how: (entity: EntityOf<K>) => EntityOf<K>,
    scope = thing.id
  ): void => {
    thing.isStopped = isStopped
    if (!isStopped) {
      inTurn(thing.id, async () => {
        untold.delete(scope)
        oracle.resumed(scope, time.now())
      })
    }
    const what = isStopped ? scope : `${scope} goes on`
    update(kind, thing.id, how, what, (at) => isStopped && oracle.stopped(scope, at))
  }
  const remove = (thing: Thing, kind: Kind, scopes: ReadonlyArray<string>): void => {
    thing.isGone = true
    for (const scope of scopes) oracle.unwanted(scope)
    inTurn(thing.id, async () => {
      const removed = await askOf(gateway.workspace, (one) => one.remove(kind, thing.id))
      told(thing.id, removed, (at) => {
        for (const scope of scopes) oracle.stopped(scope, at)
      })
    })
  }

  const stamp = () => ({ workspace: WORKSPACE, version: 0, createdAt: time.now(), updatedAt: time.now() })
  const sourceEntity = (id: string): Source => ({
    ...stamp(),
    kind: "source",
    id,
    name: id,
    slug: id,
    description: null,
    status: "active",
    retentionDays: 30,
    redact: [],
    verification: null,
    ingestVersion: 0,
    ingestUrls: [{ generation: 1, expiresAt: null }]
  })
  const destinationEntity = ({ id, ordering, generation }: OwnDestination): Destination => ({
    ...stamp(),
    kind: "destination",
    id,
    name: id,
    slug: id,
    type: "world",
    config: { generation },
    retry: { enabled: true, maxRetries: 5, backoff: "exponential", intervals: [30, 300, 1800], jitter: true },
    timeoutMs: TIMEOUT,
    maxInFlight: 3,
    maxPending: 400,
    ordering,
    breaker: CircuitBreaker.defaultSettings,
    ratePerSecond: null,
    status: "active"
  })
  const connectionEntity = ({ id, source, destination }: OwnConnection): Connection => ({
    ...stamp(),
    kind: "connection",
    id,
    name: null,
    description: null,
    sourceId: source.id,
    destinationId: destination.id,
    enabled: true,
    orderingKey: null,
    filterRules: []
  })
  const replayEntity = ({ id, destination }: OwnReplay, to: number, parts: ReplayJob["parts"]): ReplayJob => ({
    ...stamp(),
    kind: "replay",
    id,
    destinationId: destination.id,
    sourceId: null,
    connectionId: null,
    from: 0,
    to,
    filterRules: [],
    ratePerSecond: REPLAY_RATE,
    maxEvents: null,
    parts,
    cancelled: false
  })

  return {
    sources,
    destinations,
    connections,
    replays,

    begin: (): void => {
      const key = { id: idOf("key", 1), name: "k", scopes: ["*"], hint: "abcd", createdAt: 1, hash: "h" } as const
      inTurn("workspace", async () => {
        for (;;) {
          const made = await askOf(gateway.workspace, (one) => one.createWorkspace(WORKSPACE, key))
          if (made.ok || made.error !== "unavailable") return
          await time.sleep(CLIENT_PAUSE)
        }
      })
    },
    makeSource: (): OwnSource => {
      const n = sources.length + 1
      const source: OwnSource = { ...fresh(sourceIdOf(n)), n }
      sources.push(source)
      inTurn(source.id, async () => {
        await turns.get("workspace")
        await create(source, sourceEntity(source.id), () => {})
      })
      return source
    },
    makeDestination: (ordering: Ordering): OwnDestination => {
      const id = destinationIdOf(destinations.length + 1)
      const destination: OwnDestination = { ...fresh(id), ordering, generation: 1 }
      destinations.push(destination)
      inTurn(id, async () => {
        await turns.get("workspace")
        await create(destination, destinationEntity(destination), () => {})
      })
      return destination
    },
    connect: (source: OwnSource, destination: OwnDestination): void => {
      const one: OwnConnection = { ...fresh(idOf("conn", connections.length + 1)), source, destination }
      connections.push(one)
      const ends = [turns.get(source.id), turns.get(destination.id)]
      inTurn(one.id, async () => {
        await Promise.all(ends)
        oracle.asked({
          connection: one.id,
          replay: null,
          destination: destination.id,
          source: source.n,
          asked: time.now()
        })
        await create(one, connectionEntity(one), (at) => oracle.promised(one.id, at))
      })
    },
    /** All that came over the connections of a destination until now, once more. */
    replay: (destination: OwnDestination): void => {
      const one: OwnReplay = { ...fresh(idOf("rpl", replays.length + 1)), destination }
      const own = connections.filter((wire) => wire.destination === destination && wire.isMade && !wire.isGone)
      if (own.length === 0) return
      replays.push(one)
      const asked = time.now()
      const lanes = own.map((wire) => ({
        connection: wire.id,
        replay: one.id,
        destination: destination.id,
        source: wire.source.n,
        asked
      }))
      lanes.forEach(oracle.asked)
      inTurn(one.id, async () => {
        const parts = await Promise.all(
          own.map(async ({ id, source }) => ({
            connection: id,
            ...(await askOf(gateway.logOf(routeOf(source.id)), (log) => log.range(0, asked)))
          }))
        )
        await create(one, replayEntity(one, asked, parts), (at) => {
          for (const { connection, replay } of lanes) oracle.promised(laneOf(connection, replay), at)
        })
      })
    },
    cancel: (one: OwnReplay): void => {
      one.isGone = true
      oracle.unwanted(one.id)
      update(
        "replay",
        one.id,
        (job) => ({ ...job, cancelled: true }),
        one.id,
        (at) => oracle.stopped(one.id, at)
      )
    },
    /** Gives its sink another config. */
    renew: (one: OwnDestination): void => {
      const generation = ++one.generation
      update(
        "destination",
        one.id,
        (destination) => ({ ...destination, config: { generation } }),
        `${one.id} config`,
        (at) => oracle.renewed(one.id, generation, at)
      )
    },
    /** Stores it as it is, so that its log is told of it again. */
    touch: (one: OwnSource): void =>
      update(
        "source",
        one.id,
        (source) => source,
        `${one.id} again`,
        () => {}
      ),
    stopSource: (one: OwnSource, isStopped: boolean): void =>
      stop(
        one,
        isStopped,
        "source",
        (source) => ({ ...source, status: isStopped ? "paused" : "active" }),
        intakeScope(one.n)
      ),
    stopDestination: (one: OwnDestination, isStopped: boolean): void =>
      stop(one, isStopped, "destination", (destination) => ({
        ...destination,
        status: isStopped ? "paused" : "active"
      })),
    stopConnection: (one: OwnConnection, isStopped: boolean): void =>
      stop(one, isStopped, "connection", (connection) => ({ ...connection, enabled: !isStopped })),
    removeSource: (one: OwnSource): void => remove(one, "source", [sourceScope(one.n), intakeScope(one.n)]),
    removeDestination: (one: OwnDestination): void => remove(one, "destination", [one.id]),
    removeConnection: (one: OwnConnection): void => remove(one, "connection", [one.id]),

    /** Time enough has gone by for everything that was answered to be told. */
    settled: (): void => {
      for (const hold of untold.values()) hold(time.now())
      untold.clear()
    }
  }
}
export type User = ReturnType<typeof makeUser>
