import { Deliveries } from "@hookstream/core/delivery/Deliveries"
import { type Event, MAX_BODY_BYTES } from "@hookstream/core/event/Event"
import * as Redaction from "@hookstream/core/event/Redaction"
import * as Ids from "@hookstream/core/Ids"
import type { AttemptStatus, DeliveryStatus, Entry } from "@hookstream/core/journal/DeliveryJournal"
import { EventLog } from "@hookstream/core/log/EventLog"
import { Registry } from "@hookstream/core/workspace/Registry"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Api } from "../Api.ts"
import { badRequest, conflict, gone, notFound, ofList, ofRead } from "../ApiError.ts"
import { Caller } from "../Authorization.ts"
import { DEFAULT_LIMIT, time, timeOrNull } from "../Fields.ts"
import { find } from "../internal/entities.ts"
import { eventIdsOf } from "../internal/eventIds.ts"
import * as MergeCursor from "../internal/mergeCursor.ts"
import { pageOfWhole, timeKey } from "../internal/wholeList.ts"

/** Without `source_id` a list merges the sources' logs, up to this many. */
const MAX_MERGED_SOURCES = 32

/** Where events of one source stand, on all of its connections that are or were. */
const deliveriesOf = Effect.fnUntraced(function* (sourceId: Ids.SourceId, seqs: ReadonlyArray<number>) {
  const { workspace } = yield* Caller
  const registry = yield* Registry
  const deliveries = yield* Deliveries
  const connections = yield* registry.connectionsOf(workspace, sourceId)
  const destinations = [...new Set(connections.map(({ destinationId }) => destinationId))]
  const statuses = yield* Effect.forEach(destinations, (id) => deliveries.statuses(id, sourceId, seqs), {
    concurrency: 8
  })
  return { destinations, statuses: statuses.flat() }
})

const summarise = (event: Event, statuses: ReadonlyArray<DeliveryStatus>) => {
  const count = (status: DeliveryStatus["status"]) =>
    statuses.filter((one) => one.seq === event.seq && one.status === status).length
  const deliveries: Readonly<Record<DeliveryStatus["status"], number>> = {
    waiting: count("waiting"),
    retrying: count("retrying"),
    delivered: count("delivered"),
    filtered: count("filtered"),
    dead: count("dead"),
    cancelled: count("cancelled")
  }
  const { waiting, retrying, delivered, dead, cancelled } = deliveries
  const status =
    dead > 0
      ? ("failed" as const)
      : retrying > 0 || (waiting > 0 && delivered > 0)
        ? ("processing" as const)
        : delivered > 0
          ? ("delivered" as const)
          : cancelled > 0 && waiting === 0
            ? ("cancelled" as const)
            : ("received" as const)
  return {
    id: event.id,
    source_id: event.sourceId,
    method: event.method,
    content_type: event.contentType,
    source_ip: event.sourceIp,
    received_at: time(event.receivedAt),
    status,
    deliveries
  }
}

const TRIES: ReadonlyArray<Entry["type"]> = ["delivered", "failed", "unknown", "dead"]

const attemptView = (destinationId: string, entry: Entry, eventId: string | null) => ({
  id: Ids.makeAttemptId({ destination: destinationId, n: entry.n, seq: entry.seq }),
  event_id: eventId,
  replay_id: entry.replay,
  connection_id: entry.connection,
  destination_id: destinationId,
  attempt: entry.attempt,
  status: entry.type as AttemptStatus,
  settled_at: time(entry.at),
  latency_ms: entry.latency,
  reason: entry.reason,
  error: entry.detail,
  next_attempt_at: timeOrNull(entry.nextAt),
  is_dlq: entry.type === "dead",
  receipt: entry.receipt
})

const SENTENCES: { readonly [T in Entry["type"]]: string } = {
  delivered: "The sink confirmed it",
  failed: "The try failed",
  unknown: "hookstream was stopped during the try: its outcome is unknown",
  dead: "The try failed and none is left: a dead letter",
  filtered: "A filter rule of the connection does not hold",
  held: "It waits behind an earlier event of its ordering key",
  postponed: "Sending stopped before its turn",
  redriven: "Somebody asked to try it again",
  cancelled: "It will not be sent"
}

