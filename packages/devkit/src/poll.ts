import { setTimeout as sleep } from "node:timers/promises"

/** Asks every `every` milliseconds until it is so, for `ms` at most; whether it is. By a clock that nobody sets. */
export const isSoWithin = async (
  ms: number,
  every: number,
  isSo: () => boolean | Promise<boolean>
): Promise<boolean> => {
  const until = performance.now() + ms
  while (!(await isSo())) {
    if (performance.now() > until) return false
    await sleep(every)
  }
  return true
}
