import { createHmac } from "node:crypto"
import { MAX_PAYLOAD_VALUES } from "@hookstream/core/event/EventPath"
import { unpack } from "@hookstream/core/event/PackedEvents"
import { routeOf, type SourceId } from "@hookstream/core/Ids"
import type { Line } from "@hookstream/core/LogLine"
import type { AppendReply } from "@hookstream/core/log/LogContract"
import * as LogEngine from "@hookstream/core/log/LogEngine"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import type { Source } from "@hookstream/core/workspace/Source"
import * as Gate from "@hookstream/ingest/Gate"
import * as StoredVerification from "@hookstream/ingest/StoredVerification"
import * as Verifier from "@hookstream/ingest/Verifier"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { fakeObject } from "../../core/test/FakeObject.ts"
import { bytes, settings as decoded, WHSEC, WHSEC_NEXT } from "./support.ts"

const SOURCE: SourceId = `src_${"0".repeat(32)}`
const AT = 1_700_000_000_000
const ring = (n: number) => SecretVault.make(`1:${Buffer.alloc(32, n).toString("base64")}`)
const stripe = (...secrets: ReadonlyArray<string>) => ({ template: "stripe", secrets })

type Sealed = NonNullable<Source["verification"]>
const sealed = (input: Sealed): Promise<Sealed> =>
  StoredVerification.seal(SOURCE, input, decoded(input)).pipe(
    Effect.provideService(SecretVault.SecretVault, ring(2)),
    Effect.runPromise
  )

const signed = (secret: string, body: string) => {
  const t = AT / 1000
  return { "stripe-signature": `t=${t},v1=${createHmac("sha256", secret).update(`${t}.${body}`).digest("hex")}` }
}

interface Sent {
  readonly method?: string
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string
  readonly late?: number
}

/** A log with its source, and isolates of an edge in front of it. */
const setUp = () => {
  const object = fakeObject()
  const engine = LogEngine.make({
    ...object.ports(),
    databaseSize: () => 0,
    maxBytes: () => 1e9,
    peers: { wake: async () => 0, needs: async () => null }
  })
  engine.claim(SOURCE)
  let version = 0
  let source: Source = {
    kind: "source",
    id: SOURCE,
    workspace: "00000000",
    version,
    name: "s",
    slug: "s",
    description: null,
    status: "active",
    retentionDays: 7,
    redact: [],
    verification: null,
    ingestVersion: 0,
    ingestUrls: [{ generation: 1, expiresAt: null }],
    createdAt: 1,
    updatedAt: 1
  }
  const change = (changes: Partial<Source>) => {
    version++
    const isSetting = "redact" in changes || "verification" in changes
    source = { ...source, ...changes, version, ...(isSetting ? { ingestVersion: version } : {}) }
    engine.configure({ version, deleted: false, destinations: [], source })
  }
  change({})
  const verifyBy = async (input: Sealed | null) => change({ verification: input === null ? null : await sealed(input) })

  let tokens = 0
  let isReachable = true
  const isolate = (vault = ring(2)) => {
    const lines: Array<Line> = []
    const calls: Array<string> = []
    const gate = Gate.make((line) => lines.push(line))
    const ask = async (name: string, reply: () => AppendReply | Promise<AppendReply>) => {
      calls.push(name)
      if (!isReachable) return undefined
      const answer = reply()
      await object.pass(1)
      return await answer
    }
    const send = ({ method = "POST", headers = {}, body = "{}", late = 0 }: Sent = {}) =>
      gate.admit(
        SOURCE,
        {
          meta: { method, headers: Object.entries(headers), query: "", contentType: null, sourceIp: null },
          body: bytes(body),
          url: "https://in.example/v1/ingest/tok_1",
          at: AT + late
        },
        {
          vault,
          append: (event) =>
            ask("append", () =>
              engine.append({ ...event, sourceId: SOURCE, generation: 1, token: String(tokens++), repeated: false })
            ),
          settings: () => ask("settings", () => engine.settings(SOURCE, 1)),
          verifier: async () => {
            calls.push("verifier")
            return Verifier
          }
        }
      )
    /** What it answered, and what it asked for that. */
    const told = async (sent?: Sent) => {
      calls.length = 0
      const admission = await send(sent)
      return [admission?._tag, ...calls]
    }
    return { send, told, lines }
  }
  const cut = () => {
    isReachable = false
  }
  /** What the stored events say of it, the newest first. */
  const verdicts = () =>
    unpack(engine.list(99, 99).packed, { sourceId: SOURCE, route: routeOf(SOURCE) }).map(({ verified }) => verified)
  return { change, verifyBy, isolate, cut, verdicts, count: () => engine.stats().count }
}

describe("a source that verifies nothing", () => {
  it("costs one call, and no verifier", async () => {
    const { isolate, verdicts } = setUp()
    const { told } = isolate()
    for (const method of Gate.METHODS) expect(await told({ method })).toEqual(["Accepted", "append"])
    expect(verdicts()).toEqual(Gate.METHODS.map(() => undefined))
  })
  it("takes no HEAD", async () => {
    const { isolate, count } = setUp()
    expect([Gate.isTaken("HEAD"), Gate.isTaken("OPTIONS")]).toEqual([true, false])
    expect(await isolate().told({ method: "HEAD" })).toEqual(["NotTaken", "settings"])
    expect(count()).toBe(0)
  })
})

