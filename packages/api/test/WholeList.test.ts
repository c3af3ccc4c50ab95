/** Lists that are at hand as a whole have pages like all others. */
import { expect, it } from "@effect/vitest"
import { type Answer, type Call, connect, deadAt, startApi } from "./support.ts"

/** The items of all pages of two, and how many pages there were; `between` runs after the first. */
const pagesOf = async (call: Call, path: string, list: string, between = async () => {}) => {
  const items: Array<{ readonly [field: string]: unknown }> = []
  let cursor: string | null = null
  let pages = 0
  do {
    const more: string = cursor === null ? "" : `&cursor=${cursor}`
    const { status, body }: Answer = await call("GET", `${path}${path.includes("?") ? "&" : "?"}limit=2${more}`)
    expect(status).toBe(200)
    expect(body.has_more).toBe(body.cursor !== null)
    items.push(...body[list])
    cursor = body.cursor
    if (++pages === 1) await between()
  } while (cursor !== null)
  return { items, pages }
}

it("API keys, the newest first; a key that goes meanwhile breaks no cursor", async () => {
  const api = startApi()
  const { call } = await api.workspace()
  for (const name of ["a", "b", "c"]) {
    api.pass(1)
    await call("POST", "/v1/auth/api-keys", { name })
  }
  const { api_keys: all } = (await call("GET", "/v1/auth/api-keys")).body
  const names = all.map(({ name }: { readonly name: string }) => name)
  expect(names.slice(0, 3)).toEqual(["c", "b", "a"])
  const { items, pages } = await pagesOf(call, "/v1/auth/api-keys", "api_keys", async () => {
    expect((await call("DELETE", `/v1/auth/api-keys/${all[1].id}`)).status).toBe(200)
  })
  expect([items.map(({ name }) => name), pages]).toEqual([names, 3])
  expect((await call("GET", "/v1/auth/api-keys?cursor=!")).body.issues).toMatchObject([{ path: "cursor" }])
})

it("types of destinations, by name", async () => {
  const { call } = await startApi().workspace()
  const { body } = await call("GET", "/v1/destination-types?limit=1")
  expect(body.destination_types.map(({ type }: { readonly type: string }) => type)).toEqual(["kafka"])
  const next = (await call("GET", `/v1/destination-types?limit=1&cursor=${body.cursor}`)).body
  expect([next.destination_types[0].type, next.cursor, next.has_more]).toEqual(["mirror", null, false])
})

it("the timeline of an event from its start, and its tries from the last", async () => {
  const api = startApi()
  const { call } = await api.workspace()
  const { source, destination, connection } = await connect(call)
  const event = api.append(source.id, "{}")
  for (const n of [1, 2, 3]) api.commit(destination.id, deadAt(connection.id, 1, api.now() + n))
  const story = await pagesOf(call, `/v1/events/${event}/timeline`, "timeline")
  expect([story.items.map(({ type }) => type), story.pages]).toEqual([["accepted", "dead", "dead", "dead"], 2])
  expect(story.items.map(({ at }) => at)).toEqual(story.items.map(({ at }) => at).toSorted())
  const tries = await pagesOf(call, `/v1/delivery-attempts?event_id=${event}`, "delivery_attempts")
  expect([tries.items.length, tries.pages]).toEqual([3, 2])
  expect(tries.items.map(({ settled_at }) => settled_at)).toEqual(
    story.items
      .slice(1)
      .map(({ at }) => at)
      .toReversed()
  )
})
