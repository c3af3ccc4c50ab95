import { MAX_PAYLOAD_VALUES } from "@hookstream/core/event/EventPath"
import * as Ids from "@hookstream/core/Ids"
import type { AppendReply, AppendRequest } from "@hookstream/core/log/LogEngine"
import * as IdKeys from "@hookstream/core/secret/IdKeys"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import { Effect } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { idOfVersion1 } from "../../core/test/fixtures.ts"
import type { Env } from "../src/Env.ts"
import { ingest, targetOf } from "../src/Ingest.ts"

const idKeys = IdKeys.make(`1:${Buffer.alloc(32, 1).toString("base64")}`)
const sourceId = Ids.makeSourceId("89abcdef", "0123abcde")
const oldId = idOfVersion1("89abcdef", "0123abcde")

/** The edge in front of logs that answer so; which were woken, and with what. */
const edge = (reply: AppendReply | Error) => {
  const woken: Array<{ readonly route: string; readonly request: AppendRequest }> = []
  const SOURCE_LOG = {
    getByName: (route: string) => ({
      append: async (request: AppendRequest) => {
        woken.push({ route, request })
        if (reply instanceof Error) throw reply
        return reply
      }
    })
  }
  const gateway = {
    env: { SOURCE_LOG } as object as Env,
    deployment: {
      rootKey: "root",
      idKeys,
      publicUrl: undefined,
      allowPrivateNetworks: false,
      trustedIpHeader: undefined,
      notices: [],
      version: null
    },
    vault: SecretVault.make(`1:${Buffer.alloc(32, 2).toString("base64")}`),
    failures: { take: () => Effect.succeed(true) }
  }
  const post = async (token: string, method = "POST", body: string | null = null, headers: HeadersInit = {}) => {
    const url = `http://gateway.test/v1/ingest/${token}?a=1`
    const response = await ingest(new Request(url, { method, body, headers }), targetOf(url)!, gateway)
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  return { woken, post }
}

describe("the edge of ingest", () => {
  const logged: Array<string> = []
  beforeEach(() => {
    logged.length = 0
    for (const level of ["log", "info", "warn", "error"] as const) {
      vi.spyOn(console, level).mockImplementation((...args) => void logged.push(JSON.stringify(args)))
    }
  })
  afterEach(() => vi.restoreAllMocks())

  it("hands an event to its log with the number of the URL, and answers with the id of the source", async () => {
    const { woken, post } = edge({ _tag: "Accepted", id: "evt_1" })
    const answer = await post(await idKeys.ingestToken(sourceId, 7))
    expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { event_id: "evt_1", source_id: sourceId }])
    expect(woken).toMatchObject([{ route: "0123abcde", request: { sourceId, generation: 7 } }])
  })
  it("takes the URLs of version 1, which are ids", async () => {
    const { woken, post } = edge({ _tag: "Accepted", id: "evt_1" })
    expect(JSON.parse((await post(oldId)).text)).toEqual({ event_id: "evt_1", source_id: oldId })
    expect(woken).toMatchObject([{ route: "0123abcde", request: { sourceId: oldId, generation: 0 } }])
  })
  it("wakes no log for a forged URL, nor for an id that everybody may see", async () => {
    const { woken, post } = edge({ _tag: "Accepted", id: "evt_1" })
    const token = await idKeys.ingestToken(sourceId, 1)
    const other = `${token.slice(0, -1)}${token.endsWith("0") ? "1" : "0"}`
    const next = `${token.slice(0, 26)}2${token.slice(27)}`
    for (const forged of ["", "x", sourceId, Ids.withoutTokens(oldId), other, next, token.replace("ing_", "src_")]) {
      expect([forged, (await post(forged)).status]).toEqual([forged, 404])
    }
    expect(woken).toEqual([])
  })
  it("answers 404 where the log says that the URL has ended", async () => {
    const { post } = edge({ _tag: "NotFound" })
    const answer = await post(await idKeys.ingestToken(sourceId, 1))
    expect([answer.status, answer.text]).toEqual([404, expect.stringContaining("has ended")])
  })
  it("refuses a body in which what its source leaves out cannot be looked for", async () => {
    const { post } = edge({ _tag: "Redact", paths: ["payload.card"] })
    const token = await idKeys.ingestToken(Ids.makeSourceId("89abcdef", "0123abcdf"), 1)
    const answer = await post(token, "POST", `[${"0,".repeat(MAX_PAYLOAD_VALUES)}0]`)
    expect(answer.status).toBe(413)
    expect(answer.text).toContain(`more than ${MAX_PAYLOAD_VALUES} JSON values`)
  })
  it("refuses headers that are larger than what is stored of them may be", async () => {
    const { woken, post } = edge({ _tag: "Accepted", id: "evt_1" })
    const token = await idKeys.ingestToken(sourceId, 1)
    const room = 64 * 1024 - "x-long".length - "a=1".length
    expect((await post(token, "POST", null, { "X-Long": "h".repeat(room) })).status).toBe(200)
    const answer = await post(token, "POST", null, { "X-Long": "h".repeat(room + 1) })
    expect(answer.status).toBe(431)
    expect(answer.text).toContain("larger than 64 KiB")
    expect(woken).toHaveLength(1)
  })
  it("says which methods it takes", async () => {
    const { woken, post } = edge({ _tag: "Accepted", id: "evt_1" })
    const answer = await post(await idKeys.ingestToken(sourceId, 1), "OPTIONS")
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, POST, PUT, PATCH, DELETE"])
    expect(woken).toEqual([])
  })
  it("logs no URL that can be sent to, old or new, when a log does not answer", async () => {
    const { post } = edge(new Error("the object was reset"))
    const token = await idKeys.ingestToken(sourceId, 1)
    for (const one of [token, oldId]) {
      const answer = await post(one)
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"])
    }
    expect(logged).toHaveLength(2)
    expect(logged.join()).toContain(sourceId)
    expect(logged.join()).not.toMatch(new RegExp(`${oldId}|ing_`))
  })
})
