/** What the token buckets of a destination let through. Pure. */
import type { Rates } from "./Facts.ts"
import type { PerSecond } from "./Policy.ts"
import * as RateLimit from "./RateLimit.ts"
import type { Control } from "./State.ts"

/** Sends that may start now. The first is made whatever its bytes. */
export interface Allowance {
  readonly requests: number
  readonly records: number
  readonly bytes: number
}

/** What the token buckets let through now. */
export const allowanceOf = ({ rates }: Control, limits: PerSecond, now: number): Allowance => {
  const of = (kind: keyof Rates) =>
    limits[kind] === null ? Number.POSITIVE_INFINITY : RateLimit.allowance(rates[kind], limits[kind], now)
  return { requests: of("requests"), records: of("records"), bytes: of("bytes") }
}

/** When each token bucket lets something through. */
export const allowedAt = ({ rates }: Control, limits: PerSecond, now: number): number =>
  Math.max(
    ...(["requests", "records", "bytes"] as const).map((kind) =>
      limits[kind] === null ? now : RateLimit.nextAt(rates[kind], limits[kind], now)
    )
  )

/** The token buckets after these sends; `null` without a limit. */
export const spend = ({ rates }: Control, limits: PerSecond, sent: Allowance, now: number): Rates | null => {
  if (limits.requests === null && limits.records === null && limits.bytes === null) return null
  const of = (kind: keyof Rates) =>
    limits[kind] === null ? rates[kind] : RateLimit.spend(rates[kind], limits[kind], sent[kind], now)
  return { requests: of("requests"), records: of("records"), bytes: of("bytes") }
}
