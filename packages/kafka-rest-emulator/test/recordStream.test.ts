import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { RecordError, readRecord } from "@hookstream/kafka-rest-emulator/RecordReader"
import { Schema } from "effect"
import { recordStream } from "../src/internal/recordStream.ts"

interface Answer {
  readonly code: number
  readonly stream?: true
  readonly keyType?: string
  readonly key?: string | null
  readonly valueType?: string
  readonly value?: string | null
  readonly headers?: ReadonlyArray<readonly [string, string | null]>
  readonly partition?: number
  readonly ts?: number
}

const base64 = (bytes: Uint8Array | string | null) => (bytes === null ? null : Buffer.from(bytes).toString("base64"))

/** What becomes of each record of a body, in the form of the fixture. */
const answers = (body: string | Buffer): ReadonlyArray<Answer> =>
  [...recordStream(Buffer.from(body))].map((item): Answer => {
    if (item._tag === "Failed") return { code: item.error.code, stream: true }
    if (item._tag === "Refused") return { code: item.error.code }
    try {
      const { key, value, headers, partition, timestamp } = item.encode()
      return {
        ...(key === null ? {} : { keyType: key.type, key: base64(key.bytes) }),
        ...(value === null ? {} : { valueType: value.type, value: base64(value.bytes) }),
        headers: headers.map((one) => [base64(one.name) ?? "", base64(one.value)]),
        ...(partition === null ? {} : { partition }),
        ...(timestamp === null ? {} : { ts: timestamp }),
        code: 200
      }
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      return { code: error.code }
    }
  })
const codes = (body: string | Buffer) => answers(body).map(({ code, stream }) => (stream ? "end" : code))

const ok = '{"value":{"type":"STRING","data":"ok"}}'
const json = (data: string) => `{"value":{"type":"JSON","data":${data}}}`

// Given to jackson-databind 2.16 on Java 17 with the proxy's classes and settings: fields in every form, and texts
// broken at random.
const CASES: ReadonlyArray<{ readonly body: string; readonly answers: ReadonlyArray<Answer> }> = JSON.parse(
  readFileSync(join(import.meta.dirname, "fixtures", "jackson-answers.json"), "utf8")
)

describe("records are read as Jackson reads them", () => {
  it.each(CASES.map((one) => [one.body, one.answers] as const))("%s", (body, wanted) => {
    expect(answers(body)).toEqual(wanted)
  })
})

describe("a limit of the reader", () => {
  const number = (digits: number) => "1".repeat(digits)
  const name = (length: number) => `{"${"n".repeat(length)}":1}`
  const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth)
  it.each<[string, string, ReadonlyArray<number | "end">]>([
    ["1000 digits", json(number(1000)), [200, 200]],
    ["1001 digits", json(number(1001)), [400, 200]],
    ["1001 digits after a minus", json(`[-${number(1001)}]`), [400, 200]],
    ["1000 digits and a minus", json(`-${number(1000)}`), [200, 200]],
    ["a fraction of 1001 digits", json(`0.${number(1000)}`), [400, 200]],
    ["an exponent of 1001 digits", json(`1e${number(1000)}`), [400, 200]],
    ["1001 digits outside of any known field", `{"x":${number(1001)}}`, [500, 200]],
    ["1001 digits in place of a record", number(1001), ["end"]],
    ["a name of 50 000 bytes", json(name(50_000)), [200, 200]],
    ["a name of 50 001 bytes", json(name(50_001)), [400, "end"]],
    ["a name of 70 000 bytes", json(name(70_000)), [400, "end"]],
    ["a nesting of 1000", json(deep(998)), [200, 200]],
    ["a nesting of 1001", json(deep(999)), [400, 200]],
    ["a nesting of 1002", json(deep(1000)), [400, "end"]],
    ["a string of 5 MB", json(`"${"x".repeat(5_000_000)}"`), [200, 200]]
  ])("%s", (_, record, wanted) => {
    expect(codes(`${record}\n${ok}`)).toEqual(wanted)
  })
})

