import { type Emulator, type EmulatorOptions, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { LIMIT_PRESETS } from "@hookstream/kafka-rest-emulator/Limits"
import { afterEach, describe, expect, it } from "vitest"
import { TokenBucket } from "../src/internal/RateLimiter.ts"
import { rawPost } from "./rawCall.ts"

let emulator: Emulator | undefined
afterEach(() => emulator?.close())

const start = async (limits: EmulatorOptions["limits"]) => {
  emulator = await startEmulator({ topics: [{ name: "t" }], ...(limits === undefined ? {} : { limits }) })
  const { port, records } = emulator
  const post = (body: string, cluster = "c") => rawPost(port, `/v3/clusters/${cluster}/topics/t/records`, body)
  const codes = async (body: string) =>
    (await post(body)).body
      .split("\r\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line).error_code)
  return { post, codes, landed: () => records("t").map(({ value }) => value?.text) }
}
const record = (data: string) => `{"value":{"type":"STRING","data":"${data}"}}`

describe("the limits of a cluster", () => {
  it("refuse a request too many by HTTP 429 and a page: a client that reads JSON fails on it", async () => {
    const { post, landed } = await start({ requestsPerSecond: 1 })
    const answers = await Promise.all(["1", "2"].map((data) => post(record(data))))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused).toMatchObject([{ type: "text/html;charset=iso-8859-1", whole: true }])
    expect(refused[0]!.body).toMatch(/^<html>/)
    expect(refused[0]!.head).toContain("DoSFilter: unavailable")
    expect(refused[0]!.head).not.toMatch(/retry-after/i)
    expect(landed()).toHaveLength(1)
  })
  it("are each cluster's own", async () => {
    const { post } = await start({ requestsPerSecond: 1 })
    const answers = await Promise.all([post(record("1"), "c"), post(record("2"), "d")])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
  })
  it("refuse a record too many in its receipt", async () => {
    const { codes, landed } = await start({ recordsPerSecond: 2 })
    expect(await codes(record("1") + record("2") + record("3"))).toEqual([200, 200, 429])
    expect(landed()).toEqual(["1", "2"])
  })
  it("refuse a record of too many bytes in its receipt, and take the small one after it", async () => {
    const { codes, landed } = await start({ bytesPerSecond: 200 })
    expect(await codes(record("1") + record("x".repeat(200)) + record("3"))).toEqual([200, 429, 200])
    expect(landed()).toEqual(["1", "3"])
  })
  it("count a record as JSON, so base64 makes it larger", async () => {
    const { codes } = await start({ messageBytes: 100 })
    const binary = (bytes: number) => `{"value":{"type":"BINARY","data":"${Buffer.alloc(bytes).toString("base64")}"}}`
    expect(binary(40).length).toBeLessThanOrEqual(100)
    expect(await codes(binary(40) + binary(60) + binary(1))).toEqual([200, 413, 200])
  })
  it("of Confluent Cloud let a message of 5 MB through, which a proxy by itself refuses", async () => {
    const large = record("x".repeat(5_000_000))
    expect(await (await start("confluent_cloud_shared")).codes(large)).toEqual([200])
    await emulator?.close()
    expect(await (await start(undefined)).codes(large)).toEqual([413])
  })
  it("of Confluent Cloud are the published ones", async () => {
    expect(LIMIT_PRESETS.confluent_cloud_shared).toEqual({
      requestsPerSecond: 25,
      recordsPerSecond: 1000,
      bytesPerSecond: 10_000_000,
      messageBytes: 8_000_000
    })
    const { codes } = await start("confluent_cloud_shared")
    const refused = (await codes(record("1").repeat(5000))).filter((code) => code === 429)
    // The bucket fills while it is read from.
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThanOrEqual(4000)
  })
})

describe("a bucket of a rate", () => {
  it("fills evenly, up to one second's worth", () => {
    let now = 0
    const bucket = new TokenBucket(10, () => now)
    const takeAll = () => {
      let taken = 0
      while (bucket.take(1)) taken++
      return taken
    }
    expect(takeAll()).toBe(10)
    now = 500
    expect(takeAll()).toBe(5)
    now = 60_000
    expect(takeAll()).toBe(10)
  })
  it("takes nothing when it refuses", () => {
    const bucket = new TokenBucket(10, () => 0)
    expect([bucket.take(8), bucket.take(3), bucket.take(2)]).toEqual([true, false, true])
  })
})
