/**
 * How often one address may fail: wrong keys and unknown sources. Only who has just failed is counted, so that a valid
 * sender behind the same address is never refused.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Failures that an address may have in a minute; the platform's own limiter has the same numbers (`wrangler.jsonc`).
 */
export const PER_MINUTE = 60
/** Seconds after which it is worth trying again. */
export const RETRY_AFTER = 60

const KEYS_MAX = 10_000

/** Takes one from the bucket of this key; `false` when it is empty. */
export type Take = (key: string) => Effect.Effect<boolean>

export class FailureLimit extends Context.Service<FailureLimit, { readonly take: Take }>()(
  "@hookstream/api/FailureLimit"
) {}

const MINUTE = 60_000

/**
 * Buckets of this isolate, each full after a minute; of too many the oldest is forgotten. A bucket is one number, the
 * time at which it would be full again (the generic cell rate algorithm).
 */
export const makeMemory = (perMinute: number): Take => {
  const buckets = new Map<string, number>()
  return (key) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const fullAt = Math.max(buckets.get(key) ?? 0, now) + MINUTE / perMinute
      if (fullAt - now > MINUTE) return false
      buckets.delete(key)
      const [oldest] = buckets.keys()
      if (oldest !== undefined && buckets.size >= KEYS_MAX) buckets.delete(oldest)
      buckets.set(key, fullAt)
      return true
    })
}

/** Groups of an IPv6 address that name the network; the rest names an interface in it (RFC 4291 §2.5.1). */
const NETWORK_GROUPS = 4
/** The prefix of an IPv4 address that is mapped to IPv6 (RFC 4291 §2.5.5.2), as dual-stack servers write it. */
const MAPPED = /^::ffff:(?=\d+\.)/i

/** What an address is counted by: of IPv6 its /64, because whoever has one address there has all. */
const networkOf = (text: string): string => {
  const address = text.replace(MAPPED, "")
  if (!address.includes(":")) return address
  const [left = "", right] = address.split("::")
  const groups = left === "" ? [] : left.split(":")
  const tail = right === undefined || right === "" ? 0 : right.split(":").length
  const zeros = right === undefined ? 0 : Math.max(0, 8 - groups.length - tail)
  const all = [...groups, ...Array.from({ length: zeros }, () => "0"), ...(right ?? "").split(":")]
  return all.slice(0, NETWORK_GROUPS).join(":")
}

const SHARED = "unknown"

/**
 * Who sent a request, by the header that the deployment trusts (`HOOKSTREAM_TRUSTED_IP_HEADER`); `null` without one,
 * for every sender can write any header. Of a list the last entry counts, which the proxy next to the gateway has
 * added.
 */
export const addressOf = (headers: Headers, trusted: string | undefined): string | null => {
  const value = trusted === undefined ? null : headers.get(trusted)
  const last = value?.split(",").at(-1)?.trim() ?? ""
  return last === "" ? null : last
}

/** The bucket of an address; senders without one share theirs. */
export const keyOf = (address: string | null): string => (address === null ? SHARED : networkOf(address))
