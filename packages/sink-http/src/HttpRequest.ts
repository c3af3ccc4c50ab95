/**
 * An event as one request, apart from sending it: the body as the bytes that came, with the content type and encoding
 * that they came with, the headers of the config, those of the contract, and the signature.
 *
 * | header | value |
 * |---|---|
 * | `X-hookstream-Event-Id` | the event's id, the same at every attempt: receivers deduplicate by it |
 * | `X-hookstream-Delivery-Attempt` | 1 for the first try |
 * | `X-hookstream-Timestamp` | time of the attempt, ISO 8601 in UTC |
 * | `X-hookstream-Replay-Id` | the replay that sends it; absent in the normal run |
 */
import type { OutboundEvent } from "@hookstream/core/sink/Sink"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import type { Auth, HttpConfig } from "./HttpConfig.ts"
import * as Signature from "./Signature.ts"

export const EVENT_ID_HEADER = "X-hookstream-Event-Id"
export const ATTEMPT_HEADER = "X-hookstream-Delivery-Attempt"
export const TIMESTAMP_HEADER = "X-hookstream-Timestamp"
export const REPLAY_ID_HEADER = "X-hookstream-Replay-Id"

/** The header that authenticates. */
const credentials = (auth: Auth = { type: "none" }): { readonly [name: string]: string } => {
  switch (auth.type) {
    case "none":
      return {}
    case "bearer":
      return { Authorization: `Bearer ${Redacted.value(auth.token)}` }
    case "basic":
      return { Authorization: `Basic ${Base64.encode(`${auth.username}:${Redacted.value(auth.password)}`)}` }
    case "header":
      return { [auth.name]: Redacted.value(auth.value) }
  }
}

/** What the contract promises to a receiver; `now` is the attempt's time in milliseconds since 1970. */
const contract = ({ event, attempt, replayId }: OutboundEvent, now: number): { readonly [name: string]: string } => ({
  [EVENT_ID_HEADER]: event.id,
  [ATTEMPT_HEADER]: String(attempt),
  [TIMESTAMP_HEADER]: new Date(now).toISOString(),
  ...(replayId === null ? {} : { [REPLAY_ID_HEADER]: replayId })
})

/** Without its encoding a compressed body could not be read. */
const encodingOf = ({ event }: OutboundEvent): { readonly [name: string]: string } => {
  const encoding = event.headers.find(([name]) => name === "content-encoding")?.[1]
  return encoding === undefined ? {} : { "Content-Encoding": encoding }
}

/** Makes the request builder of one destination. */
export const make = Effect.fnUntraced(function* ({ url, method = "POST", headers = {}, auth, signing }: HttpConfig) {
  const fixed = { ...headers, ...credentials(auth) }
  const sign = yield* Signature.make(signing)
  return Effect.fnUntraced(function* (outbound: OutboundEvent, now: number) {
    const { id, body, contentType } = outbound.event
    const signature = yield* sign(id, now, body)
    return HttpClientRequest.make(method)(url, {
      headers: { ...fixed, ...encodingOf(outbound), ...contract(outbound, now), ...signature },
      // Raw: a body that came without a content type goes without one.
      body: HttpBody.raw(body, { contentType: contentType ?? undefined, contentLength: body.length })
    })
  })
})

/** Asks the receiver whether it is there: a HEAD request with the headers of the config. It delivers nothing. */
export const head = ({ url, headers = {}, auth }: HttpConfig): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.head(url, { headers: { ...headers, ...credentials(auth) } })
