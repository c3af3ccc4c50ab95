/** The Durable Object of a workspace: a shell over core's `Registry` store, which tells logs and destinations what changed. */
import { DurableObject } from "cloudflare:workers"
import type { Connection } from "@hookstream/core/Connection"
import { ConflictError, NotFoundError, UnavailableError } from "@hookstream/core/Errors"
import { routeOf } from "@hookstream/core/Ids"
import { line, shown } from "@hookstream/core/Log"
import * as Registry from "@hookstream/core/Registry"
import * as Result from "effect/Result"
import type { Env } from "./Env.ts"
import { type Alarm, makeAlarm } from "./internal/alarm.ts"
import { NotClaimed } from "./internal/errors.ts"
import { print } from "./internal/print.ts"
import { failure, ok, type Reply } from "./internal/reply.ts"
import { isClaimed, sqlOf } from "./internal/sql.ts"

/** Milliseconds until what could not be told of a change is told again. */
const TELL_AGAIN = 2000

export class Workspace extends DurableObject<Env> {
  #store: Registry.RegistryStore | undefined
  readonly #alarm: Alarm

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#alarm = makeAlarm(ctx.storage)
    if (!isClaimed(ctx.storage)) return
    this.#store = Registry.makeStore(sqlOf(ctx.storage))
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

  createKey({ hash, ...key }: Registry.NewApiKey): Registry.ApiKey {
    this.#require().addKey({ ...key, hash })
    return key
  }

  listKeys(): ReadonlyArray<Registry.ApiKey> {
    return this.#require().keys()
  }

  removeKey(id: string): Reply<null> {
    return this.#require().removeKey(id)
      ? ok(null)
      : failure(new NotFoundError({ message: `there is no API key ${id}` }))
  }

  async create(
    entity: Registry.Entity,
    idempotency: Registry.Idempotency | undefined
  ): Promise<Reply<Registry.Entity>> {
    if (entity.kind === "source" && !(await this.env.SOURCE_LOG.getByName(routeOf(entity.id)).claim(entity.id))) {
      return failure(new ConflictError({ reason: "route", message: "this log belongs to another source" }))
    }
    return await this.#answer(this.#require().create(entity, idempotency))
  }

  get(kind: Registry.Kind, id: string): Reply<Registry.Entity> {
    const entity = this.#require().get(kind, id)
    return entity === undefined ? failure(new NotFoundError({ message: `there is no ${kind} ${id}` })) : ok(entity)
  }

  list(kind: Registry.Kind, page: Registry.PageRequest): Registry.Page<Registry.Entity> {
    return this.#require().list(kind, page)
  }

  async update(entity: Registry.Entity): Promise<Reply<Registry.Entity>> {
    return await this.#answer(this.#require().update(entity))
  }

  async remove(kind: Registry.Kind, id: string): Promise<Reply<null>> {
    if (!this.#require().remove(kind, id, Date.now())) {
      return failure(new NotFoundError({ message: `there is no ${kind} ${id}` }))
    }
    return await this.#answer(Result.succeed(null))
  }

  connectionsOf(source: string): ReadonlyArray<Connection> {
    return this.#require().connectionsOf(source)
  }

  /** A change is answered once those it concerns work by it. */
  async #answer<A>(change: Result.Result<A, NotFoundError | ConflictError>): Promise<Reply<A>> {
    if (Result.isFailure(change)) return failure(change.failure)
    this.#alarm.atLatest(Date.now() + TELL_AGAIN)
    if (await this.#flush()) return ok(change.success)
    const message = "the change is stored, but a part of the gateway has not taken it up yet; it will within seconds"
    return failure(new UnavailableError({ message }))
  }

  /** Tells everyone in the outbox, logs before destinations; `false` when someone could not be reached. */
  async #flush(): Promise<boolean> {
    const store = this.#require()
    let reached = true
    for (const sent of store.outbox()) {
      try {
        await (sent.target.startsWith("src_") ? this.#tellLog(sent.target) : this.#tellDestination(sent.target))
        store.acknowledged(sent)
      } catch (error) {
        reached = false
        const fields = { target: shown(sent.target) }
        print(line("warn", "a change could not be told; the alarm tries again", fields, error))
      }
    }
    return reached
  }

  async #tellLog(source: string): Promise<void> {
    await this.env.SOURCE_LOG.getByName(routeOf(source)).configure(this.#require().logConfig(source))
  }

  async #tellDestination(destination: string): Promise<void> {
    const config = this.#require().destinationConfig(destination)
    const sources = new Set(
      config.connections.filter(({ deleted }) => !deleted).map(({ connection }) => connection.sourceId)
    )
    const heads = await Promise.all(
      [...sources].map(async (id) => [id, (await this.env.SOURCE_LOG.getByName(routeOf(id)).stats()).count] as const)
    )
    await this.env.DESTINATION.getByName(destination).configure(config, Object.fromEntries(heads))
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang()
    if (this.#store !== undefined && !(await this.#flush())) this.#alarm.atLatest(Date.now() + TELL_AGAIN)
  }
}
