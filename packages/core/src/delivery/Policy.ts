/** What a destination is set to, as the decider needs it, and the numbers that hold for all destinations. */
import type { Ordering } from "../workspace/Destination.ts"
import type { BreakerSettings } from "./CircuitBreaker.ts"
import type { RetryPolicy } from "./RetryPolicy.ts"

/** Of each kind so many in a second; `null` without a limit. */
export interface PerSecond {
  readonly requests: number | null
  readonly records: number | null
  readonly bytes: number | null
}

export const unlimited: PerSecond = { requests: null, records: null, bytes: null }

/** What a destination is set to. */
export interface Policy {
  readonly ordering: Ordering
  readonly retry: RetryPolicy
  readonly breaker: BreakerSettings
  readonly limits: PerSecond
  /** Events pending (waiting for a retry or behind their key) above which reading stops. */
  readonly maxPending: number
  /** Events that are loaded and sent together at most, and their bytes. */
  readonly window: { readonly events: number; readonly bytes: number }
}

/** What a window holds unless the sink takes larger requests. */
export const WINDOW_EVENTS = 100
export const WINDOW_BYTES = 1024 * 1024
/** An event that was being sent at this many process ends is sent alone from then on: it may be what ends them. */
export const ISOLATE_AFTER = 2
