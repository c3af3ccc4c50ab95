import * as Alarm from "@hookstream/core/Alarm"
import type { EnginePorts, Timer } from "@hookstream/core/EnginePorts"
import { print } from "./print.ts"
import { sqlOf } from "./sql.ts"

export const timer: Timer = {
  now: Date.now,
  sleep: (ms, signal) => scheduler.wait(ms, signal === undefined ? {} : { signal })
}

/** A Durable Object as core's engines want it. */
export const portsOf = (ctx: DurableObjectState): EnginePorts => ({
  sql: sqlOf(ctx.storage),
  // Not awaited: it is part of the implicit transaction of this turn, and the output gate waits for it.
  alarm: Alarm.make(
    Date.now,
    (at) => void ctx.storage.setAlarm(at),
    () => ctx.storage.getAlarm()
  ),
  timer,
  background: (work) => ctx.waitUntil(work),
  log: print
})
