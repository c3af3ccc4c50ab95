/** The one alarm of an object, set at the earliest time that was asked for. */

export interface Alarm {
  /** Fires at `at` (milliseconds since 1970) or earlier. */
  readonly atLatest: (at: number) => void
  /** Call when the alarm fires: from then on none is set. */
  readonly fired: () => void
  /** When the alarm fires that is set now, by this instance or by one before it; `null` when none is. */
  readonly standing: () => Promise<number | null>
}

/** A time this long past (milliseconds) says nothing any more: the alarm was lost, or it fired in another instance. */
const STALE = 60_000

/** `set` costs a row, so it is called only when the time changes. */
export const make = (now: () => number, set: (at: number) => void, standing: () => Promise<number | null>): Alarm => {
  // Unknown after a restart: then the first request sets it again.
  let at: number | undefined
  return {
    atLatest: (wanted) => {
      const present = now()
      if (at !== undefined && at <= wanted && at > present - STALE) return
      // An alarm set to the present inside an alarm may not fire for tens of seconds (workerd issue 6866).
      at = Math.max(wanted, present + 1)
      set(at)
    },
    fired: () => {
      at = undefined
    },
    standing
  }
}
