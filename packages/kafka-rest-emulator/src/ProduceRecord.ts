/** One record of a produce request, checked as the proxy checks it (kafka-rest-v3 §2). */

/** The key or value of a record: Kafka's bytes (`null`: a tombstone or no key), and how it was written. */
export interface RecordSide {
  readonly type: "JSON" | "STRING" | "BINARY"
  readonly bytes: Uint8Array | null
  /** The text of `data` exactly as it came. */
  readonly raw: string
}

export interface RecordHeader {
  readonly name: string
  readonly value: Uint8Array | null
}

export interface ProduceRecord {
  readonly partition: number | null
  /** Those of one name stand together, at the place of the first. */
  readonly headers: ReadonlyArray<RecordHeader>
  readonly key: RecordSide | null
  readonly value: RecordSide | null
  /** Milliseconds since 1970; `null`: the server's clock. */
  readonly timestamp: number | null
}
