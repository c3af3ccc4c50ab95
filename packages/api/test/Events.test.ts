import { describe, expect, it } from "vitest"
import { type Answer, connect, deadAt, paths, startApi } from "./support.ts"

const ids = ({ body }: Answer): ReadonlyArray<string> => body.events.map(({ id }: { readonly id: string }) => id)

/** Two sources with events in turns, newest first. */
const twoSources = async () => {
  const api = startApi()
  const mine = await api.workspace()
  const sources = [await connect(mine.call), await connect(mine.call)].map(({ source }) => source)
  const events: Array<string> = []
  for (let n = 0; n < 5; n++) {
    api.pass(1)
    events.unshift(api.append(sources[n % 2]!.id, `{"n":${n}}`))
  }
  return { api, ...mine, sources, events }
}

describe("events", () => {
  it("are listed newest first, of one source or merged, page by page, whatever comes meanwhile", async () => {
    const { api, call, sources, events } = await twoSources()
    const listed: Array<string> = []
    for (let cursor = ""; ; ) {
      const page = await call("GET", `/v1/events?limit=2${cursor}`)
      listed.push(...ids(page))
      expect(page.body.has_more).toBe(page.body.cursor !== null)
      if (page.body.cursor === null) break
      cursor = `&cursor=${page.body.cursor}`
      api.append(sources[0]!.id, "{}")
    }
    expect(listed).toEqual(events)
    expect(ids(await call("GET", `/v1/events?source_id=${sources[1]!.id}`))).toEqual([events[1], events[3]])
  })
  it.each(["x", "e30x", Buffer.from('{"src_1":1}').toString("base64url"), Buffer.from("[]").toString("base64url")])(
    "are not listed from the cursor %s",
    async (cursor) => {
      const { call } = await twoSources()
      expect((await call("GET", `/v1/events?cursor=${cursor}`)).status).toBe(400)
    }
  )
  it("refuse filters that are not built yet, each by its name", async () => {
    const { call } = await twoSources()
    const answer = await call("GET", "/v1/events?status=delivered&method=GET&search=x&source_id=y&limit=abc&more=1")
    expect([answer.status, paths(answer)]).toEqual([400, ["limit", "method", "more", "search", "source_id", "status"]])
  })
  it("show what came, without credentials, and every try", async () => {
    const api = startApi()
    const { call, read } = await api.workspace()
    const { source, destination, connection } = await connect(call)
    const headers = [
      ["authorization", "Bearer hunter2"],
      ["x-hub-signature", "hunter3"],
      ["x-delivery", "d1"]
    ] as const
    const event = api.append(source.id, '{"big": 12345678901234567890}', headers)
    api.commit(destination.id, deadAt(connection.id, 1, api.now()))
    const answer = await read("GET", `/v1/events/${event}`)
    expect(answer.text).not.toMatch(/hunter/)
    expect(answer.body.event).toMatchObject({
      id: event,
      source_id: source.id,
      status: "failed",
      deliveries: { waiting: 0, retrying: 0, delivered: 0, filtered: 0, dead: 1 },
      body: '{"big": 12345678901234567890}',
      delivery_attempts: [
        { connection_id: connection.id, status: "dead", is_dlq: true, reason: "Rejected", event_id: event }
      ]
    })
    expect(answer.body.event.headers).toContainEqual({ name: "authorization", value: "****" })
    const { timeline } = (await read("GET", `/v1/events/${event}/timeline`)).body
    expect(timeline.map(({ type }: { readonly type: string }) => type)).toEqual(["accepted", "dead"])
  })
  it("that do not exist are not found, and those past their retention are gone", async () => {
    const api = startApi()
    const { call } = await api.workspace()
    const { source } = await connect(call)
    const event = api.append(source.id, "{}")
    for (const path of [`evt_${"0".repeat(32)}`, event.replace(/.{9}$/, "000000000")]) {
      expect((await call("GET", `/v1/events/${path}`)).status).toBe(404)
    }
    expect(paths(await call("GET", "/v1/events/nonsense"))).toEqual(["id"])
    api.drop(source.id)
    const asked = ["GET /v1/events/:id", "GET /v1/events/:id/timeline", "POST /v1/events/:id/retry"]
    for (const one of asked) {
      const [method, path] = one.replace(":id", event).split(" ")
      const answer = await call(method!, path!)
      expect([one, answer.status, answer.body.error]).toEqual([
        one,
        410,
        expect.stringContaining("retention has passed")
      ])
    }
    expect((await call("GET", `/v1/delivery-attempts?event_id=${event}`)).status).toBe(410)
    const other = await api.workspace()
    expect((await other.call("GET", `/v1/events/${event}`)).status).toBe(404)
  })
  it("are tried again where they are dead, and nowhere else", async () => {
    const api = startApi()
    const { call } = await api.workspace()
    const { source, destination, connection } = await connect(call)
    const event = api.append(source.id, "{}")
    expect((await call("POST", `/v1/events/${event}/retry`)).status).toBe(409)
    api.commit(destination.id, deadAt(connection.id, 1, api.now()))
    expect((await call("POST", `/v1/events/${event}/retry`)).body).toEqual({ retried: 1 })
  })
})

