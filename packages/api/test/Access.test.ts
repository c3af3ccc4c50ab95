import { Api } from "@hookstream/api/Api"
import { describe, expect, it } from "vitest"
import { type Endpoint, endpointsOf, makeWorld } from "./endpoints.ts"
import { type Call, paths, startApi } from "./support.ts"

const world = async () => {
  const api = startApi()
  const mine = await api.workspace()
  return { api, ...mine, endpoints: endpointsOf(await makeWorld(api, mine.id, mine.call)) }
}
const ask = (call: Call, { method, path, body }: Endpoint) => call(method, path, body)
const NAMES = endpointsOf({
  source: "",
  destination: "",
  connection: "",
  event: "",
  attempt: "",
  replay: "",
  key: "",
  workspace: ""
}).map(({ name }) => name)

describe("every endpoint", () => {
  it("of the API is asked here", () => {
    const all = Object.values(Api.groups).flatMap((group) =>
      Object.values<{ readonly identifier: string }>(group.endpoints).map(
        (one) => `${group.identifier}.${one.identifier}`
      )
    )
    expect([...NAMES].sort()).toEqual(all.sort())
  })
  it("answers who may ask, in the order of the table", async () => {
    const { api, call, endpoints } = await world()
    for (const one of endpoints) {
      const answer = await ask(one.needs === "root" ? api.root : call, one)
      expect([one.name, answer.status, answer.text], one.name).toEqual([one.name, one.status, expect.any(String)])
      expect(answer.headers.get("x-request-id")).toMatch(/^req_[0-9a-f]{32}$/)
    }
  })
  it("answers 401 to who has no key, nonsense or a forged one, and says by which scheme to come", async () => {
    const { api, endpoints } = await world()
    const forged = `hs_live_${"0".repeat(64)}`
    for (const one of endpoints.filter(({ needs }) => needs !== "nothing")) {
      const header = one.needs === "root" ? "X-Root-Key" : "X-API-Key"
      for (const headers of [
        {},
        { [header]: "nonsense" },
        { [header]: forged },
        { Authorization: "Bearer nonsense" }
      ]) {
        const answer = await ask(api.caller(headers as Record<string, string>), one)
        expect([one.name, answer.status]).toEqual([one.name, 401])
        expect(answer.body).toEqual({
          error: expect.any(String),
          status: 401,
          request_id: expect.stringMatching(/^req_/)
        })
        expect(answer.headers.get("www-authenticate")).toBe(one.needs === "root" ? "X-Root-Key" : "Bearer")
      }
    }
  })
  it("answers 403 to a key without its scope", async () => {
    const { api, id, read, write, endpoints } = await world()
    const ingest = await api.storedKey(id, ["ingest"])
    const may: Readonly<Record<Endpoint["needs"], ReadonlyArray<Call>>> = {
      nothing: [read, write, ingest],
      read: [read, write],
      write: [write],
      "*": [],
      root: []
    }
    for (const one of endpoints.filter(({ needs }) => needs !== "nothing" && needs !== "root")) {
      for (const [name, call] of Object.entries({ read, write, ingest })) {
        if (may[one.needs].includes(call)) continue
        const answer = await ask(call, one)
        expect([name, one.name, answer.status]).toEqual([name, one.name, 403])
        expect(answer.body.error).toContain("it needs one of *")
      }
    }
  })
  it("answers 404 to another workspace, and changes nothing of it", async () => {
    const { api, call, endpoints } = await world()
    const other = await api.workspace()
    for (const one of endpoints.filter(({ isOwned }) => isOwned)) {
      expect([one.name, (await ask(other.call, one)).status]).toEqual([one.name, 404])
    }
    for (const one of endpoints.filter(({ isOwned }) => isOwned)) {
      expect([one.name, (await ask(call, one)).status]).toEqual([one.name, one.status])
    }
  })
  it("answers 503 and when to come again while a part of the gateway does not answer", async () => {
    const { api, call, endpoints } = await world()
    const asks = { registry: 0, log: 0, deliveries: 0 }
    for (const part of ["registry", "log", "deliveries"] as const) {
      for (const one of endpoints) {
        // What a deletion leaves is no world to ask the next one in.
        if (part !== "registry" && one.method === "DELETE") continue
        api.setDown(part, true)
        const answer = await ask(one.needs === "root" ? api.root : call, one)
        api.setDown(part, false)
        if (answer.status === one.status) continue
        asks[part]++
        expect([one.name, part, answer.status]).toEqual([one.name, part, answer.status === 409 ? 409 : 503])
        if (answer.status === 503) {
          expect(answer.headers.get("retry-after")).toBe("1")
          expect(answer.body).toMatchObject({ status: 503, error: expect.stringContaining("did not answer") })
        }
      }
    }
    expect(asks.registry).toBe(endpoints.length - 1)
    expect(asks.log).toBeGreaterThan(4)
    expect(asks.deliveries).toBeGreaterThan(8)
  })
})

