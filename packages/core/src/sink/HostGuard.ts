/**
 * The one guard against server-side request forgery: every destination that names a URL or a host passes it.
 *
 * Only https, no userinfo, no address that is not on the public internet, no name that resolves inside a network. The
 * URL parser has brought every notation of an IPv4 address (decimal, hex, octal, short) to four decimals before the
 * ranges are asked. Redirects are never followed (the runtime's HttpClient is built so). On Cloudflare the platform
 * itself refuses private addresses after DNS; a self-hosted workerd does it by its `network` setting.
 */

import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { ForbiddenHost } from "../Errors.ts"

// IANA special-purpose registries (RFC 6890 and successors).
const FORBIDDEN_V4 = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8", // private
  "100.64.0.0/10", // carrier-grade NAT
  "127.0.0.0/8", // loopback
  "169.254.0.0/16", // link-local, cloud metadata
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // 6to4 relays
  "192.168.0.0/16", // private
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4" // reserved, broadcast
]
// Everything outside global unicast is forbidden (loopback, mapped IPv4, NAT64, unique local, link-local, multicast …).
const GLOBAL_V6 = "2000::/3"
const FORBIDDEN_V6 = [
  "2001::/23", // protocol assignments: Teredo, benchmarks, ORCHID
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4 carries any IPv4 address
  "3fff::/20" // documentation
]

const FORBIDDEN_NAMES = ["localhost", "internal", "local", "home.arpa"]

// Parsed at first use: a Worker's start does not pay for it.
let networks:
  | { readonly forbidden: ReadonlyArray<IpNetwork.IpNetwork>; readonly globalV6: IpNetwork.IpNetwork }
  | undefined
const ranges = () => {
  networks ??= {
    forbidden: [...FORBIDDEN_V4, ...FORBIDDEN_V6].map(IpNetwork.fromStringUnsafe),
    globalV6: IpNetwork.fromStringUnsafe(GLOBAL_V6)
  }
  return networks
}

const isPublicAddress = (address: NetAddress.IpAddress): boolean => {
  const { forbidden, globalV6 } = ranges()
  if (NetAddress.isIpv6Address(address) && !IpNetwork.contains(globalV6, address)) return false
  return !forbidden.some((network) => IpNetwork.contains(network, address))
}

const refuse = (message: string) => Result.fail(new ForbiddenHost({ message }))

/**
 * Parses a destination's URL. `allowPrivateNetworks` (a setting of the deployment, never of a user) opens plain http
 * and every host. The message of a refusal says what to change; it does not repeat the URL, which may hold a password.
 */
export const checkUrl = (
  text: string,
  options: { readonly allowPrivateNetworks: boolean }
): Result.Result<URL, ForbiddenHost> => {
  const url = URL.parse(text)
  if (url === null || url.hostname === "") return refuse('must be a URL such as "https://host.example.com"')
  if (url.username !== "" || url.password !== "") return refuse("must not contain a user name or password")
  if (url.protocol !== "https:" && !(url.protocol === "http:" && options.allowPrivateNetworks)) {
    return refuse("must start with https://")
  }
  if (options.allowPrivateNetworks) return Result.succeed(url)

  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.+$/, "")
  const address = NetAddress.ipFromString(host)
  if (Result.isSuccess(address)) {
    return isPublicAddress(address.success) ? Result.succeed(url) : refuse("must not be a private or reserved address")
  }
  const forbidden = FORBIDDEN_NAMES.find((name) => host === name || host.endsWith(`.${name}`))
  if (forbidden !== undefined)
    return refuse(`must not be a name under "${forbidden}": it is not on the public internet`)
  if (!host.includes(".")) return refuse("must be a full host name with a domain")
  return Result.succeed(url)
}
