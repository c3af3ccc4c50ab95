/** What others ask of the object of a workspace: the API, and the directory that sweeps it. */
import {
  type Contract,
  flag,
  list,
  nothing,
  nullable,
  object,
  oneOf,
  optional,
  record,
  type Shape,
  text
} from "../Contract.ts"
import type { ApiKeyId, DestinationId, Route, SourceId, WorkspaceId } from "../Ids.ts"
import { type Reply, replied } from "../Reply.ts"
import type { ApiKey, NewApiKey } from "./ApiKey.ts"
import type { Connection } from "./Connection.ts"
import type { Change, Entity, Idempotency, Kind, NewEntity, Page, PageRequest } from "./RegistryStore.ts"

export type Changed = Reply<Change<Entity>>

export interface WorkspaceContract {
  /** Has a new workspace listed in the directory, claims this object for it, and stores its first key. */
  readonly createWorkspace: (workspace: WorkspaceId, key: NewApiKey) => Promise<Reply<null>>
  /**
   * The same for one with a placement. A workspace of 0.1 and before knows it not, and the call fails: it would look
   * for its logs and destinations outside their jurisdiction.
   */
  readonly createPlacedWorkspace: (workspace: WorkspaceId, key: NewApiKey) => Promise<Reply<null>>
  readonly authenticate: (hash: string) => ApiKey | undefined
  readonly createKey: (workspace: WorkspaceId, key: NewApiKey) => Reply<ApiKey>
  readonly listKeys: () => ReadonlyArray<ApiKey>
  readonly removeKey: (id: ApiKeyId) => Reply<null>
  /**
   * Answers once those it concerns work by the change, or could not be reached in time; so do `update` and `remove`.
   */
  readonly create: (entity: NewEntity, idempotency: Idempotency | undefined) => Promise<Changed>
  readonly update: (entity: Entity) => Promise<Changed>
  readonly remove: (kind: Kind, id: string) => Promise<Changed>
  readonly get: (kind: Kind, id: string, withDeleted: boolean) => Reply<Entity>
  readonly list: (kind: Kind, page: PageRequest) => Page<Entity>
  readonly connectionsOf: (end: SourceId | DestinationId) => ReadonlyArray<Connection>
  readonly hasLog: (workspace: WorkspaceId, route: Route) => boolean
  /** Begins to ask its logs and destinations to look for what is left to do, and answers at once. */
  readonly sweep: () => void
}

const changed: Shape<Changed> = replied(record<Change<Entity>>({ value: object, untold: list }))
const none = oneOf(null)

export const contract: Contract<WorkspaceContract> = {
  name: "the workspace",
  version: 1,
  methods: {
    createWorkspace: { args: 2, answer: replied(none) },
    createPlacedWorkspace: { args: 2, answer: replied(none) },
    authenticate: { args: 1, answer: optional(object) },
    createKey: { args: 2, answer: replied(object) },
    listKeys: { args: 0, answer: list },
    removeKey: { args: 1, answer: replied(none) },
    create: { args: 2, answer: changed },
    update: { args: 1, answer: changed },
    remove: { args: 2, answer: changed },
    get: { args: 3, answer: replied(object) },
    list: { args: 2, answer: record<Page<Entity>>({ items: list, next: nullable(text) }) },
    connectionsOf: { args: 1, answer: list },
    hasLog: { args: 2, answer: flag },
    sweep: { args: 0, answer: nothing }
  }
}
