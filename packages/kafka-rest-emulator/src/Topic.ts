/** A topic in memory: partitions with offsets, and every record in the order in which it arrived. */
import { formatMillis } from "./internal/javaInstant.ts"
import { partitionOf } from "./internal/murmur2.ts"
import { RecordError } from "./internal/RecordError.ts"
import { serializedSize } from "./internal/serializedSize.ts"
import type { ProduceRecord, RecordSide } from "./ProduceRecord.ts"

/** A record as it is read back. Bytes are shown as text and as base64. */
export interface StoredRecord {
  /** Arrival number over all partitions, from 0. */
  readonly n: number
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: string
  readonly key: StoredSide | null
  readonly headers: ReadonlyArray<{ readonly name: string; readonly value: string | null }>
  /** The values of `headers` in their order, for those that are not text. */
  readonly headers_base64: ReadonlyArray<string | null>
  readonly value: StoredSide | null
  /** `value.data` exactly as it stood in the request. */
  readonly raw_value_data: string | null
  /** The whole record exactly as it stood in the request. */
  readonly raw_request: string
}

export interface StoredSide {
  readonly type: string
  /** `null`: Kafka's null. */
  readonly text: string | null
  readonly base64: string | null
}

const stored = (side: RecordSide | null): StoredSide | null => {
  if (side === null) return null
  const bytes = side.bytes === null ? null : Buffer.from(side.bytes)
  return { type: side.type, text: bytes?.toString("utf8") ?? null, base64: bytes?.toString("base64") ?? null }
}

/** What Kafka takes for the name of a topic. */
export const isTopicName = (name: string): boolean =>
  /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== "." && name !== ".."

export class Topic {
  readonly name: string
  readonly records: Array<StoredRecord> = []
  readonly #ends: Array<number>
  readonly #maxBytes: number
  #next = 0
  #waiting: Array<() => void> = []

  constructor(name: string, partitions: number, maxBytes: number) {
    this.name = name
    this.#ends = Array.from({ length: partitions }, () => 0)
    this.#maxBytes = maxBytes
  }

  get partitions(): number {
    return this.#ends.length
  }

  /** Without a key and a choice of its own, records go round. */
  #partition({ partition, key }: ProduceRecord): number {
    if (partition !== null) return partition
    const count = this.partitions
    return key?.bytes == null ? this.#next++ % count : partitionOf(key.bytes, count)
  }

  /** Appends a record, whose partition is one of the topic's. Throws {@link RecordError}. */
  append(record: ProduceRecord, raw: string): StoredRecord {
    const size = serializedSize(record)
    if (size > this.#maxBytes) {
      throw new RecordError(413, `The message is ${size} bytes when serialized which is larger than ${this.#maxBytes}`)
    }
    const partition = this.#partition(record)
    const offset = this.#ends[partition]!++
    const one: StoredRecord = {
      n: this.records.length,
      topic: this.name,
      partition,
      offset,
      timestamp: formatMillis(record.timestamp ?? Date.now()),
      key: stored(record.key),
      headers: record.headers.map(({ name, value }) => ({
        name,
        value: value === null ? null : Buffer.from(value).toString("utf8")
      })),
      headers_base64: record.headers.map(({ value }) =>
        value === null ? null : Buffer.from(value).toString("base64")
      ),
      value: stored(record.value),
      raw_value_data: record.value?.raw ?? null,
      raw_request: raw
    }
    this.records.push(one)
    for (const wake of this.#waiting.splice(0)) wake()
    return one
  }

  /** Resolves at the next record or after `ms`. */
  next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      // Who waits holds a connection; a wait alone must not keep the process alive.
      const timer = setTimeout(resolve, ms).unref()
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}
