/**
 * The engine of a workspace: everything that its object decides. It keeps the registry, and tells logs and destinations
 * what changed: those that a change concerns before it is answered, those that could not be reached by its alarm. It
 * sweeps them too: each is asked to look for what is left to do.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { EnginePorts } from "../EnginePorts.ts"
import { ConflictError, NotClaimed, NotFoundError, UnavailableError } from "../Errors.ts"
import type { DestinationId, SourceId, WorkspaceId } from "../Ids.ts"
import { within } from "../internal/deadline.ts"
import { line } from "../LogLine.ts"
import { failure, ok } from "../Reply.ts"
import { isClaimed } from "../Sql.ts"
import * as Sweep from "../Sweep.ts"
import * as Outbox from "./Outbox.ts"
import * as Registry from "./Registry.ts"
import type { ReplayJob } from "./ReplayJob.ts"
import type { Changed, WorkspaceContract } from "./WorkspaceContract.ts"

/** The directory, the logs and the destinations as a workspace asks them. Each call may be repeated. */
export interface WorkspacePeers {
  /** Has the workspace listed in the directory. */
  readonly list: (workspace: WorkspaceId) => Promise<void>
  /** `false`: another source owns this log. */
  readonly claimLog: (source: SourceId) => Promise<boolean>
  readonly configureLog: (source: SourceId, config: Registry.LogConfig) => Promise<void>
  readonly configureDestination: (destination: DestinationId, config: Registry.DestinationConfig) => Promise<void>
  readonly commandDestination: (destination: DestinationId, jobs: ReadonlyArray<ReplayJob>) => Promise<void>
  readonly nudgeLog: (source: SourceId) => Promise<void>
  readonly nudgeDestination: (destination: DestinationId) => Promise<void>
}

export interface WorkspacePorts extends EnginePorts {
  readonly peers: WorkspacePeers
  readonly execute: <A>(effect: Effect.Effect<A>) => Promise<A>
}

/** Milliseconds until an undelivered change is sent again; they double, up to the maximum. */
const TELL_AGAIN = 2000
const TELL_AGAIN_MAX = 60_000
/** Milliseconds for which the log of a deleted source is swept: the longest retention, and a day. */
const SWEPT_AFTER = 31 * 24 * 3_600_000

const isSource = (target: string): boolean => target.startsWith("src_")

export interface WorkspaceEngine extends WorkspaceContract {
  /** Call when the alarm fires. Never rejects. */
  readonly alarm: () => Promise<void>
}

