import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { request } from "node:http"
import { join } from "node:path"
import { afterEach, describe, expect, it } from "vitest"

const MAIN = join(import.meta.dirname, "..", "src", "main.ts")
let child: ChildProcess | undefined
afterEach(() => child?.kill())

const start = (...args: ReadonlyArray<string>) => {
  const process_ = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  child = process_
  const output = { out: "", err: "" }
  process_.stdout.on("data", (bytes) => (output.out += bytes))
  process_.stderr.on("data", (bytes) => (output.err += bytes))
  const ended = once(process_, "close").then(([code]) => code as number)
  return { output, ended, stop: () => process_.kill("SIGTERM") }
}
const listening = async (output: { readonly out: string }) => {
  await expect.poll(() => output.out, { timeout: 10_000 }).toContain("emulator on ")
  return /http:\S+(?=,)/.exec(output.out)![0]
}

/** Makes a request, and comes back when the server has taken it up; how it ended. */
const takenUp = async (url: string, method: string) => {
  const one = request(url, { method, headers: { Expect: "100-continue" } })
  const ended = new Promise<string>((resolve) => {
    one.on("response", () => resolve("answered")).on("error", () => resolve("ended"))
  })
  one.flushHeaders()
  await once(one, "continue")
  one.end(method === "POST" ? "{}" : undefined)
  return { ended }
}

describe("the command", () => {
  it("says where it listens, prints each record as it lands and ends when told", async () => {
    const { output, ended, stop } = start(
      "--port",
      "0",
      "--topic",
      "webhooks",
      "--topic",
      "orders:12",
      "--cluster-id",
      "lkc-1",
      "--api-key",
      "k",
      "--api-secret",
      "s",
      "--limits",
      "confluent_cloud_shared"
    )
    const url = await listening(output)
    expect(output.out).toContain("webhooks, orders")
    const headers = { "Content-Type": "application/json", Authorization: `Basic ${btoa("k:s")}` }
    const topic = `${url}/kafka/v3/clusters/lkc-1/topics/orders`
    expect(await (await fetch(topic, { headers })).json()).toMatchObject({ partitions_count: 12 })
    expect((await fetch(topic)).status).toBe(401)
    const body = JSON.stringify({
      partition_id: 3,
      key: { type: "STRING", data: "k1" },
      value: { type: "JSON", data: { a: "x".repeat(300) } }
    })
    await (await fetch(`${topic}/records`, { method: "POST", headers, body })).text()
    await expect.poll(() => output.out).toContain('orders-3@0 key=k1 {"a":"xxx')
    expect(output.out).toContain("(308 characters)")
    expect(output.out + output.err).not.toContain("k:s")
    stop()
    expect(await ended).toBe(0)
  })
  it("starts with faults and limits of one's own", async () => {
    const { output } = start(
      "--port",
      "0",
      "--topic",
      "t",
      "--limits",
      '{"recordsPerSecond":1}',
      "--fault",
      '{"_tag":"Respond","status":405,"on":"metadata"}',
      "--fault",
      '{"_tag":"Stream","separator":" "}'
    )
    const url = await listening(output)
    expect((await fetch(`${url}/v3/clusters/c`)).status).toBe(405)
    const headers = { "Content-Type": "application/json" }
    const answer = await fetch(`${url}/v3/clusters/c/topics/t/records`, { method: "POST", headers, body: "{}{}" })
    expect(await answer.text()).toMatch(/^\{"error_code":200.*\} \{"error_code":429.*\} $/)
  })
  it("ends at once when told, whatever waits", async () => {
    const { output, ended, stop } = start("--port", "0", "--topic", "t", "--fault", '{"_tag":"Delay","ms":60000}')
    const url = await listening(output)
    const waiting = [
      await takenUp(`${url}/v3/clusters/c/topics/t/records`, "POST"),
      await takenUp(`${url}/topics/t/records?wait=60000`, "GET")
    ]
    // An answer to a later request: what came before it is at work.
    await (await fetch(`${url}/v3/clusters/c`)).text()
    stop()
    expect(await Promise.all(waiting.map(({ ended }) => ended))).toEqual(["ended", "ended"])
    expect(await ended).toBe(0)
  })
  it("tells how it is used", async () => {
    const { output, ended } = start("--help")
    expect(await ended).toBe(0)
    expect(output.out).toMatch(/^Usage: kafka-rest-emulator --topic/)
    expect(output.err).toBe("")
  })
  it.each([
    ["a flag that it does not know", ["--topics", "t"], "Unknown option '--topics'"],
    ["a word that is no flag", ["t"], "Unexpected argument 't'"],
    ["no topic", [], "--topic is required"],
    ["a topic's name that Kafka refuses", ["--topic", "a b"], '--topic must be NAME or NAME:PARTITIONS, not "a b"'],
    ["a port that is none", ["--topic", "t", "--port", "http"], "--port must be a number from 0 to 65535"],
    ["a key without its secret", ["--topic", "t", "--api-key", "k"], "--api-key and --api-secret go together"],
    ["a wait that is no number", ["--topic", "t", "--max-block-ms", "1m"], "--max-block-ms must be a number of milli"],
    ["a version that it does not know", ["--topic", "t", "--proxy-version", "6"], "--proxy-version must be 7.9 or 8.3"],
    ["unknown limits", ["--topic", "t", "--limits", "cloud"], "--limits must be confluent_cloud_shared or JSON"],
    ["an unknown limit", ["--topic", "t", "--limits", '{"rps":1}'], "--limits.rps is unknown"],
    ["a fault that is no JSON", ["--topic", "t", "--fault", "down"], "--fault must be JSON, not down"],
    ["a fault that is none", ["--topic", "t", "--fault", '{"_tag":"Delay"}'], "--fault.ms is missing"]
  ])("refuses %s with a reason", async (_, args, reason) => {
    const { output, ended } = start(...args)
    expect(await ended).toBe(2)
    expect(output.err.split("\n")[0]).toContain(reason)
    expect(output.err).not.toMatch(/^ +at /m)
  })
})
