/**
 * The circuit breaker of a destination, pure. While it is open, reading stops: the backlog stays in the logs at no
 * cost, and one probe in each reset period asks whether the sink is back.
 *
 * One event that always fails is no outage: the breaker opens only when consecutive failures came from more than one
 * event.
 */
export interface BreakerSettings {
  readonly enabled: boolean
  /** Consecutive failed requests that open it. */
  readonly threshold: number
  /** Milliseconds until the next probe. */
  readonly resetMs: number
}

export const defaultSettings: BreakerSettings = { enabled: true, threshold: 5, resetMs: 60_000 }

export type Breaker =
  | {
      readonly state: "closed"
      /** Consecutive failures, and the events they were of (two are enough to know). */
      readonly failures: number
      readonly events: ReadonlyArray<string>
    }
  /** `half_open`: a probe is on its way. */
  | { readonly state: "open" | "half_open"; readonly since: number; readonly until: number; readonly probes: number }

export const closed: Breaker = { state: "closed", failures: 0, events: [] }

/** One request's end, as far as the breaker cares. `ok`: the sink answered, whatever it said of the record. */
export interface Observation {
  readonly event: string
  readonly ok: boolean
}

/** The closed breaker after these requests, in order. */
export const observe = (breaker: Breaker, observations: ReadonlyArray<Observation>): Breaker =>
  observations.reduce((before: Breaker, { event, ok }): Breaker => {
    if (before.state !== "closed") return before
    if (ok) return closed
    const events = before.events.includes(event) ? before.events : [...before.events, event].slice(0, 2)
    return { state: "closed", failures: before.failures + 1, events }
  }, breaker)

/** Whether a closed breaker must open now. */
export const mustOpen = (breaker: Breaker, { enabled, threshold }: BreakerSettings): boolean =>
  enabled && breaker.state === "closed" && breaker.failures >= threshold && breaker.events.length > 1
