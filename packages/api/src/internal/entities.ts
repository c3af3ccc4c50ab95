import { Deliveries } from "@hookstream/core/delivery/Deliveries"
import type { Connection } from "@hookstream/core/workspace/Connection"
import type { Destination } from "@hookstream/core/workspace/Destination"
import { type EntityOf, type Kind, type PageRequest, Registry } from "@hookstream/core/workspace/Registry"
import type { Source } from "@hookstream/core/workspace/Source"
import * as Effect from "effect/Effect"
import { badRequest, conflict } from "../ApiError.ts"
import { Caller } from "../Authorization.ts"
import { DEFAULT_LIMIT, withUntold } from "../Fields.ts"
import { sha256 } from "./digest.ts"

/** One entity of the caller's workspace. `withDeleted`: also one that was deleted, for its history. */
export const find = Effect.fnUntraced(function* <K extends Kind>(kind: K, id: string, withDeleted = false) {
  const { workspace } = yield* Caller
  return yield* (yield* Registry).get(workspace, kind, id, withDeleted)
})

/** Of a destination or a log that is asked for its state: what it says in time, `null` otherwise. */
export const inTime = <A, E, R>(ask: Effect.Effect<A, E, R>): Effect.Effect<A | null, never, R> =>
  ask.pipe(
    Effect.timeout("5 seconds"),
    Effect.catch(() => Effect.succeed(null))
  )

/** A page of entities as `view` shows them. */
export const page = Effect.fnUntraced(function* <K extends Kind, A, E, R>(
  kind: K,
  query: { readonly cursor?: string; readonly limit?: number },
  view: (entity: EntityOf<K>) => Effect.Effect<A, E, R>
) {
  const { workspace } = yield* Caller
  const registry = yield* Registry
  const { cursor = null, limit = DEFAULT_LIMIT } = query
  if (cursor !== null && !/^\d{1,15}$/.test(cursor)) {
    return yield* badRequest("cursor must be the `cursor` of an earlier answer", [
      { path: "cursor", message: "must be the `cursor` of an earlier answer" }
    ])
  }
  const { items, next } = yield* registry.list(workspace, kind, { cursor, limit } satisfies PageRequest)
  const views = yield* Effect.forEach(items, view, { concurrency: 8 })
  return { views, cursor: next, has_more: next !== null }
})

/** Deliveries that an entity would take with it; `null` when a destination does not say. */
const waitingOn = Effect.fnUntraced(function* (entity: Source | Destination | Connection) {
  const registry = yield* Registry
  const deliveries = yield* Deliveries
  const connections =
    entity.kind === "connection" ? [entity] : yield* registry.connectionsOf(entity.workspace, entity.id)
  const counts = yield* Effect.forEach(
    Map.groupBy(connections, ({ destinationId }) => destinationId),
    ([destination, own]) =>
      inTime(
        deliveries.waiting(
          destination,
          own.map(({ id }) => id)
        )
      ),
    { concurrency: 8 }
  )
  return counts.reduce((sum: number | null, count) => (sum === null || count === null ? null : sum + count), 0)
})

/** Deletes an entity; where deliveries wait only by force. */
export const remove = Effect.fnUntraced(function* (
  kind: "source" | "destination" | "connection",
  id: string,
  { force = false }: { readonly force?: boolean }
) {
  const { workspace } = yield* Caller
  const registry = yield* Registry
  const cancelled = yield* Effect.flatMap(find(kind, id), waitingOn)
  if (!force && cancelled !== 0) {
    const waits =
      cancelled === null
        ? "it could not be asked how many deliveries wait"
        : `${cancelled} ${cancelled === 1 ? "delivery waits" : "deliveries wait"}`
    return yield* conflict(
      `${waits}: with ?force=true the ${kind} is deleted all the same, and what waits is cancelled`
    )
  }
  const { untold } = yield* registry.remove(workspace, kind, id)
  return withUntold({ success: true as const, cancelled }, untold)
})

/** What an `Idempotency-Key` stands for: this kind of thing with this content. */
export const idempotency = Effect.fnUntraced(function* (
  kind: Kind,
  headers: { readonly "idempotency-key"?: string },
  payload: unknown
) {
  const key = headers["idempotency-key"]
  return key === undefined ? undefined : { key: `${kind}:${key}`, digest: yield* sha256(JSON.stringify(payload)) }
})
