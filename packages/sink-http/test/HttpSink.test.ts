import type { RequestListener, ServerResponse } from "node:http"
import * as Sink from "@hookstream/core/sink/Sink"
import * as SinkClient from "@hookstream/core/sink/SinkClient"
import { HttpSink } from "@hookstream/sink-http/HttpSink"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Webhook } from "standardwebhooks"
import { describe, expect, it } from "vitest"
import { answering, bodyOf, check, driver, event, outbound, send, WHSEC } from "./support.ts"

const status = (code: number, headers: Record<string, string> = {}, body = "") =>
  ((_: unknown, response: ServerResponse) => response.writeHead(code, headers).end(body)) as never

describe("the HTTP sink", () => {
  it("delivers the bytes that came, signed, and takes 2xx as the proof", async () => {
    // No JSON, not even text.
    const body = Uint8Array.from([0xff, 0x00, 0x7b, 0x0d, 0x0a])
    let seen: { headers: NodeJS.Dict<string | Array<string>>; body: Buffer; line: string } | undefined
    const outcome = await answering(
      async (request, response) => {
        seen = { headers: request.headers, body: await bodyOf(request), line: `${request.method} ${request.url}` }
        response.writeHead(202).end('{"id": "r_1"}')
      },
      (url) =>
        send(
          { url: `${url}/a%2Fb?sig=a%2Bb`, method: "PUT", signing: { type: "standard_webhooks", secrets: [WHSEC] } },
          outbound(body, { attempt: 3, replayId: "rpl_1", event: event(body, { contentType: "image/png" }) })
        )
    )
    expect(outcome).toEqual({ _tag: "Delivered", receipt: { status: 202, bytes: 13 } })
    expect(seen!.line).toBe("PUT /a%2Fb?sig=a%2Bb")
    expect(seen!.body).toEqual(Buffer.from(body))
    expect(seen!.headers).toMatchObject({
      "content-type": "image/png",
      "content-length": "5",
      "x-hookstream-event-id": event("").id,
      "x-hookstream-delivery-attempt": "3",
      "x-hookstream-replay-id": "rpl_1",
      "webhook-id": event("").id
    })
    for (const name of ["transfer-encoding", "traceparent", "b3", "authorization"])
      expect(seen!.headers).not.toHaveProperty(name)
  })
  it("signs what a receiver verifies over the bytes that it got", async () => {
    const verified = await answering(
      async (request, response) => {
        const body = await bodyOf(request)
        response.end(JSON.stringify(new Webhook(WHSEC).verify(body, request.headers as Record<string, string>)))
      },
      (url) =>
        send(
          { url, signing: { type: "standard_webhooks", secrets: [WHSEC] }, keep_response: true },
          outbound('{ "é": 1.50 }')
        )
    )
    expect(verified).toEqual({ _tag: "Delivered", receipt: { status: 200, bytes: 10, body: '{"é":1.5}' } })
  })

  // A row for each class of the status table; the table itself is in ErrorMapping.test.ts.
  it.each([
    [200, {}, { _tag: "Delivered", receipt: { status: 200 } }],
    [204, {}, { _tag: "Delivered", receipt: { status: 204 } }],
    [304, {}, { reason: "Unavailable" }],
    [400, {}, { reason: "Unavailable" }],
    [401, {}, { reason: "Unauthorized" }],
    [403, {}, { reason: "Unavailable" }],
    [408, {}, { reason: "TimedOut" }],
    [410, {}, { reason: "Misconfigured", detail: expect.stringContaining("the receiver is gone for good") }],
    [422, {}, { reason: "Rejected" }],
    [429, {}, { reason: "Throttled" }],
    [429, { "Retry-After": "7" }, { reason: "Throttled", retryAfter: 7000 }],
    [500, { "Retry-After": "7" }, { reason: "Unavailable" }],
    [503, {}, { reason: "Unavailable" }],
    [503, { "Retry-After": "soon" }, { reason: "Unavailable" }],
    [503, { "Retry-After": "7" }, { reason: "Throttled", retryAfter: 7000 }]
  ])("takes HTTP %i with %j as %j", async (code, headers, expected) => {
    const outcome = await answering(status(code, headers), (url) => send({ url, permanent_statuses: [422] }))
    expect(outcome).toMatchObject(expected)
    expect("retryAfter" in outcome).toBe("retryAfter" in expected)
    if (outcome._tag === "Failed") expect(outcome.detail).toMatch(`HTTP ${code}`)
  })
  it("waits until the date that the receiver gave", async () => {
    const at = new Date(Date.now() + 60_000).toUTCString()
    const outcome = await answering(status(429, { "Retry-After": at }), (url) => send({ url }))
    expect(outcome).toMatchObject({ reason: "Throttled", retryAfter: expect.any(Number) })
    const { retryAfter } = outcome as { retryAfter: number }
    expect(retryAfter).toBeGreaterThan(50_000)
    expect(retryAfter).toBeLessThanOrEqual(60_000)
  })
  it.each([301, 302, 303, 307, 308])(
    "does not follow a redirect by %i: it would carry the credentials elsewhere",
    async (code) => {
      const paths: Array<string> = []
      const outcome = await answering(
        (request, response) => {
          paths.push(request.url!)
          response.writeHead(code, { Location: "/stolen" }).end()
        },
        (url) => send({ url: `${url}/a`, auth: { type: "bearer", token: "abc" } })
      )
      expect(outcome).toMatchObject({
        reason: "Unavailable",
        detail: expect.stringContaining("redirects are not followed")
      })
      expect(paths).toEqual(["/a"])
    }
  )

  it("reads no more of an endless answer than 16 KiB, and hangs up", async () => {
    let sent = 0
    let closed = false
    const outcome = await answering(
      (_, response) => {
        response.writeHead(500)
        response.on("close", () => {
          closed = true
        })
        const write = (): void => {
          while (!response.destroyed) {
            sent += 1024
            if (!response.write("x".repeat(1024))) {
              response.once("drain", write)
              return
            }
          }
        }
        write()
      },
      async (url) => {
        const outcome = await send({ url })
        await expect.poll(() => closed).toBe(true)
        return outcome
      }
    )
    expect(outcome).toMatchObject({ reason: "Unavailable", detail: `HTTP 500: ${"x".repeat(500)}` })
    // What the sockets hold on both sides is read by nobody.
    expect(sent).toBeLessThan(32 * 1024 * 1024)
  })
  it("has its outcome from the status, though the body breaks off", async () => {
    for (const [code, expected] of [
      [200, { _tag: "Delivered", receipt: { status: 200, bytes: 3 } }],
      [410, { reason: "Misconfigured", detail: expect.stringContaining("HTTP 410: beg") }]
    ] as const) {
      const outcome = await answering(
        (_, response) => {
          response.writeHead(code, { "Content-Length": "100" })
          response.write("beg", () => setTimeout(() => response.destroy(), 50))
        },
        (url) => send({ url })
      )
      expect(outcome).toMatchObject(expected)
    }
  })
  it("has its outcome from the status, though the body never comes", async () => {
    const outcome = await answering(
      (_, response) => {
        response.writeHead(200)
        response.write("data: 1\n\n")
      },
      (url) =>
        Effect.gen(function* () {
          const { send } = yield* driver({ url })
          const fiber = yield* Effect.forkChild(send([outbound("{}")]))
          // Until the first bytes are there, in real time; then the sink's own second.
          while (fiber.pollUnsafe() === undefined) {
            yield* TestClock.withLive(Effect.sleep(200))
            yield* TestClock.adjust(1000)
          }
          return (yield* Fiber.join(fiber))[0]
        }).pipe(Effect.scoped, Effect.provide([SinkClient.layer, TestClock.layer()]), Effect.runPromise)
    )
    expect(outcome).toEqual({ _tag: "Delivered", receipt: { status: 200, bytes: 9 } })
  })
  it("gives one outcome for each event, in order, also when given more than it takes", async () => {
    const outcomes = await answering(
      async (request, response) => response.writeHead((await bodyOf(request)).toString() === "1" ? 200 : 500).end(),
      (url) =>
        Effect.gen(function* () {
          const { send, batch } = yield* driver({ url })
          expect(batch.maxEvents).toBe(1)
          return yield* send([outbound("1"), outbound("2"), outbound("1")])
        }).pipe(Effect.scoped, Effect.provide(SinkClient.layer), Effect.runPromise)
    )
    expect(outcomes.map(({ _tag }) => _tag)).toEqual(["Delivered", "Failed", "Delivered"])
  })

  it.each([
    ["hangs up without an answer", (request: { socket: { destroy: () => void } }) => request.socket.destroy()],
    ["answers no HTTP", (request: { socket: { end: (text: string) => void } }) => request.socket.end("SSH-2.0\r\n")]
  ])("of a receiver that %s knows no outcome", async (_, listener) => {
    const outcome = await answering(listener as never, (url) => send({ url }))
    expect(outcome).toMatchObject({ reason: "Unknown" })
  })
  it("of an address where nobody listens knows no outcome, and names the host alone", async () => {
    const closed = await answering(status(200), async (url) => url)
    const outcome = await send({ url: `${closed}/path?key=abc123`, auth: { type: "bearer", token: "tok-abc" } })
    expect(outcome).toMatchObject({ reason: "Unknown", detail: expect.stringContaining(new URL(closed).host) })
    expect(JSON.stringify(outcome)).not.toMatch(/abc/)
  })
  it("hangs up when it is interrupted", async () => {
    let closed = false
    await answering(
      (_, response) => {
        response.on("close", () => {
          closed = true
        })
      },
      (url) =>
        Effect.gen(function* () {
          const { send } = yield* driver({ url })
          yield* Effect.timeoutOption(send([outbound("{}")]), 100)
          yield* Effect.promise(() => expect.poll(() => closed).toBe(true))
        }).pipe(Effect.scoped, Effect.provide(SinkClient.layer), Effect.runPromise)
    )
  })

  it("keeps nothing of what is said to a delivered event, unless it is asked for", async () => {
    const echo: RequestListener = (request, response) => response.writeHead(200).end(request.rawHeaders.join(" "))
    const auth = { type: "bearer", token: "a-token-of-the-test" }
    await answering(echo, async (url) => {
      expect(await send({ url, auth })).toEqual(Sink.delivered({ status: 200, bytes: expect.any(Number) }))
      const kept = await send({ url, auth, keep_response: true })
      expect(kept).toMatchObject({ receipt: { body: expect.stringContaining("uthorization Bearer ****") } })
      expect(JSON.stringify(kept)).not.toContain("a-token")
    })
  })
  it("declares what it can do", () => {
    expect(HttpSink).toMatchObject({
      type: "http",
      supports: { batch: false, receipts: false },
      defaultTimeoutMs: 30_000
    })
  })
})

