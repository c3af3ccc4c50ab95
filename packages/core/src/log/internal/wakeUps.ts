/** Wakes the destinations of a log: each by itself, one call at a time, so that a slow destination delays no other. */
import type { EnginePorts } from "../../EnginePorts.ts"
import type { DestinationId } from "../../Ids.ts"
import { within } from "../../internal/deadline.ts"
import { line } from "../../LogLine.ts"

/** Milliseconds after which a call that has not answered counts as failed, so that another can follow. */
const CALL_DEADLINE = 10_000

export interface WakeUps {
  /** Wakes those that were not told of the head, and those told of less while they are called. Returns at once. */
  readonly start: (destinations: ReadonlyArray<DestinationId>) => void
  /**
   * Wakes them once, also those that failed or rest. Resolves when every call has ended, at its deadline at the latest.
   */
  readonly once: (destinations: ReadonlyArray<DestinationId>) => Promise<void>
  /** The sequence up to which this instance has told a destination; 0 when it has not. */
  readonly told: (destination: DestinationId) => number
}

export const make = (options: {
  readonly ports: Pick<EnginePorts, "timer" | "background" | "log">
  /** The log's source, as it may be logged. */
  readonly source: string
  readonly head: () => number
  /** Answers the milliseconds for which the destination needs no further wake-up, 0 when it wants each. */
  readonly wake: (destination: DestinationId, head: number) => Promise<number>
}): WakeUps => {
  const { ports, source, head, wake } = options
  const { timer } = ports
  const told = new Map<DestinationId, number>()
  const restsUntil = new Map<DestinationId, number>()
  const calls = new Map<DestinationId, Promise<boolean>>()
  /** Those that are called until they know the head. The alarm's call is one call, and is not followed by itself. */
  const followed = new Set<DestinationId>()

  const toldOf = (id: DestinationId): number => told.get(id) ?? 0
  const isResting = (id: DestinationId): boolean => (restsUntil.get(id) ?? 0) > timer.now()

  const call = async (id: DestinationId): Promise<boolean> => {
    const to = head()
    try {
      const rest = await within(timer, CALL_DEADLINE, wake(id, to))
      if (rest === undefined) return false
      told.set(id, Math.max(to, toldOf(id)))
      if (rest > 0) restsUntil.set(id, timer.now() + rest)
      return true
    } catch (error) {
      const fields = { source, destination: id }
      ports.log(line("warn", "a destination could not be woken; the alarm tries again", fields, error))
      return false
    }
  }
  /** The call that is on its way, or a new one. Answers whether the destination was reached. */
  const shared = (id: DestinationId): Promise<boolean> => {
    const known = calls.get(id)
    if (known !== undefined) return known
    const made = call(id).finally(() => calls.delete(id))
    calls.set(id, made)
    return made
  }
  const untilTold = async (id: DestinationId): Promise<void> => {
    followed.add(id)
    while (toldOf(id) < head() && !isResting(id)) if (!(await shared(id))) break
    followed.delete(id)
  }

  return {
    told: toldOf,
    start: (destinations) => {
      for (const id of destinations) {
        if (!followed.has(id) && toldOf(id) < head() && !isResting(id)) ports.background(untilTold(id))
      }
    },
    once: async (destinations) => {
      const behind = destinations.filter((id) => toldOf(id) < head())
      await Promise.all(behind.map(shared))
    }
  }
}
