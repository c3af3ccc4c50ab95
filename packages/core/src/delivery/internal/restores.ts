/**
 * Logs that were restored to an earlier time. Where what a log tells does not continue what was read of it, it is asked
 * how much of that it has, and the runs go back to there. A false alarm changes nothing.
 */
import type { EnginePorts } from "../../EnginePorts.ts"
import type { SourceId } from "../../Ids.ts"
import { atOnce } from "../../internal/atOnce.ts"
import { within } from "../../internal/deadline.ts"
import type { DeliveryStore } from "../../journal/DeliveryJournal.ts"
import { line, shown } from "../../LogLine.ts"
import * as Epochs from "../../log/Epochs.ts"
import type { Agreed } from "../../log/LogContract.ts"
import type { Fact } from "../Facts.ts"
import type { Run } from "../State.ts"

/** Milliseconds in which a log says what it has, and until one that did not is asked again. */
const DEADLINE = 2000
const ASK_AGAIN = 5000
const AT_ONCE = 16

export interface Restores {
  /** This log may have been restored. */
  readonly suspect: (source: SourceId) => void
  /** Asks the logs that are suspected, and has their runs go back. Answers those that have said how far they are. */
  readonly settle: (journal: DeliveryStore) => Promise<ReadonlyArray<SourceId>>
  /** When a log that did not answer is asked again, in milliseconds since 1970; `null` when there is none. */
  readonly askAgainAt: () => number | null
}

/** The events of a run that its log has as well; `undefined` when those are all. */
const endOf = (run: Run, head: number, common: Epochs.Mark): Epochs.Mark | undefined => {
  // Of one that has read nothing yet nothing is known but where it ends.
  if (run.marks.length > 0 && common.through < run.cursor) return common
  return run.replay !== null && head < run.head ? { ...common, through: head } : undefined
}

export const make = (options: {
  readonly ports: Pick<EnginePorts, "timer" | "log">
  /** For what is logged. */
  readonly destination: () => string
  readonly agree: (source: SourceId, readers: ReadonlyArray<ReadonlyArray<Epochs.Mark>>) => Promise<Agreed>
}): Restores => {
  const { ports, destination, agree } = options
  const { timer } = ports
  /** When they can be asked. */
  const suspected = new Map<SourceId, number>()

  const settleOne = async (journal: DeliveryStore, source: SourceId): Promise<boolean> => {
    try {
      const runs = journal.runs().filter(({ sourceId }) => sourceId === source)
      const asked = agree(
        source,
        runs.map(({ marks, cursor }) => Epochs.upTo(marks, cursor))
      )
      const agreed = await within(timer, DEADLINE, asked)
      if (agreed !== undefined) {
        const { head, common } = agreed
        const at = timer.now()
        const facts = runs.flatMap((run, i): ReadonlyArray<Fact> => {
          const end = endOf(run, head, common[i]!)
          if (end === undefined) return []
          const { through } = end
          const isKept = run.marks.length === 0 || run.cursor <= through
          const marks = isKept ? run.marks : Epochs.backTo(run.marks, end)
          const open = journal.openAbove(run.id, through)
          const { id, cursor: from } = run
          return [{ _tag: "LogRestored", run: id, sourceId: source, from, through, marks, open, at }]
        })
        if (facts.length > 0) journal.commit(facts, at)
        journal.headIs(source, head)
        suspected.delete(source)
        return true
      }
    } catch (error) {
      const fields = { destination: destination(), source: shown(source) }
      ports.log(line("warn", "a log did not say what it has of what was read of it", fields, error))
    }
    suspected.set(source, timer.now() + ASK_AGAIN)
    return false
  }

  return {
    suspect: (source) => {
      if (!suspected.has(source)) suspected.set(source, 0)
    },
    settle: async (journal) => {
      const due = [...suspected].filter(([, at]) => at <= timer.now()).map(([source]) => source)
      const settled: Array<SourceId> = []
      await atOnce(AT_ONCE, due, async (source) => {
        if (await settleOne(journal, source)) settled.push(source)
      })
      return settled
    },
    askAgainAt: () => {
      const failed = [...suspected.values()].filter((at) => at > 0)
      return failed.length === 0 ? null : Math.min(...failed)
    }
  }
}
