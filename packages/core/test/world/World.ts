/**
 * Objects that call each other, in virtual time, as the platform has them: storage that commits at the output gate, one
 * durable alarm, calls that can be lost, late, doubled, hang or be answered in vain, processes that end at any step,
 * and instances that go on for a while though another has taken their place.
 *
 * Of the last, Cloudflare says that uniqueness is enforced when an event starts and when storage is accessed: that
 * throws (https://developers.cloudflare.com/durable-objects/platform/known-issues/). So whatever needs no storage goes
 * on: timers, requests that are on their way, calls to others, and answers to whoever asked before.
 */
import * as Alarm from "@hookstream/core/Alarm"
import type { EnginePorts } from "@hookstream/core/EnginePorts"
import { objectSql, type Snapshot } from "../ObjectSql.ts"
import { makeTime, type Time } from "./VirtualTime.ts"

/** What happens to a call. */
export const FAULTS = [
  "none",
  "slow",
  "late request",
  "request lost",
  "reply lost",
  "twice",
  "late reply",
  "no reply",
  "hangs"
] as const
export type Fault = (typeof FAULTS)[number]

/** What happens to an alarm that is due. */
export const ALARM_FAULTS = ["none", "late", "lost", "twice"] as const
export type AlarmFault = (typeof ALARM_FAULTS)[number]

/** Milliseconds that a request takes, by what happens to it; 1 otherwise. */
const REQUEST_MS: Partial<Record<Fault, number>> = { slow: 700, "late request": 6000 }
const LATE_REPLY_MS = 3000
/** Milliseconds after which a request that was doubled comes again: others have come meanwhile. */
const AGAIN_MS = 2500
const LATE_ALARM_MS = 20_000
/** Milliseconds after which an alarm whose handler failed fires again. */
const ALARM_RETRY_MS = 2000
/** Milliseconds for which an instance goes on after it was replaced. */
const REPLACED_MS = 30_000

const never = <A>(): Promise<A> => new Promise(() => {})

/** The platform's words for a call that broke. */
class ConnectionLost extends Error {
  readonly retryable = true
}

/** What an engine is made with: its ports, and what has become of the process that it lives in. */
export interface Life {
  readonly ports: EnginePorts
  /** Its process has not ended: what it sends leaves it. */
  readonly isRunning: () => boolean
  /** When another instance took its place; `undefined` while none has. */
  readonly replacedAt: () => number | undefined
  /** Commits what was written: nothing leaves an object before. */
  readonly gate: () => void
}
/** Whoever calls: an object, or somebody outside. */
type Caller = Pick<Life, "isRunning" | "gate">
export const outside: Caller = { isRunning: () => true, gate: () => {} }

export interface WorldObject<E> {
  /** Calls a method, in this process or in a new one. */
  readonly ask: <A>(method: (engine: E) => A | Promise<A>) => Promise<A>
  /** The process ends, at this access to its storage from now on: what is not committed is gone. */
  readonly kill: (steps: number) => void
  /** Another instance begins with the next call or alarm, and this one does not know. */
  readonly replace: () => void
  /** The alarm that is set never fires. */
  readonly dropAlarm: () => void
  /** What it has stored. */
  readonly snapshot: () => Snapshot
  /** The process ends, and the next one finds what was stored then. */
  readonly restore: (snapshot: Snapshot) => void
}

interface Instance<E> {
  engine: E | undefined
  state: "current" | "replaced" | "ended"
  replacedAt: number | undefined
  /** Ends the calls that it has not answered. */
  readonly calls: Set<(error: unknown) => void>
}

export interface Weather {
  readonly calls: ReadonlyArray<Fault>
  readonly alarms: ReadonlyArray<AlarmFault>
}