describe("every endpoint with", () => {
  it("a body refuses a field that it does not know, by its name", async () => {
    const { api, call, endpoints } = await world()
    for (const one of endpoints.filter(({ body }) => body !== undefined)) {
      const body = { ...(one.body as object), surplus: 1 }
      const answer = await ask(one.needs === "root" ? api.root : call, { ...one, body })
      expect([one.name, answer.status, paths(answer)]).toEqual([one.name, 400, ["surplus"]])
    }
  })
  it("an id refuses one of another kind, by its name", async () => {
    const { api, call, endpoints } = await world()
    let asked = 0
    for (const one of endpoints) {
      const path = one.path.replace(/\/((src|dst|conn|evt|rpl|key)_)?([0-9a-f]{32}|[0-9a-f]{8})(?=\/|$)/, "/att_1")
      if (path === one.path) continue
      asked++
      const answer = await ask(one.needs === "root" ? api.root : call, { ...one, path })
      expect([one.name, answer.status, paths(answer)]).toEqual([one.name, 400, ["id"]])
    }
    expect(asked).toBeGreaterThan(20)
  })
  it("pages goes newest first, stable while others come, and refuses what is no page", async () => {
    const { call, endpoints } = await world()
    for (const kind of ["sources", "destinations", "connections", "replay"]) {
      const create = endpoints.find(({ name }) => name === `${kind}.create`)!
      for (let n = 0; n < 3; n++) await ask(call, create)
      const ids = async (query: string) => {
        const { body } = await call("GET", `${create.path}?${query}`)
        const [items] = Object.values(body).filter(Array.isArray)
        return { ids: items!.map(({ id }: { readonly id: string }) => id), cursor: body.cursor, more: body.has_more }
      }
      const whole = await ids("limit=100")
      const first = await ids("limit=2")
      await ask(call, create)
      const second = await ids(`limit=2&cursor=${first.cursor}`)
      expect([kind, first.more, second.more, second.cursor]).toEqual([kind, true, false, null])
      expect([kind, ...first.ids, ...second.ids]).toEqual([kind, ...whole.ids])
      const refused = await call("GET", `${create.path}?limit=0&cursor=x`)
      expect([kind, refused.status, paths(refused)]).toEqual([kind, 400, ["limit"]])
      expect([kind, (await call("GET", `${create.path}?cursor=x`)).status]).toEqual([kind, 400])
    }
  })
})

describe("a path that is there", () => {
  it.each([
    ["PUT", "/v1/sources", "POST, GET, HEAD"],
    ["DELETE", "/v1/sources/", "POST, GET, HEAD"],
    ["OPTIONS", "/v1/destinations/dst_1", "GET, PATCH, DELETE, HEAD"],
    ["GET", "/v1/destinations/dst_1/pause", "POST"],
    ["POST", "/openapi.json", "GET, HEAD"],
    ["POST", "/v1/health", "GET, HEAD"]
  ])("answers 405 to %s %s, and says %s", async (method, path, allowed) => {
    const { call } = await startApi().workspace()
    const answer = await call(method, path)
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, allowed])
    expect(answer.body).toEqual({ error: expect.any(String), status: 405, request_id: expect.any(String) })
  })
  it("answers what it allows", async () => {
    const { call } = await startApi().workspace()
    expect((await call("HEAD", "/v1/sources")).status).toBe(200)
  })
})

