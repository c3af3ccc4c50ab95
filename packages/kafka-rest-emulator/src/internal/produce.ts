/** What becomes of the records of a body (§4). */
import { RecordError, readRecord } from "../ProduceRecord.ts"
import type { StoredRecord, Topic } from "../Topic.ts"
import type { RequestFaults } from "./activeFaults.ts"
import { errorOf, messageOf } from "./answers.ts"
import { endOfValue, skipSpace } from "./JsonText.ts"
import type { RateLimiter } from "./RateLimiter.ts"

export interface Destination {
  readonly cluster: string
  readonly name: string
  /** `undefined`: there is none of that name. */
  readonly topic: Topic | undefined
  readonly limiter: RateLimiter
  /** Bytes of one record's JSON. */
  readonly maxRecordBytes: number
  readonly onRecord: ((record: StoredRecord) => void) | undefined
}

const sideReceipt = (side: { readonly type: string; readonly bytes: Uint8Array | null } | null) =>
  side === null ? undefined : { type: side.type, size: side.bytes?.length ?? -1 }

const isJson = (raw: string): boolean => {
  try {
    JSON.parse(raw)
    return true
  } catch {
    return false
  }
}

/** Produces one record and answers its receipt. Throws {@link RecordError}. */
const produceOne = (raw: string, to: Destination, withoutErrorCode: boolean): object => {
  const size = Buffer.byteLength(raw)
  if (!to.limiter.takeRecord(size)) throw new RecordError(429, messageOf(429))
  if (size > to.maxRecordBytes) throw new RecordError(413, messageOf(413))
  const record = readRecord(raw)
  if (to.topic === undefined) {
    throw new RecordError(40401, `Topic ${to.name} not present in metadata after 60000 ms.`)
  }
  const stored = to.topic.append(record, raw)
  to.onRecord?.(stored)
  return {
    ...(withoutErrorCode ? {} : { error_code: 200 }),
    ...{ cluster_id: to.cluster, topic_name: to.name, partition_id: stored.partition, offset: stored.offset },
    ...{ timestamp: stored.timestamp, key: sideReceipt(record.key), value: sideReceipt(record.value) }
  }
}

/** Produces the records in their order and answers the receipts, one for each until the stream ends. */
export const produce = (text: string, to: Destination, faults: RequestFaults): ReadonlyArray<object> => {
  const { endAfter = Number.POSITIVE_INFINITY, produceRest, extra, withoutErrorCode = false } = faults.stream ?? {}
  const receipts: Array<object> = []
  const one = (raw: string): object => {
    const forced = faults.receiptOf(raw)
    if (forced !== undefined && !forced.produced) return errorOf(forced.code, forced.message)
    try {
      const receipt = produceOne(raw, to, withoutErrorCode)
      return forced === undefined ? receipt : errorOf(forced.code, forced.message)
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      return errorOf(error.code, error.message)
    }
  }
  let at = skipSpace(text, 0)
  while (at < text.length && (receipts.length < endAfter || produceRest)) {
    const end = endOfValue(text, at)
    const raw = text.slice(at, end)
    if (!isJson(raw)) {
      // The parser has lost its place: what follows is neither read nor produced.
      receipts.push(errorOf(400, `Bad Request: Unexpected character or end of input at ${at}`))
      // It looks once for the end of the broken record, and trips again; where the body itself ended there is none to look for.
      const cutOff = end === undefined && '{["'.includes(text[at]!)
      if (!cutOff) receipts.push(errorOf(400, `Bad Request: Unexpected character after ${at}`))
      break
    }
    receipts.push(one(raw))
    at = skipSpace(text, end!)
  }
  return [...receipts.slice(0, endAfter), ...(extra === undefined ? [] : [errorOf(400, extra)])]
}
