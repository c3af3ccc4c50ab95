import { createServer, type RequestListener, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as DestinationDriver from "@hookstream/core/sink/DestinationDriver"
import type { CheckStep, OutboundEvent, SinkDriver, Tell } from "@hookstream/core/sink/Sink"
import * as SinkClient from "@hookstream/core/sink/SinkClient"
import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import type { Limits } from "@hookstream/kafka-rest-emulator/Limits"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"
import { Effect, Logger } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { config, outbound, split } from "./support.ts"
import { codes, statuses } from "./tables.ts"

const SECRETS = new RegExp(
  `${config.api_secret.slice(0, 6)}|${btoa(`${config.api_key}:${config.api_secret}`)}|wrong-secret-value`
)

/** What a destination of this config does; what it says, and logs, holds none of its secrets. */
const using = async <A>(change: object, use: (driver: SinkDriver) => Effect.Effect<A, unknown>) => {
  const logged: Array<string> = []
  const logger = Logger.layer([
    Logger.make(({ logLevel, message }) => void logged.push(`${logLevel} ${JSON.stringify(message)}`))
  ])
  const result = await Effect.gen(function* () {
    const driver = yield* DestinationDriver.ofConfig(KafkaSink, { ...config, ...change })
    return yield* Effect.result(use(driver))
  }).pipe(Effect.scoped, Effect.provide([SinkClient.layer, logger]), Effect.runPromise)
  expect(JSON.stringify([result, logged])).not.toMatch(SECRETS)
  return { result, logged }
}
const sendAll = (change: object, batch: ReadonlyArray<OutboundEvent>, tell?: Tell) =>
  using(change, (driver) => driver.send(batch, tell))
const send = async (change: object, body = '{"a": 1.0}') => (await sendAll(change, [outbound(body)])).result
const check = async (change: object): Promise<ReadonlyArray<CheckStep>> => {
  const { result } = await using(change, (driver) => driver.check)
  if (result._tag === "Failure") throw result.failure
  return result.success
}

let emulator: Emulator
beforeAll(async () => {
  emulator = await startEmulator({
    topics: [{ name: config.topic }, { name: "empty", partitions: 3 }],
    clusterId: config.cluster_id,
    maxBlockMs: 5,
    credentials: { apiKey: config.api_key, apiSecret: config.api_secret }
  })
})
afterAll(() => emulator.close())

/** A server of the test's own, for what no proxy would say. */
const answering = async (
  listener: RequestListener,
  use: (url: string) => Promise<void>,
  connected: () => void = () => {}
) => {
  const server = createServer((request, response) => {
    // As a proxy does, it answers when it has read.
    request.resume().on("end", () => listener(request, response))
  })
  server.on("connection", connected)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
const receipt = (offset: number) => JSON.stringify({ error_code: 200, partition_id: 0, offset })
const soon = () => new Promise((resolve) => setTimeout(resolve, 20))
const three = [outbound("1"), outbound("2"), outbound("3")]
const offset = (value: number) => ({ _tag: "Delivered", receipt: { offset: String(value) } })
const unknown = (detail: string) => ({ _tag: "Failed", reason: "Unknown", detail })

describe("the Kafka sink against the emulator", () => {
  it("produces the record and brings back its receipt", async () => {
    const result = await send({ rest_endpoint: emulator.url })
    const record = emulator.records(config.topic).at(-1)!
    expect(record).toMatchObject({ raw_value_data: '{"a": 1.0}', key: { text: outbound("").event.id } })
    expect(result).toMatchObject({
      success: [
        {
          _tag: "Delivered",
          receipt: { partition: record.partition, offset: String(record.offset), topic: config.topic }
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
  it("puts several records into one request, and gives each its own receipt, in order", async () => {
    const before = emulator.requests().length
    const change = {
      rest_endpoint: emulator.url,
      key: "payload.customer",
      record_headers: { n: { path: "payload.n" } }
    }
    const bodies = Array.from({ length: 100 }, (_, n) => JSON.stringify({ n, customer: `c${n % 7}` }, null, n % 3))
    const { result } = await sendAll(
      change,
      bodies.map((body) => outbound(body))
    )
    expect(emulator.requests()).toHaveLength(before + 1)
    const records = emulator.records(config.topic).slice(-100)
    expect(records.map(({ raw_value_data }) => raw_value_data)).toEqual(bodies)
    expect(records.map(({ key }) => key?.text)).toEqual(bodies.map((_, n) => `c${n % 7}`))
    expect(records.map(({ headers }) => headers.at(-1))).toEqual(
      bodies.map((_, n) => ({ name: "n", value: String(n) }))
    )
    expect(result).toMatchObject({
      success: records.map(({ partition, offset }) => ({ receipt: { partition, offset: String(offset) } }))
    })
  })
  it("gives the same key bytes, so the same partition, whatever the key's type", async () => {
    const change = { rest_endpoint: emulator.url, key: "payload.id" }
    await send(change, '{"id":"é-1"}')
    await send({ ...change, key_type: "binary" }, '{"id":"é-1"}')
    const [one, other] = emulator.records(config.topic).slice(-2)
    expect([one!.key!.base64, one!.partition]).toEqual([other!.key!.base64, other!.partition])
  })
  it("says in the receipt when the key's path led nowhere, and keys by the event id", async () => {
    const change = { rest_endpoint: emulator.url, key: "payload.id" }
    const { result } = await sendAll(change, [outbound('{"id":1}'), outbound("{}")])
    const note = "the key's path payload.id led nowhere: keyed by the event id"
    expect(result).toMatchObject({
      success: [{ receipt: expect.not.objectContaining({ note }) }, { receipt: { note } }]
    })
    expect(emulator.records(config.topic).at(-1)!.key!.text).toBe(outbound("").event.id)
  })
  it("says in the receipt when JSON went as text because the proxy would refuse it", async () => {
    const long = `{"n":${"7".repeat(1001)}}`
    const change = { rest_endpoint: emulator.url, key: "payload.id" }
    const { result } = await sendAll(change, [outbound('{"id":1,"n":7}'), outbound(long), outbound("text")])
    const note = expect.stringMatching(/keyed by the event id; sent as STRING: .* 1000 digits/)
    expect(result).toMatchObject({
      success: [
        { receipt: expect.not.objectContaining({ note: expect.anything() }) },
        { receipt: { note } },
        { receipt: { note: expect.not.stringContaining("STRING") } }
      ]
    })
    expect(emulator.records(config.topic).at(-2)!.value).toMatchObject({ type: "STRING", text: long })
    const binary = await sendAll({ rest_endpoint: emulator.url, value_format: "binary" }, [outbound(long)])
    expect(binary.result).toMatchObject({
      success: [{ receipt: expect.not.objectContaining({ note: expect.anything() }) }]
    })
  })
  it("reads the records of a batch that the proxy refused one by one", async () => {
    const large = JSON.stringify("x".repeat(1_100_000))
    const { result } = await sendAll({ rest_endpoint: emulator.url }, [outbound("1"), outbound(large), outbound("3")])
    expect(result).toMatchObject({
      success: [{ _tag: "Delivered" }, { _tag: "Failed", reason: "TooLarge" }, { _tag: "Delivered" }]
    })
  })
  it.each([
    ["wrong credentials", { api_secret: "wrong-secret-value" }, "Unauthorized"],
    ["a path that is no proxy", { rest_endpoint: "/elsewhere" }, "Misconfigured"]
  ])("of %s says %s", async (_, change, reason) => {
    const endpoint = { rest_endpoint: emulator.url + (("rest_endpoint" in change && change.rest_endpoint) || "") }
    expect(await send({ ...change, ...endpoint })).toMatchObject({ failure: { reason } })
  })
  it("of a missing topic says so, with what to do", async () => {
    const result = await send({ rest_endpoint: emulator.url, topic: "missing" })
    expect(result).toMatchObject({
      success: [{ reason: "Misconfigured", detail: expect.stringContaining("the topic must exist") }]
    })
  })

  // 407 is left out: fetch itself makes a network error of it.
  const answers = statuses.filter(([status]) => status !== 407)
  it.each(answers)("takes HTTP %i, from the proxy or from a gateway, as %s", async (status, reason) => {
    for (const [contentType, body] of [
      ["application/json", JSON.stringify({ error_code: status, message: "words" })],
      ["text/html", "<html>words</html>"],
      ["text/plain", ""]
    ] as const) {
      emulator.setFault(() => ({ _tag: "Respond", status, contentType, body: status === 204 ? "" : body }))
      const { result } = await sendAll({ rest_endpoint: emulator.url }, three)
      emulator.setFault(undefined)
      const words = contentType === "application/json" && status !== 204 ? `HTTP ${status}: words` : `HTTP ${status}`
      expect(result).toMatchObject({ failure: { reason, detail: expect.stringMatching(new RegExp(`^${words}`)) } })
    }
  })
  it.each(codes)("takes the receipt %i as %s", async (code, reason) => {
    emulator.setFault(() => ({ _tag: "Receipt", code, message: "words" }))
    const result = await send({ rest_endpoint: emulator.url })
    emulator.setFault(undefined)
    expect(result).toMatchObject({
      success: [{ _tag: "Failed", reason, detail: expect.stringMatching(`^receipt ${code}: words`) }]
    })
  })
  it.each([
    ["7", 7000],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0]
  ])("waits as long as a throttling answer asks: %s", async (asked, retryAfter) => {
    emulator.setFault(() => ({ _tag: "Respond", status: 429, body: "<html/>", headers: { "Retry-After": asked } }))
    const result = await send({ rest_endpoint: emulator.url })
    emulator.setFault(undefined)
    expect(result).toMatchObject({ failure: { reason: "Throttled", retryAfter } })
  })
  it("takes the proxy's own throttling as such, which never says how long to wait", async () => {
    const throttled = async (limits: Limits) => {
      const server = await startEmulator({
        topics: [{ name: config.topic }],
        clusterId: config.cluster_id,
        credentials: { apiKey: config.api_key, apiSecret: config.api_secret },
        limits
      })
      const results = await Promise.all([1, 2, 3].map(() => send({ rest_endpoint: server.url })))
      await server.close()
      return results.map((one) => (one._tag === "Success" ? one.success[0] : one.failure))
    }
    // The filter against floods answers with a page, the limit of records with a receipt.
    for (const limits of [{ requestsPerSecond: 1 }, { recordsPerSecond: 1 }]) {
      const refused = (await throttled(limits)).filter((one) => !JSON.stringify(one).includes("Delivered"))
      expect(refused.length).toBeGreaterThan(0)
      for (const one of refused) {
        expect(one).toMatchObject({ reason: "Throttled", detail: expect.stringMatching(/^HTTP 429|^receipt 429/) })
        expect(one).not.toHaveProperty("retryAfter", expect.anything())
      }
    }
  })
  it("takes a connection cut before its answer as unknown, for the records may be in the topic", async () => {
    emulator.setFault(() => ({ _tag: "Cut", after: "produce" }))
    const result = await send({ rest_endpoint: emulator.url })
    emulator.setFault(undefined)
    expect(result).toMatchObject({ failure: { reason: "Unknown" } })
  })
})

describe("the Kafka sink against other servers", () => {
  const streaming =
    (answer: (response: ServerResponse) => Promise<void>) => async (use: (url: string) => Promise<void>) =>
      answering((_, response) => {
        response.writeHead(200, { "Content-Type": "application/json" })
        void answer(response)
      }, use)

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
  it.each([
    ["an HTML page", "text/html", "<html>welcome</html>"],
    ["an empty body", "application/json", ""]
  ])("HTTP 200 with %s proves nothing", async (_, type, body) => {
    await answering(
      (_, response) => response.writeHead(200, { "Content-Type": type }).end(body),
      async (url) => {
        const missing = unknown("the proxy answered without a receipt for this record")
        expect((await sendAll({ rest_endpoint: url }, three)).result).toMatchObject({
          success: [missing, missing, missing]
        })
      }
    )
  })
  it("keeps the receipts that came before the connection broke", async () => {
    await streaming(async (response) => {
      response.write(`${receipt(1)}\r\n${receipt(2).slice(0, 20)}`)
      await soon()
      response.destroy()
    })(async (url) => {
      const broke = unknown("the connection broke before the receipt of this record")
      expect((await sendAll({ rest_endpoint: url }, three)).result).toMatchObject({
        success: [offset(1), broke, broke]
      })
    })
  })
  it("tells each outcome while the rest of the answer is on its way, with the note of its receipt", async () => {
    let go = () => {}
    const told: Array<unknown> = []
    await streaming(async (response) => {
      response.write(receipt(1))
      await new Promise<void>((resolve) => {
        go = resolve
      })
      response.end(receipt(2))
    })(async (url) => {
      const batch = [outbound("{}"), outbound('{"id":1}')]
      const { result } = await sendAll({ rest_endpoint: url, key: "payload.id" }, batch, (position, outcome) => {
        told.push([position, outcome])
        go()
      })
      const note = "the key's path payload.id led nowhere: keyed by the event id"
      expect(told).toMatchObject([
        [0, { receipt: { offset: "1", note } }],
        [1, { receipt: { offset: "2" } }]
      ])
      expect(result).toMatchObject({ success: told.map((one) => (one as ReadonlyArray<unknown>)[1]) })
    })
  })
  it.each([
    ["a missing topic", 40401, "Misconfigured"],
    ["no right to the topic", 40301, "Unauthorized"]
  ])("of %s ends the request, and says of what it did not wait for that it is unknown", async (_, code, reason) => {
    let ended: () => void
    const left = new Promise<void>((resolve) => {
      ended = resolve
    })
    await streaming(async (response) => {
      response.on("close", () => ended())
      // The proxy waits a minute for the next one.
      response.write(JSON.stringify({ error_code: code, message: "words" }))
    })(async (url) => {
      const { result } = await sendAll({ rest_endpoint: url }, three)
      await left
      const detail = expect.stringMatching(/^not waited for: .* the proxy may still produce this one$/)
      expect(result).toMatchObject({
        success: [{ reason }, { reason: "Unknown", detail }, { reason: "Unknown", detail }]
      })
    })
  })
  it("of a missing topic still takes the receipts that come at once", async () => {
    const none = JSON.stringify({ error_code: 40403, message: "words" })
    await streaming(async (response) => {
      response.write(none)
      await soon()
      response.end(none)
    })(async (url) => {
      expect((await sendAll({ rest_endpoint: url }, three)).result).toMatchObject({
        success: [
          { reason: "Misconfigured" },
          { reason: "Misconfigured" },
          unknown("the proxy answered without a receipt for this record")
        ]
      })
    })
  })
  it("reads an answer to its end, so that the connection carries the next request", async () => {
    let connections = 0
    await answering(
      (_, response) => {
        response.writeHead(200).write(receipt(1))
        setTimeout(() => response.end("\r\n"), 5)
      },
      async (url) => {
        await using({ rest_endpoint: url }, (driver) =>
          driver.send(three.slice(0, 1)).pipe(Effect.repeat({ times: 9 }))
        )
      },
      () => connections++
    )
    expect(connections).toBeLessThan(4)
  })
  it("does not wait long for an answer's end once each record has its receipt", async () => {
    await streaming(async (response) => {
      for (const [i] of three.entries()) {
        response.write(receipt(i).slice(0, 7))
        await soon()
        response.write(receipt(i).slice(7))
      }
    })(async (url) => {
      expect((await sendAll({ rest_endpoint: url }, three)).result).toMatchObject({
        success: [offset(0), offset(1), offset(2)]
      })
    })
  })
  it("leaves what follows a stream's failure unknown, the failed record too", async () => {
    const message = "Bad Request: Error processing message: java.util.concurrent.TimeoutException: Idle timeout expired"
    await streaming(async (response) => {
      response.end(`${receipt(1)}${JSON.stringify({ error_code: 400, message })}`)
    })(async (url) => {
      expect((await sendAll({ rest_endpoint: url }, three)).result).toMatchObject({
        success: [offset(1), unknown(`receipt 400: ${message}`), { reason: "Unknown" }]
      })
    })
  })
  const THROTTLED = '{"error_code":429,"message":"slow"}'
  const told = [receipt(1), THROTTLED, receipt(3)]
  const outcomes = [offset(1), { reason: "Throttled" }, offset(3)]
  const unread = { _tag: "Failed", reason: "Unknown" }
  it.each([
    ["without an odd one", told, outcomes],
    ["of which the first cannot be read", told.with(0, "{}"), [unread, unread, unread]],
    ["of which the second cannot be read", told.with(1, '{"error_code":200,"off'), [offset(1), unread, unread]],
    ["of which the last cannot be read", told.with(2, "{,}"), [...outcomes.slice(0, 2), unread]],
    ["that end before the first", [], [unread, unread, unread]],
    ["that end after the first", told.slice(0, 1), [offset(1), unread, unread]],
    ["that end before the last", told.slice(0, 2), [...outcomes.slice(0, 2), unread]],
    ["with one too many before the first", [receipt(9), ...told], [unread, unread, unread]],
    ["with one too many in the middle", told.toSpliced(1, 0, receipt(9)), [unread, unread, unread]],
    ["with one too many at the end", [...told, receipt(9)], [unread, unread, unread]]
  ])("never takes the receipt of one event for that of another: receipts %s", async (_, receipts, wanted) => {
    await streaming(async (response) => {
      response.end(receipts.join("\r\n"))
    })(async (url) => {
      const { result, logged } = await sendAll({ rest_endpoint: url }, three)
      expect(result).toMatchObject({ success: wanted })
      expect(logged).toEqual(receipts.length > 3 ? [expect.stringMatching(/^Warn .*more receipts than/)] : [])
    })
  })
  it("throttles a record as long as the answer asks", async () => {
    await answering(
      (_, response) => response.writeHead(200, { "Retry-After": "3" }).end('{"error_code":429,"message":"slow"}'),
      async (url) => {
        expect(await send({ rest_endpoint: url })).toMatchObject({
          success: [{ reason: "Throttled", retryAfter: 3000 }]
        })
      }
    )
  })
  it("keeps its credentials to itself, even when a server echoes them", async () => {
    await answering(
      (request, response) => {
        // The end of the message is cut off: what is cut must not keep its first half.
        const echoed = `${request.headers.authorization} ${config.api_secret}`
        const message = `${echoed} ${"x".repeat(421)} ${config.api_secret}`
        const status = request.url?.includes("refuse") ? 400 : 200
        response.writeHead(status).end(JSON.stringify({ error_code: 400, message }))
      },
      async (url) => {
        const echo = expect.stringContaining("Basic **** ****")
        expect(await send({ rest_endpoint: url })).toMatchObject({ success: [{ detail: echo }] })
        expect(await send({ rest_endpoint: url, topic: "refuse" })).toMatchObject({ failure: { detail: echo } })
        const steps = await check({ rest_endpoint: `${url}/kafka`, topic: "refuse" })
        expect(steps.find(({ name }) => name === "topic")).toMatchObject({ detail: echo })
      }
    )
  })
  it("an address where nobody listens is an unknown outcome", async () => {
    expect(await send({ rest_endpoint: await closed() })).toMatchObject({ failure: { reason: "Unknown" } })
  })
})

/** An address where nobody listens. */
const closed = async (): Promise<string> => {
  let address = ""
  await answering(
    () => {},
    async (url) => {
      address = url
    }
  )
  return address
}

describe("the check of a Kafka destination", () => {
  /** Those that come before the topic's settings. */
  const first = (steps: ReadonlyArray<CheckStep>) => steps.slice(0, 4)
  const results = (steps: ReadonlyArray<CheckStep>) => first(steps).map(({ name, result }) => `${name} ${result}`)
  const ALL = ["endpoint ok", "credentials ok", "cluster ok", "topic ok"]

  it("of a good one finds each step well, and produces nothing", async () => {
    const before = emulator.records("empty").length
    const steps = await check({ rest_endpoint: `${emulator.url}/kafka`, topic: "empty" })
    expect(results(steps)).toEqual(ALL)
    expect(first(steps).every(({ fix }) => fix === null)).toBe(true)
    expect(steps[3]!.detail).toBe("found, with 3 partitions")
    expect(emulator.records("empty")).toHaveLength(before)
  })
  it.each([
    ["wrong credentials", { api_secret: "wrong-secret-value" }, "credentials", "check api_key and api_secret"],
    ["another cluster", { cluster_id: "lkc-other" }, "cluster", "check cluster_id"],
    [
      "a missing topic",
      { topic: "missing" },
      "topic",
      "create the topic, or check its name: hookstream does not create topics"
    ]
  ])("of %s says what to fix, and does not look further", async (_, change, step, fix) => {
    const steps = await check({ rest_endpoint: `${emulator.url}/kafka`, ...change })
    const at = steps.findIndex(({ name }) => name === step)
    expect(results(steps)).toEqual([
      ...ALL.slice(0, at),
      `${step} failed`,
      ...ALL.slice(at + 1).map((one) => one.replace("ok", "unknown"))
    ])
    expect(steps[at]!.fix).toBe(fix)
    const last = step === "topic" ? "/kafka/v3/clusters/lkc-xxxxx/topics/missing" : /\/clusters\/[^/]*$/
    expect(emulator.requests().at(-1)!.url).toMatch(last)
    for (const { detail } of steps.slice(at + 1)) expect(detail).toBe(`not looked at: ${step} failed`)
  })
  it("of an address where nobody listens fails at once", async () => {
    const steps = await check({ rest_endpoint: await closed() })
    expect(results(steps)).toEqual(["endpoint failed", "credentials unknown", "cluster unknown", "topic unknown"])
    expect(steps[0]).toMatchObject({ detail: expect.stringMatching(/could not be reached$/), fix: expect.any(String) })
  })

  const found = [200, '{"kind":"KafkaCluster"}'] as const
  const none = [404, '{"error_code":404,"message":"none"}'] as const
  const page = (status: number) => [status, "<html>page</html>"] as const
  it.each([
    ["a redirect", page(302), found, ["failed", "unknown", "unknown", "unknown"]],
    ["a gateway without its proxy", page(503), found, ["failed", "unknown", "unknown", "unknown"]],
    ["a web site", page(200), found, ["failed", "unknown", "unknown", "unknown"]],
    ["credentials that nobody knows", page(401), found, ["ok", "failed", "unknown", "unknown"]],
    ["credentials without rights", [403, '{"error_code":40301}'], found, ["ok", "failed", "unknown", "unknown"]],
    ["a cluster that nobody knows", none, found, ["ok", "ok", "unknown", "unknown"]],
    ["a proxy that shows no clusters", page(404), found, ["ok", "unknown", "unknown", "ok"]],
    ["a proxy that throttles", page(429), page(429), ["ok", "unknown", "unknown", "unknown"]],
    ["a proxy that shows no topics", found, page(404), ["ok", "ok", "ok", "unknown"]],
    ["a proxy without that method", found, page(405), ["ok", "ok", "ok", "unknown"]],
    ["a proxy that has not built it", found, [501, "{}"], ["ok", "ok", "ok", "unknown"]],
    ["a proxy that fails at topics", found, [500, '{"error_code":500}'], ["ok", "ok", "ok", "unknown"]],
    ["a web site behind the cluster", found, page(200), ["ok", "ok", "ok", "unknown"]],
    ["a topic that may not be written", found, [403, '{"error_code":40301}'], ["ok", "ok", "ok", "failed"]],
    ["credentials that end at topics", found, page(401), ["ok", "ok", "ok", "failed"]],
    ["a topic that is not there", found, none, ["ok", "ok", "ok", "failed"]]
  ] as const)("of %s tells what it can", async (_, cluster, topic, wanted) => {
    await answering(
      (request, response) => {
        const [status, body] = request.url?.includes("/topics/") ? topic : cluster
        response.writeHead(status, { Location: "/elsewhere" }).end(body)
      },
      async (url) => {
        const steps = first(await check({ rest_endpoint: url }))
        expect(steps.map(({ result }) => result)).toEqual(wanted)
        for (const { result, fix } of steps) if (result !== "unknown") expect(fix === null).toBe(result === "ok")
      }
    )
  })
  it("of a topic where the proxy does not offer it says that it cannot tell", async () => {
    await answering(
      (request, response) => {
        const [status, body] = request.url?.includes("/topics/") ? page(404) : found
        response.writeHead(status).end(body)
      },
      async (url) => {
        expect((await check({ rest_endpoint: url }))[3]).toMatchObject({ detail: "cannot tell: HTTP 404" })
      }
    )
  })
  it("of a connection that breaks at the topic says that it cannot tell", async () => {
    await answering(
      (request, response) => {
        if (request.url?.includes("/topics/")) response.destroy()
        else response.end(found[1])
      },
      async (url) => {
        const steps = first(await check({ rest_endpoint: url }))
        expect(steps.map(({ result }) => result)).toEqual(["ok", "ok", "ok", "unknown"])
      }
    )
  })
})

describe("the request", () => {
  it("is the records that were given, and nothing else", async () => {
    await sendAll({ rest_endpoint: emulator.url }, three)
    const { body } = emulator.requests().at(-1)!
    expect(split(body).join("\n")).toBe(body)
    expect(split(body).map((record) => JSON.parse(record).value.data)).toEqual([1, 2, 3])
  })
})
