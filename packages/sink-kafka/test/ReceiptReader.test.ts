import { describe, expect, it } from "@effect/vitest"
import { readOutcomes, splitObjects } from "@hookstream/sink-kafka/ReceiptReader"
import { Schema } from "effect"

const Space = Schema.Literals(["", " ", "\n", "\r\n", " \t\r\n "])
const Receipt = Schema.Struct({
  error_code: Schema.Literals([200, 429, 50003]),
  message: Schema.String,
  nested: Schema.Struct({ "a}{": Schema.String })
})
const receipt = (offset: string, more = "") =>
  `{"error_code":200,"cluster_id":"c","topic_name":"t","partition_id":3,"offset":${offset},"timestamp":"2026-01-01T00:00:00Z"${more}}`

describe("receipts", () => {
  it.prop(
    "are told apart whatever white space stands between them, and whatever they contain",
    [Schema.Array(Schema.Struct({ before: Space, receipt: Receipt })), Space],
    ([all, end]) => {
      const body = all.map((one) => one.before + JSON.stringify(one.receipt)).join("") + end
      expect(splitObjects(body).map((one) => JSON.parse(one))).toEqual(all.map((one) => one.receipt))
    }
  )
  it("of success carry partition, offset and timestamp", () => {
    expect(readOutcomes(`${receipt("12")}\r\n`, 1)).toEqual([
      {
        _tag: "Delivered",
        receipt: { cluster_id: "c", topic: "t", partition: 3, offset: "12", timestamp: "2026-01-01T00:00:00Z" }
      }
    ])
  })
  it("keep offsets beyond 2^53 exact", () => {
    expect(readOutcomes(receipt("9223372036854775807"), 1)[0]).toMatchObject({
      receipt: { offset: "9223372036854775807" }
    })
  })
  it("of proxies 7.0 to 7.2 have no error_code", () => {
    expect(readOutcomes('{"partition_id":0,"offset":5}', 1)[0]).toMatchObject({
      _tag: "Delivered",
      receipt: { offset: "5" }
    })
  })
  it("belong to their records by position", () => {
    const outcomes = readOutcomes(`${receipt("1")} {"error_code":429,"message":"slow"} ${receipt("2")}`, 3)
    expect(outcomes.map((one) => (one._tag === "Delivered" ? one.receipt["offset"] : one.reason))).toEqual([
      "1",
      "Throttled",
      "2"
    ])
  })
  it("that are missing leave their records unknown; further ones are ignored", () => {
    expect(readOutcomes(receipt("1"), 2)[1]).toMatchObject({ _tag: "Failed", reason: "Unknown" })
    expect(readOutcomes(receipt("1") + receipt("2"), 1)).toHaveLength(1)
  })
  it.each([
    ["an empty body", ""],
    ["HTML", "<html><body>ok</body></html>"],
    ["a truncated receipt", receipt("1").slice(0, -5)],
    ["an array", `[${receipt("1")}]`],
    ["something else", '{"ok":true}'],
    ["a success without offset", '{"error_code":200}'],
    ["broken JSON", '{"error_code":200,,}']
  ])("cannot be read from %s: the outcome is unknown", (_, body) => {
    expect(readOutcomes(body, 1)).toMatchObject([{ _tag: "Failed", reason: "Unknown" }])
  })
  it("of a stream that broke say nothing against the record", () => {
    const broke = (message: string) => readOutcomes(JSON.stringify({ error_code: 400, message }), 1)[0]
    expect(broke("Bad Request: Error processing message: idle")).toMatchObject({ reason: "Unknown" })
    expect(broke("Bad Request: other")).toMatchObject({ reason: "Malformed" })
  })
})
