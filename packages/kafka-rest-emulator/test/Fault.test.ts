import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import type { FaultRule } from "@hookstream/kafka-rest-emulator/Fault"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { type RawAnswer, rawPost } from "./rawCall.ts"

let emulator: Emulator
let topic = ""
let topics = 0
const NAMES = Array.from({ length: 150 }, (_, i) => `t${i}`)
beforeAll(async () => {
  emulator = await startEmulator({ topics: NAMES.map((name) => ({ name, partitions: 1 })), clusterId: "c" })
})
beforeEach(() => {
  topic = NAMES[topics++]!
  emulator.setFault(undefined)
})
afterAll(() => emulator.close())

const record = (data: string) => `{"value":{"type":"STRING","data":"${data}"}}`
const THREE = ["a", "poison", "é"].map(record).join("\n")
const post = (body = THREE, name = topic): Promise<RawAnswer> =>
  rawPost(emulator.port, `/v3/clusters/c/topics/${name}/records`, body)
const landed = () => emulator.records(topic).map(({ value }) => value?.text)
/** The receipts, each CRLF-ended, as `[error_code, message?]`. */
const receipts = ({ body }: RawAnswer) =>
  body
    .split("\r\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
const codes = (answer: RawAnswer) => receipts(answer).map(({ error_code }) => error_code)

const admin = async (method: string, body?: unknown) => {
  const text = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }
  const response = await fetch(`${emulator.url}/__faults`, { method, ...text })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
const switchOn = async (...faults: ReadonlyArray<FaultRule>) => {
  expect(await admin("PUT", { faults })).toMatchObject({ status: 200, body: { faults } })
}

const ALL = ["a", "poison", "é"]
const HTML = { contentType: "text/html" } as const

describe("what answers for the whole request", () => {
  const error = (code: number, message: unknown = expect.any(String)) => ({ error_code: code, message })
  it.each<[string, Omit<Extract<FaultRule, { _tag: "Respond" }>, "_tag">, unknown]>([
    ["a bad charset", { status: 400 }, error(400)],
    ["bad credentials", { status: 401, code: 40101 }, error(40101, "Unauthorized")],
    ["a missing permission", { status: 403, code: 40301 }, error(40301)],
    ["a topic that is not in the metadata", { status: 404, code: 40401 }, error(40401)],
    ["an unknown topic", { status: 404, code: 40403 }, error(40403, expect.stringContaining("does not host"))],
    [
      "an unknown cluster",
      { status: 404, body: '{"error_code":404,"message":"Cluster c cannot be found."}' },
      error(404)
    ],
    ["a wrong path", { status: 404 }, error(404, "HTTP 404 Not Found")],
    ["a request that is too large", { status: 413 }, error(413)],
    ["a wrong media type", { status: 415 }, error(415)],
    ["an empty body", { status: 422, code: 42206 }, error(42206)],
    ["too many requests, by HTML", { status: 429, ...HTML }, "html"],
    ["too many requests, with Retry-After", { status: 429, headers: { "Retry-After": "7" } }, error(429)],
    ["a defect, by JSON", { status: 500 }, error(500)],
    ["a defect, by HTML", { status: 500, ...HTML }, "html"],
    ["a bad gateway, by JSON", { status: 502 }, error(502)],
    ["a bad gateway, by HTML", { status: 502, ...HTML }, "html"],
    ["an outage, by JSON", { status: 503, code: 50302 }, error(50302)],
    ["an outage, by HTML", { status: 503, ...HTML }, "html"],
    ["a gateway's time-out, by JSON", { status: 504 }, error(504)],
    ["a gateway's time-out, by HTML", { status: 504, ...HTML }, "html"],
    ["HTTP 200 without a receipt", { status: 200 }, ""],
    ["HTTP 200 with somebody's page", { status: 200, ...HTML, body: "<html>welcome</html>" }, "html"],
    ["HTTP 207", { status: 207, body: '{"successes":[],"failures":[]}' }, { successes: [], failures: [] }]
  ])("%s comes as asked, and nothing is produced", async (_, fault, expected) => {
    await switchOn({ _tag: "Respond", ...fault })
    const answer = await post()
    expect(answer.status).toBe(fault.status)
    expect(answer.type).toBe(fault.contentType ?? "application/json")
    if (expected === "html") expect(answer.body).toMatch(/^<html>.*<\/html>/)
    else if (expected === "") expect(answer).toMatchObject({ body: "", whole: true })
    else expect(JSON.parse(answer.body)).toEqual(expected)
    for (const [name, value] of Object.entries(fault.headers ?? {})) expect(answer.head).toContain(`${name}: ${value}`)
    expect(landed()).toEqual([])
  })
  it("may come after producing: a client that takes a time-out for a refusal duplicates", async () => {
    await switchOn({ _tag: "Respond", status: 504, ...HTML, after: "produce" })
    expect((await post()).status).toBe(504)
    expect(landed()).toEqual(ALL)
  })
})

describe("a receipt for one record", () => {
  it.each([
    ["a malformed record", 400, false],
    ["a topic that is not in the metadata", 40401, false],
    ["an unknown topic", 40403, false],
    ["a missing permission", 40301, false],
    ["a stream that is too old, which has produced the record", 408, true],
    ["a record that is too large", 413, false],
    ["a schema problem", 422, false],
    ["the proxy's rate limit", 429, false],
    ["the broker's quota", 42901, false],
    ["a defect", 500, false],
    ["a Kafka error that is final", 50002, false],
    ["a Kafka error that may pass", 50003, false],
    ["a Kafka error whose record is there all the same", 50003, true],
    ["a broker that is away", 50302, false]
  ])("of %s leaves its neighbours alone (%i)", async (_, code, produced) => {
    await switchOn({ _tag: "Receipt", code, produced, recordMatching: "poison" })
    const answer = await post()
    expect(answer.status).toBe(200)
    expect(codes(answer)).toEqual([200, code, 200])
    expect(Object.keys(receipts(answer)[1])).toEqual(["error_code", "message"])
    expect(landed()).toEqual(produced ? ALL : ["a", "é"])
  })
  it("of every record, where no text is given", async () => {
    await switchOn({ _tag: "Receipt", code: 50302, message: "broker away" })
    expect(receipts(await post())).toEqual(Array(3).fill({ error_code: 50302, message: "broker away" }))
    expect(landed()).toEqual([])
  })
})

describe("the stream of receipts", () => {
  it("ends early, and the other records are lost", async () => {
    await switchOn({ _tag: "Stream", endAfter: 1 })
    const answer = await post()
    expect([answer.whole, codes(answer)]).toEqual([true, [200]])
    expect(landed()).toEqual(["a"])
  })
  it("ends early although the other records are produced", async () => {
    await switchOn({ _tag: "Stream", endAfter: 1, produceRest: true })
    expect(codes(await post())).toEqual([200])
    expect(landed()).toEqual(ALL)
  })
  it("ends before the first receipt", async () => {
    await switchOn({ _tag: "Stream", endAfter: 0 })
    expect(await post()).toMatchObject({ status: 200, body: "", whole: true })
    expect(landed()).toEqual([])
  })
  const broken = "Bad Request: Error processing message: Early EOF"
  it("has one receipt more than there were records", async () => {
    await switchOn({ _tag: "Stream", extra: broken })
    const all = receipts(await post())
    expect(all).toHaveLength(4)
    expect(all[3]).toEqual({ error_code: 400, message: broken })
    expect(landed()).toEqual(ALL)
  })
  it("breaks in the middle with a receipt that is no record's fault", async () => {
    await switchOn({ _tag: "Stream", endAfter: 1, extra: broken })
    expect(codes(await post())).toEqual([200, 400])
    expect(landed()).toEqual(["a"])
  })
  it("has no error_code on success, as of servers 7.0 to 7.2, but on failure it has", async () => {
    await switchOn({ _tag: "Stream", withoutErrorCode: true }, { _tag: "Receipt", code: 429, recordMatching: "poison" })
    const [first, second] = receipts(await post())
    expect(first).not.toHaveProperty("error_code")
    expect(first).toMatchObject({ offset: 0, partition_id: 0 })
    expect(second).toMatchObject({ error_code: 429 })
  })
  it.each(["", " ", "\n", "\r\n\t "])("may have %j between receipts", async (separator) => {
    await switchOn({ _tag: "Stream", separator })
    const { body } = await post()
    expect(body.split(`}${separator}{"error_code"`)).toHaveLength(3)
    expect(body.endsWith(`}${separator}`)).toBe(true)
  })
  it.each([1, 7, 100])("is cut into chunks of %i bytes, in receipts and in characters", async (chunkBytes) => {
    await switchOn({ _tag: "Stream", chunkBytes }, { _tag: "Receipt", code: 400, message: "né", recordMatching: '"a"' })
    const answer = await post()
    const sizes = answer.chunks.map(({ length }) => length)
    expect(new Set(sizes.slice(0, -1))).toEqual(new Set([chunkBytes]))
    expect(codes(answer)).toEqual([400, 200, 200])
    expect(receipts(answer)[0].message).toBe("né")
  })
  it("comes receipt by receipt, with time between", async () => {
    await switchOn({ _tag: "Stream", betweenMs: 100 })
    const before = performance.now()
    const response = await fetch(`${emulator.url}/v3/clusters/c/topics/${topic}/records`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: THREE
    })
    const arrivals: Array<number> = []
    for await (const _ of response.body!) arrivals.push(performance.now() - before)
    expect(arrivals.at(-1)! - arrivals[0]!).toBeGreaterThan(90)
  })
})

