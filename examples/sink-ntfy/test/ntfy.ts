/** An ntfy server that can behave badly, as the target of the conformance suite. */
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Behaviour, Target } from "@hookstream/core/testing/SinkSuite"

const TOKEN = "tk_a-token-of-the-test"

type Answer = (response: ServerResponse) => void
const answer =
  (status: number, body = "", headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(status, headers).end(body)

let messages = 0
const published: Answer = (response) => answer(200, JSON.stringify({ id: `message-${++messages}` }))(response)
const never: Answer = () => {}

const ANSWERS: { readonly [B in Behaviour]: Answer } = {
  take: published,
  refuse: published,
  throttle: answer(429),
  "throttle for 7 s": answer(429, "", { "Retry-After": "7" }),
  unauthorized: answer(401),
  "too large": answer(413),
  down: answer(503),
  "break after": (response) => void response.destroy(),
  hang: never,
  "answer one": never,
  redirect: answer(307, "", { Location: "/elsewhere" }),
  echo: answer(400, `not you: Bearer ${TOKEN}`),
  empty: answer(200),
  nonsense: answer(500, "<p>sorry</p>".repeat(1000))
}
const TAKING: ReadonlyArray<Behaviour> = ["take", "refuse", "break after", "empty"]

export const startNtfy = async (): Promise<Target> => {
  let behaviour: Behaviour = "take"
  const arrived: Array<{ readonly id: string; readonly body: string }> = []
  const server = createServer(async (request, response) => {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    if (behaviour === "refuse" && body.includes("refused")) return ANSWERS.echo(response)
    if (request.method === "POST" && TAKING.includes(behaviour)) {
      arrived.push({ id: String(request.headers["x-hookstream-event-id"]), body })
    }
    ANSWERS[behaviour](response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    config: { url: `http://127.0.0.1:${port}/`, topic: "webhooks", token: TOKEN },
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
