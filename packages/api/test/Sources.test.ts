import * as Ids from "@hookstream/core/Ids"
import { TEMPLATE_NAMES } from "@hookstream/ingest/SourceTemplate"
import { describe, expect, it } from "vitest"
import { idOfVersion1 } from "../../core/test/fixtures.ts"
import { endpointsOf, makeWorld } from "./endpoints.ts"
import { type Answer, type Api, type Call, connect, deadAt, paths, startApi } from "./support.ts"

const DAY = 86_400_000
const tokenOf = (url: string): string => url.slice(url.lastIndexOf("/") + 1)
const rotate = async (call: Call, id: string, body: object = {}) =>
  (await call("POST", `/v1/sources/${id}/rotate-url`, body)).body.source

describe("a source", () => {
  it("is made, shown, changed and deleted", async () => {
    const { call } = await startApi().workspace()
    const made = await call("POST", "/v1/sources", { name: "GitHub" })
    expect(made.status).toBe(201)
    expect(made.body.source).toEqual({
      id: expect.stringMatching(/^src_[0-9a-f]{32}$/),
      name: "GitHub",
      slug: "github",
      description: null,
      status: "active",
      jurisdiction: null,
      region: null,
      ingest_url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:8787\/v1\/ingest\/ing_[0-9a-f]{56}$/),
      previous_ingest_urls: [],
      retention_days: 7,
      redact: [],
      verification: null,
      retained_since: null,
      event_count: 0,
      last_event_at: null,
      created_at: "2026-11-24T10:00:00.000Z",
      updated_at: "2026-11-24T10:00:00.000Z"
    })
    const path = `/v1/sources/${made.body.source.id}`
    expect((await call("GET", path)).body).toEqual(made.body)
    const changed = await call("PATCH", path, { name: "Other", description: "d", status: "paused", retention_days: 3 })
    expect(changed.body.source).toEqual({
      ...made.body.source,
      name: "Other",
      description: "d",
      status: "paused",
      retention_days: 3
    })
    expect((await call("DELETE", path)).body).toEqual({ success: true, cancelled: 0 })
    expect((await call("GET", path)).status).toBe(404)
    expect((await call("DELETE", path)).status).toBe(404)
  })
  it("names every wrong field at once", async () => {
    const { call } = await startApi().workspace()
    const wrong = { name: " ", slug: "No", description: 1, status: "off", retention_days: 0, template: "x", more: 1 }
    const fields = ["description", "more", "name", "retention_days", "slug", "status", "template"]
    expect(paths(await call("POST", "/v1/sources", wrong))).toEqual(fields)
    const { body } = await call("POST", "/v1/sources", { name: "s" })
    const answer = await call("PATCH", `/v1/sources/${body.source.id}`, wrong)
    expect([answer.status, paths(answer)]).toEqual([400, fields])
    expect(paths(await call("POST", "/v1/sources", {}))).toEqual(["name"])
    expect(paths(await call("POST", `/v1/sources/${body.source.id}/rotate-url`, { grace_seconds: -1 }))).toEqual([
      "grace_seconds"
    ])
    expect(paths(await call("GET", "/v1/sources/dst_1"))).toEqual(["id"])
  })
  it.each(["abc", "0", "101", "1.5", "", "-1", "1e1"])("list with limit=%s is told so once", async (limit) => {
    const { call } = await startApi().workspace()
    const answer = await call("GET", `/v1/sources?limit=${limit}`)
    const issues = [{ path: "limit", message: "must be a whole number from 1 to 100" }]
    expect([answer.status, answer.body.issues]).toEqual([400, issues])
  })
  it("list goes page by page, newest first, and a cursor of nobody's is refused", async () => {
    const { call } = await startApi().workspace()
    for (const name of ["A", "B", "C"]) await call("POST", "/v1/sources", { name })
    const names = ({ body }: Answer) => body.sources.map(({ name }: { readonly name: string }) => name)
    const first = await call("GET", "/v1/sources?limit=2")
    await call("POST", "/v1/sources", { name: "D" })
    const second = await call("GET", `/v1/sources?limit=2&cursor=${first.body.cursor}`)
    expect([names(first), first.body.has_more]).toEqual([["C", "B"], true])
    expect([names(second), second.body.has_more, second.body.cursor]).toEqual([["A"], false, null])
    expect(names(await call("GET", "/v1/sources?limit=100"))).toHaveLength(4)
    const answer = await call("GET", "/v1/sources?cursor=x")
    expect([answer.status, paths(answer)]).toEqual([400, ["cursor"]])
  })
})

