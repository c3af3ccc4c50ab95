import { describe as explain, ofCode, ofStatus } from "@hookstream/sink-kafka/ErrorMapping"
import { describe, expect, it } from "vitest"

// kafka-rest-v3 §6a, a row for each line.
const statuses = {
  ...{ 301: "Misconfigured", 307: "Misconfigured", 204: "Misconfigured", 207: "Misconfigured" },
  ...{ 400: "Rejected", 401: "Unauthorized", 403: "Unauthorized", 404: "Misconfigured" },
  ...{ 405: "Misconfigured", 406: "Misconfigured", 415: "Misconfigured", 413: "TooLarge", 422: "Rejected" },
  ...{ 408: "Unknown", 429: "Throttled", 418: "Rejected" },
  ...{ 500: "Unavailable", 502: "Unknown", 503: "Unknown", 504: "Unknown", 599: "Unknown" }
}
// kafka-rest-v3 §6b, a row for each line.
const codes = {
  ...{ 400: "Malformed", 40002: "Rejected", 40101: "Unauthorized", 40301: "Unauthorized" },
  ...{
    40401: "Misconfigured",
    40402: "Malformed",
    40403: "Misconfigured",
    408: "Unknown",
    413: "TooLarge",
    422: "Malformed"
  },
  ...{
    429: "Throttled",
    42901: "Throttled",
    500: "Unavailable",
    50002: "Rejected",
    50003: "Unknown",
    50302: "Unavailable"
  },
  // Not in the table: by the status that the code begins with.
  ...{ 40399: "Unauthorized", 41801: "Rejected", 50399: "Unknown", 42999: "Throttled" }
}

describe("the error tables", () => {
  it.each(Object.entries(statuses))("HTTP %s is %s", (status, reason) => {
    expect(ofStatus(Number(status)).reason).toBe(reason)
  })
  it.each(Object.entries(codes))("receipt %s is %s", (code, reason) => {
    expect(ofCode(Number(code)).reason).toBe(reason)
  })
  it("an explanation has the code, the server's words and the mend, and is bounded", () => {
    expect(explain("HTTP 401", "nope", ofStatus(401))).toBe("HTTP 401: nope: check api_key and api_secret")
    expect(explain("receipt 500", "x".repeat(10_000), ofCode(500)).length).toBeLessThan(600)
  })
})
