import { checkSteps } from "@hookstream/sink-http/CheckSteps"
import { describe, expect, it } from "vitest"

const results = (url: string, status: number | undefined) => checkSteps(url, status).map(({ result }) => result)

describe("the steps of a check", () => {
  it.each([
    ["https://a.example", 204, ["ok", "ok", "ok"]],
    ["https://a.example", 405, ["ok", "ok", "unknown"]],
    ["http://a.example", 204, ["ok", "unknown", "ok"]],
    ["https://a.example", undefined, ["failed", "unknown", "unknown"]],
    // Cloudflare answers in the place of an origin that it could not reach.
    ["https://a.example", 530, ["failed", "unknown", "unknown"]],
    ["https://a.example", 522, ["failed", "unknown", "unknown"]],
    ["https://a.example", 526, ["ok", "failed", "unknown"]]
  ])("of %s after %s are %j", (url, status, expected) => {
    expect(results(url, status)).toEqual(expected)
  })
  it("name a fix for all that failed", () => {
    for (const status of [undefined, 521, 525]) {
      for (const { result, fix } of checkSteps("https://a.example", status)) {
        if (result === "failed") expect(fix).not.toBeNull()
      }
    }
  })
  it("never show the path or query of the URL, which may hold a key", () => {
    expect(JSON.stringify(checkSteps("https://a.example/key1?key2", undefined))).not.toMatch(/key[12]/)
  })
})
