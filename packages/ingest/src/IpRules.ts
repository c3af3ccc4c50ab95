/** Which addresses a source takes requests from: first `deny` is asked, then `allow`. */
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { AddressRejected } from "./Errors.ts"

/** Providers publish up to some hundred. */
const RULES_MAX = 256
const MAPPED_BITS = 96

/** IPv4 as IPv6 is IPv4: a rule means the same however the platform writes an address. */
const canonical = (network: IpNetwork.IpNetwork): Result.Result<IpNetwork.IpNetwork, unknown> => {
  const { address, prefixLength } = network
  if (!NetAddress.isIpv6Address(address) || prefixLength < MAPPED_BITS) return Result.succeed(network)
  return Option.match(NetAddress.fromIpv4Mapped(address), {
    onNone: () => Result.succeed(network),
    onSome: (mapped) => IpNetwork.make(mapped, prefixLength - MAPPED_BITS)
  })
}

/** An address, or a network of them. */
const networkOf = (rule: string): Result.Result<IpNetwork.IpNetwork, unknown> =>
  Result.flatMap(
    rule.includes("/")
      ? IpNetwork.fromString(rule)
      : Result.flatMap(NetAddress.ipFromString(rule), (address) => IpNetwork.make(address, NetAddress.width(address))),
    canonical
  )

/** What is wrong with a rule, or `undefined`. */
const issueOf = (rule: string): string | undefined => {
  if (Result.isSuccess(networkOf(rule))) return undefined
  const [, address = "", bits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(rule) ?? []
  const whole = Result.flatMap(NetAddress.ipFromString(address), (one) => IpNetwork.fromAddress(one, Number(bits)))
  return Result.isSuccess(whole)
    ? `must be ${IpNetwork.format(whole.success)}: the address has bits behind its first ${Number(bits)}`
    : "must be an IPv4 or IPv6 address, or a network such as 192.0.2.0/24 or 2001:db8::/32"
}

const Rules = (title: string, description: string) =>
  Schema.optionalKey(
    Schema.Array(Schema.String.check(Schema.makeFilter(issueOf)))
      .annotate({ title, description, default: [], examples: [["192.0.2.0/24", "2001:db8::1"]] })
      .check(
        Schema.isMaxLength(RULES_MAX, { message: `must be at most ${RULES_MAX}: join networks that are neighbours` })
      )
  )

export const IpRules = Schema.Struct({
  allow: Rules("Allowed addresses", "Requests from others are refused. Default: all are taken"),
  deny: Rules("Denied addresses", "Requests from these are refused, allowed or not")
})
export type IpRules = typeof IpRules.Type

const reject = (reason: AddressRejected["reason"], message: string) =>
  Result.fail(new AddressRejected({ reason, message }))

/** The check of one version of the rules; `address` is `null` where the platform tells none. */
export const compile = ({ allow = [], deny = [] }: IpRules) => {
  const networks = (rules: ReadonlyArray<string>) =>
    rules.flatMap((rule) => Option.toArray(Result.getSuccess(networkOf(rule))))
  const [allowed, denied] = [networks(allow), networks(deny)]
  return (address: string | null): Result.Result<void, AddressRejected> => {
    if (allow.length === 0 && deny.length === 0) return Result.succeed(undefined)
    const parsed = NetAddress.ipFromString(address ?? "")
    if (Result.isFailure(parsed)) return reject("unknown_address", "the request came from no address that can be read")
    const from = NetAddress.toCanonical(parsed.success)
    const isIn = (network: IpNetwork.IpNetwork) => IpNetwork.contains(network, from)
    if (denied.some(isIn)) return reject("denied", `${NetAddress.formatIp(from)} is denied`)
    if (allow.length > 0 && !allowed.some(isIn)) {
      return reject("not_allowed", `${NetAddress.formatIp(from)} is none of the allowed addresses`)
    }
    return Result.succeed(undefined)
  }
}
