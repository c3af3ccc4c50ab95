/**
 * Virtual time for promises and effects alike: nothing waits for the machine's clock. A timer fires when `pass` reaches
 * it, and then everything that can go on does so before the next one.
 */
import { type Clock, Duration, Effect } from "effect"

interface Timer {
  readonly at: number
  readonly n: number
  readonly fire: () => void
}

/** More timers than this in one span mean that something goes round for ever. */
const TIMERS_MAX = 20_000

/** More turns than this while no time goes by mean the same. */
const TURNS_MAX = 5000

export const makeTime = (startAt: number) => {
  let now = startAt
  let n = 0
  let timers: Array<Timer> = []
  /** Grows with everything that happens, so that `settle` knows when nothing more does. */
  let happened = 0

  const after = (ms: number, fire: () => void): (() => void) => {
    const timer = { at: now + Math.max(0, ms), n: n++, fire }
    timers.push(timer)
    happened++
    return () => {
      timers = timers.filter((one) => one !== timer)
    }
  }
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  const settle = async (): Promise<void> => {
    let turns = 0
    for (let before = -1; before !== happened; ) {
      if (++turns > TURNS_MAX) throw new RangeError(`no rest after ${TURNS_MAX} turns of the event loop`)
      before = happened
      await turn()
      await turn()
    }
  }

  const nanos = () => BigInt(now) * 1_000_000n
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => now,
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.callback<void>((resume) => {
        const ms = Duration.toMillis(duration)
        if (!Number.isFinite(ms)) return undefined
        const cancel = after(ms, () => resume(Effect.void))
        return Effect.sync(cancel)
      })
  }

  return {
    clock,
    now: () => now,
    after,
    settle,
    /** Something happened that others may go on from. */
    note: () => {
      happened++
    },
    /** 0: the next turn of the event loop; otherwise virtual. */
    sleep: (ms: number): Promise<void> => {
      happened++
      return ms === 0
        ? turn().then(() => {
            happened++
          })
        : new Promise((resolve) => after(ms, resolve))
    },
    /** What `work` answers within this many milliseconds; fails when it takes longer. */
    within: async <A>(ms: number, work: Promise<A>): Promise<A> => {
      const late = Promise.withResolvers<never>()
      const cancel = after(ms, () => late.reject(new RangeError(`no answer within ${ms} ms`)))
      try {
        return await Promise.race([work, late.promise])
      } finally {
        cancel()
        happened++
      }
    },
    /** Lets this many milliseconds go by. */
    pass: async (ms: number): Promise<void> => {
      const end = now + ms
      await settle()
      for (let fired = 0; ; fired++) {
        if (fired > TIMERS_MAX) throw new RangeError(`no rest after ${TIMERS_MAX} timers`)
        const next = timers.reduce<Timer | undefined>(
          (first, one) =>
            first === undefined || one.at < first.at || (one.at === first.at && one.n < first.n) ? one : first,
          undefined
        )
        if (next === undefined || next.at > end) break
        now = Math.max(now, next.at)
        timers = timers.filter((one) => one !== next)

        next.fire()
        await settle()
      }
      now = end
    }
  }
}
export type Time = ReturnType<typeof makeTime>
