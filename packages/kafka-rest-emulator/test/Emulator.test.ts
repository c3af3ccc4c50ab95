import { once } from "node:events"
import { connect } from "node:net"
import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"

let emulator: Emulator
let topic = ""
let topics = 0
const NAMES = Array.from({ length: 60 }, (_, i) => `t${i}`)
beforeAll(async () => {
  emulator = await startEmulator({
    topics: NAMES.map((name) => ({ name, partitions: 3 })),
    maxMessageBytes: 1000,
    maxBlockMs: 5
  })
})
beforeEach(() => {
  topic = NAMES[topics++]!
  emulator.setFault(undefined)
})
afterAll(() => emulator.close())

const post = async (body: string, options: { path?: string; type?: string; base?: string } = {}) => {
  const path = options.path ?? `/clusters/c1/topics/${topic}/records`
  const response = await fetch(`${options.base ?? emulator.url}${options.base ? "" : "/v3"}${path}`, {
    method: "POST",
    headers: { "Content-Type": options.type ?? "application/json" },
    body
  })
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
}
const receipts = async (body: string) => {
  const { status, text } = await post(body)
  expect(status).toBe(200)
  return text
    .split("\r\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}
const codes = async (body: string) => (await receipts(body)).map(({ error_code }) => error_code)
const value = (data: string, type = "JSON") => `{"value":{"type":"${type}","data":${data}}}`
const good = value('{"a":1}')
const stored = () => emulator.records(topic)

describe("a produce request", () => {
  it("answers one receipt for each record, whatever stands between them", async () => {
    const all = await receipts(`${good}${good}\n\r\n  ${good} `)
    expect(all.map(({ partition_id, offset }) => [partition_id, offset])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0]
    ])
    expect(all[0]).toMatchObject({
      error_code: 200,
      cluster_id: "c1",
      topic_name: topic,
      value: { type: "JSON", size: 7 }
    })
    expect(all[0]).not.toHaveProperty("key")
  })
  it("keeps the exact text of value.data beside what Kafka would hold", async () => {
    await receipts(value('{ "n": 12345678901234567890, "n": 1.0 }'))
    expect(stored()[0]).toMatchObject({
      raw_value_data: '{ "n": 12345678901234567890, "n": 1.0 }',
      value: { text: '{"n":1.0}' }
    })
  })
  it("puts a key where Kafka's partitioner does, with growing offsets", async () => {
    const keyed = `{"key":{"type":"STRING","data":"foobar"},"value":null}`
    const all = await receipts(keyed + keyed)
    const partition = (-790332482 & 0x7fffffff) % 3
    expect(all.map(({ partition_id, offset }) => [partition_id, offset])).toEqual([
      [partition, 0],
      [partition, 1]
    ])
    expect(stored()[0]).toMatchObject({ key: { text: "foobar" }, value: null })
  })
  it("takes data: null as Kafka's null", async () => {
    expect(await receipts(value("null"))).toMatchObject([{ error_code: 200, value: { size: -1 } }])
    expect(stored()[0]!.value).toEqual({ type: "JSON", text: null, base64: null })
  })
  it("decodes BINARY, STRING and headers", async () => {
    await receipts(
      `{"value":{"type":"BINARY","data":"/+8="},"headers":[{"name":"a","value":"w6k="},{"name":"b","value":null}]}`
    )
    await receipts(value('"\\u00e9"', "STRING"))
    expect(stored()[0]).toMatchObject({
      value: { base64: "/+8=" },
      headers: [
        { name: "a", value: "é" },
        { name: "b", value: null }
      ]
    })
    expect(stored()[1]!.value!.text).toBe("é")
  })
  it("takes the timestamp of a record, a number as seconds", async () => {
    const all = await receipts('{"timestamp":"2026-01-02T03:04:05Z"} {"timestamp":1}')
    expect(all.map(({ timestamp }) => timestamp)).toEqual(["2026-01-02T03:04:05Z", "1970-01-01T00:00:01Z"])
  })

  it.each([
    ["an unknown field", '{"valeu":{}}', 400],
    ["an unknown field inside", '{"value":{"type":"JSON","data":1,"dta":2}}', 400],
    ["a v2 body", '{"records":[{"value":1}]}', 400],
    ["bad base64", value('"%%"', "BINARY"), 400],
    ["URL-safe base64", value('"_-8="', "BINARY"), 400],
    ["a STRING that is none", value("1", "STRING"), 400],
    ["an unknown type", value("1", "TEXT"), 400],
    ["a value without data", '{"value":{"type":"JSON"}}', 400],
    ["a header without name", '{"headers":[{"value":"YQ=="}]}', 400],
    ["a header without padding", '{"headers":[{"name":"a","value":"YQ"}]}', 400],
    ["no type, so a schema", '{"value":{"data":1}}', 422],
    ["a schema type without a schema", value("1", "AVRO"), 400],
    ["a schema, which needs a registry", '{"value":{"type":"AVRO","schema":"s","data":1}}', 422],
    ["a negative partition", '{"partition_id":-1}', 40402],
    ["a partition beyond the last", '{"partition_id":3}', 40401],
    ["a message that is too large", value(`"${"x".repeat(1001)}"`, "STRING"), 413],
    ["a negative timestamp", '{"timestamp":-1}', 500]
  ])("refuses %s in its receipt and goes on", async (_, record, code) => {
    expect(await codes(`${good}${record}${good}`)).toEqual([200, code, 200])
    expect(stored()).toHaveLength(2)
  })
  it.each([
    ["a syntax error", '{"value":tru}', [400, 400]],
    ["a comma between records", ",", [400]],
    ["a record cut off", '{"value":{"type":"JSON","data":', [400, 400]],
    ["a string that does not end", '{"value":"', [400, 400]]
  ])("ends at %s: what follows is not produced", async (_, broken, refusals) => {
    expect(await codes(`${good}${broken}${good}`)).toEqual([200, ...refusals])
    expect(stored()).toHaveLength(1)
  })
  it("goes on after a syntax error where the brackets still match", async () => {
    expect(await codes(`${good}{"value":,}${good}`)).toEqual([200, 400, 200])
  })
  it("takes an array as one bad record", async () => {
    expect(await codes(`[${good},${good}]`)).toEqual([400])
  })
  it("answers white space with nothing, and no body too", async () => {
    expect(await post(" \n")).toMatchObject({ status: 200, text: "" })
    expect(await post("")).toMatchObject({ status: 200, text: "" })
  })
  it("of an unknown topic gets 40401 for each record, under HTTP 200", async () => {
    topic = "nope"
    expect(await codes(good + good)).toEqual([40401, 40401])
  })
  it.each([
    ["text/plain;charset=UTF-8", 415],
    ["application/json; charset=utf-8", 200],
    ["application/json; charset=utf-16", 400]
  ])("of type %s gets %i", async (type, status) => {
    expect((await post(good, { type })).status).toBe(status)
  })
})

