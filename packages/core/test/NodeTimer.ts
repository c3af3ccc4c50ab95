import type { Timer } from "@hookstream/core/EnginePorts"

/** A timer of Node's as core wants it: an abort ends a wait, which then never resolves. */
export const nodeTimer: Timer = {
  now: Date.now,
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      const waiting = setTimeout(resolve, ms)
      signal?.addEventListener("abort", () => clearTimeout(waiting))
    })
}
