/**
 * Receipts from the body of a produce response: JSON objects one after another, with any white space between, matched
 * to the records by position alone (kafka-rest-v3 §3, §4). HTTP 200 proves nothing; a receipt does.
 *
 * A receipt is read as soon as its last byte is there, whatever the chunks: if the connection breaks later, it stays
 * read. What is held is the receipt that has not ended yet.
 *
 * A record never takes the receipt of another: the first text that is no receipt is the last that is read, and where
 * there are more receipts than records none is trusted. What a receipt names (topic, partition, offset) is no
 * position: it is shown, not compared.
 */
import { pauses } from "@hookstream/core/delivery/Settle"
import { delivered, failed, type Outcome, type Tell } from "@hookstream/core/sink/Sink"
import * as ErrorMapping from "./ErrorMapping.ts"

/** Characters. A receipt is a few hundred, and an error's message a few thousand. */
const RECEIPT_MAX = 256 * 1024

/**
 * As far as this sink reads it. A field of another type than expected counts as absent: `error_code` alone decides.
 */
interface Receipt {
  /** 200, or the error; proxies 7.0 to 7.2 leave it out of a success, which then has an offset. */
  readonly error_code?: unknown
  readonly message?: unknown
  readonly cluster_id?: unknown
  readonly topic_name?: unknown
  readonly partition_id?: unknown
  /** The digits of an int64: it may pass 2^53, where a number would lose some. */
  readonly offset?: unknown
  readonly timestamp?: unknown
}

/** Fewer digits in a row are exact as a number. */
const LONG_NUMBER = /\d{16}/

const exact = (key: string, value: unknown, context?: { readonly source?: string }) =>
  key === "offset" && typeof value === "number" ? (context?.source ?? String(value)) : value

/** `undefined` where the text is no JSON. */
const parse = (text: string): Receipt | undefined => {
  try {
    // A reviver sees every value, at several times the price.
    if (LONG_NUMBER.test(text)) return JSON.parse(text, exact as (key: string, value: unknown) => unknown)
    const receipt = JSON.parse(text)
    return typeof receipt.offset === "number" ? { ...receipt, offset: String(receipt.offset) } : receipt
  } catch {
    return undefined
  }
}

const textOr = <const T>(value: unknown, otherwise: T): string | T => (typeof value === "string" ? value : otherwise)

/**
 * What the open proxy writes when the stream broke, not the record (StreamingResponse; §6b marks it by these words
 * only).
 */
const STREAM_FAILURE = "Bad Request: Error processing message"

const UNREADABLE = failed("Unknown", "the proxy's receipt could not be read")
const SURPLUS = failed("Unknown", "the proxy answered with more receipts than records: which is whose cannot be told")

/** A receipt, and whether what comes behind it can still be matched to a record. */
interface Reading {
  readonly outcome: Outcome
  readonly isLast: boolean
}

const unreadable: Reading = { outcome: UNREADABLE, isLast: true }

export interface Options {
  /** Records of the request. */
  readonly count: number
  /** Milliseconds that the response asks to wait, for the records that it throttles. */
  readonly retryAfter?: number | undefined
  /** What to say in the receipt of a record that was delivered. */
  readonly note?: (position: number) => string | undefined
  /** Hears each outcome as soon as its receipt has been read. */
  readonly tell?: Tell | undefined
}

