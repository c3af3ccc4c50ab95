/**
 * A token bucket in virtual time (the generic cell rate algorithm): one number, the time at which the bucket would be
 * full again. It holds one second's worth of requests.
 */

const interval = (perSecond: number): number => 1000 / perSecond

/** Requests that may start at `now`. `fullAt` in milliseconds since 1970, as `spend` gave it; 0 at first. */
export const allowance = (fullAt: number, perSecond: number, now: number): number => {
  const burst = Math.max(1, Math.floor(perSecond))
  const owed = Math.max(0, fullAt - now) / interval(perSecond)
  return Math.max(0, Math.floor(burst - owed + 1e-9))
}

/** `fullAt` after `count` requests more. */
export const spend = (fullAt: number, perSecond: number, count: number, now: number): number =>
  Math.max(fullAt, now) + count * interval(perSecond)

/** When the next request may start. */
export const nextAt = (fullAt: number, perSecond: number, now: number): number => {
  if (allowance(fullAt, perSecond, now) > 0) return now
  const burst = Math.max(1, Math.floor(perSecond))
  return Math.ceil(fullAt - (burst - 1) * interval(perSecond))
}
