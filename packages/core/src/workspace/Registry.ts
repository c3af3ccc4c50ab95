/**
 * The registry of a workspace: sources, destinations, connections and API keys. Every change is a fact of the
 * workspace's own journal and gets the next version; what it touches (logs, destinations) is told that version before
 * the change is answered.
 *
 * `RegistryStore` is the synchronous store over SQL; `Registry` is the service that the API uses.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { ConflictError, NotFoundError, UnavailableError } from "../Errors.ts"
import type * as Ids from "../Ids.ts"
import type { Sql } from "../Sql.ts"
import type { ApiKey, NewApiKey } from "./ApiKey.ts"
import type { Connection } from "./Connection.ts"
import { makeStore as makeSqlStore } from "./internal/registrySql.ts"
import type {
  Change,
  Entity,
  EntityOf,
  Idempotency,
  Kind,
  NewEntityOf,
  Page,
  PageRequest,
  RegistryStore
} from "./RegistryStore.ts"

export * from "./RegistryStore.ts"

type Failure = NotFoundError | ConflictError | UnavailableError

export class Registry extends Context.Service<
  Registry,
  {
    /** Claims the id for a new workspace and stores its first key. */
    readonly createWorkspace: (
      workspace: Ids.WorkspaceId,
      key: NewApiKey
    ) => Effect.Effect<void, ConflictError | UnavailableError>
    /** The key with this hash, `undefined` when there is none. */
    readonly authenticate: (
      workspace: Ids.WorkspaceId,
      hash: string
    ) => Effect.Effect<ApiKey | undefined, UnavailableError>
    /** Fails when there is no such workspace. */
    readonly createKey: (
      workspace: Ids.WorkspaceId,
      key: NewApiKey
    ) => Effect.Effect<ApiKey, NotFoundError | UnavailableError>
    readonly listKeys: (workspace: Ids.WorkspaceId) => Effect.Effect<ReadonlyArray<ApiKey>, UnavailableError>
    /** The last key with scope `*` is not removed: nobody could make another. */
    readonly removeKey: (workspace: Ids.WorkspaceId, id: Ids.ApiKeyId) => Effect.Effect<void, Failure>
    /** Answers once the log or the destination works by the new entity, or could not be reached in time. */
    readonly create: <K extends Kind>(
      entity: NewEntityOf<K>,
      idempotency?: Idempotency
    ) => Effect.Effect<Change<EntityOf<K>>, Failure>
    /** `withDeleted`: also one that was deleted, for its history. */
    readonly get: <K extends Kind>(
      workspace: Ids.WorkspaceId,
      kind: K,
      id: string,
      withDeleted?: boolean
    ) => Effect.Effect<EntityOf<K>, NotFoundError | UnavailableError>
    /** Newest first. */
    readonly list: <K extends Kind>(
      workspace: Ids.WorkspaceId,
      kind: K,
      page: PageRequest
    ) => Effect.Effect<Page<EntityOf<K>>, UnavailableError>
    /** Refused as `stale` unless `entity.version` is the stored one. */
    readonly update: <K extends Kind>(entity: EntityOf<K>) => Effect.Effect<Change<EntityOf<K>>, Failure>
    /**
     * A source or destination takes its connections with it, and what waits is cancelled. History stays readable for
     * the retention.
     */
    readonly remove: (
      workspace: Ids.WorkspaceId,
      kind: Kind,
      id: string
    ) => Effect.Effect<Change<Entity>, NotFoundError | UnavailableError>
    /** Connections of a source or a destination, deleted ones too: their history is still told. */
    readonly connectionsOf: (
      workspace: Ids.WorkspaceId,
      end: Ids.SourceId | Ids.DestinationId
    ) => Effect.Effect<ReadonlyArray<Connection>, UnavailableError>
    /**
     * Whether a source of the workspace has, or had, this log. Ids from outside are asked of it first: to ask a log
     * wakes its object.
     */
    readonly hasLog: (workspace: Ids.WorkspaceId, route: Ids.Route) => Effect.Effect<boolean, UnavailableError>
  }
>()("@hookstream/core/Registry") {}

/** Opens the registry in `sql`, making its tables when they are missing. */
export const makeStore: (sql: Sql) => RegistryStore = makeSqlStore
