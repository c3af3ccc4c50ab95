import { describe, expect, it } from "@effect/vitest"
import * as Ids from "@hookstream/core/Ids"
import * as IdKeys from "@hookstream/core/secret/IdKeys"
import { ID_IS_URL } from "@hookstream/core/workspace/Source"
import { Schema } from "effect"
import { idOfVersion1 } from "./fixtures.ts"

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 48 - 1 }))
const Seq = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Ids.MAX_SEQUENCE }))
const route = "0123abcde"
const ring = `1:${Buffer.alloc(32, 1).toString("base64")}`

describe("event ids", () => {
  it.prop("give back the time, sequence and log they were made of", [Millis, Seq], ([receivedAt, seq]) => {
    const id = Ids.makeEventId({ receivedAt, seq, route })
    expect(id).toMatch(/^evt_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/)
    expect(Ids.parseEventId(id)).toEqual({ receivedAt, seq, route })
  })
  it.prop("sort by time, then by sequence", [Millis, Seq, Millis, Seq], ([ms1, seq1, ms2, seq2]) => {
    const a = Ids.makeEventId({ receivedAt: ms1, seq: seq1, route })
    const b = Ids.makeEventId({ receivedAt: ms2, seq: seq2, route })
    expect(Math.sign(a < b ? -1 : a > b ? 1 : 0)).toBe(Math.sign(ms1 - ms2 || seq1 - seq2))
  })
  it("are refused when they are not ours", () => {
    for (const text of ["", "evt_1", `evt_${"0".repeat(32)}`, `evt_${"g".repeat(32)}`]) {
      expect(Ids.parseEventId(text)).toBeUndefined()
    }
  })
})

describe("source ids", () => {
  const id = Ids.makeSourceId("89abcdef", route)
  it("name their workspace and log", () => {
    expect(Schema.is(Ids.SourceId)(id)).toBe(true)
    expect([Ids.workspaceOf(id), Ids.routeOf(id)]).toEqual(["89abcdef", route])
  })
  it("of version 1 are shown without their checksum to who may not send, and name the same source then", () => {
    const old = idOfVersion1("89abcdef", route)
    expect([Ids.withoutTokens(old), Ids.withoutTokens(id)]).toEqual([id, id])
    expect([Ids.isSameSource(old, old), Ids.isSameSource(id, old), Ids.isSameSource(old, id)]).toEqual([
      true,
      true,
      false
    ])
    expect(Ids.withoutTokens(`dst_${"1".repeat(32)}`)).toBe(`dst_${"1".repeat(32)}`)
  })
  it("and tokens are taken out of any text", async () => {
    const token = await IdKeys.make(ring).ingestToken(id, 1)
    const old = idOfVersion1("89abcdef", route)
    expect(Ids.withoutTokens(`{"url":"https://h/v1/ingest/${token}?a","old":"${old}","other":"${old}"}`)).toBe(
      `{"url":"https://h/v1/ingest/ing_****?a","old":"${id}","other":"${id}"}`
    )
  })
})

describe("checksummed texts", () => {
  const sourceId = Ids.makeSourceId("89abcdef", route)
  const forgeries = (token: string) =>
    Array.from(token.slice(4), (digit, i) => token.slice(0, i + 4) + (digit === "0" ? "1" : "0") + token.slice(i + 5))

  it("an ingest token names its source and generation, and any changed digit is refused", async () => {
    const token = await IdKeys.make(ring).ingestToken(sourceId, 3)
    expect(token).toMatch(/^ing_[0-9a-f]{56}$/)
    const fresh = IdKeys.make(ring)
    expect(await fresh.parseIngestToken(token)).toEqual({ sourceId, route, generation: 3 })
    for (const forged of forgeries(token)) expect(await fresh.parseIngestToken(forged), forged).toBeUndefined()
  })
  it("the id of a source of version 1 is its ingest token, and any changed digit is refused", async () => {
    const id = idOfVersion1("89abcdef", route)
    const keys = IdKeys.make(ring)
    expect(await keys.ingestToken(id, ID_IS_URL)).toBe(id)
    expect(await keys.parseIngestToken(id)).toEqual({ sourceId: id, route, generation: ID_IS_URL })
    for (const forged of forgeries(id)) expect(await keys.parseIngestToken(forged), forged).toBeUndefined()
  })
  it("no id that everybody may see is an ingest token", async () => {
    const keys = IdKeys.make(ring)
    expect(await keys.parseIngestToken(sourceId)).toBeUndefined()
    expect(await keys.parseIngestToken(Ids.withoutTokens(idOfVersion1("89abcdef", route)))).toBeUndefined()
  })
  it("an API key names its workspace, and a forged one is refused", async () => {
    const keys = IdKeys.make(ring)
    const key = await keys.apiKey("89abcdef")
    expect(key).toMatch(/^hs_live_[0-9a-f]{64}$/)
    expect(await keys.parseApiKey(key)).toBe("89abcdef")
    expect(await keys.parseApiKey(`${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`)).toBeUndefined()
    expect(await keys.parseApiKey("nonsense")).toBeUndefined()
  })
  it("what was made under an old key stays valid after rotation, and falls with its key", async () => {
    const old = IdKeys.make(ring)
    const next = IdKeys.make(`${ring},2:${Buffer.alloc(32, 2).toString("base64")}`)
    const other = IdKeys.make(`2:${Buffer.alloc(32, 2).toString("base64")}`)
    const token = await old.ingestToken(sourceId, 1)
    const key = await old.apiKey("00000001")
    expect(await next.parseIngestToken(token)).toBeDefined()
    expect(await next.parseApiKey(key)).toBeDefined()
    expect(await other.parseIngestToken(token)).toBeUndefined()
    expect(await other.parseApiKey(key)).toBeUndefined()
    expect((await next.ingestToken(sourceId, 1))[27]).toBe("2")
  })
  it("a malformed ring is refused by the name of its setting, without its keys", () => {
    const secret = Buffer.alloc(31, 7).toString("base64")
    for (const text of ["", "1", `1:${secret}`, `16:${Buffer.alloc(32).toString("base64")}`, `${ring},${ring}`]) {
      expect(() => IdKeys.make(text)).toThrow(/HOOKSTREAM_ID_KEY must be/)
    }
    expect(() => IdKeys.make(`1:${secret}`)).not.toThrow(new RegExp(secret.slice(0, 8)))
  })
})
