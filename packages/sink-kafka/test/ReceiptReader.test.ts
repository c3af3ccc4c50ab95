import { describe, expect, it } from "@effect/vitest"
import type { Outcome } from "@hookstream/core/sink/Sink"
import * as ReceiptReader from "@hookstream/sink-kafka/ReceiptReader"
import { Schema } from "effect"
import { bytes } from "./support.ts"

/** The outcomes of `count` records from a body that comes in chunks of these lengths, again and again. */
const read = (body: string, count: number, lengths: ReadonlyArray<number> = [Number.POSITIVE_INFINITY]) => {
  const reader = ReceiptReader.make({ count })
  let rest = bytes(body)
  for (let i = 0; rest.length > 0; i++) {
    const length = lengths[i % lengths.length]!
    if (!reader.push(rest.subarray(0, length))) break
    rest = rest.subarray(length)
  }
  return reader.outcomes("missing")
}
const reasons = (outcomes: ReadonlyArray<Outcome>) =>
  outcomes.map((one) => (one._tag === "Delivered" ? one.receipt["offset"] : one.reason))

const Space = Schema.Literals(["", " ", "\n", "\r\n", " \t\r\n "])
const Receipt = Schema.Union([
  Schema.Struct({ error_code: Schema.Literals([429, 50003, 413]), message: Schema.String }),
  Schema.Struct({
    error_code: Schema.Literal(200),
    offset: Schema.Int,
    nested: Schema.Struct({ "a}\\{": Schema.Array(Schema.String) })
  })
])
const Spaced = Schema.Struct({ before: Space, receipt: Receipt })
const Lengths = Schema.NonEmptyArray(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })))
const wanted = ({ receipt }: typeof Spaced.Type) =>
  receipt.error_code === 200
    ? String(receipt.offset)
    : { 429: "Throttled", 50003: "Unknown", 413: "TooLarge" }[receipt.error_code]

const receipt = (offset: string, more = "") =>
  `{"error_code":200,"cluster_id":"c","topic_name":"t","partition_id":3,"offset":${offset},` +
  `"timestamp":"2026-01-01T00:00:00Z"${more}}`

