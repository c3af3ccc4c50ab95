import { Deliveries } from "@hookstream/core/delivery/Deliveries"
import type { Run } from "@hookstream/core/delivery/State"
import { PayloadTooLarge } from "@hookstream/core/Errors"
import * as EventPath from "@hookstream/core/event/EventPath"
import * as EventSecrets from "@hookstream/core/event/EventSecrets"
import * as Filter from "@hookstream/core/event/Filter"
import * as Redaction from "@hookstream/core/event/Redaction"
import * as Ids from "@hookstream/core/Ids"
import { EventLog } from "@hookstream/core/log/EventLog"
import { SecretVault } from "@hookstream/core/secret/SecretVault"
import { Registry } from "@hookstream/core/workspace/Registry"
import type { ReplayJob } from "@hookstream/core/workspace/ReplayJob"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Api } from "../Api.ts"
import { badRequest, conflict, ofChange, ofList, ofRead, tooManyRequests } from "../ApiError.ts"
import { Caller } from "../Authorization.ts"
import * as FailureLimit from "../FailureLimit.ts"
import { time, withUntold } from "../Fields.ts"
import { find, idempotency, page } from "../internal/entities.ts"
import { DEFAULT_RATE, type ReplayInput } from "./ReplaysApi.ts"

/** A preview looks at so many events, and names so many. */
const SCAN_MAX = 1000
const NAMED_MAX = 10
const PAGE = { maxEvents: 100, maxBytes: 4 * 1024 * 1024 }

/** Before its destination has heard of it. */
const UNHEARD = { status: "pending" as const, processed: 0, delivered: 0, filtered: 0, dead: 0, pending: 0 }

/** `isTold`: whether its destination has received it. */
const view = Effect.fnUntraced(function* (job: ReplayJob, isTold = true) {
  const deliveries = yield* Deliveries
  const progress = (isTold ? yield* deliveries.replay(job.destinationId, job.id) : null) ?? UNHEARD
  const isCancelled = job.cancelled && progress.status !== "finished"
  return {
    id: job.id,
    destination_id: job.destinationId,
    source_id: job.sourceId,
    connection_id: job.connectionId,
    from: time(job.from),
    to: time(job.to),
    filter: job.filterRules,
    rate_limit: job.ratePerSecond,
    max_events: job.maxEvents,
    status: isCancelled ? ("cancelled" as const) : progress.status,
    total: job.parts.reduce((sum, { after, through }) => sum + through - after, 0),
    processed: progress.processed,
    succeeded: progress.delivered,
    failed: progress.dead,
    filtered: progress.filtered,
    pending: progress.pending,
    created_at: time(job.createdAt)
  }
})

type Input = typeof ReplayInput.Type

/** The connections that a replay covers, and the part of their logs. */
const partsOf = Effect.fnUntraced(function* (input: Input) {
  const deliveries = yield* Deliveries
  const log = yield* EventLog
  yield* find("destination", input.destination_id)
  const { connections } = yield* deliveries.summary(input.destination_id)
  const wanted = connections.filter(
    (run) =>
      !run.deleted &&
      (input.connection_id === undefined || run.connection === input.connection_id) &&
      (input.source_id === undefined || Ids.isSameSource(input.source_id, run.sourceId))
  )
  if (wanted.length === 0) {
    return yield* conflict("no connection that is asked for leads to this destination: nothing can be replayed over it")
  }
  const [from, to] = [Date.parse(input.from), Date.parse(input.to)]
  return yield* Effect.forEach(
    wanted,
    (run) => Effect.map(log.range(run.route, from, to), (range) => ({ run, ...range })),
    { concurrency: 8 }
  )
})

/** Of each workspace in a minute: a masked value can be guessed letter by letter, by how many events pass. */
const MASKED_FILTERS = 5
const takeMasked = FailureLimit.makeMemory(MASKED_FILTERS)
const readsMasked = (rules: ReadonlyArray<Filter.FilterRule>) =>
  Filter.comparisonsOf(rules).some(({ field }) => Redaction.readsMasked(field))

const countMasked = Effect.fnUntraced(function* () {
  const { workspace } = yield* Caller
  if (yield* takeMasked(workspace)) return
  yield* tooManyRequests("too many replays whose filters read masked values: try again in some minutes")
})

