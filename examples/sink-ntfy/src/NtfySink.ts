/** A sink of one's own: each event is a message of an ntfy server (https://docs.ntfy.sh/publish). */
import { checkUrl } from "@hookstream/core/sink/HostGuard"
import * as RetryAfter from "@hookstream/core/sink/RetryAfter"
import * as Sink from "@hookstream/core/sink/Sink"
import * as Tidy from "@hookstream/core/sink/Tidy"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const NtfyConfig = Schema.Struct({
  url: Schema.String.annotate({
    title: "Server",
    description: "The ntfy server, by https",
    examples: ["https://ntfy.sh"]
  }).check(Schema.isMaxLength(2048, { message: "must be at most 2048 characters" })),
  topic: Schema.String.annotate({
    title: "Topic",
    description: "The topic that messages are published to",
    examples: ["webhooks"]
  }).check(Schema.isPattern(/^[-_A-Za-z0-9]{1,64}$/, { message: "must be at most 64 letters, digits, - and _" })),
  token: Sink.secret({ title: "Access token", description: "Sealed at rest, masked in every answer" })
})
type NtfyConfig = typeof NtfyConfig.Type

/** A longer message would become an attachment. */
const MESSAGE_MAX = 4096
const DETAIL_MAX = 500

const REASONS: Readonly<Record<number, Sink.Reason>> = {
  400: "Rejected",
  401: "Unauthorized",
  403: "Unauthorized",
  404: "Misconfigured",
  413: "TooLarge",
  429: "Throttled",
  502: "Unknown",
  504: "Unknown"
}

const decodeMessage = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ id: Schema.String })))

const driver = Effect.fnUntraced(function* ({ url, topic, token }: NtfyConfig) {
  const client = yield* HttpClient.HttpClient
  const headers = { authorization: `Bearer ${Redacted.value(token)}` }
  const request = HttpClientRequest.post(`${url.replace(/\/+$/, "")}/${topic}`, { headers })
  const lost = Sink.failed("Unknown", "ntfy could not be reached, or the connection broke before its answer")

  const publish = Effect.fnUntraced(function* ({ event }: Sink.OutboundEvent) {
    if (event.body.length > MESSAGE_MAX) return Sink.failed("TooLarge", `a message has at most ${MESSAGE_MAX} bytes`)
    const message = request.pipe(
      HttpClientRequest.setHeader("x-hookstream-event-id", event.id),
      HttpClientRequest.setBody(HttpBody.uint8Array(event.body))
    )
    const answer = yield* Effect.result(client.execute(message))
    if (Result.isFailure(answer)) return lost
    const text = yield* Effect.orElseSucceed(answer.success.text, () => "")
    const { status, headers } = answer.success
    if (status === 200) {
      const published = decodeMessage(text)
      return Option.isSome(published)
        ? Sink.delivered({ id: published.value.id })
        : Sink.failed("Unknown", "ntfy answered without the id of a message")
    }
    const wait = RetryAfter.parse(headers["retry-after"], yield* Clock.currentTimeMillis)
    return Sink.failed(REASONS[status] ?? "Unavailable", `HTTP ${status}: ${text.slice(0, DETAIL_MAX)}`, wait)
  })

  const health = HttpClientRequest.get(`${new URL(url).origin}/v1/health`, { headers })
  return {
    batch: { maxEvents: 1, maxBytes: MESSAGE_MAX },
    send: (batch: ReadonlyArray<Sink.OutboundEvent>) => Effect.forEach(batch, publish),
    check: Effect.map(Effect.result(client.execute(health)), (answer): ReadonlyArray<Sink.CheckStep> => {
      if (Result.isSuccess(answer) && answer.success.status === 200) {
        return [{ name: "connection", result: "ok", detail: "ntfy is healthy", fix: null }]
      }
      return [{ name: "connection", result: "failed", detail: "ntfy is not reached, or not healthy", fix: "check url" }]
    })
  }
})

export const NtfySink: Sink.Sink = Sink.make({
  type: "ntfy",
  title: "ntfy",
  supports: { batch: false, receipts: true },
  tidy: (config) => Tidy.member(Tidy.texts(config), "url", Tidy.url),
  config: NtfyConfig,
  validate: ({ url }, use) => {
    const checked = checkUrl(url, use)
    return Result.isFailure(checked) ? [{ path: "url", message: checked.failure.message }] : []
  },
  target: ({ url }) => new URL(url).origin,
  driver
})
