import * as Slug from "@hookstream/core/workspace/Slug"
import { describe, expect, it } from "vitest"

describe("a slug", () => {
  it.each([
    ["Event Stream", "event-stream"],
    ["  --Événements nº 1!  ", "evenements-no-1"],
    ["Ａｐｐ", "app"],
    ["Ünïcödé", "unicode"],
    ["Заказы 2", "2"],
    ["注文", ""],
    ["!?", ""]
  ])("of %j is %j", (name, slug) => {
    expect(Slug.fromName(name)).toBe(slug)
  })
  it("ends at a hundred characters, with its number, and never in a hyphen", () => {
    const long = Slug.fromName(`${"a".repeat(97)} b c d`)
    expect(long).toBe(`${"a".repeat(97)}-b`)
    const next = Slug.free(long, new Set([long]))
    expect(next).toBe(`${"a".repeat(97)}-2`)
    expect(Slug.fromName(`${"a".repeat(99)} b`)).toBe("a".repeat(99))
  })
  it("is the first that is free", () => {
    expect(Slug.free("a", new Set())).toBe("a")
    expect(Slug.free("a", new Set(["a", "a-2", "a-4"]))).toBe("a-3")
  })
})