export const makeWorld = (weather: Weather) => {
  const time: Time = makeTime(Date.UTC(2026, 10, 25))
  let isFair = false
  let isCut = false
  const counts = { calls: 0, alarms: 0, faults: 0, kills: 0, replaced: 0, restored: 0 }
  /** What no object may say while nothing goes wrong. */
  const errors: Array<string> = []
  const pick = <A extends string>(faults: ReadonlyArray<A>, n: number): A | "none" => {
    const fault = isFair || faults.length === 0 ? "none" : faults[n % faults.length]!
    if (fault !== "none") counts.faults++
    return fault
  }

  /** `onEnd`: an instance has ended, or was replaced. */
  const object = <E extends { readonly alarm: () => Promise<void> }>(
    name: string,
    make: (life: Life) => E,
    onEnd: () => void = () => {}
  ): WorldObject<E> => {
    const sql = objectSql()
    sql.exec("CREATE TABLE alarm (one INTEGER PRIMARY KEY, at INTEGER NOT NULL)")
    sql.flush()
    let current: Instance<E> | undefined
    let stepsLeft: number | undefined
    let cancelTimer = () => {}

    const schedule = (): void => {
      cancelTimer()
      const at = sql.exec("SELECT at FROM alarm")[0]?.["at"]
      cancelTimer = at === undefined ? () => {} : time.after(Number(at) - time.now(), () => void fire())
    }
    const end = (one: Instance<E>): void => {
      one.state = "ended"
      for (const reject of one.calls) reject(new ConnectionLost(`${name} has ended`))
      one.calls.clear()
      onEnd()
      time.note()
    }
    const kill = (): void => {
      const ended = current
      stepsLeft = undefined
      current = undefined
      sql.crash()
      if (ended !== undefined) end(ended)
      schedule()
      counts.kills++
    }
    const portsOf = (own: Instance<E>): EnginePorts => {
      const storage = <A>(access: () => A): A => {
        if (own.state === "current" && stepsLeft !== undefined && !isFair && stepsLeft-- === 0) kill()
        if (own.state !== "current") throw new ConnectionLost("this instance has no storage any more")
        time.note()
        return access()
      }
      return {
        sql: {
          exec: (query, ...params) => storage(() => sql.exec(query, ...params)),
          transaction: (body) => storage(() => sql.transaction(body))
        },
        alarm: Alarm.make(
          time.now,
          (at) =>
            storage(() => {
              sql.exec("INSERT OR REPLACE INTO alarm VALUES (1, ?)", at)
              schedule()
            }),
          async () => storage(() => (sql.exec("SELECT at FROM alarm")[0]?.["at"] ?? null) as number | null)
        ),
        timer: {
          now: time.now,
          sleep: async (ms) => {
            await time.sleep(ms)
            if (own.state === "ended") await never()
          }
        },
        background: (work) => {
          work.catch((error) => {
            if (own.state === "current") errors.push(`${name}: work in the background failed: ${error}`)
          })
        },
        log: ({ level, message, fields }) => {
          if (level !== "error" || own.state !== "current" || !isFair) return
          errors.push(`${name}: ${message}: ${JSON.stringify(fields)}`)
        }
      }
    }
    const begin = (): Instance<E> => {
      if (current !== undefined) return current
      const own: Instance<E> = {
        engine: undefined,
        state: "current",
        replacedAt: undefined,
        calls: new Set()
      }
      current = own
      own.engine = make({
        ports: portsOf(own),
        isRunning: () => own.state !== "ended",
        replacedAt: () => own.replacedAt,
        gate: () => {
          if (own.state === "current") sql.flush()
        }
      })
      return own
    }

    const ask = async <A>(method: (engine: E) => A | Promise<A>): Promise<A> => {
      const own = begin()
      const { promise: death, reject } = Promise.withResolvers<never>()
      own.calls.add(reject)
      try {
        const answer = await Promise.race([Promise.resolve().then(() => method(own.engine!)), death])
        if (own.state === "current") sql.flush()
        return answer
      } finally {
        own.calls.delete(reject)
        time.note()
      }
    }

    /** A handler that dies with its process is called again, unless another alarm was set meanwhile. */
    const ringAgain = (): void => {
      sql.exec("INSERT OR IGNORE INTO alarm VALUES (1, ?)", time.now() + ALARM_RETRY_MS)
      sql.flush()
      schedule()
    }
    const fire = async (): Promise<void> => {
      const fault = pick(weather.alarms, counts.alarms++)
      if (fault === "late") await time.sleep(LATE_ALARM_MS)
      sql.exec("DELETE FROM alarm")
      sql.flush()
      if (fault === "lost") return
      for (let i = 0; i < (fault === "twice" ? 2 : 1); i++) ask((one) => one.alarm()).catch(ringAgain)
    }

    return {
      ask,
      kill: (steps) => {
        if (steps === 0) kill()
        else stepsLeft = steps
      },
      replace: () => {
        const old = current
        if (old === undefined) return
        sql.flush()
        current = undefined
        old.state = "replaced"
        old.replacedAt = time.now()
        onEnd()
        time.after(REPLACED_MS, () => end(old))
        counts.replaced++
      },
      snapshot: sql.snapshot,
      restore: (snapshot) => {
        kill()
        sql.restore(snapshot)
        schedule()
        counts.restored++
      },
      dropAlarm: () => {
        sql.exec("DELETE FROM alarm")
        sql.flush()
        schedule()
      }
    }
  }

  /** A call from one object (or from outside) to another. */
  const call = async <E, A>(from: Caller, to: WorldObject<E>, method: (engine: E) => A | Promise<A>): Promise<A> => {
    if (!from.isRunning()) return await never()
    from.gate()
    const picked = pick(weather.calls, counts.calls++)
    const fault = isCut && from !== outside ? "request lost" : picked
    if (fault === "hangs") return await never()
    await time.sleep(REQUEST_MS[fault] ?? 1)
    if (fault === "request lost") throw new ConnectionLost("the request was lost")
    if (fault === "twice") time.after(AGAIN_MS, () => void to.ask(method).catch(() => undefined))
    const answer = await to.ask(method)
    if (fault === "no reply") return await never()
    if (fault === "late reply") await time.sleep(LATE_REPLY_MS)
    if (fault === "reply lost") throw new ConnectionLost("the reply was lost")
    return from.isRunning() ? structuredClone(answer) : await never()
  }

  return {
    time,
    object,
    call,
    counts,
    errors,
    /** From now on no object reaches another; whoever is outside does. */
    cut: () => {
      isCut = true
    },
    /** From now on nothing goes wrong. */
    calm: () => {
      isFair = true
      isCut = false
    }
  }
}
export type World = ReturnType<typeof makeWorld>
