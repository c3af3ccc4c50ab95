/**
 * Receipts from the body of a produce response: JSON objects one after another, with any white space between, matched to the
 * records by position alone (kafka-rest-v3 §3, §4). HTTP 200 proves nothing; a receipt does.
 */
import { delivered, failed, type Outcome } from "@hookstream/core/Sink"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ErrorMapping from "./ErrorMapping.ts"
import { ErrorReceipt, ProduceReceipt } from "./ProduceReceipt.ts"

/**
 * The JSON objects of a text, each as its own text. What follows the last whole object (a truncated receipt, HTML) is left
 * out.
 */
export const splitObjects = (text: string): ReadonlyArray<string> => {
  const objects: Array<string> = []
  let depth = 0
  let start = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (inString) {
      if (char === "\\") i++
      else if (char === '"') inString = false
    } else if (char === '"' && depth > 0) inString = true
    else if (char === "{") {
      if (depth++ === 0) start = i
    } else if (char === "}" && depth > 0) {
      if (--depth === 0) objects.push(text.slice(start, i + 1))
    } else if (depth === 0 && !/\s/.test(char!)) return objects
  }
  return objects
}

/** An offset beyond 2^53 would lose digits as a number, so its source text is kept. */
const parse = (text: string): unknown => {
  const reviver = (key: string, value: unknown, context?: { readonly source?: string }) =>
    key === "offset" && typeof value === "number" ? (context?.source ?? String(value)) : value
  try {
    return JSON.parse(text, reviver as (key: string, value: unknown) => unknown)
  } catch {
    return undefined
  }
}

const asReceipt = Schema.decodeUnknownResult(ProduceReceipt)
const asError = Schema.decodeUnknownResult(ErrorReceipt)

/** What the open proxy writes when the stream broke, not the record (StreamingResponse; §6b marks it by these words only). */
const STREAM_FAILURE = "Bad Request: Error processing message"

const toOutcome = (text: string): Outcome => {
  const json = parse(text)
  const receipt = asReceipt(json)
  if (Result.isSuccess(receipt)) {
    const { cluster_id, topic_name, partition_id, offset, timestamp } = receipt.success
    return delivered({
      ...(cluster_id === undefined ? {} : { cluster_id }),
      ...(topic_name === undefined ? {} : { topic: topic_name }),
      ...{ partition: partition_id, offset, timestamp: timestamp ?? null }
    })
  }
  const error = asError(json)
  if (Result.isFailure(error)) return failed("Unknown", "the proxy's receipt could not be read")
  const { error_code: code, message } = error.success
  const words = message ?? ""
  const meaning =
    code === 400 && words.startsWith(STREAM_FAILURE) ? ({ reason: "Unknown" } as const) : ErrorMapping.ofCode(code)
  return failed(meaning.reason, ErrorMapping.describe(`receipt ${code}`, words, meaning))
}

/** One outcome for each of `count` records. Fewer receipts: the rest is unknown. More: the proxy's own, ignored. */
export const readOutcomes = (body: string, count: number): ReadonlyArray<Outcome> => {
  const outcomes = splitObjects(body).slice(0, count).map(toOutcome)
  const missing = failed("Unknown", "the proxy answered without a receipt for this record")
  return [...outcomes, ...Array.from({ length: count - outcomes.length }, () => missing)]
}
