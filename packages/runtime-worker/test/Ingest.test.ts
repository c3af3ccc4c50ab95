import { createHmac } from "node:crypto"
import { MAX_PAYLOAD_VALUES } from "@hookstream/core/event/EventPath"
import * as Ids from "@hookstream/core/Ids"
import type { AppendReply, AppendRequest } from "@hookstream/core/log/LogContract"
import * as SharedAppends from "@hookstream/core/log/SharedAppends"
import * as IdKeys from "@hookstream/core/secret/IdKeys"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import * as Gate from "@hookstream/ingest/Gate"
import * as StoredVerification from "@hookstream/ingest/StoredVerification"
import { Verification } from "@hookstream/ingest/Verification"
import { Effect, Schema } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { idOfVersion1 } from "../../core/test/fixtures.ts"
import { nodeTimer } from "../../core/test/NodeTimer.ts"
import type { Env } from "../src/Env.ts"
import { ingest, targetOf } from "../src/Ingest.ts"
import { print } from "../src/internal/print.ts"

const idKeys = IdKeys.make(`1:${Buffer.alloc(32, 1).toString("base64")}`)
const sourceId = Ids.makeSourceId("89abcdef", "0123abcde")
const oldId = idOfVersion1("89abcdef", "0123abcde")

type Replies = ReadonlyArray<AppendReply | Error | { readonly protocol: number }>
type AppendAll = Parameters<typeof SharedAppends.make>[1]
/**
 * The edge in front of logs that answer so, one reply after the other, the last one for ever; which were woken, when
 * and with what. As with Cloudflare's, a stub that has failed is broken.
 */