describe("a body", () => {
  const wide = (text: string, big: boolean) => {
    const bytes = Buffer.from(text, "utf16le")
    return big ? bytes.swap16() : bytes
  }
  const widest = (text: string, big: boolean) => {
    const bytes = Buffer.alloc(text.length * 4)
    for (const [i, char] of [...text].entries()) {
      if (big) bytes.writeUInt32BE(char.codePointAt(0) ?? 0, i * 4)
      else bytes.writeUInt32LE(char.codePointAt(0) ?? 0, i * 4)
    }
    return bytes
  }
  const text = `${json('"é"')}${ok}`
  it.each<[string, Buffer]>([
    ["UTF-8 with a mark", Buffer.from(`\ufeff${text}`)],
    ["UTF-16 BE", wide(text, true)],
    ["UTF-16 LE", wide(text, false)],
    ["UTF-16 BE with a mark", wide(`\ufeff${text}`, true)],
    ["UTF-16 LE with a mark", wide(`\ufeff${text}`, false)],
    ["UTF-32 BE", widest(text, true)],
    ["UTF-32 LE with a mark", widest(`\ufeff${text}`, false)]
  ])("in %s is read", (_, body) => {
    expect(answers(body)).toEqual(answers(text))
    expect(codes(body)).toEqual([200, 200])
  })
  it("that is no UTF-8 fails where it stands, not before", () => {
    const broken = (byte: number) => Buffer.concat([Buffer.from(`${ok}${json('"a').slice(0, -2)}`), Buffer.of(byte)])
    expect(codes(Buffer.concat([broken(0xff), Buffer.from(`"}}${ok}`)]))).toEqual([200, 400, "end"])
    expect(codes(Buffer.concat([broken(0xc3), Buffer.from(`b"}}${ok}`)]))).toEqual([200, 400, "end"])
  })
  it("keeps each record's exact text, and that of its data", () => {
    const [first] = [...recordStream(Buffer.from(` {"value" : {"type":"JSON","data": { "a" : 1.10 } } }\n${ok}`))]
    expect(first).toMatchObject({ raw: '{"value" : {"type":"JSON","data": { "a" : 1.10 } } }' })
    expect(first?._tag === "Record" && first.encode().value?.raw).toBe('{ "a" : 1.10 }')
  })
})

const Space = Schema.Literals(["", " ", "\n", "\r\n", " \t\r\n "])
const Text = Schema.String
const Refused = Schema.Literals([
  '{"x":1}',
  '{"value":"x"}',
  "[1,[2]]",
  "42 ",
  '"x"',
  '{"value":{"type":"XML","data":[{"a":1}]}}',
  '{"headers":[{"name":"a","value":"!"}],"value":{"type":"STRING","data":"}{"}}'
])

describe("a stream of records", () => {
  it.prop(
    "is told apart whatever white space stands between them, and what is refused harms no other",
    [Schema.Array(Schema.Struct({ space: Space, record: Schema.Union([Text, Schema.Struct({ refused: Refused })]) }))],
    ([all]) => {
      const body = all
        .map(({ space, record }) => {
          const data = typeof record === "string" ? JSON.stringify(record.toWellFormed()) : ""
          return space + (typeof record === "string" ? `{"value":{"type":"STRING","data":${data}}}` : record.refused)
        })
        .join("")
      expect(answers(body).map(({ code, value }) => (code === 200 ? value : code))).toEqual(
        all.map(({ record }) => (typeof record === "string" ? base64(record.toWellFormed()) : 400))
      )
    }
  )
  it.prop("that is cut off loses the record it is cut in, and says so", [Schema.Array(Text), Text], ([all, last]) => {
    const record = (text: string) => `{"value":{"type":"STRING","data":${JSON.stringify(text.toWellFormed())}}}`
    for (const length of [1, 12, record(last).length - 1]) {
      const body = all.map(record).join("") + record(last).slice(0, length)
      expect(codes(body)).toEqual([...all.map(() => 200), 400, "end"])
    }
  })
})

const Bytes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))

describe("base64", () => {
  it.prop("of a value needs no padding, of a header it does", [Bytes], ([all]) => {
    const padded = Buffer.from(all).toString("base64")
    const bare = padded.replace(/=+$/, "")
    const value = (data: string) => `{"value":{"type":"BINARY","data":"${data}"}}`
    const header = (data: string) => `{"headers":[{"name":"a","value":"${data}"}]}`
    for (const data of [padded, bare]) expect(base64(readRecord(value(data)).value?.bytes ?? null)).toBe(padded)
    expect(base64(readRecord(header(padded)).headers[0]?.value ?? null)).toBe(padded)
    if (bare !== padded) expect(codes(`${header(bare)}${ok}`)).toEqual([400, 200])
  })
})