/** What a replay would send, as far as {@link SCAN_MAX} events tell. */
const preview = Effect.fnUntraced(function* (
  input: Input,
  parts: ReadonlyArray<{ readonly run: Run; readonly after: number; readonly through: number }>
) {
  const log = yield* EventLog
  const vault = yield* SecretVault
  let [scanned, matching, unreadable] = [0, 0, 0]
  const first: Array<string> = []
  const connections = yield* Effect.forEach(parts, ({ run }) => find("connection", run.connection), { concurrency: 8 })
  // Those of the replay's own filter are counted already.
  if (connections.some(({ filterRules }) => readsMasked(filterRules))) yield* countMasked()
  for (const [i, { run, after, through }] of parts.entries()) {
    const rules = [...connections[i]!.filterRules, ...(input.filter ?? [])]
    const passes = Filter.compile(rules)
    const open = readsMasked(rules) ? EventSecrets.open(vault) : Effect.succeed
    let at = after
    while (at < through && scanned < SCAN_MAX) {
      const { events } = yield* log.read(run.route, at, {
        ...PAGE,
        maxEvents: Math.min(PAGE.maxEvents, SCAN_MAX - scanned)
      })
      const own = yield* open(events.filter(({ seq }) => seq <= through))
      for (const event of own) {
        scanned++
        try {
          if (passes(EventPath.viewOf(event)) !== undefined) continue
        } catch (error) {
          if (!(error instanceof PayloadTooLarge)) throw error
          unreadable++
          continue
        }
        matching++
        if (first.length < NAMED_MAX) first.push(event.id)
      }
      if (own.length === 0) break
      at = own.at(-1)!.seq
    }
  }
  const total = parts.reduce((sum, { after, through }) => sum + through - after, 0)
  return { total, scanned, matching, unreadable, is_complete: scanned === total, first_event_ids: first }
})

const refuse = (path: string, message: string) => badRequest(`${path}: ${message}`, [{ path, message }])

const create = Effect.fn("Replays.create")(function* (
  headers: { readonly "idempotency-key"?: string },
  payload: Input
) {
  const { workspace } = yield* Caller
  const registry = yield* Registry
  const now = yield* Clock.currentTimeMillis
  const [from, to] = [Date.parse(payload.from), Date.parse(payload.to)]
  if (from >= to) return yield* refuse("to", "must be after from")
  if (to > now) {
    return yield* refuse("to", `must not lie in the future, for only what has come can be replayed: it is ${time(now)}`)
  }
  if (readsMasked(payload.filter ?? [])) yield* countMasked()
  const parts = yield* partsOf(payload)
  if (payload.dry_run === true) return { preview: yield* preview(payload, parts) }
  const { value: job, untold } = yield* registry.create<"replay">(
    {
      kind: "replay",
      id: Ids.random("rpl"),
      workspace,
      version: 0,
      destinationId: payload.destination_id,
      sourceId: payload.source_id === undefined ? null : parts[0]!.run.sourceId,
      connectionId: payload.connection_id ?? null,
      from,
      to,
      filterRules: payload.filter ?? [],
      ratePerSecond: payload.rate_limit ?? DEFAULT_RATE,
      maxEvents: payload.max_events ?? null,
      parts: parts.map(({ run, after, through }) => ({ connection: run.connection, after, through })),
      cancelled: false,
      createdAt: now,
      updatedAt: now
    },
    yield* idempotency("replay", headers, payload)
  )
  return withUntold({ job: yield* view(job, untold.length === 0) }, untold)
})

const cancel = Effect.fn("Replays.cancel")(function* (id: string) {
  const registry = yield* Registry
  const job = yield* find("replay", id)
  const updatedAt = yield* Clock.currentTimeMillis
  const { untold } = yield* registry.update<"replay">({ ...job, cancelled: true, updatedAt })
  return withUntold({ success: true as const }, untold)
})

export const layer = HttpApiBuilder.group(Api, "replay", (handlers) =>
  handlers
    .handle("create", ({ headers, payload }) => create(headers, payload).pipe(Effect.catchTags(ofChange)))
    .handle("list", ({ query }) =>
      page("replay", query, (job) => view(job)).pipe(
        Effect.map(({ views, ...rest }) => ({ jobs: views, ...rest })),
        Effect.catchTags(ofList)
      )
    )
    .handle("get", ({ params }) =>
      find("replay", params.id).pipe(
        Effect.flatMap((job) => view(job)),
        Effect.map((job) => ({ job })),
        Effect.catchTags(ofRead)
      )
    )
    .handle("cancel", ({ params }) => cancel(params.id).pipe(Effect.catchTags(ofChange)))
)
