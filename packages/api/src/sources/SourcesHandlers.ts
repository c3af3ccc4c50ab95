import * as Ids from "@hookstream/core/Ids"
import { EventLog } from "@hookstream/core/log/EventLog"
import { placementOf } from "@hookstream/core/Placement"
import { Registry } from "@hookstream/core/workspace/Registry"
import * as Sources from "@hookstream/core/workspace/Source"
import { secretRule, TEMPLATE_NAMES, TEMPLATES } from "@hookstream/ingest/SourceTemplate"
import * as StoredVerification from "@hookstream/ingest/StoredVerification"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Api } from "../Api.ts"
import { badRequest, conflict, ofChange, ofList, ofRead, RequestInfo, summaryOf } from "../ApiError.ts"
import { Caller, mayWrite } from "../Authorization.ts"
import { Deployment } from "../Deployment.ts"
import { time, timeOrNull, withUntold } from "../Fields.ts"
import { find, idempotency, inTime, page, remove } from "../internal/entities.ts"
import { checkedVerification, patchedVerification } from "../internal/verification.ts"
import { pageOfWhole } from "../internal/wholeList.ts"
import { moveIssues, regionIssues } from "../Placement.ts"
import { DEFAULT_GRACE_SECONDS } from "./SourcesApi.ts"

/** Older URLs of a source that work at once: beyond, something rotates in a circle. */
const MAX_PREVIOUS_URLS = 10

const urlOf = Effect.fnUntraced(function* (source: Sources.Source, { generation }: Sources.IngestUrl) {
  const { key } = yield* Caller
  const { idKeys } = yield* Deployment
  const { origin } = yield* RequestInfo
  const token = mayWrite(key) ? yield* Effect.promise(() => idKeys.ingestToken(source.id, generation)) : "****"
  return `${origin}/v1/ingest/${token}`
})

const view = Effect.fnUntraced(function* (source: Sources.Source) {
  const log = yield* EventLog
  const now = yield* Clock.currentTimeMillis
  const stats = yield* inTime(log.stats(Ids.routeOf(source.id)))
  const previous = yield* Effect.forEach(Sources.previousUrls(source, now), (url) =>
    Effect.map(urlOf(source, url), (ingest_url) => ({ ingest_url, expires_at: time(url.expiresAt ?? now) }))
  )
  return {
    id: source.id,
    name: source.name,
    slug: source.slug,
    description: source.description,
    status: source.status,
    ...placementOf(Ids.routeOf(source.id)),
    ingest_url: yield* urlOf(source, source.ingestUrls[0]),
    previous_ingest_urls: previous,
    retention_days: source.retentionDays,
    redact: source.redact,
    verification: source.verification === null ? null : StoredVerification.masked(source.verification),
    retained_since: timeOrNull(stats?.firstAt ?? null),
    event_count: stats === null ? null : stats.count,
    last_event_at: timeOrNull(stats === null ? null : stats.lastAt),
    created_at: time(source.createdAt),
    updated_at: time(source.updatedAt)
  }
})

const rotateUrl = Effect.fn("Sources.rotateUrl")(function* (id: string, graceSeconds: number) {
  const registry = yield* Registry
  const before = yield* find("source", id)
  const now = yield* Clock.currentTimeMillis
  if (graceSeconds > 0 && Sources.previousUrls(before, now).length >= MAX_PREVIOUS_URLS) {
    return yield* conflict(
      `${MAX_PREVIOUS_URLS} earlier URLs still work: wait until one ends, or end them all by grace_seconds 0`
    )
  }
  const rotated = Sources.rotateUrl(before, now, now + graceSeconds * 1000)
  const { value, untold } = yield* registry.update<"source">({ ...rotated, updatedAt: now })
  return withUntold({ source: yield* view(value) }, untold)
})

export const layerTemplates = HttpApiBuilder.group(Api, "source-templates", (handlers) =>
  handlers.handle("list", ({ query }) =>
    Effect.gen(function* () {
      const order = { keyOf: (name: string) => name, descending: false }
      const { shown, page } = yield* pageOfWhole(TEMPLATE_NAMES, query, order)
      return {
        source_templates: shown.map((name) => {
          const { title, documentation, scheme, eventId, eventType, handshakes } = TEMPLATES[name]
          return {
            template: name,
            title,
            documentation,
            signature_header: scheme.header,
            secret: secretRule(TEMPLATES[name]),
            tolerance_seconds: scheme.time?.tolerance ?? null,
            event_id: eventId,
            event_type: eventType,
            answers_handshakes: handshakes.length > 0
          }
        }),
        ...page
      }
    })
  )
)

export const layer = HttpApiBuilder.group(Api, "sources", (handlers) =>
  handlers
    .handle("create", ({ headers, payload }) =>
      Effect.gen(function* () {
        const { workspace } = yield* Caller
        const registry = yield* Registry
        const now = yield* Clock.currentTimeMillis
        const repeat = yield* idempotency("source", headers, payload)
        const { jurisdiction, region } = placementOf(workspace)
        const issues = regionIssues(jurisdiction, payload.region)
        if (issues.length > 0) return yield* badRequest(summaryOf(issues), issues)
        const verification = yield* checkedVerification(payload.verification ?? null)
        const placement = { jurisdiction, region: payload.region ?? region }
        const { value, untold } = yield* Effect.gen(function* () {
          const id = Ids.makeSourceId(workspace, Ids.randomRoute(placement))
          return yield* registry.create<"source">(
            {
              kind: "source",
              id,
              workspace,
              version: 0,
              name: payload.name,
              slug: payload.slug ?? null,
              description: payload.description ?? null,
              status: payload.status ?? "active",
              retentionDays: payload.retention_days ?? Sources.DEFAULT_RETENTION_DAYS,
              redact: payload.redact ?? [],
              verification: yield* verification(id),
              ingestVersion: 0,
              ingestUrls: [{ generation: 1, expiresAt: null }],
              createdAt: now,
              updatedAt: now
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
        const { region } = placementOf(Ids.routeOf(before.id))
        const issues = moveIssues(region, payload.region, "create another source, and send to its ingest_url")
        if (issues.length > 0) return yield* badRequest(summaryOf(issues), issues)
        const { value, untold } = yield* registry.update<"source">({
          ...before,
          name: payload.name ?? before.name,
          slug: payload.slug ?? before.slug,
          description: payload.description === undefined ? before.description : payload.description,
          status: payload.status ?? before.status,
          retentionDays: payload.retention_days ?? before.retentionDays,
          redact: payload.redact ?? before.redact,
          verification: yield* patchedVerification(before, payload.verification),
          updatedAt: yield* Clock.currentTimeMillis
        })
        return withUntold({ source: yield* view(value) }, untold)
      }).pipe(
        Effect.catchTag("SecretError", (error) => Effect.die(error)),
        Effect.catchTags(ofChange)
      )
    )
    .handle("remove", ({ params, query }) => remove("source", params.id, query).pipe(Effect.catchTags(ofRead)))
    .handle("rotateUrl", ({ params, payload }) =>
      rotateUrl(params.id, payload.grace_seconds ?? DEFAULT_GRACE_SECONDS).pipe(Effect.catchTags(ofChange))
    )
)
