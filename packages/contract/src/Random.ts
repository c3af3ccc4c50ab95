/** Random values from a seed: the same seed makes the same run. */
export interface Random {
  /** From 0 to 1, without 1. */
  readonly next: () => number
  /** From `min` to `max`, both among them. */
  readonly int: (min: number, max: number) => number
  readonly pick: <A>(items: readonly [A, ...ReadonlyArray<A>] | ReadonlyArray<A>) => A
  readonly chance: (probability: number) => boolean
}

/** Mulberry32: 32 bits of state, good enough to choose by. */
export const makeRandom = (seed: number): Random => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    int,
    pick: (items) => items[int(0, items.length - 1)]!,
    chance: (probability) => next() < probability
  }
}