describe("a connection that is cut", () => {
  it("before producing leaves nothing behind", async () => {
    await switchOn({ _tag: "Cut", after: "nothing" })
    expect(await post()).toMatchObject({ status: 0 })
    expect(landed()).toEqual([])
  })
  it("after producing tells nothing of the records that are there", async () => {
    await switchOn({ _tag: "Cut", after: "produce" })
    expect(await post()).toMatchObject({ status: 0 })
    expect(landed()).toEqual(ALL)
  })
  it.each([0, 1, 60, 250])("in mid-answer has sent %i bytes and no end", async (after) => {
    await switchOn({ _tag: "Cut", after })
    const answer = await post()
    expect(answer).toMatchObject({ status: 200, whole: false })
    expect(Buffer.byteLength(answer.body)).toBe(after)
    expect(landed()).toEqual(ALL)
  })
  it("in mid-answer may come in small chunks", async () => {
    await switchOn({ _tag: "Cut", after: 25 }, { _tag: "Stream", chunkBytes: 10 })
    const answer = await post()
    expect([answer.whole, answer.chunks.map(({ length }) => length)]).toEqual([false, [10, 10, 5]])
  })
  it("beyond the last receipt lacks only the end", async () => {
    await switchOn({ _tag: "Cut", after: 100_000 })
    const answer = await post()
    expect([answer.whole, codes(answer)]).toEqual([false, [200, 200, 200]])
  })
})

