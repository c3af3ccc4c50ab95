/** The Durable Object of a workspace: a shell over core's `WorkspaceEngine`. */
import { DurableObject } from "cloudflare:workers"
import { routeOf } from "@hookstream/core/Ids"
import type { Reply } from "@hookstream/core/Reply"
import type { Connection } from "@hookstream/core/workspace/Connection"
import type * as Registry from "@hookstream/core/workspace/Registry"
import * as WorkspaceEngine from "@hookstream/core/workspace/WorkspaceEngine"
import type { Env } from "./Env.ts"
import { portsOf } from "./internal/ports.ts"
import { runtimeOf } from "./Layers.ts"

type Changed = Promise<Reply<Registry.Change<Registry.Entity>>>

export class Workspace extends DurableObject<Env> {
  readonly #engine: WorkspaceEngine.WorkspaceEngine

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const log = (source: string) => env.SOURCE_LOG.getByName(routeOf(source))
    const destination = (id: string) => env.DESTINATION.getByName(id)
    this.#engine = WorkspaceEngine.make({
      ...portsOf(ctx),
      execute: (effect) => runtimeOf(env).runPromise(effect),
      peers: {
        claimLog: (source) => log(source).claim(source),
        configureLog: (source, config) => log(source).configure(config),
        configureDestination: (id, config) => destination(id).configure(config),
        commandDestination: (id, jobs) => destination(id).command(jobs)
      }
    })
  }

  createWorkspace(workspace: string, key: Registry.NewApiKey): Reply<null> {
    return this.#engine.createWorkspace(workspace, key)
  }
  authenticate(hash: string): Registry.ApiKey | undefined {
    return this.#engine.authenticate(hash)
  }
  createKey(workspace: string, key: Registry.NewApiKey): Reply<Registry.ApiKey> {
    return this.#engine.createKey(workspace, key)
  }
  listKeys(): ReadonlyArray<Registry.ApiKey> {
    return this.#engine.listKeys()
  }
  removeKey(id: string): Reply<null> {
    return this.#engine.removeKey(id)
  }
  create(entity: Registry.NewEntity, idempotency: Registry.Idempotency | undefined): Changed {
    return this.#engine.create(entity, idempotency)
  }
  get(kind: Registry.Kind, id: string, withDeleted?: boolean): Reply<Registry.Entity> {
    return this.#engine.get(kind, id, withDeleted)
  }
  list(kind: Registry.Kind, page: Registry.PageRequest): Registry.Page<Registry.Entity> {
    return this.#engine.list(kind, page)
  }
  update(entity: Registry.Entity): Changed {
    return this.#engine.update(entity)
  }
  remove(kind: Registry.Kind, id: string): Changed {
    return this.#engine.remove(kind, id)
  }
  connectionsOf(end: string): ReadonlyArray<Connection> {
    return this.#engine.connectionsOf(end)
  }
  hasLog(workspace: string, route: string): boolean {
    return this.#engine.hasLog(workspace, route)
  }
  override alarm(): Promise<void> {
    return this.#engine.alarm()
  }
}
