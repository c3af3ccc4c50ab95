import { describe as explain, ofStatus, receipt } from "@hookstream/sink-http/ErrorMapping"
import { PERMANENT } from "@hookstream/sink-http/HttpConfig"
import { describe, expect, it } from "vitest"

const reason = (status: number, permanent_statuses: ReadonlyArray<(typeof PERMANENT)[number]> = [], waits = false) =>
  ofStatus(status, { permanent_statuses }, waits).reason

// docs/sinks/http.md, a row for each line.
const statuses = {
  300: "Unavailable",
  301: "Unavailable",
  302: "Unavailable",
  304: "Unavailable",
  307: "Unavailable",
  400: "Unavailable",
  404: "Unavailable",
  405: "Unavailable",
  413: "Unavailable",
  415: "Unavailable",
  422: "Unavailable",
  403: "Unavailable",
  402: "Unavailable",
  409: "Unavailable",
  418: "Unavailable",
  401: "Unauthorized",
  410: "Misconfigured",
  408: "TimedOut",
  429: "Throttled",
  500: "Unavailable",
  501: "Unavailable",
  503: "Unavailable",
  505: "Unavailable",
  599: "Unavailable",
  502: "Unknown",
  504: "TimedOut",
  520: "Unknown",
  522: "TimedOut",
  524: "TimedOut"
}

describe("the status table", () => {
  it.each(Object.entries(statuses))("HTTP %s is %s", (status, expected) => {
    expect(reason(Number(status))).toBe(expected)
  })
  it.each(PERMANENT)("HTTP %s is a dead letter where the config calls it permanent, and only there", (status) => {
    expect(reason(status, [status])).toBe(status === 413 ? "TooLarge" : "Rejected")
    expect(
      reason(
        status,
        PERMANENT.filter((other) => other !== status)
      )
    ).toBe("Unavailable")
  })
  it("HTTP 503 that asks to wait throttles; 500 that asks does not", () => {
    expect(reason(503, [], true)).toBe("Throttled")
    expect(reason(500, [], true)).toBe("Unavailable")
  })
  it("pauses only where the answer cannot be about one event", () => {
    const pausing = Array.from({ length: 300 }, (_, i) => i + 300).filter((status) =>
      ["Unauthorized", "Misconfigured"].includes(reason(status))
    )
    expect(pausing).toEqual([401, 410])
  })
})

describe("what users read", () => {
  it("has the status in front, the receiver's words in one line, and the fix", () => {
    expect(explain(401, "<p>\n\tno\u0000 </p>", ofStatus(401, {}, false))).toBe(
      "HTTP 401: <p> no </p>: check auth and signing"
    )
    expect(explain(500, "", ofStatus(500, {}, false))).toBe("HTTP 500")
  })
  it("is bounded", () => {
    expect(explain(404, "x".repeat(16_384), ofStatus(404, {}, false)).length).toBeLessThan(600)
    const long = { text: "x".repeat(16_384), bytes: 16_384 }
    expect(receipt(200, long, { keep_response: true })).toEqual({ status: 200, bytes: 16_384, body: "x".repeat(200) })
  })
  it("of a success is the status and the size, and the receiver's words only where they are asked for", () => {
    const said = { text: '{"id": 7}\n', bytes: 10 }
    expect(receipt(202, said, {})).toEqual({ status: 202, bytes: 10 })
    expect(receipt(202, said, { keep_response: true })).toEqual({ status: 202, bytes: 10, body: '{"id": 7}' })
    expect(receipt(204, { text: " ", bytes: 1 }, { keep_response: true })).toEqual({ status: 204, bytes: 1 })
  })
})
