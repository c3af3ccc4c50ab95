import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { apiClient } from "@hookstream/devkit/ApiClient"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { eventually, type Folder, freePort, isAlive, npmStart, readDev, readHolder, type Started } from "./npmStart.ts"

let folder: Folder
let started: Array<Started>
const start = (changes: Partial<Folder> = {}): Started => {
  const one = npmStart({ ...folder, ...changes })
  started.push(one)
  return one
}
const running = async (changes?: Partial<Folder>): Promise<Started> => {
  const one = start(changes)
  await one.shows("what goes wrong on the way")
  return one
}
const client = () => {
  const { gateway, api_key } = readDev(folder.dir)
  return apiClient(gateway, { "X-API-Key": api_key })
}

beforeEach(async () => {
  started = []
  folder = {
    dir: mkdtempSync(join(tmpdir(), "hookstream-start-")),
    port: await freePort(),
    kafkaPort: await freePort()
  }
})
afterEach(async () => {
  await Promise.all(started.map((one) => one.stop()))
  rmSync(folder.dir, { recursive: true, force: true })
})

const CONFLUENT = {
  bootstrap_servers: "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092",
  cluster_id: "lkc-xxxxx",
  topic: "webhook-events",
  api_key: "ABCDEFGHIJKLMNOP",
  api_secret: "ABCdef1234567890"
}

describe("what a user made", () => {
  it("is as they left it after the next start, whatever its type, and the names of the README are free", async () => {
    const first = await running()
    const { need } = client()
    const made = [
      { name: "Event Stream", type: "kafka", config: CONFLUENT },
      { name: "Orders", type: "http", config: { url: "https://hooks.example.com/orders" } }
    ]
    for (const one of made) await need("POST", "/v1/destinations", one)
    await need("POST", "/v1/sources", { name: "GitHub" })
    const theirs = async () => {
      const { destinations } = await client().need("GET", "/v1/destinations")
      return destinations.filter(({ name }: { readonly name: string }) => made.some((one) => one.name === name))
    }
    const before = await theirs()
    expect(before).toHaveLength(2)
    await first.stop()

    const second = await running({ kafkaPort: await freePort() })
    expect(await theirs()).toEqual(before)
    expect(second.output()).toContain("The webhook sent just now is a record")
  })
  it("of the demo's own things may be deleted or changed: the next start makes new ones", async () => {
    const first = await running()
    const { demo } = readDev(folder.dir)
    // Somebody goes to production from what is there.
    const { need } = client()
    await need("PATCH", `/v1/destinations/${demo!.destination_id}`, {
      config: { ...CONFLUENT, rest_endpoint: "https://proxy.example.com" }
    })
    await need("DELETE", `/v1/sources/${demo!.source_id}`)
    await first.stop()

    const second = await running()
    expect(second.output()).toContain("The webhook sent just now is a record")
    const now = readDev(folder.dir).demo!
    expect(now.source_id).not.toBe(demo!.source_id)
    expect(now.destination_id).not.toBe(demo!.destination_id)
    const { destination } = await client().need("GET", `/v1/destinations/${demo!.destination_id}`)
    expect(destination.config.rest_endpoint).toBe("https://proxy.example.com")
    await second.stop()

    await running()
    expect(readDev(folder.dir).demo).toEqual(now)
  })
  it("is not asked for in vain: with the demo's destination paused it starts, and says how to resume it", async () => {
    const first = await running()
    const { demo } = readDev(folder.dir)
    await client().need("POST", `/v1/destinations/${demo!.destination_id}/pause`)
    await first.stop()
    const second = await running()
    expect(second.output()).toContain(`/v1/destinations/${demo!.destination_id}/resume`)
  })
})

