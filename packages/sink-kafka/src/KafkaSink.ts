/** The Kafka sink: records to a topic through the Confluent REST Proxy v3. */
import { checkUrl } from "@hookstream/core/HostGuard"
import * as Sink from "@hookstream/core/Sink"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as ErrorMapping from "./ErrorMapping.ts"
import { KafkaConfig } from "./KafkaConfig.ts"
import { produceUrl } from "./ProduceUrl.ts"
import { readOutcomes } from "./ReceiptReader.ts"
import * as RecordEncoder from "./RecordEncoder.ts"

/** The proxy blocks up to 60 s on an unknown topic before it says so (kafka-rest-v3 §6b). */
const TIMEOUT_MS = 65_000
/** One record a request: the seed's contract. */
const ONE = { maxEvents: 1, maxBytes: 1024 * 1024 }
const SEPARATOR = new TextEncoder().encode("\n")

/** `Retry-After` in milliseconds, where it is given in seconds. The proxy never sends it (§6b); a gateway in between may. */
const retryAfter = (response: HttpClientResponse.HttpClientResponse): number | undefined => {
  const seconds = response.headers["retry-after"]
  return seconds !== undefined && /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined
}

/** The server's own words: the `message` of its error body, nothing of an HTML page. */
const messageOf = (body: string): string => {
  try {
    const message: unknown = Reflect.get(JSON.parse(body), "message")
    return typeof message === "string" ? message : ""
  } catch {
    return ""
  }
}

const refused = (response: HttpClientResponse.HttpClientResponse, body: string): Sink.SinkError => {
  const meaning = ErrorMapping.ofStatus(response.status)
  const wait = retryAfter(response)
  return new Sink.SinkError({
    reason: meaning.reason,
    detail: ErrorMapping.describe(`HTTP ${response.status}`, messageOf(body), meaning),
    ...(wait === undefined ? {} : { retryAfter: wait })
  })
}

/** A connection that failed may have carried the request: the outcome is unknown. */
const unreachable = (host: string) => () =>
  new Sink.SinkError({
    reason: "Unknown",
    detail: `${host} could not be reached, or the connection broke before its answer`
  })

const driver = Effect.fnUntraced(function* (config: KafkaConfig) {
  const client = yield* HttpClient.HttpClient
  const url = produceUrl(config)
  const lost = unreachable(new URL(url).host)
  const credentials = `${config.api_key}:${Redacted.value(config.api_secret)}`
  const request = HttpClientRequest.post(url, {
    headers: { accept: "application/json", authorization: `Basic ${Base64.encode(credentials)}` }
  })
  const encode = RecordEncoder.make(config)

  const send = Effect.fnUntraced(function* (batch: ReadonlyArray<Sink.OutboundEvent>) {
    const records = batch.flatMap((outbound, i) => (i === 0 ? [encode(outbound)] : [SEPARATOR, encode(outbound)]))
    // Bytes, so that Content-Length is sent and the content type is exactly `application/json` (§2: some proxies refuse a charset).
    const body = HttpBody.uint8Array(RecordEncoder.concat(records), "application/json")
    const response = yield* client.execute(HttpClientRequest.setBody(request, body)).pipe(Effect.mapError(lost))
    const text = yield* response.text.pipe(Effect.mapError(lost))
    if (response.status !== 200) return yield* refused(response, text)
    return readOutcomes(text, batch.length)
  })
  return { batch: ONE, send }
})

export const KafkaSink: Sink.Sink = Sink.make({
  type: "kafka",
  title: "Kafka (Confluent REST Proxy v3)",
  supports: { batch: false, receipts: true },
  defaultTimeoutMs: TIMEOUT_MS,
  config: KafkaConfig,
  validate: (config, use) => {
    const { key = "event_id" } = config
    if (use.ordering !== "none" && key !== "source_id") {
      // Records of one key must share a partition: keyed by their event, or by nothing, they are spread over all of them.
      const message = `must be "source_id" with ordering "${use.ordering}": with "${key}" records go to any partition, which keeps no order`
      return [{ path: "key", message }]
    }
    const checked = checkUrl(produceUrl(config), use)
    const path = config.rest_endpoint === undefined ? "bootstrap_servers" : "rest_endpoint"
    if (Result.isFailure(checked)) return [{ path, message: checked.failure.message }]
    if (/[?#]/.test(config.rest_endpoint ?? "")) return [{ path, message: "must not have a query or fragment" }]
    return []
  },
  driver
})
