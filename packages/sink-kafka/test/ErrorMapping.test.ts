import { describe as explain, ofCode, ofStatus } from "@hookstream/sink-kafka/ErrorMapping"
import { describe, expect, it } from "vitest"
import { codes, statuses } from "./tables.ts"

describe("the error tables", () => {
  it.each(statuses)("HTTP %s is %s", (status, reason) => {
    expect(ofStatus(status).reason).toBe(reason)
  })
  it.each(codes)("receipt %s is %s", (code, reason) => {
    expect(ofCode(code).reason).toBe(reason)
  })
  it("an explanation has the code, the server's words and the fix, and is bounded", () => {
    expect(explain("HTTP 401", "nope", ofStatus(401))).toBe("HTTP 401: nope: check api_key and api_secret")
    expect(explain("receipt 500", "x".repeat(10_000), ofCode(500)).length).toBeLessThan(600)
  })
})
