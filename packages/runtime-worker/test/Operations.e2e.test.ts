import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { apiClient } from "@hookstream/devkit/ApiClient"
import { type Gateway, startGateway } from "@hookstream/devkit/Gateway"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { connect, eventually, type Rig, startRig } from "./gateway.ts"

const SOURCE = `src_${"0123456789abcdef".repeat(2)}`

describe("a gateway with wrong settings", () => {
  const wrong = { HOOKSTREAM_LOG_MAX_BYTES: "8GB", HOOKSTREAM_KEYS: "1:not-a-key-but-secret" }
  const dir = mkdtempSync(join(tmpdir(), "hookstream-"))
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await startGateway({ dir, port: 0, vars: wrong })
  })
  afterAll(async () => {
    await gateway.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  it.each([
    ["GET", "/v1/health"],
    ["GET", "/v1/sources"],
    ["GET", "/nowhere"],
    ["POST", `/v1/ingest/${SOURCE}`]
  ])("%s %s is answered with what is wrong and to be repeated, and with no value", async (method, path) => {
    const answer = await apiClient(gateway.url, {}).call(method, path, method === "POST" ? {} : undefined)
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0)
    expect(answer.body).toEqual({
      error: expect.stringContaining("HOOKSTREAM_LOG_MAX_BYTES must be a number of bytes in digits"),
      status: 503,
      request_id: answer.headers.get("X-Request-Id"),
      issues: [
        { path: "HOOKSTREAM_KEYS", message: expect.stringContaining("base64 of 32 random bytes") },
        { path: "HOOKSTREAM_LOG_MAX_BYTES", message: expect.stringContaining("from 1 to 9500000000") }
      ]
    })
    expect(JSON.stringify(answer.body)).not.toMatch(/8GB|not-a-key-but-secret/)
  })
  it("says so in its log, once, and no value there either", () => {
    const log = readFileSync(gateway.logFile, "utf8")
    expect(log.match(/"settings are missing or wrong"/g)).toHaveLength(1)
    expect(log).toContain('"settings":["HOOKSTREAM_KEYS","HOOKSTREAM_LOG_MAX_BYTES"]')
    expect(
      log
        .split("\n")
        .filter((line) => line.includes('"message"'))
        .join("\n")
    ).not.toContain("not-a-key-but-secret")
  })
})

describe("the log of a gateway", () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await startRig()
  })
  afterAll(() => rig.close())

  const log = () => readFileSync(rig.gateway.logFile, "utf8")
  const lines = (message: string): ReadonlyArray<Record<string, unknown>> =>
    log()
      .split("\n")
      .filter((line) => line.includes(`{"message":"${message}"`))
      // Around those of warn and error wrangler puts a mark of its own.
      .map((line) => JSON.parse(line.slice(line.indexOf("{"), line.lastIndexOf("}") + 1)))

  it("is healthy, and names what is missing all the same", async () => {
    const { status, body } = await apiClient(rig.gateway.url, {}).call("GET", "/v1/health")
    expect(status).toBe(200)
    expect(body).toEqual({
      status: "ok",
      version: null,
      notices: [
        { path: "HOOKSTREAM_PUBLIC_URL", message: expect.stringContaining("is not set") },
        { path: "FAILURES", message: expect.stringContaining("is not bound") }
      ]
    })
  })
  it("tells of a destination that is paused and resumed, each in one line", async () => {
    const { destination } = await connect(rig)
    const path = `/v1/destinations/${destination.id}`
    for (const action of ["pause", "pause", "resume"]) await rig.client.need("POST", `${path}/${action}`)
    const of = (message: string) => lines(message).filter((line) => line["destination"] === destination.id)
    await eventually(
      () => of("a destination resumed"),
      (found) => found.length > 0
    )
    expect(of("a destination paused")).toEqual([
      expect.objectContaining({ level: "info", reason: "user", next_probe_at: null })
    ])
    expect(of("a destination resumed")).toEqual([expect.objectContaining({ level: "info", reason: "user" })])
  })
  it("tells of an endpoint that refuses our credentials, with no word of them, and of no whole source id", async () => {
    const { source, destination } = await connect(rig, {}, { api_secret: "wrong-secret-0123" })
    await rig.client.need("POST", new URL(source.ingest_url).pathname, {})
    const [line] = await eventually(
      () => lines("a destination paused").filter(({ reason }) => reason === "Unauthorized"),
      (found) => found.length > 0
    )
    expect(line).toMatchObject({ level: "warn", destination: destination.id, detail: expect.stringContaining("401") })
    // wrangler's own lines name the paths of requests.
    const own = log()
      .split("\n")
      .filter((one) => one.includes('{"message":'))
      .join("\n")
    expect(own).not.toContain(source.id)
    expect(own).not.toContain("wrong-secret-0123")
  })
})
