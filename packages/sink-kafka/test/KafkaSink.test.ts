import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import type { SinkDriver } from "@hookstream/core/Sink"
import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"
import { Effect, Layer, type Result, Schema } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { config, event, outbound } from "./support.ts"

const client = Layer.mergeAll(
  FetchHttpClient.layer,
  Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" }),
  Layer.succeed(HttpClient.TracerPropagationEnabled, false)
)
const send = (change: object, body = '{"a": 1.0}'): Promise<Result.Result<unknown, unknown>> =>
  Effect.gen(function* () {
    const driver: SinkDriver = yield* KafkaSink.driver(
      Schema.decodeUnknownSync(KafkaSink.config)({ ...config, ...change })
    )
    return yield* Effect.result(driver.send([outbound(body)]))
  }).pipe(Effect.scoped, Effect.provide(client), Effect.runPromise)

let emulator: Emulator
beforeAll(async () => {
  emulator = await startEmulator({
    topics: [{ name: config.topic }],
    credentials: { apiKey: config.api_key, apiSecret: config.api_secret }
  })
})
afterAll(() => emulator.close())

/** A server of the test's own, for what no proxy would say. */
const answering = async (listener: RequestListener, use: (url: string) => Promise<void>) => {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

describe("the Kafka sink against the emulator", () => {
  it("produces the record and brings back its receipt", async () => {
    const result = await send({ rest_endpoint: emulator.url })
    const [record] = emulator.records(config.topic)
    expect(record).toMatchObject({ raw_value_data: '{"a": 1.0}', key: { text: event("").id } })
    expect(result).toMatchObject({
      success: [
        {
          _tag: "Delivered",
          receipt: { partition: record!.partition, offset: String(record!.offset), topic: config.topic }
        }
      ]
    })
  })
  it("sends the headers of the contract and no others of its own", async () => {
    await send({ rest_endpoint: emulator.url })
    const { method, url, headers } = emulator.requests().at(-1)!
    expect([method, url]).toEqual(["POST", "/v3/clusters/lkc-xxxxx/topics/webhook-events/records"])
    expect(headers).toMatchObject({
      "content-type": "application/json",
      accept: "application/json",
      authorization: "Basic"
    })
    expect(Number(headers["content-length"])).toBeGreaterThan(0)
    for (const name of ["transfer-encoding", "content-encoding", "traceparent", "b3"])
      expect(headers).not.toHaveProperty(name)
  })
  it.each([
    ["wrong credentials", { api_secret: "wrong-secret-value" }, "Unauthorized"],
    ["a path that is no proxy", { rest_endpoint: "/elsewhere" }, "Misconfigured"]
  ])("of %s says %s", async (_, change, reason) => {
    const endpoint = { rest_endpoint: emulator.url + (("rest_endpoint" in change && change.rest_endpoint) || "") }
    const result = await send({ ...change, ...endpoint })
    expect(result).toMatchObject({ failure: { reason } })
    expect(JSON.stringify(result)).not.toMatch(/wrong-secret-value|ABCdef1234567890/)
  })
  it("of a missing topic says so, with what to do", async () => {
    const result = await send({ rest_endpoint: emulator.url, topic: "missing" })
    expect(result).toMatchObject({
      success: [{ reason: "Misconfigured", detail: expect.stringContaining("the topic must exist") }]
    })
  })
  it.each([
    [
      "a gateway's HTML page",
      { _tag: "Respond", status: 502, body: "<html>bad gateway</html>", contentType: "text/html" },
      "Unknown"
    ],
    [
      "a throttling with Retry-After",
      { _tag: "Respond", status: 429, body: "<html/>", headers: { "Retry-After": "7" } },
      "Throttled"
    ],
    ["a connection cut before its answer", { _tag: "Cut", after: "produce" }, "Unknown"]
  ] as const)("takes %s as %s", async (_, fault, reason) => {
    emulator.setFault(() => fault)
    const result = await send({ rest_endpoint: emulator.url })
    emulator.setFault(undefined)
    expect(result).toMatchObject({ failure: reason === "Throttled" ? { reason, retryAfter: 7000 } : { reason } })
  })
})

describe("the Kafka sink against other servers", () => {
  it("follows no redirect: it would carry the credentials elsewhere", async () => {
    let followed = false
    await answering(
      (request, response) => {
        if (request.url === "/stolen") followed = true
        response.writeHead(307, { Location: "/stolen" }).end()
      },
      async (url) => {
        expect(await send({ rest_endpoint: url })).toMatchObject({ failure: { reason: "Misconfigured" } })
      }
    )
    expect(followed).toBe(false)
  })
  it("HTTP 200 with an HTML page proves nothing", async () => {
    await answering(
      (_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<html>welcome</html>"),
      async (url) => {
        expect(await send({ rest_endpoint: url })).toMatchObject({ success: [{ _tag: "Failed", reason: "Unknown" }] })
      }
    )
  })
  it("an address where nobody listens is an unknown outcome, told without its credentials", async () => {
    let closed = ""
    await answering(
      () => {},
      async (url) => {
        closed = url
      }
    )
    const result = await send({ rest_endpoint: closed })
    expect(result).toMatchObject({ failure: { reason: "Unknown" } })
    expect(JSON.stringify(result)).not.toContain("ABCdef1234567890")
  })
})
