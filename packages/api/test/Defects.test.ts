import { Effect } from "effect"
import { expect, it } from "vitest"
import { startApi } from "./mocks.ts"

const PATH = `/v1/destinations/dst_${"1".repeat(32)}`

it("an error inside is answered with an id, under which the log tells of it", async () => {
  const { call, logged } = await startApi({ deliveries: { summary: () => Effect.die(new TypeError("a bug")) } })
  const answer = await call(`${PATH}/circuit`)
  const { request_id } = (await answer.json()) as { readonly request_id: string }
  expect([answer.status, answer.headers.get("X-Request-Id")]).toEqual([500, request_id])
  const error = { name: "TypeError", message: "a bug", retryable: false, overloaded: false }
  expect(logged).toEqual([["a request could not be answered", { request_id, error }]])
})

it.each([
  ["an unknown path", "/nowhere", {}],
  ["no key", `${PATH}/circuit`, { headers: {} }],
  ["a wrong id", "/v1/destinations/1/circuit", {}],
  ["a body that is no JSON", "/v1/sources", { method: "POST", body: "{" }]
])("%s is the caller's fault, and not logged", async (_, path, init) => {
  const { call, logged } = await startApi({})
  expect((await call(path, init)).status).toBeLessThan(500)
  expect(logged).toEqual([])
})
