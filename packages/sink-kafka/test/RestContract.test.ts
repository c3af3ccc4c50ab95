/** The encoder and the reader are written by hand: here the contract's Schemas say whether they are right. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { readRecord } from "@hookstream/kafka-rest-emulator/RecordReader"
import * as ErrorMapping from "@hookstream/sink-kafka/ErrorMapping"
import { OWN_HEADERS } from "@hookstream/sink-kafka/KafkaConfig"
import * as ReceiptReader from "@hookstream/sink-kafka/ReceiptReader"
import * as RecordEncoder from "@hookstream/sink-kafka/RecordEncoder"
import { ErrorReceipt, ProduceRecord, Receipt } from "@hookstream/sink-kafka/RestContract"
import { Schema } from "effect"
import { afterAll, beforeAll } from "vitest"
import { bodyOf, Config, OneEvent } from "./generated.ts"
import { bytes, outbound, split, text } from "./support.ts"

const strict = { onExcessProperty: "error" } as const
const decodeRecord = Schema.decodeUnknownSync(ProduceRecord, strict)
const decodeReceipt = Schema.decodeUnknownSync(Receipt, strict)
const encodeReceipt = Schema.encodeSync(Receipt)
/** A number beyond all doubles is a text, as the proxy writes it. */
const parse = (json: string): unknown =>
  JSON.parse(json, (_, value) => (value === Number.POSITIVE_INFINITY ? "Infinity" : value))

describe("what is sent to the proxy", () => {
  it.prop(
    "is a record of the contract, and its data are the event's, whatever the bodies and the settings",
    [Schema.Array(OneEvent), Config],
    ([events, { literal, path, ...settings }]) => {
      const batch = events.map(({ body, header, ...change }) =>
        outbound(bodyOf(body), { ...change, headers: header === null ? [] : [["x-id", header]] })
      )
      const encode = RecordEncoder.make({ ...settings, record_headers: { literal, "from-path": { path } } })
      const records = split(text(encode(batch))).map((one) => decodeRecord(parse(one)))
      expect(records).toHaveLength(batch.length)
      for (const [i, { value, key, headers, timestamp, partition_id }] of records.entries()) {
        const sent = batch[i]!.event
        if (value?.type === "JSON") expect(value.data).toEqual(parse(text(sent.body)))
        else if (value?.type === "STRING") expect(value.data).toBe(text(sent.body))
        else expect(Buffer.compare(value!.data!, sent.body)).toBe(0)
        // A tombstone would delete the key from a compacted topic.
        expect(value?.data).not.toBeNull()

        const [id, destination] = headers!
        expect([id!.name, text(id!.value!)]).toEqual([OWN_HEADERS.eventId, sent.id])
        expect([destination!.name, text(destination!.value!)]).toEqual([
          OWN_HEADERS.destinationId,
          batch[i]!.destinationId
        ])
        expect(key?.type).toBe(settings.key === "none" ? undefined : settings.key_type.toUpperCase())
        expect(key?.data).not.toBeNull()
        expect(timestamp).toBe(settings.timestamp === "none" ? undefined : new Date(sent.receivedAt).toISOString())
        expect(partition_id).toBeUndefined()
      }
    }
  )
  const { headers, key, value } = ProduceRecord.fields
  it.prop(
    "is taken by the proxy with the same content, whatever records of the contract",
    [Schema.Struct({ headers, key, value })],
    ([record]) => {
      const encoded = JSON.stringify(Schema.encodeSync(ProduceRecord)(record))
      const taken = readRecord(encoded)
      for (const side of ["key", "value"] as const) {
        const wanted = record[side]
        if (wanted == null) expect(taken[side]).toBeNull()
        else if (wanted.data === null) expect(taken[side]).toMatchObject({ type: wanted.type, bytes: null })
        else if (wanted.type === "BINARY") expect(Buffer.compare(taken[side]!.bytes!, wanted.data)).toBe(0)
        else expect(taken[side]!.raw).toBe(JSON.stringify(wanted.data))
      }
      // The proxy groups those of a name, and writes half a surrogate pair as a question mark.
      const namesOf = (all: ReadonlyArray<{ readonly name: string }>) =>
        all.map(({ name }) => name.toWellFormed().replaceAll("\ufffd", "?")).sort()
      expect(namesOf(taken.headers)).toEqual(namesOf(record.headers ?? []))
    }
  )
  it.each([
    ["a field that is not known", { value: { type: "JSON", data: 1 }, values: [] }],
    ["a type that is not known", { value: { type: "TEXT", data: "a" } }],
    ["a value without data", { value: { type: "STRING" } }],
    ["a text that is none", { value: { type: "STRING", data: 1 } }],
    ["base64 of the URL's alphabet", { value: { type: "BINARY", data: "-_-_" } }],
    ["a header without a name", { headers: [{ value: "YQ==" }] }],
    ["a header's value as plain text", { headers: [{ name: "a", value: "é" }] }],
    ["a timestamp that would be read as seconds", { timestamp: 1_700_000_000_000 }],
    ["a timestamp without its time", { timestamp: "2026-01-01" }],
    ["a negative partition", { partition_id: -1 }]
  ])("is no record of the contract with %s", (_, record) => {
    expect(() => decodeRecord(record)).toThrow()
  })
})