describe("a path that is not there", () => {
  it.each(["/v1", "/v1/nothing", "/v1/sources/a/b", "/v2/sources"])("%s answers 404", async (path) => {
    const { call } = await startApi().workspace()
    for (const method of ["GET", "POST", "PUT"]) {
      const answer = await call(method, path)
      expect([answer.status, answer.headers.get("allow")]).toEqual([404, null])
    }
  })
})

describe("a body", () => {
  const bytes = (...parts: ReadonlyArray<string | number>) =>
    Uint8Array.from(parts.flatMap((part) => (typeof part === "number" ? [part] : [...Buffer.from(part)])))

  it.each([
    ["POST", "/v1/sources", bytes('{"name":"', 0xff, '"}')],
    ["POST", "/v1/destinations", bytes('{"name":"', 0xc3, '","type":"mirror","config":{"answer":"ok","token":"x"}}')],
    ["POST", "/v1/auth/api-keys", bytes('{"name":"', 0xed, 0xa0, 0x80, '"}')],
    ["POST", "/v1/connections/test", bytes('{"filter_rules":[],"event":{"query":"', 0xfe, '"}}')]
  ])("of %s %s that is not UTF-8 is refused", async (method, path, body) => {
    const { call } = await startApi().workspace()
    const answer = await call(method, path, body)
    expect([answer.status, answer.body.error]).toEqual([400, "the body must be UTF-8"])
  })
  it("that is not UTF-8 makes no workspace", async () => {
    const api = startApi()
    const answer = await api.root("POST", "/v1/workspaces", bytes('{"name":"', 0xff, '"}'))
    expect([answer.status, answer.body.error]).toEqual([400, "the body must be UTF-8"])
  })
  it("is not read of who has no key", async () => {
    const { call } = await startApi().workspace()
    const forged = { "X-API-Key": `hs_live_${"0".repeat(64)}` }
    expect((await call("POST", "/v1/sources", bytes('{"name":"', 0xff, '"}'), forged)).status).toBe(401)
  })
  it("that is no JSON, or not sent as JSON, is refused", async () => {
    const { call } = await startApi().workspace()
    for (const path of ["/v1/sources", "/v1/destinations", "/v1/connections", "/v1/replay", "/v1/auth/api-keys"]) {
      for (const body of ["{", "[]", '"text"', "null", "1"]) {
        expect([path, body, (await call("POST", path, body)).status]).toEqual([path, body, 400])
      }
    }
    const answer = await call("POST", "/v1/sources", "name=x", { "Content-Type": "text/plain" })
    expect([answer.status, answer.body.error]).toEqual([415, expect.stringContaining("application/json")])
  })
})

describe("text in a name or description", () => {
  const STRANGE = [
    ["a NUL", "a\u0000b"],
    ["half of a surrogate pair", "a\ud800"],
    ["the other half", "\udc00b"]
  ] as const
  it.each(STRANGE)("with %s is refused by its field", async (_, text) => {
    const api = startApi()
    const { call } = await api.workspace()
    const message = "must be text without NUL characters and lone surrogates"
    const issue = (path: string) => ({ path, message })
    const config = { answer: "ok", token: "x" }
    const source = { source_id: `src_${"0".repeat(32)}`, destination_id: `dst_${"0".repeat(32)}` }
    const asked = [
      await call("POST", "/v1/sources", { name: text, description: text }),
      await call("POST", "/v1/destinations", { name: text, type: "mirror", config }),
      await call("POST", "/v1/connections", { ...source, name: text, description: text }),
      await call("POST", "/v1/auth/api-keys", { name: text }),
      await api.root("POST", "/v1/workspaces", { name: text })
    ]
    expect(asked.map(({ status }) => status)).toEqual([400, 400, 400, 400, 400])
    expect(asked.map(({ body }) => body.issues)).toEqual([
      [issue("name"), issue("description")],
      [issue("name")],
      [issue("name"), issue("description")],
      [issue("name")],
      [issue("name")]
    ])
  })
  it("in any script, and beyond the basic plane, is taken as it is", async () => {
    const { call } = await startApi().workspace()
    for (const name of ["注文", "Заказы", "🦊", "naïve"]) {
      const { body } = await call("POST", "/v1/sources", { name, description: name })
      expect(body.source).toMatchObject({ name, description: name })
    }
  })
})
