import { describe, expect, it } from "@effect/vitest"
import { ProduceRequest } from "@hookstream/sink-kafka/ProduceRequest"
import * as RecordEncoder from "@hookstream/sink-kafka/RecordEncoder"
import { Schema } from "effect"
import { bytes, event, outbound, text } from "./support.ts"

const encode = RecordEncoder.make({})
const base64 = (value: string) => Buffer.from(value).toString("base64")
const { id, sourceId } = event("")

/** Pieces of JSON text, as senders write it: a parser that writes again would change most of them. */
const Leaf = Schema.Literals([
  "null",
  "true",
  "12345678901234567890123",
  "1.0",
  "-0",
  "1E400",
  "0.1e-7",
  '"\\u0041\\/"',
  '"\\ud800"',
  '"\u2028é漢😀"',
  '""'
])
const Space = Schema.Literals(["", " ", "\n", "\r\n\t"])
const Tree = Schema.Struct({
  depth: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 400 })),
  space: Space,
  leaves: Schema.NonEmptyArray(Leaf)
})
/** Arrays and objects around the leaves, with repeated names and white space. */
const toText = ({ depth, space, leaves }: typeof Tree.Type): string => {
  const inner = leaves.map((leaf) => `"k"${space}:${space}${leaf}`).join(`,${space}`)
  return `${space}${`[${space}`.repeat(depth)}{${inner}}${"]".repeat(depth)}${space}`
}

describe("the record", () => {
  it("of the seed, byte for byte, with no key", () => {
    const body = '{"order": 42, "total": 10.00}'
    expect(text(RecordEncoder.make({ key: "none" })(outbound(body)))).toBe(
      `{"value":{"type":"JSON","data":${body}},"headers":[` +
        `{"name":"hookstream-event-id","value":"${base64(id)}"},` +
        `{"name":"hookstream-destination-id","value":"${base64("dst_00000000000000000000000000000001")}"}]}`
    )
  })
  it.prop("holds a JSON body as the bytes that came, whatever its numbers, names and spaces", [Tree], ([tree]) => {
    const body = toText(tree)
    const encoded = text(encode(outbound(body)))
    expect(encoded.startsWith(`{"value":{"type":"JSON","data":${body}},"headers":[`)).toBe(true)
    const record = Schema.decodeUnknownSync(ProduceRequest)(JSON.parse(encoded))
    expect(record.value.data).toEqual(JSON.parse(body))
  })
  it.prop("gives any bytes back: text as STRING, the rest as BINARY", [Schema.Uint8Array], ([body]) => {
    const record = Schema.decodeUnknownSync(ProduceRequest)(JSON.parse(text(encode(outbound(body)))))
    const { type, data } = record.value
    const back = type === "BINARY" ? Buffer.from(String(data), "base64") : type === "STRING" ? bytes(data) : body
    expect(Buffer.compare(Buffer.from(back), Buffer.from(body))).toBe(0)
  })
  it.prop("gives any text back", [Schema.String], ([body]) => {
    const record = JSON.parse(text(encode(outbound(`not json ${body}`))))
    expect(record.value).toEqual({ type: "STRING", data: text(bytes(`not json ${body}`)) })
  })
  it("of a byte order mark keeps it", () => {
    expect(JSON.parse(text(encode(outbound("\u{feff}{}")))).value).toEqual({ type: "STRING", data: "\u{feff}{}" })
  })
  it.each(["null", " null\n"])("of the body %j is no tombstone", (body) => {
    expect(JSON.parse(text(encode(outbound(body)))).value).toEqual({ type: "STRING", data: body })
  })
  it("of an empty body is an empty string, not a tombstone", () => {
    expect(JSON.parse(text(encode(outbound("")))).value).toEqual({ type: "STRING", data: "" })
  })
  it("is keyed by the event id, or by the source id when asked", () => {
    expect(JSON.parse(text(encode(outbound("{}")))).key).toEqual({ type: "STRING", data: id })
    expect(JSON.parse(text(RecordEncoder.make({ key: "source_id" })(outbound("{}")))).key).toEqual({
      type: "STRING",
      data: sourceId
    })
  })
  it("has headers in padded standard base64", () => {
    for (const { value } of JSON.parse(text(encode(outbound("{}")))).headers) {
      expect(value).toMatch(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/)
      expect(value.length % 4).toBe(0)
    }
  })
})
