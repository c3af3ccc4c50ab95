/**
 * `ANY /v1/ingest/:token`: the hot path, in plain code. A 2xx means that the event is in the log: the log's reply waits
 * for the commit.
 */
import type { Deployment } from "@hookstream/api/Deployment"
import { errorResponse } from "@hookstream/api/ErrorResponse"
import * as FailureLimit from "@hookstream/api/FailureLimit"
import * as RequestBody from "@hookstream/api/RequestBody"
import { MAX_BODY_BYTES } from "@hookstream/core/event/Event"
import * as Ids from "@hookstream/core/Ids"
import { line, shown } from "@hookstream/core/LogLine"
import type { AppendReply } from "@hookstream/core/log/LogContract"
import { type SharedAppends, SharedCallLost } from "@hookstream/core/log/SharedAppends"
import type { IngestTarget } from "@hookstream/core/secret/IdKeys"
import type { SecretVault } from "@hookstream/core/secret/SecretVault"
import type { Checked, Gate } from "@hookstream/ingest/Gate"
import { isTaken, METHODS } from "@hookstream/ingest/Gate"
import * as Effect from "effect/Effect"
import type { Env } from "./Env.ts"
import { call, patientlyAfter, patientlyAlone } from "./internal/call.ts"
import { timer } from "./internal/ports.ts"
import { print } from "./internal/print.ts"
import { logOf } from "./Peers.ts"

const PREFIX = "/v1/ingest/"
/** Seconds after which a sender should repeat. */
const RETRY_AFTER = 5

/** Headers and query, which are stored with the event; the platform allows no more than twice as many. */
const MAX_META_BYTES = 64 * 1024

const NO_SOURCE = "there is no such source, or this URL of it has ended: check the ingest URL"

/** What an ingest URL says. */
export interface Target {
  readonly token: string
  /** Without its `?`. */
  readonly query: string
}

/** `undefined` when the URL has another path. By hand, for a `URL` costs as much as the rest of it. */
export const targetOf = (url: string): Target | undefined => {
  const path = url.indexOf("/", url.indexOf("://") + 3)
  if (!url.startsWith(PREFIX, path)) return undefined
  const mark = url.indexOf("?", path)
  const end = mark === -1 ? url.length : mark
  return { token: url.slice(path + PREFIX.length, end), query: url.slice(end + 1) }
}

/**
 * Appends to the log, with others where a call is on its way. A lost reply is asked for again with the same token, so
 * that one request makes one event. `undefined`: the log could not be reached.
 */
const append = async (
  { env, appends }: Edge,
  { route, ...target }: IngestTarget,
  what: Checked,
  keep: Keep
): Promise<AppendReply | undefined> => {
  const first = { ...target, ...what, token: crypto.randomUUID() }
  let attempt = 0
  const ask = (): Promise<AppendReply> => logOf(env, route).append({ ...first, repeated: ++attempt > 1 })
  const tellLost = (error: unknown): void =>
    print(line("warn", "the log did not answer an append", { source: shown(target.sourceId), attempt }, error))
  try {
    // Nearly always this is the only try: it costs no fiber.
    return await appends.add(route, first, ask, keep)
  } catch (lost) {
    const isShared = lost instanceof SharedCallLost
    if (!isShared) tellLost(lost)
    // The log may have it.
    attempt = 1
    const again = Effect.tryPromise({ try: ask, catch: (cause) => cause }).pipe(
      Effect.tapError((error) => Effect.sync(() => tellLost(error)))
    )
    const goingOn = isShared ? patientlyAlone(lost.reason, again) : patientlyAfter(lost, again)
    return await Effect.runPromise(goingOn.pipe(Effect.orElseSucceed(() => undefined)))
  }
}

/** The settings of a source, for what is not appended. `undefined`: the log could not be reached. */
const settingsOf = (env: Env, { route, sourceId, generation }: IngestTarget): Promise<AppendReply | undefined> =>
  call("the event log", () => logOf(env, route).settings(sourceId, generation)).pipe(
    Effect.tapError((error) =>
      Effect.sync(() =>
        print(line("warn", "the log did not tell the settings of a source", { source: shown(sourceId) }, error))
      )
    ),
    Effect.orElseSucceed(() => undefined),
    Effect.runPromise
  )

