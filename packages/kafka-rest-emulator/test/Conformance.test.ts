/**
 * Requests that were put to REST Proxy 7.9 and 8.3 before Apache Kafka 3.9, and what these answered: the emulator
 * answers the same.
 */

import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { request as httpRequest } from "node:http"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

interface Case {
  readonly id: string
  readonly request: {
    readonly body?: string | { readonly data: ReadonlyArray<number> }
    /** Sent piece by piece. */
    readonly chunks?: ReadonlyArray<string>
    readonly gzip?: string
    readonly topic?: string
    readonly method?: string
    readonly path?: string
    /** Content type; `null`: none. */
    readonly ct?: string | null
    readonly headers?: Readonly<Record<string, string>>
    /** The partition is the proxy's choice. */
    readonly unkeyed?: boolean
    /** The answer was compressed: only its status was kept. */
    readonly noText?: boolean
    /** A `GET` of metadata: only status and type were kept. */
    readonly meta?: boolean
    /** Waits for `max.block.ms`; the topic was not read back. */
    readonly slow?: boolean
  }
  readonly answer: Answer
  /** Where 8.3 differs. */
  readonly answer_8?: Answer
}

interface Answer {
  readonly http: number
  readonly content_type: string
  readonly codes: ReadonlyArray<number | "none">
  readonly sizes: ReadonlyArray<string>
  readonly fields: ReadonlyArray<string>
  readonly partitions: ReadonlyArray<number | null>
  readonly stream_failure: ReadonlyArray<boolean>
  readonly stored: ReadonlyArray<Stored>
}

interface Stored {
  readonly key: string | null
  /** Base64, or the SHA-256 of a long one. */
  readonly value: string | null
  readonly headers: ReadonlyArray<readonly [string, string | null]>
}

const CASES: ReadonlyArray<Case> = JSON.parse(
  readFileSync(join(import.meta.dirname, "fixtures", "rest-proxy-answers.json"), "utf8")
)
const TOPICS = [
  { name: "one", partitions: 1 },
  { name: "six", partitions: 6 },
  { name: "slow", partitions: 1 }
]

interface Raw {
  readonly status: number
  readonly type: string
  readonly body: string
}

const send = ({ port }: Emulator, { request: asked }: Case): Promise<Raw> =>
  new Promise((resolve, reject) => {
    const { topic = "one", path = "/v3/clusters/c1/topics/{t}/records", ct = "application/json" } = asked
    const call = httpRequest({
      port,
      host: "127.0.0.1",
      method: asked.method ?? "POST",
      path: path.replace("{t}", topic).replace("{cluster}", "emulator"),
      headers: { accept: "application/json", ...(ct === null ? {} : { "content-type": ct }), ...asked.headers }
    })
    call.on("error", reject)
    call.on("response", (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers["content-type"] ?? "-",
          body: Buffer.concat(chunks).toString("utf8")
        })
      )
    })
    for (const chunk of asked.chunks ?? []) call.write(chunk)
    if (asked.gzip !== undefined) call.end(gzipSync(asked.gzip))
    else if (asked.body === undefined) call.end()
    else call.end(typeof asked.body === "string" ? asked.body : Buffer.from(asked.body.data))
  })

interface Receipt {
  readonly error_code?: number
  readonly message?: string
  readonly partition_id?: number
  readonly key?: { readonly type: string; readonly size: number }
  readonly value?: { readonly type: string; readonly size: number }
}

const side = (of: Receipt["key"]) => (of === undefined ? "-" : `${of.type}:${of.size}`)
const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
/** The long values of the answers were kept as their hash. */
const shortened = (value: string | null, like: ReadonlyArray<Stored>) => {
  const hash = value === null ? "" : createHash("sha256").update(Buffer.from(value, "base64")).digest("hex")
  return like.some((one) => one.value?.includes(hash)) && hash !== "" ? hash : value
}

const observed = (emulator: Emulator, { request: asked }: Case, raw: Raw, before: number, wanted: Answer): Answer => {
  const isJson = raw.body.startsWith("{")
  const receipts: ReadonlyArray<Receipt> =
    asked.meta || asked.noText || !isJson
      ? []
      : raw.body
          .split("\r\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line))
  const produced = (one: Receipt) => one.error_code === 200
  const failed = receipts.filter((one) => one.error_code !== undefined && !produced(one))
  return {
    http: raw.status,
    content_type: raw.type,
    codes: receipts.map(({ error_code = "none" as const }) => error_code),
    sizes: receipts.map((one) => (produced(one) ? `${side(one.key)}/${side(one.value)}` : "")),
    fields: [...new Set(receipts.map((one) => Object.keys(one).sort().join()))],
    partitions: receipts.map((one) => one.partition_id ?? null),
    stream_failure: failed.map(({ message }) => /^Bad Request: Error processing message/.test(message ?? "")),
    stored: emulator
      .records(asked.topic ?? "one")
      .slice(before)
      .map((one) => ({
        key: one.key?.base64 ?? null,
        value: shortened(one.value?.base64 ?? null, wanted.stored),
        headers: one.headers.map(({ name }, i) => [name, one.headers_base64[i] ?? null] as const)
      }))
      .sort(byText)
  }
}

describe.each(["7.9", "8.3"] as const)("as REST Proxy %s", (version) => {
  let emulator: Emulator
  beforeAll(async () => {
    emulator = await startEmulator({ topics: TOPICS, version, maxBlockMs: 5 })
  })
  afterAll(() => emulator.close())

  it.each(CASES.map((one) => [one.id, one] as const))("answers %s", async (_, one) => {
    const { request: asked } = one
    const wanted = version === "8.3" ? (one.answer_8 ?? one.answer) : one.answer
    const before = emulator.records(asked.topic ?? "one").length
    const raw = await send(emulator, one)
    const got = observed(emulator, one, raw, before, wanted)
    // One error that is no receipt has no place in the stream either.
    const failures = wanted.codes.includes("none") ? { stream_failure: [] } : {}
    const partitions = asked.unkeyed ? { partitions: got.partitions } : {}
    const stored = asked.slow ? { stored: got.stored } : { stored: [...wanted.stored].sort(byText) }
    expect(got).toEqual({ ...wanted, ...failures, ...partitions, ...stored })
  })
})

it("is held against every answer there is: a fixture that is cut short proves nothing", () => {
  expect(CASES).toHaveLength(118)
})
