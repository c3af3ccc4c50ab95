/**
 * The loop of a destination's object, as a state machine: when the pump works, whether another pass of it follows,
 * and when the alarm fires next. Pure.
 *
 * ```
 * resting ──requested──▶ running ──ended──▶ running   (something came meanwhile, or logs must be asked)
 *    ▲                                  └─▶ resting   (until a time, or until something wakes it)
 * ```
 */

export type State =
  /** Nothing runs. The alarm, a wake-up or a change starts the next pass. */
  | { readonly _tag: "Resting" }
  /** A pass goes on. `requested`: something came that it may not have seen. */
  | { readonly _tag: "Running"; readonly requested: boolean }

/** How a pass of the pump came to its end. */
export interface Ended {
  /** When the pump has something to do, in milliseconds since 1970; `null` when it waits for a wake-up or a change. */
  readonly next: number | null
  readonly now: number
  /** Whether every log has said how far it is, since this instance began or a wake-up was held back. */
  readonly headsKnown: boolean
}

export interface Step {
  readonly state: State
  /** Start a pass of the pump. */
  readonly pass: boolean
  /** Set the alarm to this time at the latest; `null`: it is not needed. */
  readonly alarmAt: number | null
}

export const initial: State = { _tag: "Resting" }

/** A wake-up, a change, a command or the alarm: there may be something to do. */
export const requested = (state: State): Step => ({
  state: { _tag: "Running", requested: state._tag === "Running" },
  pass: state._tag === "Resting",
  alarmAt: null
})

const again: Step = { state: { _tag: "Running", requested: false }, pass: true, alarmAt: null }
const rest = (alarmAt: number | null): Step => ({ state: initial, pass: false, alarmAt })

/** A pass of the pump has ended. */
export const ended = (state: State, { next, now, headsKnown }: Ended): Step => {
  // The pump has used up its time: the alarm begins the next pass, so that the object is not held by one request for
  // ever.
  if (next !== null && next <= now) return rest(next)
  if (state._tag === "Running" && state.requested) return again
  if (next !== null) return rest(next)
  // What the logs did not tell while nothing could be read is asked for once the rest is done.
  return headsKnown ? rest(null) : again
}