const edge = (...replies: Replies) => edgeThatShares(async () => [], ...replies)
/** The same of a deployment that is known by this URL. */
const edgeAt = (publicUrl: string | undefined, ...replies: Replies) => makeEdge(publicUrl, async () => [], replies)
const PLAIN: AppendReply = { _tag: "Recheck", version: 0, redact: [], verification: null }
/** The same, whose calls for several are answered by `appendAll`. */
const edgeThatShares = (appendAll: AppendAll, ...replies: Replies) => makeEdge(undefined, appendAll, replies)
const makeEdge = (publicUrl: string | undefined, appendAll: AppendAll, replies: Replies) => {
  const woken: Array<{ readonly route: string; readonly at: number; readonly request: AppendRequest }> = []
  const SOURCE_LOG = {
    getByName: (route: string) => {
      let isBroken = false
      return {
        // What the log has told last.
        settings: async () => replies[Math.min(woken.length, replies.length) - 1] ?? PLAIN,
        append: async (request: AppendRequest) => {
          if (isBroken) throw new Error("the stub is broken")
          const reply = replies[Math.min(woken.length, replies.length - 1)]!
          woken.push({ route, at: Date.now(), request })
          if (!(reply instanceof Error)) return reply
          isBroken = true
          throw reply
        }
      }
    }
  }
  const gateway = {
    env: { SOURCE_LOG } as object as Env,
    deployment: {
      rootKey: "root",
      idKeys,
      publicUrl,
      allowPrivateNetworks: false,
      trustedIpHeader: undefined,
      notices: [],
      jurisdictions: [],
      version: null
    },
    vault: SecretVault.make(`1:${Buffer.alloc(32, 2).toString("base64")}`),
    failures: { take: () => Effect.succeed(true) },
    gate: Gate.make(print),
    appends: SharedAppends.make({ timer: nodeTimer, log: print }, appendAll)
  }
  const post = async (token: string, method = "POST", body: string | null = null, headers: HeadersInit = {}) => {
    const url = `http://gateway.test/v1/ingest/${token}?a=1`
    const response = await ingest(new Request(url, { method, body, headers }), targetOf(url)!, gateway, () => {})
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
  it.each([
    ["speaks another version", { protocol: 2 }],
    ["answers in another version", { protocol: 2, value: { _tag: "Accepted", id: "evt_1" } }],
    ["answers what nobody knows", { protocol: 1, value: { _tag: "Shed" } }],
    ["accepts without an id", { protocol: 1, value: { _tag: "Accepted" } }]
  ])("has the sender come again when the log %s: it may have stored nothing", async (_, reply) => {
    const { woken, post } = edge(reply)
    const answer = await post(await idKeys.ingestToken(sourceId, 1))
    expect([answer.status, answer.headers.get("retry-after"), woken.length]).toEqual([503, "5", 1])
    expect(logged.join()).toContain("runs another version of hookstream")
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

describe("the edge of a source that verifies signatures", () => {
  const custom = { template: "custom", header: "X-Signature", algorithm: "hmac_sha256", signed_payload: "{url}|{body}" }
  const secret = "a-secret-of-the-test"
  const token = idKeys.ingestToken(sourceId, 1)
  const recheck = async (): Promise<AppendReply> => {
    const input = { ...custom, secrets: [secret] }
    const verification = await StoredVerification.seal(
      sourceId,
      input,
      Schema.decodeUnknownSync(Verification)(input)
    ).pipe(
      Effect.provideService(SecretVault.SecretVault, SecretVault.make(`1:${Buffer.alloc(32, 2).toString("base64")}`)),
      Effect.runPromise
    )
    return { _tag: "Recheck", version: 7, redact: [], verification }
  }
  const signatureOf = (url: string, body: string) => createHmac("sha256", secret).update(`${url}|${body}`).digest("hex")
  beforeEach(() => {
    vi.spyOn(console, "warn").mockImplementation(() => {})
  })
  afterEach(() => vi.restoreAllMocks())

  it("answers 401, and says no more than that", async () => {
    const { woken, post } = edge(await recheck())
    for (const headers of [{}, { "X-Signature": "ab" }, { "X-Signature": signatureOf("http://other.test", "{}") }]) {
      const { status, text, headers: answered } = await post(await token, "POST", "{}", headers)
      expect([status, JSON.parse(text)]).toEqual([
        401,
        {
          error: "the signature could not be verified",
          status: 401,
          request_id: answered.get("x-request-id")
        }
      ])
    }
    expect(woken).toHaveLength(1)
  })
  it.each([
    ["as it was asked", undefined, "http://gateway.test"],
    ["as the deployment is known outside", "https://hooks.example", "https://hooks.example"]
  ])("verifies over the URL %s", async (_, publicUrl, origin) => {
    const { woken, post } = edgeAt(publicUrl, await recheck(), { _tag: "Accepted", id: "evt_1" })
    const own = await token
    const signature = signatureOf(`${origin}/v1/ingest/${own}?a=1`, "{}")
    expect((await post(own, "POST", "{}", { "X-Signature": signature })).status).toBe(200)
    expect(woken.map(({ request }) => request.checked)).toEqual([0, 7])
  })
  it("takes HEAD for no event", async () => {
    const { woken, post } = edge({ _tag: "Accepted", id: "evt_1" })
    const { status, headers } = await post(await token, "HEAD")
    expect([status, headers.get("allow"), woken]).toEqual([405, "GET, POST, PUT, PATCH, DELETE", []])
  })
})

describe("a log that does not answer", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 })
    vi.spyOn(console, "warn").mockImplementation(() => {})
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.restoreAllMocks()
  })
  const accepted: AppendReply = { _tag: "Accepted", id: "evt_1" }
  const reset = () => Object.assign(new Error("the object was reset"), { retryable: true })
  const overloaded = () => Object.assign(new Error("overloaded"), { retryable: true, overloaded: true })
  const token = idKeys.ingestToken(sourceId, 1)
  /** The answer, and what the log was asked, in as much virtual time as it needs. */
  const posted = async (...replies: ReadonlyArray<AppendReply | Error>) => {
    const { woken, post } = edge(...replies)
    const answer = post(await token)
    let isAnswered = false
    void answer.then(() => {
      isAnswered = true
    })
    while (!isAnswered) await vi.advanceTimersByTimeAsync(10)
    return { ...(await answer), woken, tokens: new Set(woken.map(({ request }) => request.token)) }
  }

  it("because it resets is asked again for one event, until it has it", async () => {
    const { status, text, woken, tokens } = await posted(reset(), reset(), reset(), reset(), accepted)
    expect([status, JSON.parse(text).event_id]).toEqual([200, "evt_1"])
    expect(tokens.size).toBe(1)
    expect(woken.map(({ request }) => request.repeated)).toEqual([false, true, true, true, true])
  })
  it.each([
    [0, 2700, 2900],
    [0.5, 3400, 3600],
    [0.999, 4100, 4300]
  ])("is waited for with jitter (%d), within the sender's patience", async (random, least, most) => {
    vi.spyOn(Math, "random").mockReturnValue(random)
    const { status, headers, woken, tokens } = await posted(reset())
    expect([status, headers.get("retry-after")]).toEqual([503, "5"])
    expect([woken.length, tokens.size]).toEqual([7, 1])
    expect(Date.now()).toBeGreaterThan(least)
    expect(Date.now()).toBeLessThan(most)
    const waits = woken.slice(1).map(({ at }, i) => at - woken[i]!.at)
    expect(waits[0]).toBeGreaterThanOrEqual(44)
    for (const [i, wait] of waits.slice(1).entries()) expect(wait).toBeGreaterThan(1.5 * waits[i]!)
  })
  it("because it is overloaded is left alone, and the sender repeats", async () => {
    const { status, headers, woken } = await posted(overloaded(), accepted)
    expect([status, headers.get("retry-after"), woken.length]).toEqual([503, "5", 1])
    expect((await posted(reset(), overloaded(), accepted)).woken).toHaveLength(2)
  })
  it("for another reason is not asked again", async () => {
    const { status, woken } = await posted(new Error("a defect"), accepted)
    expect([status, woken.length]).toEqual([503, 1])
  })

  /** Three requests at once: one goes alone, and the two others share a call, which fails with `error`. */
  const sharing = async (error: Error, ...replies: ReadonlyArray<AppendReply | Error>) => {
    const { woken, post } = edgeThatShares(async () => Promise.reject(error), ...replies)
    const own = await token
    const answers = Promise.all([post(own), post(own), post(own)])
    await vi.advanceTimersByTimeAsync(100)
    return { statuses: (await answers).map(({ status }) => status), woken }
  }
  const asked = ({ woken }: Awaited<ReturnType<typeof sharing>>) =>
    woken.map(({ at, request }) => [request.repeated, at > 40])

  it("because it resets in a shared call is asked again after a pause, for each event with its token", async () => {
    const all = await sharing(reset(), accepted)
    expect(all.statuses).toEqual([200, 200, 200])
    expect(asked(all)).toEqual([
      [false, false],
      [true, true],
      [true, true]
    ])
    expect(new Set(all.woken.map(({ request }) => request.token)).size).toBe(3)
  })
  it("because it knows no shared calls is asked for each event at once", async () => {
    const all = await sharing(new TypeError("no such method"), accepted)
    expect(all.statuses).toEqual([200, 200, 200])
    expect(asked(all)).toEqual([
      [false, false],
      [true, false],
      [true, false]
    ])
  })
  it("because it is overloaded by a shared call is left alone, and the senders repeat", async () => {
    const all = await sharing(overloaded(), accepted)
    expect(all.statuses).toEqual([200, 503, 503])
    expect(all.woken).toHaveLength(1)
  })
})
