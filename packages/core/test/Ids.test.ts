import { describe, expect, it } from "@effect/vitest"
import * as IdKeys from "@hookstream/core/IdKeys"
import * as Ids from "@hookstream/core/Ids"
import { Schema } from "effect"

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

describe("checksummed ids", () => {
  it("a source id names its workspace and log, and any changed digit is refused", async () => {
    const keys = IdKeys.make(ring)
    const parts = { workspace: "89abcdef", route }
    const id = await keys.sourceId(parts)
    expect(id).toMatch(/^src_[0-9a-f]{32}$/)
    expect([Ids.workspaceOf(id), Ids.routeOf(id)]).toEqual([parts.workspace, parts.route])
    const fresh = IdKeys.make(ring)
    expect(await fresh.parseSourceId(id)).toEqual(parts)
    for (let i = 4; i < id.length; i++) {
      const forged = id.slice(0, i) + (id[i] === "0" ? "1" : "0") + id.slice(i + 1)
      expect(await fresh.parseSourceId(forged), `digit ${i}`).toBeUndefined()
    }
  })
  it("an API key names its workspace, and a forged one is refused", async () => {
    const keys = IdKeys.make(ring)
    const key = await keys.apiKey("89abcdef")
    expect(key).toMatch(/^hs_live_[0-9a-f]{64}$/)
    expect(await keys.parseApiKey(key)).toBe("89abcdef")
    expect(await keys.parseApiKey(`${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`)).toBeUndefined()
    expect(await keys.parseApiKey("nonsense")).toBeUndefined()
  })
  it("ids made under an old key stay valid after rotation, and fall with their key", async () => {
    const old = IdKeys.make(ring)
    const next = IdKeys.make(`${ring},2:${Buffer.alloc(32, 2).toString("base64")}`)
    const other = IdKeys.make(`2:${Buffer.alloc(32, 2).toString("base64")}`)
    const id = await old.sourceId({ workspace: "00000001", route })
    const key = await old.apiKey("00000001")
    expect(await next.parseSourceId(id)).toMatchObject({ workspace: "00000001", route })
    expect(await next.parseApiKey(key)).toBe("00000001")
    expect(await other.parseSourceId(id)).toBeUndefined()
    expect(await other.parseApiKey(key)).toBeUndefined()
    expect((await next.sourceId({ workspace: "00000001", route }))[21]).toBe("2")
  })
  it("a malformed ring is refused by the name of its setting, without its keys", () => {
    const secret = Buffer.alloc(31, 7).toString("base64")
    for (const text of ["", "1", `1:${secret}`, `16:${Buffer.alloc(32).toString("base64")}`, `${ring},${ring}`]) {
      expect(() => IdKeys.make(text)).toThrow(/HOOKSTREAM_ID_KEY must be/)
    }
    expect(() => IdKeys.make(`1:${secret}`)).not.toThrow(new RegExp(secret.slice(0, 8)))
  })
})
