import type { Limits } from "../Limits.ts"

/** A bucket that holds one second's worth and fills evenly. `now` is in milliseconds. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #now: () => number
  #tokens: number
  #at: number

  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond
    this.#now = now
    this.#tokens = perSecond
    this.#at = now()
  }

  /** False, and nothing taken, when there is not enough. */
  take(cost: number): boolean {
    const at = this.#now()
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((at - this.#at) / 1000) * this.#perSecond)
    this.#at = at
    if (this.#tokens < cost) return false
    this.#tokens -= cost
    return true
  }
}

/** The limits of one cluster; a rate that is not given limits nothing. */
export class RateLimiter {
  readonly #requests: TokenBucket | undefined
  readonly #records: TokenBucket | undefined
  readonly #bytes: TokenBucket | undefined

  constructor(limits: Limits, now: () => number) {
    const bucket = (rate: number | undefined) => (rate === undefined ? undefined : new TokenBucket(rate, now))
    this.#requests = bucket(limits.requestsPerSecond)
    this.#records = bucket(limits.recordsPerSecond)
    this.#bytes = bucket(limits.bytesPerSecond)
  }

  takeRequest(): boolean {
    return this.#requests?.take(1) ?? true
  }

  takeRecord(bytes: number): boolean {
    return (this.#records?.take(1) ?? true) && (this.#bytes?.take(bytes) ?? true)
  }
}
