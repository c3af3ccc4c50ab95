import * as Source from "@hookstream/core/workspace/Source"
import { describe, expect, it } from "vitest"

const source = (ingestUrls: Source.Source["ingestUrls"]): Source.Source => ({
  kind: "source",
  id: `src_${"0".repeat(32)}`,
  workspace: "00000000",
  version: 1,
  name: "s",
  slug: "s",
  description: null,
  status: "active",
  retentionDays: 7,
  redact: [],
  verification: null,
  ingestVersion: 0,
  ingestUrls,
  createdAt: 1,
  updatedAt: 1
})
const first = source([{ generation: 1, expiresAt: null }])
const working = (one: Source.Source, now: number) => [0, 1, 2, 3, 4].filter((n) => Source.takes(one, n, now))

describe("the ingest URLs of a source", () => {
  it("work side by side until the grace is over", () => {
    const rotated = Source.rotateUrl(first, 100, 200)
    expect(rotated.ingestUrls[0]).toEqual({ generation: 2, expiresAt: null })
    expect([working(rotated, 199), working(rotated, 200)]).toEqual([[1, 2], [2]])
    expect(Source.previousUrls(rotated, 199)).toEqual([{ generation: 1, expiresAt: 200 }])
    expect(Source.previousUrls(rotated, 200)).toEqual([])
  })
  it("never end later than an earlier rotation said, and end at once without a grace", () => {
    const twice = Source.rotateUrl(Source.rotateUrl(first, 100, 200), 110, 300)
    expect([working(twice, 150), working(twice, 250), working(twice, 300)]).toEqual([[1, 2, 3], [2, 3], [3]])
    expect(working(Source.rotateUrl(twice, 150, 150), 150)).toEqual([4])
  })
  it("that have ended are forgotten, and no number comes back", () => {
    const later = Source.rotateUrl(Source.rotateUrl(first, 100, 200), 300, 400)
    expect(later.ingestUrls.map(({ generation }) => generation)).toEqual([3, 2])
  })
  it("of a source of version 1 are its id, until that is rotated away", () => {
    const { ingestUrls, ...stored } = first
    const old = Source.upcast(stored)
    expect([ingestUrls.length, working(old, 1)]).toEqual([1, [Source.ID_IS_URL]])
    expect(working(Source.rotateUrl(old, 100, 100), 100)).toEqual([1])
  })
})

describe("the ingest settings of a source", () => {
  const { verification, ingestVersion, ...before } = { ...first, version: 7 }
  it("of before there was verification have the version of the source where it leaves something out, else none", () => {
    expect(Source.upcast(before)).toMatchObject({ verification: null, ingestVersion: 0 })
    expect(Source.upcast({ ...before, redact: ["query.a"] })).toMatchObject({ verification: null, ingestVersion: 7 })
    const unnumbered = { ...before, verification: { template: "stripe" }, ingestVersion: 0 }
    expect(Source.upcast(unnumbered)).toMatchObject({ ...unnumbered, ingestVersion: 7 })
    const stored = { ...first, verification: { template: "stripe" }, ingestVersion: 3, redact: ["query.a"] }
    expect(Source.upcast(stored)).toEqual(stored)
  })
})