const timelineView = (destinationId: string, entry: Entry) => {
  const isCancelled = entry.type === "cancelled"
  return {
    at: time(entry.at),
    type: entry.type,
    connection_id: entry.connection,
    destination_id: destinationId,
    replay_id: entry.replay,
    what: isCancelled ? `${SENTENCES.cancelled}: ${entry.detail}` : SENTENCES[entry.type],
    attempt: entry.attempt,
    latency_ms: entry.latency,
    reason: entry.reason,
    error: isCancelled ? null : entry.detail,
    failed_rule: entry.rule,
    next_attempt_at: timeOrNull(entry.nextAt),
    receipt: entry.receipt
  }
}

const list = Effect.fn("Events.list")(function* (query: {
  readonly cursor?: string
  readonly limit?: number
  readonly source_id?: string
}) {
  const { workspace } = yield* Caller
  const registry = yield* Registry
  const log = yield* EventLog
  const limit = query.limit ?? DEFAULT_LIMIT
  const before = MergeCursor.decode(query.cursor)
  if (before === undefined) return yield* badRequest("cursor must be the `cursor` of an earlier answer")

  const sources =
    query.source_id === undefined
      ? yield* registry.list(workspace, "source", { cursor: null, limit: MAX_MERGED_SOURCES })
      : { items: [yield* find("source", query.source_id, true)], next: null }
  if (sources.next !== null) {
    return yield* badRequest(`source_id is required: the workspace has more than ${MAX_MERGED_SOURCES} sources`)
  }
  const pages = yield* Effect.forEach(
    sources.items,
    ({ id }) => log.list(Ids.routeOf(id), before.get(Ids.routeOf(id)) ?? Ids.MAX_SEQUENCE + 1, limit + 1),
    { concurrency: 8 }
  )
  const merged = pages.flat().sort((a, b) => (a.id < b.id ? 1 : -1))
  const shown = merged.slice(0, limit)
  const after = new Map(before)
  for (const { sourceId, seq } of shown) after.set(Ids.routeOf(sourceId), seq)

  const bySource = Map.groupBy(shown, ({ sourceId }) => sourceId)
  const statuses = yield* Effect.forEach(
    bySource,
    ([sourceId, events]) =>
      Effect.map(
        deliveriesOf(
          sourceId,
          events.map(({ seq }) => seq)
        ),
        (found) => [sourceId, found.statuses] as const
      ),
    { concurrency: 8 }
  )
  const statusesOf = new Map(statuses)
  return {
    events: shown.map((event) => summarise(event, statusesOf.get(event.sourceId) ?? [])),
    cursor: merged.length > limit ? MergeCursor.encode(after) : null,
    has_more: merged.length > limit
  }
})

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** An event of the caller's workspace. */
const findEvent = Effect.fnUntraced(function* (id: string) {
  const { workspace } = yield* Caller
  const log = yield* EventLog
  const registry = yield* Registry
  const parts = Ids.parseEventId(id)
  if (parts === undefined || !(yield* registry.hasLog(workspace, parts.route))) {
    return yield* notFound(`there is no event ${id}`)
  }
  const { route, seq } = parts
  const event = (yield* log.get(route, [seq], MAX_BODY_BYTES)).events[0]
  if (event?.id === id && Ids.workspaceOf(event.sourceId) === workspace) return event
  if (event === undefined) {
    const stats = yield* log.stats(route).pipe(Effect.catch(() => Effect.succeed(undefined)))
    if (stats !== undefined && seq < stats.first && Ids.workspaceOf(stats.sourceId) === workspace) {
      return yield* gone(`event ${id} is no longer stored: its retention has passed`)
    }
  } else if (event.id !== id && Ids.workspaceOf(event.sourceId) === workspace) {
    return yield* gone(`event ${id} is no longer stored: the log of its source was restored to an earlier time`)
  }
  return yield* notFound(`there is no event ${id}`)
})

interface Told {
  readonly destination: string
  readonly entry: Entry
}

