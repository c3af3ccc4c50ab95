import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as Event from "@hookstream/core/event/Event"
import { makeSourceId } from "@hookstream/core/Ids"
import * as DestinationDriver from "@hookstream/core/sink/DestinationDriver"
import type { CheckStep, OutboundEvent, Outcome } from "@hookstream/core/sink/Sink"
import * as SinkClient from "@hookstream/core/sink/SinkClient"
import type { Behaviour, Target } from "@hookstream/core/testing/SinkSuite"
import { HttpSink } from "@hookstream/sink-http/HttpSink"
import { Effect } from "effect"

export const WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
export const WHSEC_NEXT = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const event = (body: Uint8Array | string, change: Partial<Event.Event> = {}): Event.Event => ({
  ...Event.make({
    sourceId: makeSourceId("00000000", "0123abcde"),
    seq: 7,
    receivedAt: 1_700_000_000_000,
    contentType: "application/json",
    body
  }),
  ...change
})

export const outbound = (body: Uint8Array | string, change: Partial<OutboundEvent> = {}): OutboundEvent => ({
  event: event(body),
  destinationId: "dst_00000000000000000000000000000001",
  connectionId: "conn_1",
  attempt: 1,
  replayId: null,
  ...change
})

/** As the gateway makes it. */
export const driver = (config: object) => DestinationDriver.ofConfig(HttpSink, config)

export const send = (config: object, one: OutboundEvent = outbound('{"a": 1.0}')): Promise<Outcome> =>
  Effect.gen(function* () {
    const { send } = yield* driver(config)
    const [outcome] = yield* send([one])
    return outcome!
  }).pipe(Effect.scoped, Effect.provide(SinkClient.layer), Effect.runPromise)

export const check = (config: object): Promise<ReadonlyArray<CheckStep>> =>
  Effect.gen(function* () {
    const { check } = yield* driver(config)
    return yield* check
  }).pipe(Effect.scoped, Effect.provide(SinkClient.layer), Effect.runPromise)

/** A server of the test's own. */
export const answering = async <A>(listener: RequestListener, use: (url: string) => Promise<A>): Promise<A> => {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

export const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const TOKEN = "a-token-of-the-test"
const answer =
  (status: number, headers: Record<string, string> = {}, body = "") =>
  (response: ServerResponse) =>
    void response.writeHead(status, headers).end(body)

/** What the target of the conformance suite answers, and whether it takes the event. */
const ANSWERS: {
  readonly [B in Behaviour]: { readonly takes: boolean; readonly answer: (response: ServerResponse) => void }
} = {
  take: { takes: true, answer: answer(204) },
  refuse: { takes: true, answer: answer(204) },
  throttle: { takes: false, answer: answer(429) },
  "throttle for 7 s": { takes: false, answer: answer(429, { "Retry-After": "7" }) },
  unauthorized: { takes: false, answer: answer(401) },
  "too large": { takes: false, answer: answer(413) },
  down: { takes: false, answer: answer(503) },
  "break after": { takes: true, answer: (response) => void response.destroy() },
  hang: { takes: false, answer: () => {} },
  "answer one": { takes: true, answer: () => {} },
  redirect: { takes: false, answer: answer(307, { Location: "/elsewhere" }) },
  echo: { takes: false, answer: answer(400, {}, `not you: Bearer ${TOKEN}`) },
  empty: { takes: true, answer: answer(200) },
  nonsense: { takes: false, answer: answer(500, { "Content-Type": "text/html" }, "<p>sorry</p>".repeat(1000)) }
}

/** A server as the target of the conformance suite. */
export const startTarget = async (): Promise<Target> => {
  let behaviour: Behaviour = "take"
  const arrived: Array<{ readonly id: string; readonly body: string }> = []
  const server = createServer(async (request, response) => {
    const body = (await bodyOf(request)).toString()
    const isRefused = behaviour === "refuse" && body.includes("refused")
    const { takes, answer: give } = isRefused ? ANSWERS.unauthorized : ANSWERS[behaviour]
    if (takes && request.method === "POST") arrived.push({ id: String(request.headers["x-hookstream-event-id"]), body })
    give(response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    config: {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`,
      auth: { type: "bearer", token: TOKEN },
      signing: { type: "standard_webhooks", secrets: [WHSEC] }
    },
    behave: (next) => {
      behaviour = next
    },
    arrived: () => arrived.map(({ id }) => id),
    bodies: () => arrived.map(({ body }) => body),
    close: async () => {
      server.closeAllConnections()
      server.close()
    }
  }
}
