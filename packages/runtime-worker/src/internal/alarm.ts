/** The one alarm of an object: it is set at the earliest time that was asked for, and a row is written only when that changes. */
export interface Alarm {
  /** Rings at `at` (milliseconds since 1970) or before. */
  readonly atLatest: (at: number) => void
  /** The alarm has rung: none is set any more. */
  readonly rang: () => void
}

export const makeAlarm = (storage: DurableObjectStorage): Alarm => {
  // Unknown after a restart: then the first request sets it again, which costs one row.
  let at: number | undefined
  return {
    atLatest: (wanted) => {
      if (at !== undefined && at <= wanted) return
      at = wanted
      // Not awaited: it is part of the implicit transaction of this turn, and the output gate waits for it.
      void storage.setAlarm(wanted)
    },
    rang: () => {
      at = undefined
    }
  }
}
