/**
 * `ANY /v1/ingest/:token`: the hot path, in plain code. A 2xx means that the event is in the log: the log's reply waits for
 * the commit.
 */
import { errorResponse } from "@hookstream/api/ErrorResponse"
import { MAX_BODY_BYTES, type NewEvent, newEvent } from "@hookstream/core/Event"
import type { IdKeys, IngestTarget } from "@hookstream/core/IdKeys"
import * as Ids from "@hookstream/core/Ids"
import type { Env } from "./Env.ts"
import { isRetryable } from "./internal/call.ts"
import type { AppendReply } from "./SourceLog.ts"

const PREFIX = "/v1/ingest/"
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
/** Seconds after which a sender should repeat. */
const RETRY_AFTER = 5
/** A lost reply is asked for again with the same token, so that one request makes one event. */
const TRIES = 3
const PAUSE_MS = 50

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

/** The body, or `undefined` when it is larger than an event may be. */
const readBody = async (request: Request): Promise<Uint8Array | undefined> => {
  const length = request.headers.get("content-length")
  if (Number(length) > MAX_BODY_BYTES) return undefined
  // A stream is dear, and only needed where nobody has said how long the body is.
  if (length !== null) return new Uint8Array(await request.arrayBuffer())
  if (request.body === null) return new Uint8Array()
  const chunks: Array<Uint8Array> = []
  let size = 0
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    size += read.value.length
    if (size > MAX_BODY_BYTES) return undefined
    chunks.push(read.value)
  }
  const body = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return body
}

/** Appends to the log, again with the same token when its reply was lost. `undefined`: the log could not be reached. */
const append = async (
  env: Env,
  { route, sourceId, generation }: IngestTarget,
  event: NewEvent
): Promise<AppendReply | undefined> => {
  const token = crypto.randomUUID()
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    try {
      const repeated = attempt > 1
      return await env.SOURCE_LOG.getByName(route).append({ sourceId, generation, event, token, repeated })
    } catch (error) {
      // The id of an old source is its URL, and may not stand in a log.
      console.warn({ message: "the log did not answer an append", source: Ids.withoutTokens(sourceId), attempt, error })
      if (!isRetryable(error)) return undefined
      await scheduler.wait(PAUSE_MS * attempt)
    }
  }
  return undefined
}

export const ingest = async (
  request: Request,
  { token, query }: Target,
  env: Env,
  idKeys: IdKeys
): Promise<Response> => {
  const requestId = Ids.random("req")
  const refuse = (status: number, error: string) => errorResponse(status, error, { requestId })
  const repeat = (error: string) => errorResponse(503, error, { requestId, retryAfterSeconds: RETRY_AFTER })

  if (!METHODS.includes(request.method)) {
    return errorResponse(405, `webhooks are taken by ${METHODS.join(", ")}`, { requestId, allowed: METHODS })
  }
  const target = await idKeys.parseIngestToken(token)
  if (target === undefined) return refuse(404, NO_SOURCE)

  const body = await readBody(request)
  if (body === undefined) return refuse(413, `the body is larger than ${MAX_BODY_BYTES / 1024 / 1024} MiB`)
  const meta = {
    method: request.method,
    headers: [...request.headers],
    query,
    contentType: request.headers.get("content-type"),
    sourceIp: request.headers.get("cf-connecting-ip")
  }
  const reply = await append(env, target, newEvent(meta, body))
  switch (reply?._tag) {
    case "Accepted":
      // Both ids are of a kind that needs no escaping.
      return new Response(`{"event_id":"${reply.id}","source_id":"${target.sourceId}"}`, {
        headers: { "Content-Type": "application/json", "X-Request-Id": requestId }
      })
    case "Paused":
      return repeat("this source is paused: send again later")
    case "Full":
      return repeat(
        "storage_full: this source's log has no room left; shorten its retention_days, or let destinations catch up"
      )
    case "NotFound":
      return refuse(404, NO_SOURCE)
    case undefined:
      return repeat("the event could not be stored: send it again")
  }
}
