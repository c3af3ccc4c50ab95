/**
 * How far the logs of a destination are. Each log is asked by itself, some at once: one that does not answer delays no
 * other, and is asked again after a while.
 */
import type { EnginePorts } from "../../EnginePorts.ts"
import { UnavailableError } from "../../Errors.ts"
import type { SourceId } from "../../Ids.ts"
import { atOnce } from "../../internal/atOnce.ts"
import { within } from "../../internal/deadline.ts"
import { line } from "../../LogLine.ts"
import type { Told } from "../../log/Epochs.ts"
import type { Run } from "../State.ts"

/** Milliseconds in which a log says how far it is. */
const DEADLINE = 2000
/** Logs that are asked at once. */
const AT_ONCE = 16
/** Milliseconds until a log that did not answer is asked again. */
const ASK_AGAIN = 5000

export interface Heads {
  /** How far these logs are. Rejects when one does not say it in time. */
  readonly of: (sources: ReadonlyArray<SourceId>) => Promise<ReadonlyMap<SourceId, Told>>
  /** Asks the logs that can be asked now. Resolves when each has had its time. */
  readonly ask: () => Promise<void>
  /** Whether a log is asked at this moment. */
  readonly isAsking: () => boolean
  /** Whether there are logs that {@link ask} would ask: not known, not being asked, and not failed a moment ago. */
  readonly canAsk: () => boolean
  /** Whether every log has said how far it is. */
  readonly areKnown: () => boolean
  /** What was said no longer counts: of one log, or of all. */
  readonly forget: (source?: SourceId) => void
}

export const make = (options: {
  readonly ports: Pick<EnginePorts, "timer" | "log">
  /** For what is logged. */
  readonly destination: () => string
  readonly sources: () => ReadonlyArray<SourceId>
  readonly head: (source: SourceId) => Promise<Told>
  /** The runs that read the logs. */
  readonly runs: () => ReadonlyArray<Run>
  /** A log has said how far it is. `runs`: those that read it, as they were when it was asked. */
  readonly said: (source: SourceId, told: Told, runs: ReadonlyArray<Run>) => void
  /** A log has not said it; it can be asked again at this time. */
  readonly failed: (again: number) => void
}): Heads => {
  const { ports, destination, sources, head, runs, said, failed } = options
  const { timer } = ports
  const known = new Set<SourceId>()
  const asked = new Set<SourceId>()
  const againAt = new Map<SourceId, number>()
  let asking: Promise<void> | undefined

  const of = async (source: SourceId): Promise<Told> => {
    const found = await within(timer, DEADLINE, head(source))
    if (found !== undefined) return found
    throw new UnavailableError({ message: `a log did not answer within ${DEADLINE} ms` })
  }
  const askOne = async (source: SourceId, read: ReadonlyArray<Run>): Promise<void> => {
    try {
      const found = await of(source)
      known.add(source)
      said(source, found, read)
    } catch (error) {
      const again = timer.now() + ASK_AGAIN
      againAt.set(source, again)
      failed(again)
      ports.log(line("warn", "a log did not say how far it is", { destination: destination() }, error))
    } finally {
      asked.delete(source)
    }
  }
  const canAsk = (): ReadonlyArray<SourceId> =>
    sources().filter((source) => !known.has(source) && !asked.has(source) && (againAt.get(source) ?? 0) <= timer.now())

  return {
    of: async (wanted) => {
      const heads = new Map<SourceId, Told>()
      await atOnce(AT_ONCE, wanted, async (source) => heads.set(source, await of(source)))
      return heads
    },
    ask: () => {
      const wanted = canAsk()
      if (wanted.length === 0) return asking ?? Promise.resolve()
      for (const source of wanted) asked.add(source)
      // More may be read while the answers are on their way.
      const before = runs()
      const readersOf = (source: SourceId) => before.filter(({ sourceId }) => sourceId === source)
      const answers = atOnce(AT_ONCE, wanted, (source) => askOne(source, readersOf(source)))
      const all = Promise.all([asking, answers])
      const own: Promise<void> = all.then(() => {
        if (asking === own) asking = undefined
      })
      asking = own
      return own
    },
    isAsking: () => asking !== undefined,
    canAsk: () => canAsk().length > 0,
    areKnown: () => sources().every((source) => known.has(source)),
    forget: (source) => {
      if (source !== undefined) known.delete(source)
      else {
        known.clear()
        againAt.clear()
      }
    }
  }
}