const readingOf = (text: string, position: number, { count, retryAfter, note = () => undefined }: Options): Reading => {
  const receipt = parse(text)
  if (receipt === undefined) return unreadable
  const { error_code: code, cluster_id, topic_name, partition_id, timestamp } = receipt
  const offset = typeof receipt.offset === "string" && /^-?\d+$/.test(receipt.offset) ? receipt.offset : null
  if (code === 200 || (code === undefined && offset !== null)) {
    const noted = position < count ? note(position) : undefined
    const outcome = delivered({
      ...(typeof cluster_id === "string" ? { cluster_id } : {}),
      ...(typeof topic_name === "string" ? { topic: topic_name } : {}),
      partition: typeof partition_id === "number" ? partition_id : null,
      offset,
      timestamp: textOr(timestamp, null),
      ...(noted === undefined ? {} : { note: noted })
    })
    return { outcome, isLast: false }
  }
  if (typeof code !== "number") return unreadable
  const words = textOr(receipt.message, "")
  const isLast = code === 400 && words.startsWith(STREAM_FAILURE)
  const meaning = isLast ? ({ reason: "Unknown" } as const) : ErrorMapping.ofCode(code)
  const detail = ErrorMapping.describe(`receipt ${code}`, words, meaning)
  return { outcome: failed(meaning.reason, detail, meaning.reason === "Throttled" ? retryAfter : undefined), isLast }
}

export interface ReceiptReader {
  /**
   * Takes the next bytes of the body; `false` once each record has its receipt, what came can be followed by none, or
   * there is no sense in waiting for more: a receipt refuses its record for a reason that holds for all.
   */
  readonly push: (chunk: Uint8Array) => boolean
  /** Whether a receipt says what holds for all records: credentials, rights or topic. */
  readonly refused: () => boolean
  /** One outcome for each record: those without a receipt are unknown, because of `why`; with a surplus all are. */
  readonly outcomes: (why: string) => ReadonlyArray<Outcome>
  /** Receipts beyond the records, in what was read; the failure of the stream is none. */
  readonly surplus: () => number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN = 0x7b
const CLOSE = 0x7d
/** It and what is below it may stand between receipts. */
const SPACE = 0x20

/**
 * Makes the reader of one response.
 *
 * Brackets in arrays need no count: a receipt ends with the brace that closes it, and a text whose brackets do not
 * match is no JSON and becomes unknown.
 */
export const make = (options: Options): ReceiptReader => {
  const { count } = options
  const decoder = new TextDecoder()
  const outcomes: Array<Outcome> = []
  let surplus = 0
  /** What has come of the current receipt, and how far it has been looked at. */
  let text = ""
  let at = 0
  let depth = 0
  let inString = false
  let broken = false
  let refused = false

  /** Takes a receipt; whether it is the last that can be matched. */
  const take = (receipt: string): boolean => {
    const position = outcomes.length
    const { outcome, isLast } = readingOf(receipt, position, options)
    if (position < count) {
      outcomes.push(outcome)
      options.tell?.(position, outcome)
      refused ||= pauses(outcome)
    } else if (!isLast) surplus++
    return isLast
  }

  /** Reads on to the end of the text; what is done with is taken off its beginning. */
  const scan = (): void => {
    let start = 0
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (inString) {
        // What is escaped may be a quote, and may come with the next chunk.
        if (code === BACKSLASH) at++
        else if (code === QUOTE) inString = false
      } else if (depth === 0) {
        start = at
        if (code === OPEN) depth = 1
        else if (code > SPACE) {
          broken = true
          return
        }
      } else if (code === QUOTE) {
        inString = true
      } else if (code === OPEN) {
        depth++
      } else if (code === CLOSE && --depth === 0) {
        if (take(text.slice(start, at + 1))) {
          broken = true
          return
        }
        start = at + 1
      }
    }
    text = text.slice(start)
    at -= start
    broken = text.length > RECEIPT_MAX
  }

  return {
    push: (chunk) => {
      if (broken) return false
      text += decoder.decode(chunk, { stream: true })
      scan()
      return !broken && !refused && outcomes.length < count
    },
    refused: () => refused,
    outcomes: (why) => {
      // Any of them may be the surplus one: behind it each record would have the receipt of the one before it.
      if (surplus > 0) return Array.from({ length: count }, () => SURPLUS)
      const missing = failed("Unknown", why)
      return [...outcomes, ...Array.from({ length: count - outcomes.length }, () => missing)]
    },
    surplus: () => surplus
  }
}
