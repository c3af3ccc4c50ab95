/** What the registry of a workspace holds and tells: the synchronous store, over SQL (`internal/registrySql.ts`). */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ConflictError, NotFoundError } from "../Errors.ts"
import * as Ids from "../Ids.ts"
import type { ApiKey, NewApiKey } from "./ApiKey.ts"
import { Connection } from "./Connection.ts"
import { Destination } from "./Destination.ts"
import { ReplayJob } from "./ReplayJob.ts"
import { Source, upcast } from "./Source.ts"

export const Entity = Schema.Union([Source, Destination, Connection, ReplayJob])
export type Entity = typeof Entity.Type
export type Kind = Entity["kind"]
export type EntityOf<K extends Kind> = Extract<Entity, { readonly kind: K }>
export const isOfKind = <K extends Kind>(kind: K, entity: Entity): entity is EntityOf<K> => entity.kind === kind

/** One that an older version stored, or tells of. */
export const upcastEntity = (entity: Entity): Entity => (entity.kind === "source" ? upcast(entity) : entity)

type Unnamed<E extends { readonly slug: string }> = Omit<E, "slug"> & {
  /** `null`: made from the name, with a suffix where that is taken. */
  readonly slug: string | null
}
/** An entity that is to be made. */
export type NewEntity = Unnamed<Source> | Unnamed<Destination> | Connection | ReplayJob
export type NewEntityOf<K extends Kind> = Extract<NewEntity, { readonly kind: K }>

export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Where the next page goes on; `null` at the end. */
  readonly next: string | null
}

export interface PageRequest {
  readonly cursor: string | null
  readonly limit: number
}

/**
 * A change that is stored. `untold`: sources and destinations it concerns that could not be reached; they are told
 * later.
 */
export interface Change<A> {
  readonly value: A
  readonly untold: ReadonlyArray<string>
}

/** The same key with the same body answers the first result again; with another body it is a conflict. */
export interface Idempotency {
  readonly key: string
  /** A digest of the request. */
  readonly digest: string
}

/** What a log must know: its source, and whom to wake. */
export const LogConfig = Schema.Struct({
  version: Schema.Int,
  source: Source,
  deleted: Schema.Boolean,
  destinations: Schema.Array(Ids.DestinationId)
})
export type LogConfig = typeof LogConfig.Type

/** What a destination must know: itself, and the logs that it reads. */
export const DestinationConfig = Schema.Struct({
  version: Schema.Int,
  destination: Destination,
  deleted: Schema.Boolean,
  connections: Schema.Array(
    Schema.Struct({
      connection: Connection,
      deleted: Schema.Boolean,
      /** Then its connections are deleted too. */
      sourceDeleted: Schema.Boolean
    })
  )
})
export type DestinationConfig = typeof DestinationConfig.Type

/** The target of the outbox that has to list a workspace from before there was a directory; the others are ids. */
export const DIRECTORY = "directory"

/** Something that has not yet been told the newest version. */
export interface Outbox {
  readonly target: string
  readonly version: number
  /** The replay that the target has to start or cancel; `null`: its config, which it must have before. */
  readonly replay: Ids.ReplayId | null
}

export interface RegistryStore {
  /** `false` when another workspace owns this object. */
  readonly claim: (workspace: Ids.WorkspaceId) => boolean
  readonly addKey: (key: NewApiKey) => void
  readonly keyByHash: (hash: string) => ApiKey | undefined
  readonly keys: () => ReadonlyArray<ApiKey>
  readonly removeKey: (id: Ids.ApiKeyId) => Result.Result<null, NotFoundError | ConflictError>
  readonly create: (
    entity: NewEntity,
    idempotency?: Idempotency
  ) => Result.Result<Entity, NotFoundError | ConflictError>
  readonly get: (kind: Kind, id: string, withDeleted?: boolean) => Entity | undefined
  readonly list: (kind: Kind, page: PageRequest) => Page<Entity>
  /** A change that is asked for again as it was answers as it did. */
  readonly update: (entity: Entity) => Result.Result<Entity, NotFoundError | ConflictError>
  readonly remove: (kind: Kind, id: string, now: number) => Result.Result<Entity, NotFoundError>
  readonly connectionsOf: (end: Ids.SourceId | Ids.DestinationId) => ReadonlyArray<Connection>
  readonly hasLog: (workspace: Ids.WorkspaceId, route: Ids.Route) => boolean
  /** Whom the last change of this entity concerned: source and destination ids. */
  readonly targets: (entity: Entity) => ReadonlyArray<string>
  /** What sources and destinations have to be told: logs first, of each its config first, then the newest. */
  readonly outbox: () => ReadonlyArray<Outbox>
  readonly acknowledged: (sent: Outbox) => void
  readonly workspace: () => Ids.WorkspaceId
  /**
   * Ids of sources and destinations behind `after`, in their order: those that may have something to do. Events of a
   * source that was deleted before `since` are gone, and a destination that was deleted does nothing more.
   */
  readonly atWork: (after: string, limit: number, since: number) => ReadonlyArray<string>
  readonly logConfig: (source: Ids.SourceId) => LogConfig
  /** With the connections that were deleted since it was last told. */
  readonly destinationConfig: (destination: Ids.DestinationId) => DestinationConfig
}