describe("the verification of a source", () => {
  const WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
  const NEXT = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
  const made = async (call: Call, verification: object) =>
    (await call("POST", "/v1/sources", { name: "s", verification })).body.source
  /** What a PATCH makes of it, or its issues. */
  const patched = async (call: Call, id: string, verification: object | null) => {
    const { body, text } = await call("PATCH", `/v1/sources/${id}`, { verification })
    expect(text).not.toMatch(/MfKQ9r8|C2FVsBQ/)
    return body.issues ?? body.source.verification
  }

  it("is sealed and shown without its secrets, and a PATCH keeps those that it masks", async () => {
    const { call } = await startApi().workspace()
    const source = await made(call, { template: "stripe", secrets: [WHSEC], tolerance_seconds: 60 })
    const first = { template: "stripe", secrets: ["****LaSw"], tolerance_seconds: 60 }
    expect(source.verification).toEqual(first)
    expect((await call("GET", `/v1/sources/${source.id}`)).body.source.verification).toEqual(first)
    const { body } = await call("PATCH", `/v1/sources/${source.id}`, { name: "t" })
    expect(body.source.verification).toEqual(first)
    expect(await patched(call, source.id, { secrets: [NEXT, "****LaSw"] })).toEqual({
      ...first,
      secrets: ["****b7oD", "****LaSw"]
    })
    expect(await patched(call, source.id, { secrets: ["****b7oD"], tolerance_seconds: null })).toEqual({
      template: "stripe",
      secrets: ["****b7oD"]
    })
    // Of another template only the secrets stay.
    await patched(call, source.id, { tolerance_seconds: 9 })
    expect(await patched(call, source.id, { template: "svix" })).toEqual({ template: "svix", secrets: ["****b7oD"] })
    expect(await patched(call, source.id, null)).toBeNull()
  })
  it("is refused with the name of each field that is wrong", async () => {
    const { call } = await startApi().workspace()
    const source = await made(call, { template: "stripe", secrets: [WHSEC] })
    const secret = 'must be the signing secret of the endpoint, which begins with "whsec_": no API key'
    for (const [wrong, ...fields] of [
      [{ template: "stripe", secrets: [WHSEC, "sk_live_1"] }, "secrets.1", secret],
      [{ template: "stripe", secrets: [WHSEC], header: "x" }, "header", "is not a field"],
      [{ template: "stripe", secrets: ["****0000"] }, "secrets.0", "masks no secret of this source: send it in full"]
    ] as const) {
      const [path, message] = fields
      const issues = [{ path: `verification.${path}`, message }]
      expect((await call("POST", "/v1/sources", { name: "s", verification: wrong })).body.issues).toEqual(issues)
      expect(await patched(call, source.id, wrong)).toEqual(issues)
    }
    // A key by its form alone: the point is not on the curve.
    const spki = Buffer.concat([Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex")])
    const none = Buffer.concat([spki, Buffer.alloc(64, 1)]).toString("base64")
    const answer = await call("POST", "/v1/sources", {
      name: "s",
      verification: { template: "sendgrid", secrets: [none] }
    })
    expect([answer.status, paths(answer)]).toEqual([400, ["verification.secrets.0"]])
    expect(paths(await call("POST", "/v1/sources", { name: "s", verification: {} }))).not.toEqual([])
    expect(paths(await call("POST", "/v1/sources", { name: "s", verification: "stripe" }))).toEqual(["verification"])
  })
  it("has a list of templates, page by page", async () => {
    const { read } = await startApi().workspace()
    const first = (await read("GET", "/v1/source-templates?limit=10")).body
    const rest = (await read("GET", `/v1/source-templates?limit=10&cursor=${first.cursor}`)).body
    const all = [...first.source_templates, ...rest.source_templates]
    expect([first.has_more, rest.has_more]).toEqual([true, false])
    expect(all.map(({ template }) => template)).toEqual(TEMPLATE_NAMES.toSorted())
    expect(all.find(({ template }) => template === "slack")).toEqual({
      template: "slack",
      title: "Slack",
      documentation: "https://docs.slack.dev/authentication/verifying-requests-from-slack",
      signature_header: "x-slack-signature",
      secret: "must be a text",
      tolerance_seconds: 300,
      event_id: "payload.event_id",
      event_type: "payload.event.type",
      answers_handshakes: true
    })
  })
})

describe("a slug", () => {
  it("of a name that is taken gets a number, for sources and destinations", async () => {
    const { call } = await startApi().workspace()
    const destination = { name: "Event Stream", type: "mirror", config: { answer: "ok", token: "x" } }
    for (const slug of ["event-stream", "event-stream-2", "event-stream-3"]) {
      const made = await call("POST", "/v1/destinations", destination)
      expect([made.status, made.body.destination?.slug]).toEqual([201, slug])
      const source = await call("POST", "/v1/sources", { name: "Event Stream" })
      expect([source.status, source.body.source?.slug]).toEqual([201, slug])
    }
  })
  it("that the user wrote can conflict, and is named", async () => {
    const { call } = await startApi().workspace()
    const destination = { name: "D", type: "mirror", config: { answer: "ok", token: "x" }, slug: "mine" }
    for (const [path, body] of [
      ["/v1/sources", { name: "S", slug: "mine" }],
      ["/v1/destinations", destination]
    ] as const) {
      expect((await call("POST", path, body)).status).toBe(201)
      const again = await call("POST", path, body)
      expect([again.status, again.body.error]).toEqual([409, expect.stringMatching(/^slug: another .* "mine"$/)])
      const other = (await call("POST", path, { ...body, slug: "other" })).body
      const { id } = other.source ?? other.destination
      expect((await call("PATCH", `${path}/${id}`, { slug: "mine" })).status).toBe(409)
    }
  })
  it.each(["注文", "Заказы", "🦊", "!"])("of %s is a short one, and another the second time", async (name) => {
    const { call } = await startApi().workspace()
    const slugs = [
      (await call("POST", "/v1/sources", { name })).body.source.slug,
      (await call("POST", "/v1/sources", { name })).body.source.slug
    ]
    expect(slugs).toEqual([
      expect.stringMatching(/^source-[0-9a-f]{8}$/),
      expect.stringMatching(/^source-[0-9a-f]{8}$/)
    ])
    expect(slugs[0]).not.toBe(slugs[1])
  })
})

describe("an Idempotency-Key", () => {
  it.each([
    ["/v1/sources", { name: "S" }, { name: "T" }],
    [
      "/v1/destinations",
      { name: "D", type: "mirror", config: { answer: "ok", token: "x" } },
      { name: "D", type: "mirror", config: { answer: "ok", token: "y" } }
    ]
  ])("of %s answers the first result again, and refuses another request", async (path, body, other) => {
    const { call } = await startApi().workspace()
    const post = (one: object) => call("POST", path, one, { "Idempotency-Key": "once" })
    const [first, again, refused] = [await post(body), await post(body), await post(other)]
    expect([first.status, again.status, refused.status]).toEqual([201, 201, 409])
    expect(again.body).toEqual(first.body)
    expect((await call("GET", path)).text.match(/"created_at"/g)).toHaveLength(1)
  })
  it("of a connection makes one connection", async () => {
    const { call } = await startApi().workspace()
    const { source, destination } = await connect(call)
    const body = { source_id: source.id, destination_id: destination.id, name: "again" }
    const post = () => call("POST", "/v1/connections", body, { "Idempotency-Key": "once" })
    expect((await post()).body).toEqual((await post()).body)
    expect((await call("GET", "/v1/connections")).body.connections).toHaveLength(2)
  })
})

describe("an ingest URL", () => {
  it.each([
    [undefined, "http://127.0.0.1:8787", "http://127.0.0.1:8787"],
    [undefined, "http://localhost:1", "http://localhost:1"],
    [undefined, "http://[::1]:8787", "http://[::1]:8787"],
    [undefined, "http://gateway.me.workers.dev", "https://gateway.me.workers.dev"],
    [undefined, "https://evil.example", ""],
    [undefined, "https://workers.dev.evil.example", ""],
    [undefined, "https://localhost.evil.example", ""],
    ["https://hooks.example.com", "https://evil.example", "https://hooks.example.com"],
    ["https://hooks.example.com", "http://127.0.0.1:8787", "https://hooks.example.com"]
  ])("of a gateway at %s called as %s begins with %j", async (publicUrl, called, origin) => {
    const api = startApi(publicUrl === undefined ? {} : { publicUrl })
    const { body } = await api.root("POST", "/v1/workspaces", {})
    const call = api.caller({ "X-API-Key": body.api_key.key }, called)
    const { source } = (await call("POST", "/v1/sources", { name: "s" })).body
    expect(source.ingest_url.replace(/ing_[0-9a-f]+$/, "")).toBe(`${origin}/v1/ingest/`)
  })
  it("rotates: the new one is shown with the old one and its end", async () => {
    const api = startApi()
    const { call } = await api.workspace()
    const { source } = (await call("POST", "/v1/sources", { name: "s" })).body
    const rotated = await rotate(call, source.id)
    expect(rotated.ingest_url).not.toBe(source.ingest_url)
    const expires_at = new Date(api.now() + DAY).toISOString()
    expect(rotated.previous_ingest_urls).toEqual([{ ingest_url: source.ingest_url, expires_at }])
    expect((await call("GET", `/v1/sources/${source.id}`)).body.source).toEqual(rotated)
    const parsed = [rotated.ingest_url, source.ingest_url].map((url) => api.idKeys.parseIngestToken(tokenOf(url)))
    expect(await Promise.all(parsed)).toMatchObject([{ generation: 2 }, { generation: 1 }])
    api.pass(DAY)
    const later = (await call("GET", `/v1/sources/${source.id}`)).body.source
    expect([later.ingest_url, later.previous_ingest_urls]).toEqual([rotated.ingest_url, []])
  })
  it("rotates with the grace that the call sets; without one the old ones end at once", async () => {
    const api = startApi()
    const { call } = await api.workspace()
    const { source } = (await call("POST", "/v1/sources", { name: "s" })).body
    const second = await rotate(call, source.id, { grace_seconds: 60 })
    const expires_at = new Date(api.now() + 60_000).toISOString()
    expect(second.previous_ingest_urls).toEqual([{ ingest_url: source.ingest_url, expires_at }])
    const third = await rotate(call, source.id, { grace_seconds: 3600 })
    expect(third.previous_ingest_urls[1]).toEqual({ ingest_url: source.ingest_url, expires_at })
    expect((await rotate(call, source.id, { grace_seconds: 0 })).previous_ingest_urls).toEqual([])
  })
  it("stays the same through other changes", async () => {
    const { call } = await startApi().workspace()
    const { source } = (await call("POST", "/v1/sources", { name: "s" })).body
    const rotated = await rotate(call, source.id)
    const { body } = await call("PATCH", `/v1/sources/${source.id}`, { name: "t", status: "paused" })
    expect(body.source.ingest_url).toBe(rotated.ingest_url)
    expect(body.source.previous_ingest_urls).toEqual(rotated.previous_ingest_urls)
  })
  it("does not rotate for ever inside its grace, unless all earlier ones end", async () => {
    const { call } = await startApi().workspace()
    const { source } = (await call("POST", "/v1/sources", { name: "s" })).body
    const ask = (body: object) => call("POST", `/v1/sources/${source.id}/rotate-url`, body)
    for (let i = 0; i < 10; i++) expect((await ask({})).status).toBe(200)
    expect(await ask({})).toMatchObject({ status: 409, body: { error: expect.stringContaining("grace_seconds 0") } })
    expect((await ask({ grace_seconds: 0 })).status).toBe(200)
  })
  it("rotates also while its log cannot be told, and says so: the old one works until it is told", async () => {
    const api = startApi()
    const { call } = await api.workspace()
    const { source } = (await call("POST", "/v1/sources", { name: "s" })).body
    api.setUntold([source.id])
    const answer = await call("POST", `/v1/sources/${source.id}/rotate-url`, { grace_seconds: 0 })
    expect([answer.status, answer.body.pending_on]).toEqual([202, [source.id]])
  })
  it("of a source of version 1 is its id, until it is rotated away", async () => {
    const api = startApi()
    const { id, call } = await api.workspace()
    const old = api.oldSource(id, "0123abcde")
    const { source } = (await call("GET", `/v1/sources/${old.id}`)).body
    expect([source.id, tokenOf(source.ingest_url)]).toEqual([old.id, old.id])
    const rotated = await rotate(call, old.id)
    expect(tokenOf(rotated.ingest_url)).toMatch(/^ing_/)
    expect(rotated.previous_ingest_urls).toMatchObject([{ ingest_url: source.ingest_url }])
  })
})

/** A workspace with an old and a new source, each with everything that tells of it. */
const everything = async (api: Api) => {
  const mine = await api.workspace()
  const world = await makeWorld(api, mine.id, mine.call)
  const old = api.oldSource(mine.id, "0123abcde")
  const { destination } = world
  const { connection } = (
    await mine.call("POST", "/v1/connections", { source_id: old.id, destination_id: destination })
  ).body
  const events = [1, 2, 3].map((n) => api.append(old.id, `{"n":${n}}`))
  api.commit(destination, deadAt(connection.id, 1, api.now()))
  api.pass(1)
  const replay = await mine.call("POST", "/v1/replay", {
    destination_id: destination,
    source_id: old.id,
    from: "2026-11-24T00:00:00Z",
    to: new Date(api.now()).toISOString()
  })
  await rotate(mine.call, world.source)
  const own = { ...world, source: old.id, connection: connection.id, event: events[0]!, replay: replay.body.replay.id }
  return { ...mine, old, worlds: [world, own] }
}

describe("a key that may only read", () => {
  it("sees URLs masked, and everything else of a source", async () => {
    const { call, read, worlds } = await everything(startApi())
    const path = `/v1/sources/${worlds[0]!.source}`
    const [seen, whole] = [(await read("GET", path)).body.source, (await call("GET", path)).body.source]
    const masked = "http://127.0.0.1:8787/v1/ingest/****"
    const previous_ingest_urls = [{ ...whole.previous_ingest_urls[0], ingest_url: masked }]
    expect(seen).toEqual({ ...whole, ingest_url: masked, previous_ingest_urls })
  })
  it("cannot make an ingest URL out of any answer", async () => {
    const api = startApi()
    const { call, read, old, worlds } = await everything(api)
    let answers = 0
    for (const one of worlds.flatMap(endpointsOf).filter(({ needs }) => needs === "read")) {
      const path = one.path.replace(old.id, Ids.withoutTokens(old.id))
      const { status, text } = await read(one.method, `${path}${path.includes("?") ? "&" : "?"}limit=1`)
      const answer = status === 200 ? text : (await read(one.method, path)).text
      const cursor = /"cursor":"([^"]+)"/.exec(answer)?.[1] ?? ""
      const shown = `${answer} ${Buffer.from(cursor, "base64url").toString("latin1")}`
      for (const [token] of shown.matchAll(/(src|ing)_[0-9a-f]+/g)) {
        expect([one.name, await api.idKeys.parseIngestToken(token)]).toEqual([one.name, undefined])
      }
      expect([one.name, shown.includes(old.id.slice(-14))]).toEqual([one.name, false])
      answers++
    }
    expect(answers).toBeGreaterThan(20)
    // What the same answers say to a key that may write: so the search above would find it.
    const found = (await call("GET", `/v1/events?source_id=${old.id}`)).text
    expect(found).toContain(old.id)
  })
  it("sees no URL that a sender repeats in a body, or a proxy in a header; a key that may write does", async () => {
    const api = startApi()
    const { id, call, read } = await api.workspace()
    const { source } = (await call("POST", "/v1/sources", { name: "GitHub" })).body
    for (const [sourceId, url] of [
      [source.id, source.ingest_url],
      [api.oldSource(id, "0123abcde").id, `https://h/v1/ingest/${idOfVersion1(id, "0123abcde")}`]
    ]) {
      const body = JSON.stringify({ zen: "Ünï 🦊", hook: { config: { url } } })
      const path = `/v1/events/${api.append(sourceId, body, [["x-original-uri", url]])}`
      const [whole, seen] = [(await call("GET", path)).body.event, (await read("GET", path)).body.event]
      expect([whole.body, whole.headers]).toEqual([body, [{ name: "x-original-uri", value: url }]])
      expect(JSON.parse(seen.body)).toEqual({ zen: "Ünï 🦊", hook: { config: { url: Ids.withoutTokens(url) } } })
      expect(seen.headers).toEqual([{ name: "x-original-uri", value: Ids.withoutTokens(url) }])
      expect(await api.idKeys.parseIngestToken(tokenOf(Ids.withoutTokens(url)))).toBeUndefined()
    }
  })
  it("finds a source of version 1, and what is of it, by the id that it sees", async () => {
    const api = startApi()
    const { call, read, write, old, worlds } = await everything(api)
    const seen = Ids.withoutTokens(old.id)
    expect((await read("GET", `/v1/sources/${seen}`)).body.source).toMatchObject({ id: seen, name: "Old" })
    expect((await call("GET", `/v1/sources/${seen}`)).body.source).toMatchObject({ id: old.id })
    const events = (await read("GET", `/v1/events?source_id=${seen}`)).body.events
    expect(events.map(({ source_id }: { readonly source_id: string }) => source_id)).toEqual([seen, seen, seen])
    const { destination } = worlds[1]!
    const input = { source_id: seen, destination_id: destination }
    const { connection } = (await write("POST", "/v1/connections", input)).body
    expect(connection.source_id).toBe(old.id)
    const span = { from: "2026-11-24T00:00:00Z", to: new Date(api.now()).toISOString() }
    const { replay: job } = (await write("POST", "/v1/replay", { ...input, ...span })).body
    expect([job.source_id, job.total]).toEqual([old.id, 6])
    expect((await write("DELETE", `/v1/sources/${seen}`)).status).toBe(409)
    expect((await write("DELETE", `/v1/sources/${seen}?force=true`)).status).toBe(200)
    expect((await read("GET", `/v1/sources/${seen}`)).status).toBe(404)
  })
})