/** What a story is sorted by: the time, and where that is the same the journal. */
const storyKey = ({ destination, entry }: Told): string =>
  `${timeKey(entry.at)}.${destination}.${String(entry.n).padStart(13, "0")}`

/** What every destination tells of an event, in order of time. */
const story = Effect.fnUntraced(function* (event: Event, destinations: ReadonlyArray<string>) {
  const deliveries = yield* Deliveries
  const found = yield* Effect.forEach(
    destinations,
    (destination) =>
      Effect.map(deliveries.timeline(destination, event.sourceId, event.seq), (entries) =>
        entries.map((entry) => ({ destination, entry }))
      ),
    { concurrency: 8 }
  )
  return found.flat().sort((a, b) => a.entry.at - b.entry.at)
})

const get = Effect.fn("Events.get")(function* (id: string) {
  const event = yield* findEvent(id)
  const { destinations, statuses } = yield* deliveriesOf(event.sourceId, [event.seq])
  const told = yield* story(event, destinations)
  const { headers, query, method, contentType, sourceIp, verified } = event
  // Those of older versions are stored as they came.
  const { shown } = Redaction.mask({ headers, query, method, contentType, sourceIp })
  return {
    event: {
      ...summarise(event, statuses),
      headers: shown.headers.map(([name, value]) => ({ name, value })),
      query: shown.query,
      verification:
        verified === undefined
          ? null
          : { template: verified.template, secret: verified.secret, verified_at: time(verified.at) },
      body_kind: event.bodyKind,
      body: event.bodyKind === "binary" ? Base64.encode(event.body) : decoder.decode(event.body),
      delivery_attempts: told
        .filter(({ entry }) => TRIES.includes(entry.type))
        .map(({ destination, entry }) => attemptView(destination, entry, event.id))
    }
  }
})

const timeline = Effect.fn("Events.timeline")(function* (
  id: string,
  query: { readonly cursor?: string; readonly limit?: number }
) {
  const event = yield* findEvent(id)
  const { destinations } = yield* deliveriesOf(event.sourceId, [event.seq])
  const told = yield* story(event, destinations)
  const nothing = { attempt: null, latency_ms: null, reason: null, error: null, failed_rule: null, receipt: null }
  const accepted = {
    at: time(event.receivedAt),
    type: "accepted" as const,
    connection_id: null,
    destination_id: null,
    replay_id: null,
    what: "It was written to the log",
    next_attempt_at: null,
    ...nothing
  }
  const entries = [
    { key: timeKey(event.receivedAt), view: accepted },
    ...told.map((one) => ({ key: storyKey(one), view: timelineView(one.destination, one.entry) }))
  ]
  const { shown, page } = yield* pageOfWhole(entries, query, { keyOf: ({ key }) => key, descending: false })
  return { timeline: shown.map(({ view }) => view), ...page }
})

const retry = Effect.fn("Events.retry")(function* (id: string) {
  const event = yield* findEvent(id)
  const deliveries = yield* Deliveries
  const { destinations } = yield* deliveriesOf(event.sourceId, [event.seq])
  const counts = yield* Effect.forEach(destinations, (one) => deliveries.retry(one, event.sourceId, event.seq), {
    concurrency: 8
  })
  const retried = counts.reduce((a, b) => a + b, 0)
  if (retried === 0)
    return yield* conflict(
      "there is nothing to try again: on no connection is the event dead or waiting for a retry, and a deleted " +
        "one sends nothing"
    )
  return { retried }
})

interface AttemptQuery {
  readonly cursor?: string
  readonly limit?: number
  readonly event_id?: string
  readonly connection_id?: string
  readonly destination_id?: string
  readonly status?: AttemptStatus
  readonly is_dlq?: boolean
}

