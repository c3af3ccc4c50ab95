/** The Kafka sink: records to a topic through the Confluent REST Proxy v3. */

import * as Log from "@hookstream/core/LogLine"
import { checkUrl } from "@hookstream/core/sink/HostGuard"
import * as RetryAfter from "@hookstream/core/sink/RetryAfter"
import * as Sink from "@hookstream/core/sink/Sink"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as ErrorMapping from "./ErrorMapping.ts"
import { jsonOf, messageOf } from "./internal/proxyAnswer.ts"
import * as KafkaCheck from "./KafkaCheck.ts"
import { BATCH_BYTES_DEFAULT, BATCH_RECORDS_DEFAULT, KafkaConfig, limitsOf, tidy } from "./KafkaConfig.ts"
import { produceUrl, restBase } from "./ProduceUrl.ts"
import * as ReceiptReader from "./ReceiptReader.ts"
import * as RecordEncoder from "./RecordEncoder.ts"
import * as RecordKey from "./RecordKey.ts"

/** The proxy blocks up to 60 s on an unknown topic before it says so (kafka-rest-v3 §6b). */
const TIMEOUT_MS = 65_000

/**
 * How long to wait for the answer's end behind the last receipt that is waited for. It comes at once; a connection that
 * is not read to its end cannot carry the next request, and one that is held open must not keep the outcomes back.
 */
const END_GRACE = "250 millis"

const ENDED = "the proxy answered without a receipt for this record"
const BROKE = "the connection broke before the receipt of this record"
/**
 * On a missing topic the proxy waits a minute for each record, one after another, before it says so. It does not notice
 * that its receipts are no longer read: it goes on with the records that it has.
 */
const LEFT =
  "not waited for: an earlier record of the request was refused for a reason that holds for all; the proxy may " +
  "still produce this one"

/** Reads until there is nothing more to read; why a record without a receipt has none. */
const readReceipts = Effect.fnUntraced(
  function* (
    stream: Stream.Stream<Uint8Array, HttpClientError.HttpClientError>,
    receipts: ReceiptReader.ReceiptReader
  ) {
    const pull = yield* Stream.toPull(stream)
    const readOn = Effect.map(pull, (chunks) => chunks.map((chunk) => receipts.push(chunk)).every(Boolean))
    let more = true
    while (more) more = yield* readOn
    yield* Effect.timeoutOption(Effect.forever(readOn), END_GRACE)
    return receipts.refused() ? LEFT : ENDED
  },
  Effect.catch((error) => Effect.succeed(Cause.isDone(error) ? ENDED : BROKE)),
  Effect.scoped
)

const TOO_LONG =
  "sent as STRING: the proxy's reader of JSON refuses numbers of more than 1000 digits and names of more than " +
  "50,000 bytes"

/** A connection that failed may have carried the request: the outcome is unknown. */
const unreachable = (host: string) => () =>
  new Sink.SinkError({
    reason: "Unknown",
    detail: `${host} could not be reached, or the connection broke before its answer`
  })

/** What a record takes from its event besides the body. */
const pathsOf = ({ key, record_headers = {} }: KafkaConfig): ReadonlyArray<string> => {
  const paths = Object.values(record_headers).flatMap((value) => (typeof value === "string" ? [] : [value.path]))
  return key === undefined ? paths : [...paths, key]
}

