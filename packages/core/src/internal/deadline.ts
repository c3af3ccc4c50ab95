import type { Timer } from "../EnginePorts.ts"

/** What `work` answers, `undefined` when it takes longer than `ms` milliseconds. The work goes on all the same. */
export const within = async <A>(timer: Timer, ms: number, work: Promise<A>): Promise<A | undefined> => {
  const late = new AbortController()
  try {
    return await Promise.race([work, timer.sleep(ms, late.signal).then(() => undefined)])
  } finally {
    late.abort()
  }
}
