import * as IpRules from "@hookstream/ingest/IpRules"
import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { issuesOf } from "./support.ts"

const outcome = (rules: IpRules.IpRules, address: string | null): string => {
  const result = IpRules.compile(rules)(address)
  return Result.isSuccess(result) ? "ok" : result.failure.reason
}
const issues = issuesOf(IpRules.IpRules)

describe("the addresses of a source", () => {
  it.each([
    [["192.0.2.0/24"], "192.0.2.255", "ok"],
    [["192.0.2.0/24"], "192.0.3.0", "not_allowed"],
    [["192.0.2.7"], "192.0.2.7", "ok"],
    [["192.0.2.7"], "192.0.2.8", "not_allowed"],
    [["0.0.0.0/0"], "203.0.113.1", "ok"],
    [["0.0.0.0/0"], "2001:db8::1", "not_allowed"],
    [["2001:db8::/33"], "2001:db8:7fff::1", "ok"],
    [["2001:db8::/33"], "2001:db8:8000::1", "not_allowed"],
    [["2001:db8::1"], "2001:DB8:0:0::1", "ok"],
    [["192.0.2.0/24"], "::ffff:192.0.2.1", "ok"],
    [["::ffff:192.0.2.0/120"], "192.0.2.1", "ok"],
    [["::ffff:192.0.2.0/120"], "192.0.3.1", "not_allowed"],
    [["192.0.2.1", "198.51.100.0/25"], "198.51.100.127", "ok"]
  ])("allowed as %j take %s: %s", (allow, address, expected) => {
    expect(outcome({ allow }, address)).toBe(expected)
    // What allows is what denies.
    expect(outcome({ deny: allow }, address)).toBe(expected === "ok" ? "denied" : "ok")
  })
  it("are denied first", () => {
    const rules = { allow: ["192.0.2.0/24"], deny: ["192.0.2.128/25"] }
    expect(outcome(rules, "192.0.2.127")).toBe("ok")
    expect(outcome(rules, "192.0.2.128")).toBe("denied")
    expect(outcome(rules, "198.51.100.1")).toBe("not_allowed")
  })
  it("that cannot be told are refused wherever there is a rule", () => {
    for (const address of [null, "", "unknown", "192.0.2.1:80", "192.0.2.256"]) {
      expect(outcome({}, address)).toBe("ok")
      expect(outcome({ allow: [], deny: [] }, address)).toBe("ok")
      expect(outcome({ allow: ["0.0.0.0/0", "::/0"] }, address)).toBe("unknown_address")
      expect(outcome({ deny: ["192.0.2.1"] }, address)).toBe("unknown_address")
    }
  })
})

describe("a rule", () => {
  const must = "must be an IPv4 or IPv6 address, or a network such as 192.0.2.0/24 or 2001:db8::/32"
  it.each([
    ["", must],
    ["example.com", must],
    ["192.0.2", must],
    ["192.0.2.0/33", must],
    ["192.0.2.0/", must],
    ["192.0.2.0/-1", must],
    ["192.0.02.0/24", must],
    ["0x7f.0.0.1", must],
    ["2001:db8::/129", must],
    ["fe80::1%eth0", must],
    ["192.0.2.0/24/8", must],
    ["10.0.0.1/8", "must be 10.0.0.0/8: the address has bits behind its first 8"],
    ["2001:db8::1/32", "must be 2001:db8::/32: the address has bits behind its first 32"]
  ])("is not %j", (rule, message) => {
    expect(issues({ allow: ["192.0.2.1", rule] })).toEqual({ "allow.1": message })
    expect(issues({ deny: [rule] })).toEqual({ "deny.0": message })
  })
  it("is one of at most 256", () => {
    const rules = (count: number) => Array.from({ length: count }, (_, i) => `192.0.2.${i % 256}`)
    expect(issues({ allow: rules(256), deny: rules(256) })).toEqual({})
    expect(issues({ allow: rules(257) })).toEqual({ allow: "must be at most 256: join networks that are neighbours" })
  })
})