describe("the server", () => {
  it("asks for Basic credentials and knows its cluster, as Confluent Cloud does", async () => {
    const cloud = await startEmulator({
      topics: [{ name: "t" }],
      clusterId: "lkc-1",
      credentials: { apiKey: "k", apiSecret: "s" }
    })
    const call = (path: string, authorization?: string) =>
      fetch(`${cloud.url}${path}`, { headers: authorization === undefined ? {} : { authorization } }).then(
        async (response) => [response.status, ((await response.json()) as { error_code?: number }).error_code]
      )
    const right = `Basic ${btoa("k:s")}`
    expect(await call("/kafka/v3/clusters/lkc-1/topics/t")).toEqual([401, 40101])
    expect(await call("/kafka/v3/clusters/lkc-1/topics/t", `Basic ${btoa("k:x")}`)).toEqual([401, 40101])
    expect(await call("/kafka/v3/clusters/lkc-1/topics/t", right)).toEqual([200, undefined])
    expect(await call("/kafka/v3/clusters/lkc-2/topics/t", right)).toEqual([404, 404])
    expect(await call("/kafka/v3/clusters/lkc-1/topics/u", right)).toEqual([404, 40403])
    expect(await call("/elsewhere", right)).toEqual([404, 404])
    expect(JSON.stringify(cloud.requests())).not.toContain(btoa("k:s"))
    await cloud.close()
  })
  it("reads records back from a number on, and waits for the next", async () => {
    await receipts(good + good)
    const read = (query: string) =>
      fetch(`${emulator.url}/topics/${topic}/records?${query}`).then((response) => response.json())
    expect(await read("from=1")).toMatchObject({ records: [{ n: 1, topic }], next: 2 })
    const waiting = read("from=2&wait=5000")
    await receipts(good)
    expect(await waiting).toMatchObject({ records: [{ n: 2 }], next: 3 })
    expect(await read("from=0&limit=1")).toMatchObject({ next: 1 })
  })
  it("tells which methods a resource has, and that it is alive", async () => {
    const call = async (path: string, method: string, accept: string) => {
      const response = await fetch(`${emulator.url}${path}`, { method, headers: { accept } })
      return [response.status, response.headers.get("allow"), await response.text()]
    }
    const records = `/v3/clusters/c1/topics/${topic}/records`
    expect(await call(records, "OPTIONS", "*/*")).toEqual([200, "POST,OPTIONS", ""])
    expect(await call("/v3/clusters", "OPTIONS", "*/*")).toEqual([200, "HEAD,GET,OPTIONS", ""])
    expect(await call("/", "GET", "*/*")).toEqual([200, null, "{}"])
  })
  it("says at once that its port is taken", async () => {
    await expect(startEmulator({ topics: [], port: emulator.port })).rejects.toMatchObject({ code: "EADDRINUSE" })
  })
  it("survives a client that goes away in mid-body", async () => {
    const socket = connect(emulator.port, "127.0.0.1")
    const head = ["Host: x", "Content-Type: application/json", "Content-Length: 100", "Expect: 100-continue"]
    socket.write(`POST /v3/clusters/c/topics/${topic}/records HTTP/1.1\r\n${head.join("\r\n")}\r\n\r\n`)
    // It has taken the request up when it asks for the body.
    await once(socket, "data")
    await new Promise((resolve) => socket.write("{", resolve))
    socket.destroy()
    expect(await codes(good)).toEqual([200])
  })
})