export const make = (ports: WorkspacePorts): WorkspaceEngine => {
  const { sql, alarm, timer, peers } = ports
  const open = () => {
    const registry = Registry.makeStore(sql)
    const sweep = Sweep.make({
      ports,
      page: (after, limit) => registry.atWork(after, limit, timer.now() - SWEPT_AFTER),
      ask: (id) => (isSource(id) ? peers.nudgeLog(id) : peers.nudgeDestination(id))
    })
    return { registry, sweep }
  }
  let stores = isClaimed(sql) ? open() : undefined
  let pause = TELL_AGAIN

  const need = (): Registry.RegistryStore => {
    if (stores === undefined) throw new NotClaimed({ object: "Workspace" })
    return stores.registry
  }
  // What an earlier instance did not tell.
  if (stores !== undefined && stores.registry.outbox().length > 0) alarm.atLatest(timer.now() + TELL_AGAIN)

  const tell = async (target: string, entries: ReadonlyArray<Registry.Outbox>): Promise<void> => {
    const registry = need()
    if (target === Registry.DIRECTORY) return await peers.list(registry.workspace())
    if (isSource(target)) return await peers.configureLog(target, registry.logConfig(target))
    if (entries.some(({ replay }) => replay === null)) {
      await peers.configureDestination(target, registry.destinationConfig(target))
    }
    const jobs = entries.flatMap(({ replay }) => {
      const job = replay === null ? undefined : registry.get("replay", replay)
      return job?.kind === "replay" ? [job] : []
    })
    if (jobs.length > 0) await peers.commandDestination(target, jobs)
  }
  /** Tells these targets (`null`: all) what waits for them; answers those that could not be reached. */
  const flush = (targets: ReadonlyArray<string> | null): Promise<ReadonlyArray<string>> =>
    ports.execute(
      Outbox.flush(need(), targets, (target, entries) =>
        Effect.tryPromise({ try: () => tell(target, entries), catch: (cause) => cause })
      )
    )
  const answer = async (change: Result.Result<Registry.Entity, NotFoundError | ConflictError>): Promise<Changed> => {
    if (Result.isFailure(change)) return failure(change.failure)
    const value = change.success
    pause = TELL_AGAIN
    alarm.atLatest(timer.now() + TELL_AGAIN)
    return ok({ value, untold: await flush(need().targets(value)) })
  }
  /** Why the log of a new source cannot be had, `undefined` when it is the source's. */
  const claim = async (source: SourceId): Promise<ConflictError | UnavailableError | undefined> => {
    try {
      const isOwn = await within(timer, Outbox.TELL_DEADLINE, peers.claimLog(source))
      if (isOwn === undefined) return new UnavailableError({ message: "the new log did not answer: try again" })
      return isOwn ? undefined : new ConflictError({ reason: "route", message: "this log belongs to another source" })
    } catch (cause) {
      return new UnavailableError({ message: "the new log did not answer: try again", cause })
    }
  }
  /**
   * Why a new workspace cannot be listed, `undefined` when it is. It comes first: what is made is swept, and to sweep
   * what was not made does nothing.
   */
  const list = async (workspace: WorkspaceId): Promise<UnavailableError | undefined> => {
    const listed = peers.list(workspace).then(() => true)
    try {
      if ((await within(timer, Outbox.TELL_DEADLINE, listed)) === true) return undefined
      return new UnavailableError({ message: "the directory did not answer: try again" })
    } catch (cause) {
      return new UnavailableError({ message: "the directory did not answer: try again", cause })
    }
  }
  const createWorkspace: WorkspaceContract["createWorkspace"] = async (workspace, key) => {
    const refused = await list(workspace)
    if (refused !== undefined) return failure(refused)
    stores ??= open()
    const { registry } = stores
    if (!registry.claim(workspace)) {
      return failure(new ConflictError({ reason: "route", message: "this workspace id is taken" }))
    }
    registry.addKey(key)
    return ok(null)
  }

  const tellByAlarm = async (): Promise<void> => {
    try {
      if ((await flush(null)).length === 0) return
    } catch (error) {
      // An alarm that fails six times is deleted for good: nothing is thrown out of here.
      ports.log(line("error", "a workspace's alarm failed; it rings again", {}, error))
    }
    alarm.atLatest(timer.now() + pause)
    pause = Math.min(pause * 2, TELL_AGAIN_MAX)
  }

  return {
    createWorkspace,
    createPlacedWorkspace: createWorkspace,
    authenticate: (hash) => stores?.registry.keyByHash(hash),
    createKey: (workspace, { hash, ...key }) => {
      if (stores === undefined) return failure(new NotFoundError({ message: `there is no workspace ${workspace}` }))
      stores.registry.addKey({ ...key, hash })
      return ok(key)
    },
    listKeys: () => need().keys(),
    removeKey: (id) => {
      const removed = need().removeKey(id)
      return Result.isFailure(removed) ? failure(removed.failure) : ok(null)
    },
    create: async (entity, idempotency) => {
      const refused = entity.kind === "source" ? await claim(entity.id) : undefined
      return refused === undefined ? await answer(need().create(entity, idempotency)) : failure(refused)
    },
    update: (entity) => answer(need().update(entity)),
    remove: (kind, id) => answer(need().remove(kind, id, timer.now())),
    get: (kind, id, withDeleted) => {
      const entity = need().get(kind, id, withDeleted)
      return entity === undefined ? failure(new NotFoundError({ message: `there is no ${kind} ${id}` })) : ok(entity)
    },
    list: (kind, page) => need().list(kind, page),
    connectionsOf: (end) => need().connectionsOf(end),
    hasLog: (workspace, route) => need().hasLog(workspace, route),
    sweep: () => stores?.sweep.begin(),
    alarm: async () => {
      alarm.fired()
      if (stores === undefined) return
      await Promise.all([tellByAlarm(), stores.sweep.turn()])
    }
  }
}