describe("delivery attempts", () => {
  const world = async () => {
    const api = startApi()
    const mine = await api.workspace()
    const { source, destination, connection } = await connect(mine.call)
    const events = [1, 2, 3].map((n) => api.append(source.id, `{"n":${n}}`))
    for (const seq of [1, 2, 3]) api.commit(destination.id, deadAt(connection.id, seq, api.now()))
    return { api, ...mine, destination, connection, events }
  }
  const eventIds = ({ body }: Answer) =>
    body.delivery_attempts.map(({ event_id }: { readonly event_id: string }) => event_id) as ReadonlyArray<string>

  it("are listed newest first, by event, connection or destination, page by page", async () => {
    const { call, destination, connection, events } = await world()
    const path = `/v1/delivery-attempts?destination_id=${destination.id}`
    const first = await call("GET", `${path}&limit=2`)
    const second = await call("GET", `${path}&limit=2&cursor=${first.body.cursor}`)
    expect([eventIds(first), eventIds(second)]).toEqual([[events[2], events[1]], [events[0]]])
    expect(
      eventIds(await call("GET", `/v1/delivery-attempts?connection_id=${connection.id}&is_dlq=true`))
    ).toHaveLength(3)
    expect(eventIds(await call("GET", `${path}&status=delivered`))).toEqual([])
    expect(eventIds(await call("GET", `/v1/delivery-attempts?event_id=${events[1]}`))).toEqual([events[1]])
  })
  it("need something to be listed by, and a cursor of theirs", async () => {
    const { call, destination } = await world()
    expect((await call("GET", "/v1/delivery-attempts")).status).toBe(400)
    expect((await call("GET", `/v1/delivery-attempts?destination_id=${destination.id}&cursor=x`)).status).toBe(400)
    expect((await call("GET", `/v1/delivery-attempts?destination_id=${destination.id}&is_dlq=false`)).status).toBe(400)
    expect(paths(await call("GET", "/v1/delivery-attempts?event_id=x&status=new&is_dlq=1"))).toEqual([
      "event_id",
      "is_dlq",
      "status"
    ])
  })
  it("are tried again once, and are not found when they are none", async () => {
    const { call, destination } = await world()
    const { delivery_attempts: attempts } = (
      await call("GET", `/v1/delivery-attempts?destination_id=${destination.id}`)
    ).body
    const path = `/v1/delivery-attempts/${attempts[0].id}/retry`
    expect((await call("POST", path)).body).toEqual({ retried: true })
    expect((await call("POST", "/v1/delivery-attempts/nonsense/retry")).status).toBe(404)
    const absent = `att_${destination.id.slice(4)}${"f".repeat(11)}${"0".repeat(10)}`
    expect((await call("POST", `/v1/delivery-attempts/${absent}/retry`)).status).toBe(404)
  })
})