const driver = Effect.fnUntraced(function* (
  config: KafkaConfig
): Effect.fn.Return<Sink.SinkDriver, never, HttpClient.HttpClient> {
  const client = yield* HttpClient.HttpClient
  const url = produceUrl(config)
  const lost = unreachable(new URL(url).host)
  const credentials = Base64.encode(`${config.api_key}:${Redacted.value(config.api_secret)}`)
  const headers = { accept: "application/json", authorization: `Basic ${credentials}` }
  const request = HttpClientRequest.post(url, { headers })
  const encode = RecordEncoder.make(config)
  const limits = limitsOf(config)
  const key = RecordKey.compile(config.key ?? RecordKey.DEFAULT)
  const keyMissing = `the key's path ${config.key} led nowhere: keyed by the event id`

  const send = Effect.fnUntraced(function* (batch: ReadonlyArray<Sink.OutboundEvent>, tell?: Sink.Tell) {
    const unkeyed = new Set<number>()
    // Bytes, so that Content-Length is sent and the content type is exactly `application/json` (§2: some proxies refuse
    // a charset).
    const body = HttpBody.uint8Array(
      encode(batch, (position) => unkeyed.add(position)),
      "application/json"
    )
    const response = yield* client.execute(HttpClientRequest.setBody(request, body)).pipe(Effect.mapError(lost))
    // The proxy never sends it (kafka-rest-v3 §6b); a gateway in front of it may.
    const wait = RetryAfter.parse(response.headers["retry-after"], yield* Clock.currentTimeMillis)
    if (response.status !== 200) {
      const meaning = ErrorMapping.ofStatus(response.status)
      const words = messageOf(yield* jsonOf(response))
      return yield* new Sink.SinkError({
        reason: meaning.reason,
        detail: ErrorMapping.describe(`HTTP ${response.status}`, words, meaning),
        ...(wait === undefined ? {} : { retryAfter: wait })
      })
    }
    const receipts = ReceiptReader.make({
      count: batch.length,
      retryAfter: wait,
      note: (position) => {
        const notes = unkeyed.has(position) ? [keyMissing] : []
        if (RecordEncoder.isTooLong(batch[position]!.event, config)) notes.push(TOO_LONG)
        return notes.length === 0 ? undefined : notes.join("; ")
      },
      tell
    })
    const why = yield* readReceipts(response.stream, receipts)
    if (receipts.surplus() > 0) {
      yield* Log.write(
        Log.line("warn", "the proxy answered with more receipts than there were records", {
          destination: batch[0]!.destinationId,
          records: batch.length,
          surplus: receipts.surplus()
        })
      )
    }
    return receipts.outcomes(why)
  })

  const get = Effect.fnUntraced(
    function* (from: string) {
      const response = yield* client.execute(HttpClientRequest.get(from, { headers }))
      const json = yield* jsonOf(response)
      return { status: response.status, json, words: messageOf(json) }
    },
    Effect.catch(() => Effect.succeed(undefined))
  )
  return {
    batch: {
      maxEvents: config.batch?.max_records ?? BATCH_RECORDS_DEFAULT,
      maxBytes: config.batch?.max_bytes ?? BATCH_BYTES_DEFAULT
    },
    ...(limits === undefined ? {} : { limits }),
    ...(typeof key === "function" ? { orderingKey: key } : {}),
    reads: pathsOf(config),
    send,
    check: KafkaCheck.check(config, get)
  }
})

/** What keeps no order: records keyed by their event, or by nothing, are spread over all partitions. */
const keepsNoOrder = (key: string): boolean => key === "event_id" || key === "none"

const validate = (config: KafkaConfig, use: Sink.SinkUse): ReadonlyArray<Sink.Issue> => {
  const issues: Array<Sink.Issue> = []
  const { key = RecordKey.DEFAULT, batch, rest_endpoint } = config
  if (use.ordering !== "none" && keepsNoOrder(key)) {
    const message =
      `must be "source_id" or a path with ordering "${use.ordering}": with "${key}" records go to any partition, ` +
      "which keeps no order"
    issues.push({ path: "key", message })
  }
  if (use.ordering === "strict" && (batch?.max_records ?? BATCH_RECORDS_DEFAULT) > 1) {
    // A record that fails does not stop those behind it in its request (§4).
    const message = 'must be 1 with ordering "strict": a record that fails does not hold back the rest of its request'
    issues.push({ path: "batch.max_records", message })
  }
  const path = rest_endpoint === undefined ? "bootstrap_servers" : "rest_endpoint"
  const checked = checkUrl(produceUrl(config), use)
  if (Result.isFailure(checked)) issues.push({ path, message: checked.failure.message })
  else if (/[?#]/.test(rest_endpoint ?? "")) issues.push({ path, message: "must not have a query or fragment" })
  return issues
}

export const KafkaSink: Sink.Sink = Sink.make({
  type: "kafka",
  title: "Kafka (Confluent REST Proxy v3)",
  supports: { batch: true, receipts: true },
  defaultTimeoutMs: TIMEOUT_MS,
  tidy,
  config: KafkaConfig,
  validate,
  target: (config) => new URL(restBase(config)).origin,
  driver
})