/** What the edge works with. */
export interface Edge {
  readonly env: Env
  readonly deployment: Deployment["Service"]
  readonly vault: SecretVault["Service"]
  readonly failures: FailureLimit.FailureLimit["Service"]
  readonly appends: SharedAppends
  readonly gate: Gate
}
/** Keeps work alive when the client of its request is gone. */
export type Keep = (work: Promise<void>) => void

/** The URL as its sender called it, which some providers sign. By hand, as in {@link targetOf}. */
const calledUrl = ({ url }: Request, { publicUrl }: Edge["deployment"]): string =>
  publicUrl === undefined ? url : publicUrl + url.slice(url.indexOf("/", url.indexOf("://") + 3))

export const ingest = async (request: Request, { token, query }: Target, edge: Edge, keep: Keep): Promise<Response> => {
  const requestId = Ids.random("req")
  const at = timer.now()
  const refuse = (status: number, error: string) => errorResponse(status, error, { requestId })
  const repeat = (error: string) => errorResponse(503, error, { requestId, retryAfterSeconds: RETRY_AFTER })

  const sourceIp = FailureLimit.addressOf(request.headers, edge.deployment.trustedIpHeader)
  /** There is no such source. Who asks for many is told to stop; whoever names a real one never comes here. */
  const unknown = async () =>
    (await Effect.runPromise(edge.failures.take(FailureLimit.keyOf(sourceIp))))
      ? refuse(404, NO_SOURCE)
      : errorResponse(429, "too many requests for sources that do not exist: check the ingest URL", {
          requestId,
          retryAfterSeconds: FailureLimit.RETRY_AFTER
        })

  const notTaken = () =>
    errorResponse(405, `webhooks are taken by ${METHODS.join(", ")}`, { requestId, allowed: METHODS })

  if (!isTaken(request.method)) return notTaken()
  const target = await edge.deployment.idKeys.parseIngestToken(token)
  if (target === undefined) return await unknown()
  const headers = [...request.headers]
  if (headers.reduce((sum, [name, value]) => sum + name.length + value.length, query.length) > MAX_META_BYTES) {
    return refuse(431, `the headers and the query string are larger than ${MAX_META_BYTES / 1024} KiB`)
  }

  const body = await RequestBody.read(request, MAX_BODY_BYTES)
  if (body === undefined) return refuse(413, `the body is larger than ${MAX_BODY_BYTES / 1024 / 1024} MiB`)
  const meta = {
    method: request.method,
    headers,
    query,
    contentType: request.headers.get("content-type"),
    sourceIp
  }
  const { env, deployment, vault, gate } = edge
  const ports = {
    vault,
    append: (checked: Checked) => append(edge, target, checked, keep),
    settings: () => settingsOf(env, target),
    // Each request imports it by itself: a promise of another one's may never settle.
    verifier: () => import("@hookstream/ingest/Verifier")
  }
  const came = { meta, body, url: calledUrl(request, deployment), at }
  const reply = await gate.admit(target.sourceId, came, ports)
  switch (reply?._tag) {
    case "PayloadTooLarge":
      return refuse(413, `${reply.message}, where its source leaves something out`)
    case "Accepted":
      // Both ids are of a kind that needs no escaping.
      return new Response(`{"event_id":"${reply.id}","source_id":"${target.sourceId}"}`, {
        headers: { "Content-Type": "application/json", "X-Request-Id": requestId }
      })
    case "Answered":
      return new Response(reply.text, { headers: { "Content-Type": "text/plain", "X-Request-Id": requestId } })
    case "Rejected":
      return refuse(401, "the signature could not be verified")
    case "NotTaken":
      return notTaken()
    case "Paused":
      return repeat("this source is paused: send again later")
    case "Full":
      return repeat(
        "storage_full: this source's log has no room left; shorten its retention_days, or let destinations catch up"
      )
    case "NotFound":
      return await unknown()
    case undefined:
      return repeat("the event could not be stored: send it again")
  }
}