describe("a source that verifies", () => {
  it("takes what is signed, says so on the event, and costs an isolate one more call once", async () => {
    const { verifyBy, isolate, verdicts } = setUp()
    await verifyBy(stripe(WHSEC))
    const { told } = isolate()
    const sent = { headers: signed(WHSEC, "{}") }
    expect(await told(sent)).toEqual(["Accepted", "append", "verifier", "append"])
    expect(await told({ ...sent, late: 1000 })).toEqual(["Accepted", "verifier", "append"])
    const verdict = { template: "stripe", secret: 0 }
    expect(verdicts().toSorted((a, b) => a!.at - b!.at)).toEqual([
      { ...verdict, at: AT },
      { ...verdict, at: AT + 1000 }
    ])
  })
  it.each([
    ["without a signature", {}],
    ["with that of another secret", { headers: signed(WHSEC_NEXT, "{}") }],
    ["with that of another body", { headers: signed(WHSEC, "{} ") }],
    ["with an old one", { headers: signed(WHSEC, "{}"), late: 400_000 }]
  ])("refuses what comes %s, in a cold and in a warm isolate, and stores nothing", async (_, sent) => {
    const { verifyBy, isolate, count } = setUp()
    await verifyBy(stripe(WHSEC))
    const cold = isolate()
    expect(await cold.told(sent)).toEqual(["Rejected", "append", "verifier"])
    expect(await cold.told(sent)).toEqual(["Rejected", "verifier", "settings"])
    expect(count()).toBe(0)
  })
  it("has its secrets opened once for each version of its settings", async () => {
    const { verifyBy, isolate } = setUp()
    const vault = ring(2)
    let opened = 0
    const { told } = isolate({
      ...vault,
      open: (place, secret) => {
        opened++
        return vault.open(place, secret)
      }
    })
    const counts: Array<number> = []
    for (const secret of [WHSEC, WHSEC_NEXT]) {
      await verifyBy(stripe(secret))
      for (const body of ["1", "2", "3"]) {
        expect((await told({ body, headers: signed(secret, body) }))[0]).toBe("Accepted")
        counts.push(opened)
      }
    }
    expect(counts).toEqual([1, 1, 1, 2, 2, 2])
  })
  it("takes either of two secrets, and says which it was", async () => {
    const { verifyBy, isolate, verdicts } = setUp()
    await verifyBy(stripe(WHSEC_NEXT, WHSEC))
    const { told } = isolate()
    for (const secret of [WHSEC, WHSEC_NEXT]) {
      expect((await told({ headers: signed(secret, "{}") }))[0]).toBe("Accepted")
    }
    expect(
      verdicts()
        .map((verdict) => verdict?.secret)
        .toSorted()
    ).toEqual([0, 1])
  })
  it("verifies the bytes as they came, before anything is left out of them", async () => {
    const { verifyBy, change, isolate } = setUp()
    await verifyBy(stripe(WHSEC))
    change({ redact: ["payload.card", "headers.stripe-signature"] })
    const body = '{ "card": 1 }'
    expect((await isolate().told({ body, headers: signed(WHSEC, body) }))[0]).toBe("Accepted")
  })
})

describe("a change of the settings that was acknowledged", () => {
  it("is what the next request is judged by, whatever an isolate knew: a new demand", async () => {
    const { verifyBy, isolate, count } = setUp()
    const warm = isolate()
    expect((await warm.told())[0]).toBe("Accepted")
    await verifyBy(stripe(WHSEC))
    expect(await warm.told()).toEqual(["Rejected", "append", "verifier"])
    expect(count()).toBe(1)
  })
  it("a new secret, by which it is let in although the old ones refuse it", async () => {
    const { verifyBy, isolate } = setUp()
    await verifyBy(stripe(WHSEC))
    const warm = isolate()
    await warm.told({ headers: signed(WHSEC, "{}") })
    await verifyBy(stripe(WHSEC_NEXT))
    const next = { headers: signed(WHSEC_NEXT, "{}") }
    expect(await warm.told(next)).toEqual(["Accepted", "verifier", "settings", "verifier", "append"])
  })
  it("an old secret taken out, which lets nobody in any more", async () => {
    const { verifyBy, isolate, count } = setUp()
    await verifyBy(stripe(WHSEC))
    const warm = isolate()
    const old = { headers: signed(WHSEC, "{}") }
    await warm.told(old)
    await verifyBy(stripe(WHSEC_NEXT))
    expect(await warm.told(old)).toEqual(["Rejected", "verifier", "append", "verifier"])
    expect(count()).toBe(1)
  })
  it("no demand any more", async () => {
    const { verifyBy, isolate } = setUp()
    await verifyBy(stripe(WHSEC))
    const warm = isolate()
    await warm.told()
    await verifyBy(null)
    expect(await warm.told()).toEqual(["Accepted", "verifier", "settings", "append"])
  })
  it("less to leave out, of a body that was too large to be searched", async () => {
    const { change, isolate, count } = setUp()
    change({ redact: ["payload.card"] })
    const warm = isolate()
    const body = `[${"0,".repeat(MAX_PAYLOAD_VALUES)}0]`
    expect(await warm.told({ body })).toEqual(["PayloadTooLarge", "append"])
    expect(await warm.told({ body })).toEqual(["PayloadTooLarge", "settings"])
    expect(count()).toBe(0)
    change({ redact: [] })
    expect(await warm.told({ body })).toEqual(["Accepted", "settings", "append"])
  })
  it("a pause, also for what would be refused", async () => {
    const { verifyBy, change, isolate } = setUp()
    await verifyBy(stripe(WHSEC))
    const warm = isolate()
    await warm.told()
    change({ status: "paused" })
    expect(await warm.told()).toEqual(["Paused", "verifier", "settings"])
    change({ status: "disabled" })
    expect(await warm.told()).toEqual(["NotFound", "verifier", "settings"])
  })
  it("is not guessed where the log cannot be reached: the sender sends again", async () => {
    const { verifyBy, isolate, cut } = setUp()
    await verifyBy(stripe(WHSEC))
    const warm = isolate()
    await warm.told()
    cut()
    expect(await warm.told()).toEqual([undefined, "verifier", "settings"])
    expect(await warm.told({ headers: signed(WHSEC, "{}") })).toEqual([undefined, "verifier", "append"])
  })
})