describe("what the proxy answers", () => {
  const Space = Schema.Literals(["", " ", "\r\n"])
  const isStreamFailure = (message: string) => message.startsWith("Bad Request: Error processing message")

  it.prop(
    "is read as the contract has it, whatever receipts a proxy may give",
    [Schema.Array(Receipt), Space],
    ([receipts, space]) => {
      const reader = ReceiptReader.make({ count: receipts.length })
      const texts = receipts.map((one) => JSON.stringify(encodeReceipt(one)))
      // One that refuses all records ends the reading, but not of what has come.
      reader.push(bytes(texts.join(space)))
      const outcomes = reader.outcomes("missing")
      for (const [i, one] of texts.map((receipt) => decodeReceipt(JSON.parse(receipt))).entries()) {
        if ("message" in one) {
          expect(isStreamFailure(one.message)).toBe(false)
          expect(outcomes[i]).toMatchObject({ _tag: "Failed", reason: ErrorMapping.ofCode(one.error_code).reason })
          continue
        }
        expect(outcomes[i]).toEqual({
          _tag: "Delivered",
          receipt: {
            cluster_id: one.cluster_id,
            topic: one.topic_name,
            partition: one.partition_id,
            offset: String(one.offset),
            timestamp: one.timestamp ?? null
          }
        })
      }
      expect(reader.surplus()).toBe(0)
    }
  )
  it("is a receipt or an error, and never both", () => {
    const receipt = { cluster_id: "c", topic_name: "t", partition_id: 0, offset: 1, timestamp: "2026-01-01T00:00:00Z" }
    expect(decodeReceipt(receipt)).toEqual(receipt)
    expect(decodeReceipt({ error_code: 200, ...receipt })).toEqual({ error_code: 200, ...receipt })
    expect(() => decodeReceipt({ error_code: 500, ...receipt })).toThrow()
    expect(() => decodeReceipt({ error_code: 200, message: "ok" })).toThrow()
    expect(() => decodeReceipt({ error_code: 400 })).toThrow()
    expect(() => decodeReceipt({ error_code: 200, cluster_id: "c", topic_name: "t", partition_id: 0 })).toThrow()
  })
})

/** The requests that were put to REST Proxy 7.9 and 8.3, and what these answered (`Conformance.test.ts`). */
interface Recorded {
  readonly id: string
  readonly request: { readonly body?: unknown; readonly topic?: string; readonly [field: string]: unknown }
  readonly answer: Answer
  readonly answer_8?: Answer
}
interface Answer {
  readonly http: number
  readonly codes: ReadonlyArray<number | "none">
  readonly sizes: ReadonlyArray<string>
  readonly fields: ReadonlyArray<string>
  readonly partitions: ReadonlyArray<number | null>
  readonly stored: ReadonlyArray<{ readonly key: string | null; readonly value: string | null }>
}
const RECORDED: ReadonlyArray<Recorded> = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../kafka-rest-emulator/test/fixtures/rest-proxy-answers.json"), "utf8")
)

describe("the answers recorded from a real proxy", () => {
  /** A receipt as it was recorded: code, partition, types and sizes; the rest was not kept. */
  const receiptsOf = ({ codes, sizes, partitions }: Answer) =>
    codes.map((error_code, i) => {
      if (error_code !== 200) return { error_code, message: "not kept" }
      const [key, value] = sizes[i]!.split("/").map((side) => {
        const [type, size] = side.split(":")
        return size === undefined ? undefined : { type, size: Number(size) }
      })
      return {
        error_code,
        cluster_id: "c1",
        topic_name: "one",
        partition_id: partitions[i],
        offset: i,
        timestamp: "2026-01-01T00:00:00Z",
        ...(key === undefined ? {} : { key }),
        ...(value === undefined ? {} : { value })
      }
    })
  const answers = RECORDED.flatMap(({ id, answer, answer_8 = answer }) => [
    [id, answer] as const,
    [id, answer_8] as const
  ])
  const withReceipts = answers.filter(([, { codes }]) => codes.length > 0 && !codes.includes("none"))

  it("are all receipts of the contract, codes, types, sizes and the names of their fields", () => {
    expect(withReceipts.length).toBeGreaterThan(200)
    for (const [id, answer] of withReceipts) {
      const receipts = receiptsOf(answer)
      for (const one of receipts) expect(decodeReceipt(one), id).toEqual(one)
      const names = new Set(receipts.map((one) => Object.keys(one).sort().join()))
      expect([...names].sort(), id).toEqual([...answer.fields].sort())
    }
  })
})

describe("the answers of the emulator, which are those of a real proxy", () => {
  let emulator: Emulator
  beforeAll(async () => {
    emulator = await startEmulator({
      topics: [
        { name: "one", partitions: 1 },
        { name: "six", partitions: 6 }
      ],
      maxBlockMs: 5
    })
  })
  afterAll(() => emulator.close())

  const plain = RECORDED.filter(
    ({ request: { body, topic, ...others } }) => typeof body === "string" && Object.keys(others).length === 0
  )
  it.each(plain.map((one) => [one.id, one] as const))("to %s are receipts of the contract", async (_, one) => {
    const response = await fetch(`${emulator.url}/v3/clusters/c1/topics/${one.request.topic ?? "one"}/records`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: one.request.body as string
    })
    const receipts = split(await response.text()).map((receipt) => decodeReceipt(JSON.parse(receipt)))
    expect(receipts.map(({ error_code }) => error_code)).toEqual(one.answer.codes)
  })
  it("are tried with as many requests as there are", () => {
    expect(plain.length).toBeGreaterThan(70)
  })
  it("to a request that is refused as a whole are errors of the contract", async () => {
    const refused = await fetch(`${emulator.url}/v3/clusters/c1/topics/one/records`, {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: "{}"
    })
    expect(refused.status).toBe(415)
    expect(Schema.decodeUnknownSync(ErrorReceipt, strict)(await refused.json())).toMatchObject({ error_code: 415 })
  })
})
