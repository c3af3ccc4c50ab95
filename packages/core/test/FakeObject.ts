/**
 * A Durable Object in virtual time: its storage, its one alarm, its timers and its log. `kill` ends the process: what
 * is in memory is gone, what was committed and the alarm stay.
 */
import * as Alarm from "@hookstream/core/Alarm"
import type { EnginePorts } from "@hookstream/core/EnginePorts"
import type { Line } from "@hookstream/core/LogLine"
import { objectSql } from "./ObjectSql.ts"

interface Sleeper {
  readonly at: number
  readonly resume: () => void
}

/** Lets every promise that can go on do so. */
const drain = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

export const fakeObject = (startAt = 1_000_000) => {
  const sql = objectSql()
  let now = startAt
  let alarmAt: number | undefined
  let sleepers: Array<Sleeper> = []
  /** An instance that was killed hears nothing more. */
  let instance = 0
  let open = 0
  const lines: Array<Line> = []

  /** The ports of a new instance. */
  const ports = (): EnginePorts => {
    const own = ++instance
    return {
      sql,
      alarm: Alarm.make(
        () => now,
        (at) => {
          alarmAt = at
        },
        async () => alarmAt ?? null
      ),
      timer: {
        now: () => now,
        sleep: (ms) =>
          new Promise((resolve) => {
            sleepers.push({
              at: now + ms,
              resume: () => {
                if (own === instance) resolve()
              }
            })
          })
      },
      background: (work) => {
        open++
        void work.finally(() => {
          open--
        })
      },
      log: (line) => lines.push(line)
    }
  }

  /** Lets `ms` milliseconds go by, timer by timer; 0 is one turn of the event loop. */
  const pass = async (ms: number): Promise<void> => {
    const end = now + ms
    await drain()
    for (;;) {
      const next = sleepers.toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > end) break
      now = Math.max(now, next.at)
      sleepers = sleepers.filter((one) => one !== next)
      sql.flush()
      next.resume()
      await drain()
    }
    now = end
    sql.flush()
  }

  return {
    ports,
    pass,
    lines,
    sql,
    now: () => now,
    /** Work in the background that has not ended. */
    open: () => open,
    alarmAt: () => alarmAt,
    /** The alarm fires at its time, and `handler` answers it. */
    ring: async (handler: () => Promise<void>): Promise<void> => {
      if (alarmAt === undefined) return
      const at = alarmAt
      alarmAt = undefined
      if (at > now) await pass(at - now)
      await Promise.all([handler(), drain()])
    },
    kill: () => {
      instance++
      sleepers = []
      sql.crash()
    }
  }
}