/** Of one event: all of its tries, from every destination. */
const attemptsOfEvent = Effect.fnUntraced(function* (id: string, query: AttemptQuery) {
  const event = yield* findEvent(id)
  const { destinations } = yield* deliveriesOf(event.sourceId, [event.seq])
  const told = yield* story(event, destinations)
  const isWanted = ({ destination, entry }: (typeof told)[number]) =>
    TRIES.includes(entry.type) &&
    (query.connection_id === undefined || query.connection_id === entry.connection) &&
    (query.destination_id === undefined || query.destination_id === destination) &&
    (query.status === undefined || query.status === entry.type) &&
    (query.is_dlq === undefined || query.is_dlq === (entry.type === "dead"))
  const { shown, page } = yield* pageOfWhole(told.filter(isWanted), query, { keyOf: storyKey, descending: true })
  return {
    delivery_attempts: shown.map(({ destination, entry }) => attemptView(destination, entry, event.id)),
    ...page
  }
})

/** Of one destination: newest first, page by page. */
const attemptsOfDestination = Effect.fnUntraced(function* (id: string, query: AttemptQuery) {
  const deliveries = yield* Deliveries
  const at = /^(\d{1,13})\.(\d{1,12})$/.exec(query.cursor ?? "")
  if (query.cursor !== undefined && at === null) {
    return yield* badRequest("cursor must be the `cursor` of an earlier answer")
  }
  if (query.is_dlq === false) return yield* badRequest("is_dlq=false needs an event_id")
  const status = query.is_dlq === true ? "dead" : query.status
  const filter = {
    ...(query.connection_id === undefined ? {} : { connection: query.connection_id }),
    ...(status === undefined ? {} : { status })
  }
  const before = at === null ? null : { n: Number(at[1]), seq: Number(at[2]) }
  const { entries, next } = yield* deliveries.attempts(id, filter, before, query.limit ?? DEFAULT_LIMIT)
  const { connections } = yield* deliveries.summary(id)
  const routes = new Map(connections.map(({ connection, route }) => [connection, route]))
  const placeOf = ({ connection, seq }: Entry) => ({ route: routes.get(connection)!, seq })
  const eventIdOf = yield* eventIdsOf(entries.map(placeOf))
  const delivery_attempts = entries.map((entry) =>
    attemptView(id, entry, entry.isGone === true ? null : eventIdOf(placeOf(entry)))
  )
  return { delivery_attempts, cursor: next === null ? null : `${next.n}.${next.seq}`, has_more: next !== null }
})

const attempts = Effect.fn("Attempts.list")(function* (query: AttemptQuery) {
  if (query.event_id !== undefined) return yield* attemptsOfEvent(query.event_id, query)
  const connection =
    query.connection_id === undefined ? undefined : yield* find("connection", query.connection_id, true)
  const id = query.destination_id ?? connection?.destinationId
  if (id === undefined) {
    return yield* badRequest("one of event_id, connection_id and destination_id is required")
  }
  yield* find("destination", id, true)
  return yield* attemptsOfDestination(id, query)
})

const retryAttempt = Effect.fn("Attempts.retry")(function* (id: string) {
  const parts = Ids.parseAttemptId(id)
  if (parts === undefined) return yield* notFound(`there is no attempt ${id}`)
  yield* find("destination", parts.destination)
  const deliveries = yield* Deliveries
  const answer = yield* deliveries.retryAttempt(parts.destination, parts)
  if (answer === "unknown") return yield* notFound(`there is no attempt ${id}`)
  if (answer === "settled") {
    return yield* conflict(
      "there is nothing to try again: the delivery is neither dead nor waiting for a retry, or it was cancelled"
    )
  }
  return { retried: true as const }
})

export const layerAttempts = HttpApiBuilder.group(Api, "delivery-attempts", (handlers) =>
  handlers
    .handle("list", ({ query }) => attempts(query).pipe(Effect.catchTags(ofRead)))
    .handle("retry", ({ params }) => retryAttempt(params.id).pipe(Effect.catchTags(ofRead)))
)

export const layer = HttpApiBuilder.group(Api, "events", (handlers) =>
  handlers
    .handle("list", ({ query }) => list(query).pipe(Effect.catchTags(ofRead)))
    .handle("get", ({ params }) => get(params.id).pipe(Effect.catchTags(ofList)))
    .handle("timeline", ({ params, query }) => timeline(params.id, query).pipe(Effect.catchTags(ofList)))
    .handle("retry", ({ params }) => retry(params.id).pipe(Effect.catchTags(ofList)))
)
