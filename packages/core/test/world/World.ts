/**
 * Objects that call each other, in virtual time, as the platform has them: storage that commits at the output gate, one
 * durable alarm, calls that can be lost, late, doubled, hang or be answered in vain, and processes that end at any
 * moment.
 */
import * as Alarm from "@hookstream/core/Alarm"
import type { EnginePorts } from "@hookstream/core/EnginePorts"
import { objectSql } from "../ObjectSql.ts"
import { makeTime, type Time } from "./VirtualTime.ts"

/** What happens to a call. */
export const FAULTS = ["none", "slow", "request lost", "reply lost", "twice", "late reply", "hangs"] as const
export type Fault = (typeof FAULTS)[number]

/** What happens to an alarm. */
export const ALARM_FAULTS = ["none", "late", "lost", "twice"] as const
export type AlarmFault = (typeof ALARM_FAULTS)[number]

const never = <A>(): Promise<A> => new Promise(() => {})

/** The platform's words for a call that broke. */
class ConnectionLost extends Error {
  readonly retryable = true
}

/** What an engine is made with: its ports, and whether the process that it lives in still does. */
export interface Life {
  readonly ports: EnginePorts
  readonly isAlive: () => boolean
  /** Commits what was written: nothing leaves an object before. */
  readonly gate: () => void
}

export interface WorldObject<E> {
  /** Calls a method, in this process or in a new one. */
  readonly ask: <A>(method: (engine: E) => A | Promise<A>) => Promise<A>
  /** The process ends: what is not committed is gone. The next call or alarm begins a new one. */
  readonly kill: () => void
  readonly name: string
}

export interface Weather {
  readonly calls: ReadonlyArray<Fault>
  readonly alarms: ReadonlyArray<AlarmFault>
}

export const makeWorld = (weather: Weather) => {
  const time: Time = makeTime(Date.UTC(2026, 10, 25))
  let isFair = false
  const counts = { calls: 0, alarms: 0, faults: 0 }
  const pick = <A extends string>(faults: ReadonlyArray<A>, n: number): A | "none" => {
    const fault = isFair || faults.length === 0 ? "none" : faults[n % faults.length]!
    if (fault !== "none") counts.faults++
    return fault
  }

  const object = <E extends { readonly alarm: () => Promise<void> }>(
    name: string,
    make: (life: Life) => E
  ): WorldObject<E> => {
    const sql = objectSql()
    sql.exec("CREATE TABLE alarm (one INTEGER PRIMARY KEY, at INTEGER NOT NULL)")
    sql.flush()
    let instance = 0
    let engine: E | undefined
    let pending: Set<(error: unknown) => void> = new Set()
    let cancelTimer = () => {}

    const start = (): E => {
      if (engine !== undefined) return engine
      const own = ++instance
      const isAlive = () => own === instance
      const sure = () => {
        if (!isAlive()) throw new ConnectionLost("this instance has ended")
        time.note()
      }
      const timerSleep = async (ms: number): Promise<void> => {
        await time.sleep(ms)
        if (!isAlive()) await never()
      }
      engine = make({
        isAlive,
        gate: () => {
          if (isAlive()) sql.flush()
        },
        ports: {
          sql: {
            exec: (query, ...params) => {
              sure()
              return sql.exec(query, ...params)
            },
            transaction: (body) => {
              sure()
              return sql.transaction(body)
            }
          },
          alarm: Alarm.make(time.now, (at) => {
            if (!isAlive()) return
            sql.exec("INSERT OR REPLACE INTO alarm VALUES (1, ?)", at)
            schedule(at)
          }),
          timer: {
            now: time.now,
            sleep: timerSleep
          },
          background: () => {},
          log: ({ level, message, fields }) => {
            if (level === "error" && isAlive() && isFair) throw new Error(`${name}: ${message}`, { cause: fields })
          }
        }
      })
      return engine
    }

    const ask = async <A>(method: (engine: E) => A | Promise<A>): Promise<A> => {
      const living = start()
      const { promise: death, reject } = Promise.withResolvers<never>()
      pending.add(reject)
      try {
        const answer = await Promise.race([Promise.resolve().then(() => method(living)), death])
        sql.flush()
        return answer
      } finally {
        pending.delete(reject)
        time.note()
      }
    }

    const fire = async (): Promise<void> => {
      const fault = pick(weather.alarms, counts.alarms++)
      if (fault === "late") await time.sleep(20_000)
      sql.exec("DELETE FROM alarm")
      sql.flush()
      if (fault === "lost") return
      for (let i = 0; i < (fault === "twice" ? 2 : 1); i++) {
        // A handler that dies with its process is called again by the platform.
        ask((one) => one.alarm()).catch(() => schedule(time.now() + 2000))
      }
    }
    const schedule = (at: number): void => {
      cancelTimer()
      cancelTimer = time.after(at - time.now(), () => void fire())
    }

    return {
      name,
      ask,
      kill: () => {
        instance++
        engine = undefined
        sql.crash()
        const waiting = pending
        pending = new Set()
        for (const reject of waiting) reject(new ConnectionLost(`${name} has ended`))
        const at = sql.exec("SELECT at FROM alarm")[0]?.["at"]
        cancelTimer()
        if (at !== undefined) schedule(Number(at))
        time.note()
      }
    }
  }

  /** A call from one object (or from the edge) to another. */
  const call = async <E, A>(
    from: Pick<Life, "isAlive" | "gate">,
    to: WorldObject<E>,
    method: (engine: E) => A | Promise<A>
  ): Promise<A> => {
    from.gate()
    const fault = pick(weather.calls, counts.calls++)
    if (fault === "hangs") return await never()
    await time.sleep(fault === "slow" ? 700 : 1)
    if (fault === "request lost") throw new ConnectionLost("the request was lost")
    const answer = await to.ask(method)
    if (fault === "twice") await to.ask(method)
    if (fault === "late reply") await time.sleep(3000)
    if (fault === "reply lost") throw new ConnectionLost("the reply was lost")
    return from.isAlive() ? structuredClone(answer) : await never()
  }

  return {
    time,
    object,
    call,
    counts,
    /** From now on nothing goes wrong. */
    calm: () => {
      isFair = true
    }
  }
}
export type World = ReturnType<typeof makeWorld>
