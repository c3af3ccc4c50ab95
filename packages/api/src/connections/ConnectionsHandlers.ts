import { PayloadTooLarge } from "@hookstream/core/Errors"
import type { Event } from "@hookstream/core/event/Event"
import * as EventPath from "@hookstream/core/event/EventPath"
import * as Filter from "@hookstream/core/event/Filter"
import * as Ids from "@hookstream/core/Ids"
import type { Connection } from "@hookstream/core/workspace/Connection"
import { Registry } from "@hookstream/core/workspace/Registry"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Api } from "../Api.ts"
import { badRequest, ofChange, ofList, ofRead } from "../ApiError.ts"
import { Caller } from "../Authorization.ts"
import { time, withUntold } from "../Fields.ts"
import { find, idempotency, page, remove } from "../internal/entities.ts"
import type { SampleEvent } from "./ConnectionsApi.ts"

const view = (connection: Connection) => ({
  id: connection.id,
  source_id: connection.sourceId,
  destination_id: connection.destinationId,
  name: connection.name,
  description: connection.description,
  enabled: connection.enabled,
  ordering_key: connection.orderingKey,
  filter_rules: connection.filterRules,
  created_at: time(connection.createdAt),
  updated_at: time(connection.updatedAt)
})

const encoder = new TextEncoder()

/** An event as if it had come by ingest, of what the caller gave. */
const sample = (given: typeof SampleEvent.Type): Event => ({
  id: "evt_",
  sourceId: "src_",
  seq: 1,
  receivedAt: 0,
  bodyKind: given.payload === undefined ? "utf8" : "json",
  method: given.method ?? "POST",
  query: given.query ?? "",
  contentType: given.content_type ?? null,
  sourceIp: given.source_ip ?? null,
  headers: Object.entries(given.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const),
  body: encoder.encode(given.payload === undefined ? "" : JSON.stringify(given.payload))
})

export const layer = HttpApiBuilder.group(Api, "connections", (handlers) =>
  handlers
    .handle("create", ({ headers, payload }) =>
      Effect.gen(function* () {
        const { workspace } = yield* Caller
        const registry = yield* Registry
        const now = yield* Clock.currentTimeMillis
        const { value, untold } = yield* registry.create<"connection">(
          {
            kind: "connection",
            id: Ids.random("conn"),
            workspace,
            version: 0,
            createdAt: now,
            updatedAt: now,
            sourceId: payload.source_id,
            destinationId: payload.destination_id,
            enabled: payload.enabled ?? true,
            orderingKey: payload.ordering_key ?? null,
            filterRules: payload.filter_rules ?? [],
            name: payload.name ?? null,
            description: payload.description ?? null
          },
          yield* idempotency("connection", headers, payload)
        )
        return withUntold({ connection: view(value) }, untold)
      }).pipe(Effect.catchTags(ofChange))
    )
    .handle("list", ({ query }) =>
      page("connection", query, (connection) => Effect.succeed(view(connection))).pipe(
        Effect.map(({ views, ...rest }) => ({ connections: views, ...rest })),
        Effect.catchTags(ofList)
      )
    )
    .handle("get", ({ params }) =>
      find("connection", params.id).pipe(
        Effect.map((connection) => ({ connection: view(connection) })),
        Effect.catchTags(ofRead)
      )
    )
    .handle("update", ({ params, payload }) =>
      Effect.gen(function* () {
        const registry = yield* Registry
        const before = yield* find("connection", params.id)
        const { value, untold } = yield* registry.update<"connection">({
          ...before,
          name: payload.name === undefined ? before.name : payload.name,
          description: payload.description === undefined ? before.description : payload.description,
          enabled: payload.enabled ?? before.enabled,
          orderingKey: payload.ordering_key === undefined ? before.orderingKey : payload.ordering_key,
          filterRules: payload.filter_rules ?? before.filterRules,
          updatedAt: yield* Clock.currentTimeMillis
        })
        return withUntold({ connection: view(value) }, untold)
      }).pipe(Effect.catchTags(ofChange))
    )
    .handle("remove", ({ params, query }) => remove("connection", params.id, query).pipe(Effect.catchTags(ofRead)))
    .handle("test", ({ payload }) =>
      Effect.try({
        try: () => Filter.compile(payload.filter_rules)(EventPath.viewOf(sample(payload.event))),
        catch: (error) => error
      }).pipe(
        Effect.map((failed) => ({ passes: failed === undefined, failed_rule: failed ?? null })),
        Effect.catch((error) =>
          error instanceof PayloadTooLarge
            ? badRequest(error.message, [{ path: "event.payload", message: error.message }])
            : Effect.die(error)
        )
      )
    )
)
