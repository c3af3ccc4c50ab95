/** The HTTP sink: each event as one signed request to an endpoint. */
import { MAX_BODY_BYTES } from "@hookstream/core/event/Event"
import { checkUrl } from "@hookstream/core/sink/HostGuard"
import * as RetryAfter from "@hookstream/core/sink/RetryAfter"
import * as Sink from "@hookstream/core/sink/Sink"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Result from "effect/Result"
import { checkSteps } from "./CheckSteps.ts"
import * as ErrorMapping from "./ErrorMapping.ts"
import { conflicts, HttpConfig, tidy } from "./HttpConfig.ts"
import * as HttpRequest from "./HttpRequest.ts"
import * as ResponseBody from "./ResponseBody.ts"

const driver = Effect.fnUntraced(function* (config: HttpConfig) {
  const client = yield* HttpClient.HttpClient
  const { host } = new URL(config.url)
  const build = yield* HttpRequest.make(config)
  const head = HttpRequest.head(config)
  // A connection that failed may have carried the request: the outcome is unknown.
  const lost = Sink.failed("Unknown", `${host} could not be reached, or the connection broke before its answer`)

  const deliver = Effect.fnUntraced(function* (outbound: Sink.OutboundEvent) {
    const request = yield* build(outbound, yield* Clock.currentTimeMillis)
    const answer = yield* Effect.result(client.execute(request))
    if (Result.isFailure(answer)) return lost
    const { status, headers } = answer.success
    const body = yield* ResponseBody.read(answer.success)
    if (status >= 200 && status < 300) return Sink.delivered(ErrorMapping.receipt(status, body, config))
    const wait = RetryAfter.parse(headers["retry-after"], yield* Clock.currentTimeMillis)
    const meaning = ErrorMapping.ofStatus(status, config, wait !== undefined)
    return Sink.failed(
      meaning.reason,
      ErrorMapping.describe(status, body.text, meaning),
      meaning.reason === "Throttled" ? wait : undefined
    )
  })

  return {
    batch: { maxEvents: 1, maxBytes: MAX_BODY_BYTES },
    send: (batch: ReadonlyArray<Sink.OutboundEvent>) => Effect.forEach(batch, deliver),
    check: client.execute(head).pipe(
      Effect.tap(ResponseBody.read),
      Effect.result,
      Effect.map((answer) => checkSteps(head.url, Result.isSuccess(answer) ? answer.success.status : undefined))
    )
  }
})

export const HttpSink: Sink.Sink = Sink.make({
  type: "http",
  title: "HTTP",
  supports: { batch: false, receipts: false },
  tidy,
  config: HttpConfig,
  validate: (config, use) => {
    const checked = checkUrl(config.url, use)
    return [
      ...(Result.isFailure(checked) ? [{ path: "url", message: checked.failure.message }] : []),
      ...conflicts(config)
    ]
  },
  target: ({ url }) => new URL(url).origin,
  driver
})
