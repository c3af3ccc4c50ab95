import { checkUrl } from "@hookstream/core/sink/HostGuard"
import { Result } from "effect"
import { describe, expect, it } from "vitest"

const isPublic = (text: string) => Result.isSuccess(checkUrl(text, { allowPrivateNetworks: false }))
const isAllowedInside = (text: string) => Result.isSuccess(checkUrl(text, { allowPrivateNetworks: true }))

describe("a destination's host", () => {
  it.each([
    "https://pkc-xxxxx.us-east-1.aws.confluent.cloud/kafka/v3",
    "https://example.com:8443/",
    "https://8.8.8.8/",
    "https://[2606:4700::1111]/",
    "https://local.example.com/"
  ])("%s is public", (url) => {
    expect(isPublic(url)).toBe(true)
  })

  it.each([
    ["plain http", "http://example.com/"],
    ["another scheme", "ftp://example.com/"],
    ["a user name", "https://user@example.com/"],
    ["a password", "https://user:secret@example.com/"],
    ["no host", "https:///path"],
    ["no URL", "example"],
    ["localhost", "https://localhost/"],
    ["localhost with a dot", "https://LOCALHOST./"],
    ["a name under localhost", "https://kafka.localhost/"],
    ["an internal name", "https://metadata.google.internal/"],
    ["a local name", "https://printer.local/"],
    ["a name without domain", "https://kafka/"],
    ["loopback", "https://127.0.0.1/"],
    ["loopback, decimal", "https://2130706433/"],
    ["loopback, hexadecimal", "https://0x7f.0x0.0x0.0x1/"],
    ["loopback, octal", "https://0177.0.0.01/"],
    ["loopback, short", "https://127.1/"],
    ["loopback, full-width digits", "https://１２７.０.０.１/"],
    ["this network", "https://0.0.0.0/"],
    ["private 10", "https://10.1.2.3/"],
    ["private 172", "https://172.31.255.255/"],
    ["private 192", "https://192.168.0.1/"],
    ["carrier-grade NAT", "https://100.64.0.1/"],
    ["cloud metadata", "https://169.254.169.254/"],
    ["benchmarks", "https://198.19.0.1/"],
    ["documentation 1", "https://192.0.2.1/"],
    ["documentation 2", "https://198.51.100.1/"],
    ["documentation 3", "https://203.0.113.1/"],
    ["multicast", "https://224.0.0.1/"],
    ["broadcast", "https://255.255.255.255/"],
    ["IPv6 loopback", "https://[::1]/"],
    ["IPv6 unspecified", "https://[::]/"],
    ["IPv4 in IPv6", "https://[::ffff:10.0.0.1]/"],
    ["NAT64", "https://[64:ff9b::a00:1]/"],
    ["local NAT64", "https://[64:ff9b:1::a00:1]/"],
    ["6to4", "https://[2002:a00:1::1]/"],
    ["Teredo", "https://[2001:0:1::1]/"],
    ["IPv6 benchmarks", "https://[2001:2::1]/"],
    ["IPv6 documentation", "https://[2001:db8::1]/"],
    ["IPv6 documentation 2", "https://[3fff::1]/"],
    ["unique local", "https://[fd00::1]/"],
    ["link-local", "https://[fe80::1]/"],
    ["IPv6 multicast", "https://[ff02::1]/"]
  ])("%s is refused: %s", (_, url) => {
    expect(isPublic(url)).toBe(false)
  })

  it("a deployment may open private networks and plain http, but never a password in the URL", () => {
    expect(isAllowedInside("http://127.0.0.1:8082/")).toBe(true)
    expect(isAllowedInside("http://rest-proxy:8082/")).toBe(true)
    expect(isAllowedInside("ftp://127.0.0.1/")).toBe(false)
    expect(isAllowedInside("http://user:secret@127.0.0.1/")).toBe(false)
  })

  it("a refusal does not repeat the URL", () => {
    const refusal = checkUrl("https://user:hunter2@example.com/", { allowPrivateNetworks: false })
    expect(JSON.stringify(refusal)).not.toContain("hunter2")
  })
})