describe("an answer that is late", () => {
  it("comes in the end", async () => {
    await switchOn({ _tag: "Delay", ms: 40 })
    const before = performance.now()
    expect(codes(await post())).toEqual([200, 200, 200])
    expect(performance.now() - before).toBeGreaterThan(38)
  })
  it("produces although the client has left", async () => {
    await switchOn({ _tag: "Delay", ms: 200 })
    const url = `${emulator.url}/v3/clusters/c/topics/${topic}/records`
    const headers = { "Content-Type": "application/json" }
    await expect(
      fetch(url, { method: "POST", headers, body: THREE, signal: AbortSignal.timeout(20) })
    ).rejects.toThrow()
    expect(await emulator.waitForRecords(topic, 3, 5000)).toHaveLength(3)
  })
  it("does not hold up the end of the emulator", async () => {
    const slow = await startEmulator({ topics: [{ name: "t" }], faults: [{ _tag: "Delay", ms: 60_000 }] })
    const answer = rawPost(slow.port, "/v3/clusters/c/topics/t/records", THREE)
    await expect.poll(() => slow.requests().length).toBe(1)
    await slow.close()
    expect((await answer).status).toBe(0)
  })
})

describe("a fault is limited", () => {
  const down: FaultRule = { _tag: "Respond", status: 503 }
  const statuses = async (count: number, body?: string, name?: string) => {
    const all: Array<number> = []
    for (let i = 0; i < count; i++) all.push((await post(body, name)).status)
    return all
  }
  it("to so many requests", async () => {
    await switchOn({ ...down, times: 2 })
    expect(await statuses(4)).toEqual([503, 503, 200, 200])
    expect((await admin("GET")).body).toEqual({ faults: [{ ...down, times: 2 }], applied: [2] })
  })
  it("to each n-th request", async () => {
    await switchOn({ ...down, every: 3 })
    expect(await statuses(6)).toEqual([200, 200, 503, 200, 200, 503])
  })
  it("to each n-th request, so many times", async () => {
    await switchOn({ ...down, every: 2, times: 1 })
    expect(await statuses(4)).toEqual([200, 503, 200, 200])
  })
  it("to a topic", async () => {
    await switchOn({ ...down, topic })
    expect(await statuses(1)).toEqual([503])
    expect(await statuses(1, THREE, NAMES.at(-1)!)).toEqual([200])
  })
  it("to requests with a text, and counts only those", async () => {
    await switchOn({ ...down, recordMatching: "poison", times: 1 })
    expect(await statuses(1, record("good"))).toEqual([200])
    expect(await statuses(2)).toEqual([503, 200])
  })
  it("and works beside others: the first of each kind, and all the delays", async () => {
    await switchOn(
      { ...down, times: 1 },
      { _tag: "Respond", status: 500, times: 2 },
      { _tag: "Receipt", code: 429, recordMatching: "poison" },
      { _tag: "Receipt", code: 50003, produced: true },
      { _tag: "Stream", separator: "" }
    )
    expect(await statuses(2)).toEqual([503, 500])
    expect((await post()).body.match(/"error_code":\d+/g)).toEqual(
      [50003, 429, 50003].map((code) => `"error_code":${code}`)
    )
    expect(landed()).toEqual(["a", "é"])
  })
})

