/** What becomes of the records of a body (§4). */
import { setTimeout as sleep } from "node:timers/promises"
import type { ProduceRecord } from "../ProduceRecord.ts"
import { isTopicName, type StoredRecord, type Topic } from "../Topic.ts"
import type { RequestFaults } from "./activeFaults.ts"
import { errorOf, messageOf } from "./answers.ts"
import type { RateLimiter } from "./RateLimiter.ts"
import { RecordError } from "./RecordError.ts"
import { recordStream } from "./recordStream.ts"

export interface ProduceTarget {
  readonly cluster: string
  readonly name: string
  /** `undefined`: there is none of that name. */
  readonly topic: Topic | undefined
  readonly limiter: RateLimiter
  /** Bytes of one record's JSON. */
  readonly maxRecordBytes: number
  /** How long a record waits for a topic or partition that is not there. */
  readonly maxBlockMs: number
  readonly onRecord: ((record: StoredRecord) => void) | undefined
  /** Ends the waits. */
  readonly signal: AbortSignal
}

const sideReceipt = (side: { readonly type: string; readonly bytes: Uint8Array | null } | null) =>
  side === null ? undefined : { type: side.type, size: side.bytes?.length ?? -1 }

/** The producer's metadata must know the topic and the partition: it asks for them as long as it may. */
const findTopic = async (to: ProduceTarget, { partition }: ProduceRecord): Promise<Topic> => {
  const { topic, name } = to
  if (!isTopicName(name)) throw new RecordError(40002, `Invalid topics: [${name}]`)
  if (topic !== undefined && (partition ?? 0) < topic.partitions) return topic
  await sleep(to.maxBlockMs, undefined, { signal: to.signal })
  const what =
    topic === undefined
      ? `Topic ${name}`
      : `Partition ${partition} of topic ${name} with partition count ${topic.partitions} is`
  throw new RecordError(40401, `${what} not present in metadata after ${to.maxBlockMs} ms.`)
}

/** Produces one record and answers its receipt without `error_code`. Rejects with {@link RecordError}. */
export const produceOne = async (raw: string, encode: () => ProduceRecord, to: ProduceTarget): Promise<object> => {
  const size = Buffer.byteLength(raw)
  if (!to.limiter.takeRecord(size)) throw new RecordError(429, messageOf(429))
  if (size > to.maxRecordBytes) throw new RecordError(413, messageOf(413))
  const record = encode()
  const topic = await findTopic(to, record)
  const stored = topic.append(record, raw)
  to.onRecord?.(stored)
  return {
    cluster_id: to.cluster,
    topic_name: to.name,
    partition_id: stored.partition,
    offset: stored.offset,
    timestamp: stored.timestamp,
    key: sideReceipt(record.key),
    value: sideReceipt(record.value)
  }
}

/** The receipts, one for each record until the stream ends. Each record is produced when its receipt is asked for. */
async function* receiptsOf(
  body: Buffer,
  to: ProduceTarget,
  faults: RequestFaults
): AsyncGenerator<object, void, undefined> {
  for (const item of recordStream(body)) {
    if (item._tag !== "Record") {
      yield errorOf(item.error.code, item.error.message)
      continue
    }
    const forced = faults.receiptOf(item.raw)
    try {
      if (forced !== undefined && !forced.produced)
        throw new RecordError(forced.code, forced.message ?? messageOf(forced.code))
      const receipt = await produceOne(item.raw, item.encode, to)
      if (forced !== undefined) yield errorOf(forced.code, forced.message)
      else yield faults.stream?.withoutErrorCode ? receipt : { error_code: 200, ...receipt }
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      yield errorOf(error.code, error.message)
    }
  }
}

/** The receipts as the faults have them. */
export async function* produce(
  body: Buffer,
  to: ProduceTarget,
  faults: RequestFaults
): AsyncGenerator<object, void, undefined> {
  const { endAfter = Number.POSITIVE_INFINITY, produceRest, extra } = faults.stream ?? {}
  const receipts = receiptsOf(body, to, faults)
  for (let told = 0; told < endAfter || produceRest; told++) {
    const next = await receipts.next()
    if (next.done) break
    if (told < endAfter) yield next.value
  }
  if (extra !== undefined) yield errorOf(400, extra)
}