describe("receipts", () => {
  it.prop(
    "are told apart whatever stands in and between them, and however they are cut into chunks",
    [Schema.Array(Spaced), Space, Lengths],
    ([all, end, lengths]) => {
      const body = all.map((one) => one.before + JSON.stringify(one.receipt)).join("") + end
      expect(reasons(read(body, all.length, lengths))).toEqual(all.map(wanted))
    }
  )
  it.prop(
    "that came before the connection broke count; the others' records are unknown",
    [Schema.NonEmptyArray(Spaced), Lengths, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))],
    ([all, lengths, permille]) => {
      const texts = all.map((one) => one.before + JSON.stringify(one.receipt))
      const whole = bytes(texts.join(""))
      const cut = Math.floor((whole.length * permille) / 1000)
      let end = 0
      const whoAre = all.map((one, i) => {
        end += bytes(texts[i]!).length
        return end <= cut ? wanted(one) : "Unknown"
      })
      const reader = ReceiptReader.make({ count: all.length })
      for (let at = 0, i = 0; at < cut; at += lengths[i++ % lengths.length]!) {
        reader.push(whole.subarray(at, Math.min(cut, at + lengths[i % lengths.length]!)))
      }
      expect(reasons(reader.outcomes("missing"))).toEqual(whoAre)
    }
  )
  it("of success carry partition, offset and timestamp", () => {
    expect(read(`${receipt("12")}\r\n`, 1)).toEqual([
      {
        _tag: "Delivered",
        receipt: { cluster_id: "c", topic: "t", partition: 3, offset: "12", timestamp: "2026-01-01T00:00:00Z" }
      }
    ])
  })
  it("keep offsets beyond 2^53 exact", () => {
    expect(read(receipt("9223372036854775807"), 1)[0]).toMatchObject({ receipt: { offset: "9223372036854775807" } })
  })
  it("of proxies 7.0 to 7.2 have no error_code, but an offset", () => {
    expect(read('{"partition_id":0,"offset":5}', 1)[0]).toMatchObject({ _tag: "Delivered", receipt: { offset: "5" } })
  })
  it("of success count whatever else is missing or odd in them", () => {
    expect(read('{"error_code":200,"offset":1.5,"timestamp":7,"partition_id":"x","message":{}}', 1)).toEqual([
      { _tag: "Delivered", receipt: { partition: null, offset: null, timestamp: null } }
    ])
  })
  it("of failure are told by their code alone, whatever else is in them", () => {
    expect(read('{"error_code":50003,"offset":5,"partition_id":1}', 1)).toEqual([
      { _tag: "Failed", reason: "Unknown", detail: "receipt 50003" }
    ])
    expect(read('{"error_code":500,"message":"Bad Request: Error processing message"}', 1)).toMatchObject([
      { reason: "Unavailable" }
    ])
    expect(read('{"error_code":500,"message":{"no":"text"}}', 1)).toMatchObject([{ detail: "receipt 500" }])
  })
  it("of success show nothing that has another type than a proxy gives it", () => {
    const shown = { _tag: "Delivered", receipt: { partition: null, offset: null, timestamp: null } }
    expect(read('{"error_code":200,"cluster_id":7,"topic_name":{},"offset":["5"],"partition_id":"1"}', 1)).toEqual([
      shown
    ])
    // Beside a long number each value is looked at: an offset that is a text already stays as it is.
    const [outcome] = read('{"error_code":200,"offset":"12","n":12345678901234567890}', 1)
    expect(outcome).toMatchObject({ receipt: { offset: "12" } })
  })
  it("keep the proxy's words, wherever they are cut into chunks", () => {
    const body = '{"error_code":40002,"message":"é漢😀"}'
    for (let length = 1; length < 9; length++) {
      expect(read(body, 1, [length])).toMatchObject([{ detail: "receipt 40002: é漢😀" }])
    }
  })
  it("that cannot be read are told so, and nothing is read on", () => {
    const reader = ReceiptReader.make({ count: 3 })
    expect(reader.push(bytes(`${receipt("1")}{}`))).toBe(false)
    expect(reader.push(bytes(receipt("2")))).toBe(false)
    expect(reader.outcomes("missing").slice(1)).toEqual([
      { _tag: "Failed", reason: "Unknown", detail: "the proxy's receipt could not be read" },
      { _tag: "Failed", reason: "Unknown", detail: "missing" }
    ])
    const page = ReceiptReader.make({ count: 1 })
    expect([page.push(bytes(" <html>")), page.push(bytes(receipt("1")))]).toEqual([false, false])
    expect(page.outcomes("missing")).toMatchObject([{ detail: "missing" }])
  })
  it("belong to their records by position", () => {
    expect(reasons(read(`${receipt("1")} {"error_code":429,"message":"slow"} ${receipt("2")}`, 3))).toEqual([
      "1",
      "Throttled",
      "2"
    ])
  })
  it("that are missing leave their records unknown", () => {
    expect(read(receipt("1"), 3).slice(1)).toEqual([
      { _tag: "Failed", reason: "Unknown", detail: "missing" },
      { _tag: "Failed", reason: "Unknown", detail: "missing" }
    ])
  })
  it("beyond the records are counted", () => {
    const reader = ReceiptReader.make({ count: 1 })
    expect(reader.push(bytes(`${receipt("1")}${receipt("2")} {"error_code":400}`))).toBe(false)
    expect([reasons(reader.outcomes("")), reader.surplus()]).toEqual([["Unknown"], 2])
  })
  it("are waited for no longer than until the last record has its own", () => {
    const reader = ReceiptReader.make({ count: 2 })
    expect([reader.push(bytes(receipt("1"))), reader.push(bytes(receipt("2")))]).toEqual([true, false])
  })
  it.each([
    ["an empty body", ""],
    ["white space", " \r\n"],
    ["HTML", "<html><body>ok</body></html>"],
    ["a truncated receipt", receipt("1").slice(0, -5)],
    ["an array", `[${receipt("1")}]`],
    ["something else", '{"ok":true}'],
    ["an offset that is none", '{"offset":"12 apples"}'],
    ["a code that is none", '{"error_code":"200"}'],
    ["broken JSON", '{"error_code":200,,}'],
    ["a closing brace", `}${receipt("1")}`],
    ["a string", '"{}"']
  ])("cannot be read from %s: the outcome is unknown", (_, body) => {
    expect(read(body, 1)).toMatchObject([{ _tag: "Failed", reason: "Unknown" }])
  })
  it("behind what is no receipt are not read: their position is lost", () => {
    expect(reasons(read(`${receipt("1")},${receipt("2")}`, 2))).toEqual(["1", "Unknown"])
  })
  it("of a stream that broke say nothing against the record, nor against those without a receipt", () => {
    const broke = (message: string) => reasons(read(receipt("1") + JSON.stringify({ error_code: 400, message }), 3))
    expect(broke("Bad Request: Error processing message: idle")).toEqual(["1", "Unknown", "Unknown"])
    expect(broke("Bad Request: other")).toEqual(["1", "Malformed", "Unknown"])
  })
  it("hold no more than one receipt in memory, which has an end", () => {
    const reader = ReceiptReader.make({ count: 1 })
    const piece = bytes("x".repeat(64 * 1024))
    expect(reader.push(bytes('{"message":"'))).toBe(true)
    const taken = Array.from({ length: 10 }, () => reader.push(piece))
    expect(taken.slice(-2)).toEqual([false, false])
  })

  // A record must never take the receipt of another: it would be called delivered on its proof, and be lost.
  const THROTTLED = '{"error_code":429,"message":"slow"}'
  const own = [receipt("1"), receipt("2"), THROTTLED, receipt("4")]
  const wanted4 = ["1", "2", "Throttled", "4"]
  const unknownFrom = (place: number) => wanted4.map((one, i) => (i < place ? one : "Unknown"))
  const odd = {
    "is empty": "{}",
    "has a code that is no number": '{"error_code":"200","offset":9}',
    "is no JSON": '{"error_code":200,,"offset":9}',
    "ends in the middle": '{"error_code":200,"partition_id":{',
    "ends inside a word": '{"error_code":200,"off'
  }
  const places = [0, 1, 3]
  it.each(Object.entries(odd).flatMap(([what, text]) => places.map((place) => [what, place, text] as const)))(
    "of which one %s, at place %i, leave its record and those behind it unknown",
    (_, place, text) => {
      for (const lengths of [[Number.POSITIVE_INFINITY], [7], [1]]) {
        expect(reasons(read(own.with(place, text).join("\r\n"), 4, lengths))).toEqual(unknownFrom(place))
        expect(reasons(read(own.with(place, text).join(""), 4, lengths))).toEqual(unknownFrom(place))
      }
    }
  )
  it.each([0, 1, 2, 3])("that end after %i leave the records without one unknown", (place) => {
    expect(reasons(read(own.slice(0, place).join("\r\n"), 4))).toEqual(unknownFrom(place))
  })
  it.each([...places, 4])("of which one is too many, at place %i, prove nothing: each may be another's", (place) => {
    const outcomes = read(own.toSpliced(place, 0, receipt("9")).join("\r\n"), 4)
    expect(reasons(outcomes)).toEqual(unknownFrom(0))
    const detail = "the proxy answered with more receipts than records: which is whose cannot be told"
    expect(outcomes[0]).toMatchObject({ detail })
  })
  it("behind the failure of the stream are not read, and it is none too many", () => {
    const failure = JSON.stringify({ error_code: 400, message: "Bad Request: Error processing message: idle" })
    for (const place of places) {
      expect(reasons(read(own.toSpliced(place, 0, failure).join("\r\n"), 4))).toEqual(unknownFrom(place))
    }
    expect(reasons(read([...own, failure].join("\r\n"), 4))).toEqual(wanted4)
  })
  it("belong to the record at their place, whatever partition and topic they name", () => {
    const other = receipt("7").replace('"partition_id":3', '"partition_id":8').replace('"t"', '"elsewhere"')
    expect(read(receipt("1") + other, 2)[1]).toMatchObject({
      receipt: { topic: "elsewhere", partition: 8, offset: "7" }
    })
  })
  it("of throttling wait as long as the response asked", () => {
    const reader = ReceiptReader.make({ count: 2, retryAfter: 7000 })
    reader.push(bytes('{"error_code":429,"message":""}{"error_code":500,"message":""}'))
    expect(reader.outcomes("")).toEqual([
      { _tag: "Failed", reason: "Throttled", detail: "receipt 429", retryAfter: 7000 },
      { _tag: "Failed", reason: "Unavailable", detail: "receipt 500" }
    ])
  })
})
