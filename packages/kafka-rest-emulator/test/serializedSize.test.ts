import { describe, expect, it } from "vitest"
import { serializedSize } from "../src/internal/serializedSize.ts"

const bytes = (length: number) =>
  length < 0 ? null : ({ type: "BINARY", bytes: new Uint8Array(length), raw: "" } as const)
const HEADERS = [
  { name: "né", value: new Uint8Array(70) },
  { name: "b", value: null }
]

describe("the size of a record", () => {
  // Printed by AbstractRecords.estimateSizeInBytesUpperBound of kafka-clients 3.9, without headers and with these.
  it.each([
    [-1, -1, 85, 164],
    [0, 0, 85, 164],
    [3, 63, 151, 230],
    [3, 64, 153, 232],
    [10, 8191, 8287, 8366],
    [10, 8192, 8289, 8368],
    [100, 1_048_576, 1_048_765, 1_048_844],
    [-1, 1_048_490, 1_048_577, 1_048_656]
  ])("with a key of %i bytes and a value of %i is Kafka's", (key, value, bare, headed) => {
    const record = { key: bytes(key), value: bytes(value) }
    expect([serializedSize({ ...record, headers: [] }), serializedSize({ ...record, headers: HEADERS })]).toEqual([
      bare,
      headed
    ])
  })
})