describe("the check of an HTTP destination", () => {
  it("asks by HEAD and delivers nothing", async () => {
    const lines: Array<string> = []
    const steps = await answering(
      async (request, response) => {
        lines.push(`${request.method} ${request.headers["x-hookstream-event-id"]} ${(await bodyOf(request)).length}`)
        response.writeHead(204).end()
      },
      (url) => check({ url })
    )
    expect(lines).toEqual(["HEAD undefined 0"])
    expect(steps.map(({ name, result }) => [name, result])).toEqual([
      ["connection", "ok"],
      ["tls", "unknown"],
      ["answer", "ok"]
    ])
  })
  it.each([301, 401, 403, 404, 405, 410, 500])(
    "takes HTTP %i as reachable and says no more than it knows",
    async (code) => {
      const steps = await answering(status(code), (url) => check({ url, auth: { type: "bearer", token: "tok-abc" } }))
      expect(steps.map(({ result }) => result)).toEqual(["ok", "unknown", "unknown"])
      expect(steps[2]!.detail).toContain(`HTTP ${code}`)
      if (code < 405) expect(steps[2]!.fix).not.toBeNull()
      expect(JSON.stringify(steps)).not.toContain("tok-abc")
    }
  )
  it("tells of an address where nobody listens, with what to look at", async () => {
    const closed = await answering(status(200), async (url) => url)
    const steps = await check({ url: closed })
    expect(steps[0]).toMatchObject({ result: "failed", fix: expect.stringContaining("port of url") })
    expect(steps.map(({ result }) => result)).toEqual(["failed", "unknown", "unknown"])
  })
})
