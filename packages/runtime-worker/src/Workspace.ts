/** The Durable Object of a workspace: a shell over core's `Registry` store, which tells logs and destinations what changed. */
import { DurableObject } from "cloudflare:workers"
import type { Alarm } from "@hookstream/core/Alarm"
import type { Connection } from "@hookstream/core/Connection"
import { ConflictError, NotClaimed, NotFoundError } from "@hookstream/core/Errors"
import { routeOf } from "@hookstream/core/Ids"
import { line } from "@hookstream/core/Log"
import * as Outbox from "@hookstream/core/Outbox"
import * as Registry from "@hookstream/core/Registry"
import type { ReplayJob } from "@hookstream/core/ReplayJob"
import { isClaimed } from "@hookstream/core/Sql"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Env } from "./Env.ts"
import { portsOf } from "./internal/ports.ts"
import { print } from "./internal/print.ts"
import { failure, ok, type Reply } from "./internal/reply.ts"
import { sqlOf } from "./internal/sql.ts"
import { runtimeOf } from "./Layers.ts"

/** Milliseconds until what could not be told of a change is told again; twice as long each time, up to the longest. */
const TELL_AGAIN = 2000
const TELL_AGAIN_MAX = 60_000

export class Workspace extends DurableObject<Env> {
  #store: Registry.RegistryStore | undefined
  readonly #alarm: Alarm
  #delay = TELL_AGAIN

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#alarm = portsOf(ctx).alarm
    if (!isClaimed(sqlOf(ctx.storage))) return
    this.#store = Registry.makeStore(sqlOf(ctx.storage))
    // What an earlier instance did not tell.
    if (this.#store.outbox().length > 0) this.#alarm.atLatest(Date.now() + TELL_AGAIN)
  }

  #require(): Registry.RegistryStore {
    if (this.#store === undefined) throw new NotClaimed({ object: "Workspace" })
    return this.#store
  }

  createWorkspace(workspace: string, key: Registry.NewApiKey): Reply<null> {
    this.#store ??= Registry.makeStore(sqlOf(this.ctx.storage))
    if (!this.#store.claim(workspace)) {
      return failure(new ConflictError({ reason: "route", message: "this workspace id is taken" }))
    }
    this.#store.addKey(key)
    return ok(null)
  }

  authenticate(hash: string): Registry.ApiKey | undefined {
    return this.#store?.keyByHash(hash)
  }

  createKey(workspace: string, { hash, ...key }: Registry.NewApiKey): Reply<Registry.ApiKey> {
    if (this.#store === undefined) {
      return failure(new NotFoundError({ message: `there is no workspace ${workspace}` }))
    }
    this.#store.addKey({ ...key, hash })
    return ok(key)
  }

  listKeys(): ReadonlyArray<Registry.ApiKey> {
    return this.#require().keys()
  }

  removeKey(id: string): Reply<null> {
    const removed = this.#require().removeKey(id)
    return Result.isFailure(removed) ? failure(removed.failure) : ok(null)
  }

  async create(
    entity: Registry.NewEntity,
    idempotency: Registry.Idempotency | undefined
  ): Promise<Reply<Registry.Change<Registry.Entity>>> {
    if (entity.kind === "source" && !(await this.env.SOURCE_LOG.getByName(routeOf(entity.id)).claim(entity.id))) {
      return failure(new ConflictError({ reason: "route", message: "this log belongs to another source" }))
    }
    return await this.#answer(this.#require().create(entity, idempotency))
  }

  get(kind: Registry.Kind, id: string, withDeleted?: boolean): Reply<Registry.Entity> {
    const entity = this.#require().get(kind, id, withDeleted)
    return entity === undefined ? failure(new NotFoundError({ message: `there is no ${kind} ${id}` })) : ok(entity)
  }

  list(kind: Registry.Kind, page: Registry.PageRequest): Registry.Page<Registry.Entity> {
    return this.#require().list(kind, page)
  }

  async update(entity: Registry.Entity): Promise<Reply<Registry.Change<Registry.Entity>>> {
    return await this.#answer(this.#require().update(entity))
  }

  async remove(kind: Registry.Kind, id: string): Promise<Reply<Registry.Change<Registry.Entity>>> {
    return await this.#answer(this.#require().remove(kind, id, Date.now()))
  }

  connectionsOf(end: string): ReadonlyArray<Connection> {
    return this.#require().connectionsOf(end)
  }

  hasLog(workspace: string, route: string): boolean {
    return this.#require().hasLog(workspace, route)
  }

  /** A change is answered once those it concerns work by it, or could not be reached in time. */
  async #answer(
    change: Result.Result<Registry.Entity, NotFoundError | ConflictError>
  ): Promise<Reply<Registry.Change<Registry.Entity>>> {
    if (Result.isFailure(change)) return failure(change.failure)
    const value = change.success
    this.#delay = TELL_AGAIN
    this.#alarm.atLatest(Date.now() + TELL_AGAIN)
    return ok({ value, untold: await this.#flush(this.#require().targets(value)) })
  }

  /** Tells these targets (`null`: all) what waits for them; answers those that could not be reached. */
  #flush(targets: ReadonlyArray<string> | null): Promise<ReadonlyArray<string>> {
    const tell = (target: string, entries: ReadonlyArray<Registry.Outbox>) =>
      Effect.tryPromise({ try: () => this.#tell(target, entries), catch: (cause) => cause })
    return runtimeOf(this.env).runPromise(Outbox.flush(this.#require(), targets, tell))
  }

  async #tell(target: string, entries: ReadonlyArray<Registry.Outbox>): Promise<void> {
    const store = this.#require()
    if (target.startsWith("src_")) {
      await this.env.SOURCE_LOG.getByName(routeOf(target)).configure(store.logConfig(target))
      return
    }
    const destination = this.env.DESTINATION.getByName(target)
    if (entries.some(({ replay }) => replay === null)) await destination.configure(store.destinationConfig(target))
    const jobs = entries.flatMap(({ replay }) => (replay === null ? [] : (store.get("replay", replay) ?? [])))
    if (jobs.length > 0) await destination.command(jobs as ReadonlyArray<ReplayJob>)
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired()
    if (this.#store === undefined) return
    let isDone = false
    try {
      isDone = (await this.#flush(null)).length === 0
    } catch (error) {
      // An alarm that fails six times is deleted for good: nothing is thrown out of here.
      print(line("error", "a workspace's alarm failed; it rings again", {}, error))
    }
    if (isDone) return
    this.#alarm.atLatest(Date.now() + this.#delay)
    this.#delay = Math.min(this.#delay * 2, TELL_AGAIN_MAX)
  }
}