describe("a second start on the same folder", () => {
  it("is refused, says who is there and what to do, and does not disturb the first", async () => {
    await running()
    const { gateway } = readDev(folder.dir)
    const { starter } = readHolder(folder.dir)
    const second = start({ port: await freePort(), kafkaPort: await freePort() })
    expect(await second.exited).toBe(1)
    expect(second.output()).toContain(`hookstream runs on ${folder.dir} already at ${gateway} (process ${starter})`)
    expect(second.output()).toContain("HOOKSTREAM_DIR=")
    expect((await fetch(`${gateway}/v1/health`)).status).toBe(200)
    expect(readHolder(folder.dir).starter).toBe(starter)
  })
  it("names a gateway that is left behind, and how to end it", async () => {
    await running()
    const { starter, keeper, gateway } = readHolder(folder.dir)
    process.kill(keeper!, "SIGSTOP")
    process.kill(starter!, "SIGKILL")
    process.kill(keeper!, "SIGKILL")
    const second = start()
    expect(await second.exited).toBe(1)
    expect(second.output()).toContain(`kill -9 ${gateway}`)
    process.kill(gateway!, "SIGKILL")
    await running()
  })
})

describe("a start that is killed leaves no gateway behind", () => {
  it.each([
    ["npm itself", (one: Started) => one.process.pid!],
    ["the script", () => readHolder(folder.dir).starter!]
  ])("SIGKILL to %s", async (_, victim) => {
    const first = await running()
    const { gateway } = readHolder(folder.dir)
    const { url } = readHolder(folder.dir)
    process.kill(victim(first), "SIGKILL")
    await eventually(
      () => (isAlive(gateway!) ? undefined : true),
      () => `workerd ${gateway} is still alive`
    )
    await expect(fetch(`${url}/v1/health`)).rejects.toThrow()
    // The lock and both ports are free again.
    await running()
  })
})

describe("the terminal", () => {
  it("shows what goes wrong, a line for each: a circuit that opens and closes, a pause, a dead letter", async () => {
    let status = 500
    const receiver = createServer((_, response) => response.writeHead(status).end()).listen(0, "127.0.0.1")
    await new Promise((resolve) => receiver.once("listening", resolve))
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
    try {
      const one = await running()
      const { need } = client()
      const { destination } = await need("POST", "/v1/destinations", {
        name: "Orders",
        type: "http",
        config: { url, permanent_statuses: [400] },
        retry_intervals: [1],
        retry_backoff_type: "fixed",
        circuit_breaker_threshold: 1,
        circuit_breaker_reset_ms: 3000
      })
      const { demo, ingest_url } = readDev(folder.dir)
      await need("POST", "/v1/connections", { source_id: demo!.source_id, destination_id: destination.id })
      const send = () => fetch(ingest_url, { method: "POST", body: '{"order":\n42}' })
      await send()
      await one.shows(new RegExp(`failed {2}"Orders" \\(${destination.id}\\).*500`))
      // Failures of one event alone open no circuit.
      await send()
      await one.shows(new RegExp(`circuit opened {2}"Orders" \\(${destination.id}\\).*500`))
      expect(one.output()).toMatch(/record {2}webhook-events \d\/\d {2}evt_\w+ {2}JSON \{"order": 42\}/)
      status = 200
      await one.shows(`circuit closed  "Orders" (${destination.id})`)
      status = 400
      await send()
      await one.shows(new RegExp(`dead letter {2}evt_\\w+ at "Orders" \\(${destination.id}\\).*400`))
      await need("POST", `/v1/destinations/${destination.id}/pause`)
      await one.shows(`paused  "Orders" (${destination.id}): user`)
      await need("POST", `/v1/destinations/${destination.id}/resume`)
      await one.shows(`resumed  "Orders" (${destination.id})`)
    } finally {
      receiver.close()
    }
  })
  it("says which file is broken, and what to do", async () => {
    writeFileSync(join(folder.dir, "dev.json"), '{"gateway":')
    const one = start()
    expect(await one.exited).toBe(1)
    expect(one.output()).toContain(`${join(folder.dir, "dev.json")} is not JSON. Fix it, or delete it`)
  })
})
