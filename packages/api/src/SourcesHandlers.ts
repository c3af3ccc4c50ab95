import { EventLog } from "@hookstream/core/EventLog"
import * as Ids from "@hookstream/core/Ids"
import { Registry } from "@hookstream/core/Registry"
import { DEFAULT_RETENTION_DAYS, type Source } from "@hookstream/core/Source"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Api } from "./Api.ts"
import { ofChange, ofList, ofRead, RequestInfo } from "./ApiError.ts"
import { Caller } from "./Authorization.ts"
import { Deployment } from "./Deployment.ts"
import { slugOf, time, timeOrNull, withUntold } from "./Fields.ts"
import { find, idempotency, inTime, page, remove } from "./internal/entities.ts"

const view = Effect.fnUntraced(function* (source: Source) {
  const log = yield* EventLog
  const { origin } = yield* RequestInfo
  const stats = yield* inTime(log.stats(Ids.routeOf(source.id)))
  return {
    ...{ id: source.id, name: source.name, slug: source.slug, description: source.description, status: source.status },
    ingest_url: `${origin}/v1/ingest/${source.id}`,
    retention_days: source.retentionDays,
    redact: source.redact,
    event_count: stats === null ? null : stats.count,
    last_event_at: timeOrNull(stats === null ? null : stats.lastAt),
    created_at: time(source.createdAt),
    updated_at: time(source.updatedAt)
  }
})

export const layer = HttpApiBuilder.group(Api, "sources", (handlers) =>
  handlers
    .handle("create", ({ headers, payload }) =>
      Effect.gen(function* () {
        const { workspace } = yield* Caller
        const { idKeys } = yield* Deployment
        const registry = yield* Registry
        const now = yield* Clock.currentTimeMillis
        const repeat = yield* idempotency("source", headers, payload)
        const { value, untold } = yield* Effect.gen(function* () {
          const id = yield* Effect.promise(() => idKeys.sourceId({ workspace, route: Ids.randomRoute() }))
          return yield* registry.create<"source">(
            {
              ...({ kind: "source", id, workspace, version: 0, createdAt: now, updatedAt: now } as const),
              ...{ name: payload.name, slug: payload.slug ?? slugOf(payload.name, "source") },
              description: payload.description ?? null,
              status: payload.status ?? "active",
              retentionDays: payload.retention_days ?? DEFAULT_RETENTION_DAYS,
              redact: payload.redact ?? []
            },
            repeat
          )
        }).pipe(
          // The random route is another source's log.
          Effect.retry({ times: 3, while: (error) => error._tag === "ConflictError" && error.reason === "route" })
        )
        return withUntold({ source: yield* view(value) }, untold)
      }).pipe(Effect.catchTags(ofChange))
    )
    .handle("list", ({ query }) =>
      page("source", query, view).pipe(
        Effect.map(({ views, ...rest }) => ({ sources: views, ...rest })),
        Effect.catchTags(ofList)
      )
    )
    .handle("get", ({ params }) =>
      find("source", params.id).pipe(
        Effect.flatMap(view),
        Effect.map((source) => ({ source })),
        Effect.catchTags(ofRead)
      )
    )
    .handle("update", ({ params, payload }) =>
      Effect.gen(function* () {
        const registry = yield* Registry
        const before = yield* find("source", params.id)
        const { value, untold } = yield* registry.update<"source">({
          ...before,
          name: payload.name ?? before.name,
          slug: payload.slug ?? before.slug,
          description: payload.description === undefined ? before.description : payload.description,
          status: payload.status ?? before.status,
          retentionDays: payload.retention_days ?? before.retentionDays,
          redact: payload.redact ?? before.redact,
          updatedAt: yield* Clock.currentTimeMillis
        })
        return withUntold({ source: yield* view(value) }, untold)
      }).pipe(Effect.catchTags(ofChange))
    )
    .handle("remove", ({ params, query }) => remove("source", params.id, query).pipe(Effect.catchTags(ofRead)))
)
