import { describe, expect, it } from "@effect/vitest"
import { readRecord } from "@hookstream/kafka-rest-emulator/RecordReader"
import * as RecordEncoder from "@hookstream/sink-kafka/RecordEncoder"
import { Schema } from "effect"
import { Body, bodyOf, Config, OneEvent } from "./generated.ts"
import { bytes, event, outbound, split, text } from "./support.ts"

const base64 = (value: string) => Buffer.from(value).toString("base64")
const { id, sourceId } = event("")
const destinationId = "dst_00000000000000000000000000000001"

/** What a path leads to, by the house's own words: not by the code under test. */
const at = (path: string, body: Uint8Array, header: string | null): string | undefined => {
  if (path === "method") return "POST"
  if (path === "headers.x-id") return header ?? undefined
  const { bodyKind } = event(body)
  const found: unknown = bodyKind === "json" ? JSON.parse(text(body))?.id : undefined
  return typeof found === "string" ? found : JSON.stringify(found)
}

describe("a produce request", () => {
  it.prop(
    "comes back record by record, whatever the bodies and the settings",
    [Schema.Array(OneEvent), Config],
    ([events, { literal, path, ...settings }]) => {
      const all = events.map(({ body, header, replayId, receivedAt }) => ({
        body: bodyOf(body),
        header,
        replayId,
        receivedAt
      }))
      const missing: Array<number> = []
      const request = RecordEncoder.make({ ...settings, record_headers: { literal, "from-path": { path } } })(
        all.map(({ body, header, replayId, receivedAt }) =>
          outbound(body, { replayId, receivedAt, headers: header === null ? [] : [["x-id", header]] })
        ),
        (position) => missing.push(position)
      )
      const records = split(text(request))
      expect(records.join("\n")).toBe(text(request))
      expect(records).toHaveLength(all.length)
      const unkeyed: Array<number> = []
      for (const [i, { body, header, replayId, receivedAt }] of all.entries()) {
        const { bodyKind } = event(body)
        const { key, value, headers, timestamp, partition } = readRecord(records[i]!)
        const asJson = settings.value_format === "json" && bodyKind === "json" && text(body).trim() !== "null"
        const type = asJson ? "JSON" : settings.value_format === "binary" || bodyKind === "binary" ? "BINARY" : "STRING"
        expect(value?.type).toBe(type)
        if (asJson) expect(value?.raw).toBe(text(body).replace(/^[ \n\r\t]+|[ \n\r\t]+$/g, ""))
        else expect(Buffer.compare(value!.bytes!, body)).toBe(0)
        if (asJson) expect(records[i]!.startsWith(`{"value":{"type":"JSON","data":${text(body)}},`)).toBe(true)

        const fromPath = at(path, body, header)
        expect(headers.map(({ name, value }) => [name, text(value!)])).toEqual([
          ["hookstream-event-id", id],
          ["hookstream-destination-id", destinationId],
          ...(replayId === null ? [] : [["hookstream-replay-id", replayId]]),
          ["literal", text(bytes(literal))],
          ...(fromPath === undefined ? [] : [["from-path", text(bytes(fromPath))]])
        ])

        const named = { event_id: id, source_id: sourceId, none: undefined }
        const wanted =
          settings.key in named ? named[settings.key as keyof typeof named] : at(settings.key, body, header)
        if (wanted === undefined && settings.key !== "none") unkeyed.push(i)
        if (settings.key === "none") expect(key).toBeNull()
        else expect(text(key!.bytes!)).toBe(text(bytes(wanted ?? id)))
        expect(key?.type ?? "none").toBe(settings.key === "none" ? "none" : settings.key_type.toUpperCase())

        expect([timestamp, partition]).toEqual([settings.timestamp === "none" ? null : receivedAt, null])
      }
      expect(missing).toEqual(unkeyed)
    }
  )
  it.prop("is one record, byte for byte, what it is among others", [Schema.Array(Body)], ([bodies]) => {
    const encode = RecordEncoder.make({})
    const all = bodies.map((body) => outbound(bodyOf(body)))
    expect(text(encode(all))).toBe(all.map((one) => text(encode([one]))).join("\n"))
  })
})

describe("JSON that the proxy's reader refuses", () => {
  const number = `{"id":"a","n":${"7".repeat(1001)}}`
  const name = `{"id":"a","${"x".repeat(50_001)}":1}`
  it.each([
    ["a number", number, "json", "STRING"],
    ["a name", name, "json", "STRING"],
    ["a number", number, "string", "STRING"],
    ["a number", number, "binary", "BINARY"]
  ] as const)("for %s of its goes as text, and is keyed by its path: %#", (_, body, value_format, type) => {
    const request = text(RecordEncoder.make({ value_format, key: "payload.id" })([outbound(body)]))
    const { value, key } = readRecord(request)
    expect([value!.type, text(value!.bytes!), text(key!.bytes!)]).toEqual([type, body, "a"])
  })
})

