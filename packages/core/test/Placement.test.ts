/** All that leads to an object says where it is; what was made before there were placements says nothing. */
import { describe, expect, it } from "@effect/vitest"
import { shardsOf } from "@hookstream/core/directory/DirectoryContract"
import * as Ids from "@hookstream/core/Ids"
import { shown } from "@hookstream/core/LogLine"
import {
  ANYWHERE,
  JURISDICTIONS,
  markOf,
  type Placement,
  placementOf,
  REGIONS,
  regionsIn
} from "@hookstream/core/Placement"
import * as IdKeys from "@hookstream/core/secret/IdKeys"
import { Schema } from "effect"
import { idOfVersion1 } from "./fixtures.ts"

const ALL: ReadonlyArray<Placement> = [null, ...JURISDICTIONS].flatMap((jurisdiction) =>
  [null, ...regionsIn(jurisdiction)].map((region) => ({ jurisdiction, region }))
)
const keys = IdKeys.make(`1:${Buffer.alloc(32, 1).toString("base64")}`)
const isOf = (schema: Schema.Codec<string>, id: string) => Schema.is(schema)(id)

describe("a placement", () => {
  it.each(ALL)("$jurisdiction, $region stands in all that leads to an object there", async (placement) => {
    const workspace = Ids.randomWorkspaceId(placement)
    const route = Ids.randomRoute(placement)
    const destination = Ids.randomDestinationId(placement)
    const source = Ids.makeSourceId(workspace, route)
    const event = Ids.makeEventId({ receivedAt: 1_700_000_000_000, seq: 7, route })
    const attempt = Ids.makeAttemptId({ destination, n: 3, seq: 7 })
    expect([workspace.length, route.length, destination.length, source.length]).toEqual([8, 9, 36, 36])
    for (const name of [workspace, route, destination]) expect(placementOf(name)).toEqual(placement)

    expect([Ids.workspaceOf(source), Ids.routeOf(source)]).toEqual([workspace, route])
    expect(Ids.parseEventId(event)).toMatchObject({ seq: 7, route })
    expect(Ids.parseAttemptId(attempt)).toMatchObject({ destination, n: 3, seq: 7 })
    const token = await keys.ingestToken(source, 2)
    expect(await keys.parseIngestToken(token)).toEqual({ sourceId: source, route, generation: 2 })
    const key = await keys.apiKey(workspace)
    expect(await keys.parseApiKey(key)).toBe(workspace)

    expect(isOf(Ids.WorkspaceId, workspace)).toBe(true)
    expect(isOf(Ids.Route, route)).toBe(true)
    expect(isOf(Ids.SourceId, source)).toBe(true)
    expect(isOf(Ids.DestinationId, destination)).toBe(true)
    expect(isOf(Ids.EventId, event)).toBe(true)
    expect(shown(`to ${token} with ${key} of ${source}`)).toBe(`to ing_**** with hs_live_… of ${source}`)
  })

  it("is none in every id that was made before there were any", () => {
    const names = ["89abcdef", "fabcdef01", "0123abcde", `dst_${"f".repeat(32)}`, ...shardsOf(null)]
    for (const name of names) expect(placementOf(name), name).toBe(ANYWHERE)
    expect(placementOf(Ids.routeOf(idOfVersion1("ffffffff", "fffffffff")))).toBe(ANYWHERE)
    expect(Ids.randomWorkspaceId(ANYWHERE)).toMatch(/^[0-9a-f]{8}$/)
  })

  it("keeps its letters for ever: ids hold them", () => {
    expect(ALL.map(markOf)).toEqual([
      "",
      "gh",
      "gi",
      "gj",
      "gk",
      "gl",
      "gm",
      "gn",
      "go",
      "gp",
      "hg",
      "hk",
      "hl",
      "ig",
      "ih",
      "ii",
      "jg",
      "jh",
      "ji"
    ])
    expect(REGIONS).toHaveLength(9)
  })

  it("that this release does not know is no id: its object would be looked for in the wrong place", async () => {
    for (const mark of ["kg", "gq", "zz", "g0", "0g"]) {
      const [workspace, route] = [`${mark}abcdef`, `${mark}0123abc`]
      expect(isOf(Ids.WorkspaceId, workspace), mark).toBe(false)
      expect(isOf(Ids.DestinationId, `dst_${mark}${"0".repeat(30)}`), mark).toBe(false)
      expect(isOf(Ids.SourceId, Ids.makeSourceId("89abcdef", route)), mark).toBe(false)
      expect(isOf(Ids.SourceId, Ids.makeSourceId(workspace, "0123abcde")), mark).toBe(false)
      expect(Ids.parseEventId(Ids.makeEventId({ receivedAt: 1, seq: 1, route })), mark).toBeUndefined()
      expect(Ids.parseAttemptId(`att_${mark}${"0".repeat(51)}`), mark).toBeUndefined()
      const token = await keys.ingestToken(Ids.makeSourceId("89abcdef", route), 1)
      expect(await keys.parseIngestToken(token), mark).toBeUndefined()
      expect(await keys.parseApiKey(await keys.apiKey(workspace)), mark).toBeUndefined()
    }
  })
})