describe("PUT, GET and DELETE /__faults", () => {
  it("switch on, show and switch off what setFault does", async () => {
    emulator.setFault({ _tag: "Delay", ms: 1 })
    expect(await admin("GET")).toEqual({ status: 200, body: { faults: [{ _tag: "Delay", ms: 1 }], applied: [0] } })
    await switchOn({ _tag: "Receipt", code: 429 })
    expect(codes(await post())).toEqual([429, 429, 429])
    expect(await admin("DELETE")).toEqual({ status: 200, body: { faults: [], applied: [] } })
    expect(codes(await post())).toEqual([200, 200, 200])
    expect((await admin("POST", {})).status).toBe(405)
    expect(emulator.requests().some(({ url }) => url === "/__faults")).toBe(false)
  })
  it.each<[string, unknown, string]>([
    ["no JSON", "{", "body"],
    ["no list", { fault: [] }, "body.fault"],
    ["a list that is none", { faults: {} }, "body.faults"],
    ["a fault that is no object", { faults: [1] }, "faults[0]"],
    ["an unknown kind", { faults: [{ _tag: "Explode" }] }, "faults[0]._tag"],
    ["a kind that every object has", { faults: [{ _tag: "constructor" }] }, "faults[0]._tag"],
    ["a field of another kind", { faults: [{ _tag: "Delay", ms: 1, status: 500 }] }, "faults[0].status"],
    ["a missing field", { faults: [{ _tag: "Delay", ms: 1 }, { _tag: "Respond" }] }, "faults[1].status"],
    ["a text for a number", { faults: [{ _tag: "Respond", status: "503" }] }, "faults[0].status"],
    ["a status that is none", { faults: [{ _tag: "Respond", status: 99 }] }, "faults[0].status"],
    [
      "headers that are no texts",
      { faults: [{ _tag: "Respond", status: 429, headers: { a: 1 } }] },
      "faults[0].headers"
    ],
    ["a cut at no place", { faults: [{ _tag: "Cut", after: "lunch" }] }, "faults[0].after"],
    ["a separator that is a comma", { faults: [{ _tag: "Stream", separator: "," }] }, "faults[0].separator"],
    ["chunks of nothing", { faults: [{ _tag: "Stream", chunkBytes: 0 }] }, "faults[0].chunkBytes"],
    ["times of 0", { faults: [{ _tag: "Delay", ms: 1, times: 0 }] }, "faults[0].times"],
    ["receipts of a GET", { faults: [{ _tag: "Receipt", code: 429, on: "metadata" }] }, "faults[0].on"],
    [
      "a record of a GET",
      { faults: [{ _tag: "Delay", ms: 1, recordMatching: "a", on: "metadata" }] },
      "faults[0].recordMatching"
    ],
    ["producing by a GET", { faults: [{ _tag: "Cut", after: "produce", on: "metadata" }] }, "faults[0].after"]
  ])("of %s name the field, and leave on what was on", async (_, body, field) => {
    await switchOn({ _tag: "Delay", ms: 1 })
    const { status, body: answer } = await admin("PUT", body)
    expect([status, answer["error_code"], answer["field"]]).toEqual([400, 400, field])
    expect(answer["message"]).toContain(`${field} `)
    expect((await admin("GET")).body["faults"]).toEqual([{ _tag: "Delay", ms: 1 }])
  })
})