describe("faults", () => {
  it("answer for the whole request", async () => {
    emulator.setFault(() => ({ _tag: "Respond", status: 503, body: "<html/>", contentType: "text/html" }))
    expect(await post(good)).toEqual({ status: 503, type: "text/html", text: "<html/>" })
    expect(stored()).toHaveLength(0)
  })
  it("refuse with a receipt", async () => {
    emulator.setFault(() => ({ _tag: "Receipt", code: 50003, message: "later" }))
    expect(await codes(good)).toEqual([50003])
    expect(stored()).toHaveLength(0)
  })
  it("cut the connection before or after producing", async () => {
    emulator.setFault(() => ({ _tag: "Cut", after: "nothing" }))
    await expect(post(good)).rejects.toThrow()
    expect(stored()).toHaveLength(0)
    emulator.setFault(() => ({ _tag: "Cut", after: "produce" }))
    await expect(post(good)).rejects.toThrow()
    expect(stored()).toHaveLength(1)
  })
  it("delay, and see which request they are asked about", async () => {
    const bodies: Array<string> = []
    emulator.setFault(({ body }) => {
      bodies.push(body)
      return { _tag: "Delay", ms: 30 }
    })
    const before = Date.now()
    expect(await codes(good)).toEqual([200])
    expect(Date.now() - before).toBeGreaterThanOrEqual(29)
    expect(bodies).toEqual([good])
  })
})
