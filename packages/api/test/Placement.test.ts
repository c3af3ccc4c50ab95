/** Where the objects of a workspace, a source and a destination are, as the API takes and shows it. */
import * as Ids from "@hookstream/core/Ids"
import { placementOf } from "@hookstream/core/Placement"
import { describe, expect, it } from "vitest"
import { type Api, mirrorConfig, paths, startApi } from "./support.ts"

/** A workspace that is made so, and who asks with its key. */
const workspaceWith = async (api: Api, settings: object) => {
  const answer = await api.root("POST", "/v1/workspaces", settings)
  expect([answer.status, answer.text]).toEqual([201, expect.anything()])
  const { workspace, api_key } = answer.body
  return { workspace, call: api.caller({ "X-API-Key": api_key.key }) }
}
const mirror = { name: "Mirror", type: "mirror", config: mirrorConfig }

describe("a workspace with a placement", () => {
  it("has its sources and destinations there, and says so", async () => {
    const { workspace, call } = await workspaceWith(startApi(), { jurisdiction: "eu", region: "weur" })
    const place = { jurisdiction: "eu", region: "weur" }
    expect(workspace).toEqual({ id: expect.any(String), ...place })
    expect(placementOf(workspace.id)).toEqual(place)

    const { source } = (await call("POST", "/v1/sources", { name: "s" })).body
    const { destination } = (await call("POST", "/v1/destinations", mirror)).body
    expect([source, destination]).toMatchObject([place, place])
    expect(placementOf(Ids.routeOf(source.id))).toEqual(place)
    expect(placementOf(destination.id)).toEqual(place)
    expect((await call("GET", `/v1/sources/${source.id}`)).body.source).toMatchObject(place)
    expect((await call("GET", "/v1/destinations")).body.destinations).toMatchObject([place])
  })

  it("is the default: a source or destination may be near another region, within the same jurisdiction", async () => {
    const { call } = await workspaceWith(startApi(), { jurisdiction: "eu", region: "weur" })
    const place = { jurisdiction: "eu", region: "eeur" }
    const { source } = (await call("POST", "/v1/sources", { name: "s", region: "eeur" })).body
    const { destination } = (await call("POST", "/v1/destinations", { ...mirror, region: "eeur" })).body
    expect([source, destination]).toMatchObject([place, place])
    expect([placementOf(Ids.routeOf(source.id)), placementOf(destination.id)]).toEqual([place, place])
  })

  it("works as any other: events are found by their ids, page by page", async () => {
    const api = startApi()
    const { call } = await workspaceWith(api, { jurisdiction: "fedramp" })
    const { source } = (await call("POST", "/v1/sources", { name: "s", region: "enam" })).body
    const ids = ["1", "2", "3"].map((body) => api.append(source.id, body))
    for (const id of ids) expect((await call("GET", `/v1/events/${id}`)).body.event.id).toBe(id)
    const first = (await call("GET", "/v1/events?limit=2")).body
    const second = (await call("GET", `/v1/events?limit=2&cursor=${first.cursor}`)).body
    expect([...first.events, ...second.events].map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  })

  it("shows its ingest URLs to nobody who may only read", async () => {
    const api = startApi()
    const { call } = await workspaceWith(api, { jurisdiction: "us", region: "wnam" })
    const { source } = (await call("POST", "/v1/sources", { name: "s" })).body
    const token = source.ingest_url.split("/").at(-1)
    await call("PATCH", `/v1/sources/${source.id}`, { description: `send to ${source.ingest_url}` })
    const { api_key } = (await call("POST", "/v1/auth/api-keys", { name: "r", scopes: ["read"] })).body
    const seen = await api.caller({ "X-API-Key": api_key.key })("GET", `/v1/sources/${source.id}`)
    expect(seen.text).toContain("send to http")
    expect(seen.text).not.toContain(token)
  })
})

describe("a placement that cannot be", () => {
  it("is refused by its field, with what may be there", async () => {
    const api = startApi()
    const answer = await api.root("POST", "/v1/workspaces", { jurisdiction: "mars", region: "moon" })
    expect([answer.status, answer.body.issues]).toEqual([
      400,
      [
        { path: "jurisdiction", message: "must be one of eu, us, fedramp" },
        { path: "region", message: "must be one of wnam, enam, sam, weur, eeur, apac, oc, afr, me" }
      ]
    ])
    const { call } = await workspaceWith(api, {})
    for (const [path, input] of [
      ["/v1/sources", { name: "s" }],
      ["/v1/destinations", mirror]
    ] as const) {
      expect(paths(await call("POST", path, { ...input, region: "moon" })), path).toEqual(["region"])
      // What a workspace has not, none of its sources can have.
      expect(paths(await call("POST", path, { ...input, jurisdiction: "eu" })), path).toEqual(["jurisdiction"])
    }
  })

  it("for it lies outside the jurisdiction is refused with the regions within", async () => {
    const api = startApi()
    const issues = [{ path: "region", message: "must be one of weur, eeur: wnam is outside the jurisdiction eu" }]
    const refused = await api.root("POST", "/v1/workspaces", { jurisdiction: "eu", region: "wnam" })
    expect([refused.status, refused.body.issues]).toEqual([400, issues])
    const { call } = await workspaceWith(api, { jurisdiction: "eu" })
    expect((await call("POST", "/v1/sources", { name: "s", region: "wnam" })).body.issues).toEqual(issues)
    expect((await call("POST", "/v1/destinations", { ...mirror, region: "wnam" })).body.issues).toEqual(issues)
  })

  it("for the platform has no such jurisdiction is refused with those that it has", async () => {
    const wanted = (settings: Parameters<typeof startApi>[0]) =>
      startApi(settings).root("POST", "/v1/workspaces", { jurisdiction: "eu" })
    const none = await wanted({ jurisdictions: [] })
    expect([none.status, none.body.issues]).toEqual([
      400,
      [{ path: "jurisdiction", message: "must be left out: this platform has no eu (Cloudflare has)" }]
    ])
    expect((await wanted({ jurisdictions: ["us", "fedramp"] })).body.issues[0].message).toMatch(
      /^must be one of us, fedr/
    )
  })
})

describe("a region that stands", () => {
  it.each([
    ["source", "/v1/sources", { name: "s" }, "create another source, and send to its ingest_url"],
    ["destination", "/v1/destinations", mirror, "create another destination, and connect it"]
  ] as const)("of a %s is not changed; the answer says why, and what to do", async (kind, path, input, instead) => {
    const { call } = await workspaceWith(startApi(), { region: "weur" })
    const { id } = (await call("POST", path, input)).body[kind]
    for (const region of ["enam", null]) {
      const answer = await call("PATCH", `${path}/${id}`, { name: "Other", region })
      const message = `cannot be changed from weur, what is stored stays where it is: ${instead}`
      expect([answer.status, answer.body.issues]).toEqual([400, [{ path: "region", message }]])
    }
    const kept = await call("PATCH", `${path}/${id}`, { name: "Other", region: "weur" })
    expect([kept.status, kept.body[kind].name, kept.body[kind].region]).toEqual([200, "Other", "weur"])
  })
})