describe("the record", () => {
  const encode = (body: Uint8Array | string, settings: Parameters<typeof RecordEncoder.make>[0] = {}, change = {}) =>
    text(RecordEncoder.make(settings)([outbound(body, change)]))
  const key = (body: string, path: string, change = {}) => JSON.parse(encode(body, { key: path }, change)).key

  it("of the seed, byte for byte, with no key", () => {
    const body = '{"order": 42, "total": 10.00}'
    expect(encode(body, { key: "none" })).toBe(
      `{"value":{"type":"JSON","data":${body}},"headers":[` +
        `{"name":"hookstream-event-id","value":"${base64(id)}"},` +
        `{"name":"hookstream-destination-id","value":"${base64(destinationId)}"}]}`
    )
  })
  it("with everything that can be set, byte for byte", () => {
    const settings = {
      key: "payload.id",
      key_type: "binary",
      value_format: "binary",
      timestamp: "received",
      record_headers: { env: "prod", who: { path: "payload.id" }, gone: { path: "payload.gone" } }
    } as const
    expect(encode('{"id":7}', settings, { replayId: "rpl_1" })).toBe(
      `{"value":{"type":"BINARY","data":"${base64('{"id":7}')}"},"headers":[` +
        `{"name":"hookstream-event-id","value":"${base64(id)}"},` +
        `{"name":"hookstream-destination-id","value":"${base64(destinationId)}"},` +
        `{"name":"hookstream-replay-id","value":"${base64("rpl_1")}"},` +
        `{"name":"env","value":"${base64("prod")}"},{"name":"who","value":"${base64("7")}"}],` +
        `"key":{"type":"BINARY","data":"${base64("7")}"},"timestamp":"2023-11-14T22:13:20.000Z"}`
    )
  })
  it.each(["null", " null\n", `${" ".repeat(1000)}null`])("of the body null is no tombstone", (body) => {
    expect(JSON.parse(encode(body)).value).toEqual({ type: "STRING", data: body })
  })
  it.each([
    ["json", { type: "STRING", data: "" }],
    ["string", { type: "STRING", data: "" }],
    ["binary", { type: "BINARY", data: "" }]
  ] as const)("of an empty body as %s is empty, not a tombstone", (value_format, value) => {
    expect(JSON.parse(encode("", { value_format })).value).toEqual(value)
  })
  it.each([
    ['{"id":"cus_1"}', "cus_1"],
    ['{"id":""}', ""],
    ['{"id":42}', "42"],
    ['{"id":true}', "true"],
    ['{"id":null}', "null"],
    ['{"id":{"b": 1, "a": [2]}}', '{"b":1,"a":[2]}'],
    ['{"id":"\\"\\n😀"}', '"\n😀'],
    ["{}", id],
    ["no json", id]
  ])("of the body %s is keyed, by payload.id, by %j", (body, data) => {
    expect(key(body, "payload.id")).toEqual({ type: "STRING", data })
  })
  it("is keyed by a header, whatever the case in which the path names it", () => {
    expect(key("{}", "headers.X-Account", { headers: [["x-account", "a-1"]] })).toEqual({ type: "STRING", data: "a-1" })
  })
  it("holds header values and keys of any length", () => {
    const long = "é".repeat(5000)
    const record = readRecord(encode(JSON.stringify({ id: long }), { key: "payload.id", record_headers: { long } }))
    expect(text(record.headers.at(-1)!.value!)).toBe(long)
    expect(text(record.key!.bytes!)).toBe(long)
  })
  it("does not show the headers of one replay in the next", () => {
    const records = split(
      text(
        RecordEncoder.make({})([
          outbound("1", { replayId: "rpl_1" }),
          outbound("2"),
          outbound("3", { replayId: "rpl_2" })
        ])
      )
    )
    const replays = records.map((record) => readRecord(record).headers[2]?.value)
    expect(replays.map((value) => value && text(value))).toEqual(["rpl_1", undefined, "rpl_2"])
  })
})

describe("the encoder's memory", () => {
  /** Buffers, and views of them, that `run` makes. */
  const buffersOf = (run: () => void): number => {
    let made = 0
    const Real = globalThis.Uint8Array
    globalThis.Uint8Array = new Proxy(Real, {
      construct: (target, args, self) => {
        made++
        return Reflect.construct(target, args, self)
      }
    })
    try {
      run()
    } finally {
      globalThis.Uint8Array = Real
    }
    return made
  }

  it("is one buffer, whether a request has one record or a hundred", () => {
    const encode = RecordEncoder.make({ timestamp: "received" })
    const batch = (count: number) => Array.from({ length: count }, () => outbound('{"a":"ü"}'))
    const [one, hundred] = [batch(1), batch(100)]
    encode(one)
    const buffers = buffersOf(() => encode(one))
    expect(buffers).toBeGreaterThan(0)
    expect(buffersOf(() => encode(hundred))).toBe(buffers)
  })
})