describe("a handshake", () => {
  it("is answered when it is signed, and not stored", async () => {
    const { verifyBy, isolate, count } = setUp()
    await verifyBy({ template: "slack", secrets: ["8f742231b10e8888abcd99yyyzzz85a5"] })
    const body = '{"type":"url_verification","challenge":"3eZbrw1a"}'
    const t = AT / 1000
    const mac = createHmac("sha256", "8f742231b10e8888abcd99yyyzzz85a5").update(`v0:${t}:${body}`).digest("hex")
    const headers = { "x-slack-request-timestamp": String(t), "x-slack-signature": `v0=${mac}` }
    expect(await isolate().send({ body, headers })).toEqual({ _tag: "Answered", text: "3eZbrw1a" })
    const forged = { ...headers, "x-slack-signature": `v0=${"0".repeat(64)}` }
    expect(await isolate().send({ body, headers: forged })).toEqual({ _tag: "Rejected" })
    expect(count()).toBe(0)
  })
  it("by HEAD is answered where the template says so", async () => {
    const { verifyBy, isolate } = setUp()
    await verifyBy({ template: "intercom", secrets: ["a-client-secret"] })
    expect(await isolate().send({ method: "HEAD" })).toEqual({ _tag: "Answered", text: "" })
  })
})

describe("the log lines of the edge", () => {
  it("tell of rejections once a minute for each reason, and hold nothing of the request", async () => {
    const { verifyBy, isolate } = setUp()
    await verifyBy(stripe(WHSEC))
    const { send, lines } = isolate()
    const wrong = signed(WHSEC_NEXT, "{}")
    for (const late of [0, 1000, 59_000]) await send({ headers: wrong, late })
    await send({ late: 1000 })
    expect(lines.map(({ level, fields }) => [level, fields])).toEqual([
      ["warn", { source: expect.any(String), template: "stripe", reason: "no_secret_matches" }],
      ["warn", { source: expect.any(String), template: "stripe", reason: "missing_header" }]
    ])
    expect(JSON.stringify(lines)).not.toContain(wrong["stripe-signature"])
    await send({ headers: wrong, late: 60_000 })
    expect(lines).toHaveLength(3)
  })
  it("tell of settings that do not open, once a minute too, and the sender sends again", async () => {
    const { verifyBy, isolate, count } = setUp()
    await verifyBy(stripe(WHSEC))
    const { told, lines } = isolate(ring(3))
    expect(await told({ headers: signed(WHSEC, "{}") })).toEqual([undefined, "append", "verifier"])
    await told({ late: 59_000 })
    expect(lines).toMatchObject([{ level: "error" }])
    await told({ late: 60_000 })
    expect(lines).toHaveLength(2)
    expect(JSON.stringify(lines)).not.toContain(WHSEC)
    expect(count()).toBe(0)
  })
})

it("a log of 0.1, which knows no versions, says what to leave out", async () => {
  const gate = Gate.make(() => {})
  const asked: Array<ReadonlyArray<string>> = []
  const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
  const admission = await gate.admit(
    SOURCE,
    { meta, body: bytes("{}"), url: "https://in.example/", at: AT },
    {
      vault: ring(2),
      append: async ({ redacted }) => {
        asked.push(redacted)
        return redacted.length === 0 ? { _tag: "Redact", paths: ["payload.card"] } : { _tag: "Accepted", id: "evt_1" }
      },
      settings: () => Promise.reject(new TypeError("no such method")),
      verifier: () => Promise.reject(new Error("not asked for"))
    }
  )
  expect([admission?._tag, asked]).toEqual(["Accepted", [[], ["payload.card"]]])
})
