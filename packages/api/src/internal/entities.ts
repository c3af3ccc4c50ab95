import { type EntityOf, type Kind, type PageRequest, Registry } from "@hookstream/core/Registry"
import * as Effect from "effect/Effect"
import { badRequest } from "../ApiError.ts"
import { Caller } from "../Authorization.ts"
import { DEFAULT_LIMIT } from "../Fields.ts"
import { sha256 } from "./digest.ts"

/** One entity of the caller's workspace. */
export const find = Effect.fnUntraced(function* <K extends Kind>(kind: K, id: string) {
  const { workspace } = yield* Caller
  return yield* (yield* Registry).get(workspace, kind, id)
})

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

export const remove = Effect.fnUntraced(function* (kind: Kind, id: string) {
  const { workspace } = yield* Caller
  yield* (yield* Registry).remove(workspace, kind, id)
  return { success: true as const }
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
