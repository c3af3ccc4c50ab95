/**
 * A sweep: each of many objects is asked to look for what is left to do. It stands behind their alarms, for one that is
 * lost is missed by nobody else until something comes. A page of them is asked at each alarm of the object that sweeps.
 */
import type { EnginePorts } from "./EnginePorts.ts"
import { UnavailableError } from "./Errors.ts"
import { atOnce } from "./internal/atOnce.ts"
import { within } from "./internal/deadline.ts"
import { line, shown } from "./LogLine.ts"
import { migrate } from "./Sql.ts"

/** Objects that are asked at once. */
const AT_ONCE = 16
/** Milliseconds in which each must answer. */
const DEADLINE = 5000
/** Objects of one alarm: if none of them answers it takes 80 s, and an alarm may take 15 minutes. */
const PAGE = 256
/** Milliseconds after which a page that failed unexpectedly is asked again. */
const AFTER_FAILURE = 60_000

/** Asks each of these objects by itself. Never rejects: one line tells of all that did not answer. */
export const askEach = async (
  { timer, log }: Pick<EnginePorts, "timer" | "log">,
  ids: ReadonlyArray<string>,
  ask: (id: string) => Promise<void>
): Promise<void> => {
  const silent: Array<string> = []
  let first: unknown
  await atOnce(AT_ONCE, ids, async (id) => {
    try {
      const answered = ask(id).then(() => true)
      if ((await within(timer, DEADLINE, answered)) === true) return
      throw new UnavailableError({ message: `it did not answer within ${DEADLINE} ms` })
    } catch (error) {
      first ??= error
      silent.push(shown(id))
    }
  })
  if (silent.length === 0) return
  const fields = { count: silent.length, objects: silent.slice(0, 10) }
  log(line("warn", "a sweep did not reach all objects; the next one asks them again", fields, first))
}

export interface Sweep {
  /** Begins a sweep, or sees to it that the one that is under way goes on. */
  readonly begin: () => void
  /** Asks the next page of a sweep that is under way. Call when the alarm fires. Never rejects. */
  readonly turn: () => Promise<void>
}

export const make = (options: {
  readonly ports: Pick<EnginePorts, "sql" | "alarm" | "timer" | "log">
  /** The first `limit` ids behind `after`, in their order. */
  readonly page: (after: string, limit: number) => ReadonlyArray<string>
  readonly ask: (id: string) => Promise<void>
}): Sweep => {
  const { ports, page, ask } = options
  const { sql, alarm, timer, log } = ports
  migrate(sql, "Sweep", [["CREATE TABLE sweep (one INTEGER PRIMARY KEY CHECK (one = 1), after TEXT NOT NULL)"]])
  const after = () => sql.exec("SELECT after FROM sweep")[0]?.["after"]
  // Whose alarm was lost goes on as well.
  if (after() !== undefined) alarm.atLatest(timer.now())

  return {
    begin: () => {
      sql.exec("INSERT OR IGNORE INTO sweep VALUES (1, '')")
      alarm.atLatest(timer.now())
    },
    turn: async () => {
      try {
        const from = after()
        if (from === undefined) return
        const ids = page(from as string, PAGE)
        await askEach({ timer, log }, ids, ask)
        if (ids.length < PAGE) sql.exec("DELETE FROM sweep")
        else {
          sql.exec("UPDATE sweep SET after = ?", ids.at(-1)!)
          alarm.atLatest(timer.now())
        }
      } catch (error) {
        log(line("error", "a sweep failed; the alarm goes on with it", {}, error))
        alarm.atLatest(timer.now() + AFTER_FAILURE)
      }
    }
  }
}