it("takes every fault that the README tells of: who copies one must not be refused", async () => {
  const readme = readFileSync(join(import.meta.dirname, "..", "README.md"), "utf8")
  const told = [...readme.matchAll(/`(\{"_tag".*?\})`/g)].map(([, json]) => JSON.parse(json!) as FaultRule)
  expect(new Set(told.map(({ _tag }) => _tag)).size).toBe(5)
  await switchOn(...told)
})

describe("a proxy that shows no clusters and topics", () => {
  const check = (path: string) => fetch(`${emulator.url}${path}`).then((response) => response.status)
  it.each([
    ["404 with a page", 404, HTML],
    ["405", 405, {}]
  ])("answers a client's check with %s and still produces", async (_, status, more) => {
    await switchOn({ _tag: "Respond", status, ...more, on: "metadata" })
    expect(await check("/v3/clusters/c")).toBe(status)
    expect(await check(`/v3/clusters/c/topics/${topic}`)).toBe(status)
    expect(codes(await post())).toEqual([200, 200, 200])
  })
  it("may lack only one topic, only once", async () => {
    await switchOn({ _tag: "Respond", status: 404, code: 40403, on: "metadata", topic, times: 1 })
    expect(await check("/v3/clusters/c")).toBe(200)
    expect(await check(`/v3/clusters/c/topics/${topic}`)).toBe(404)
    expect(await check(`/v3/clusters/c/topics/${topic}`)).toBe(200)
  })
  it("or cuts the connection", async () => {
    await switchOn({ _tag: "Cut", after: "nothing", on: "metadata" })
    await expect(check("/v3/clusters/c")).rejects.toThrow()
  })
})
