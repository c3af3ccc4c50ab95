/**
 * Appends to one log share calls. While one of this isolate is on its way to a log, those that come meanwhile wait and
 * go with the next call.
 *
 * A call is made by one request for others: by the one that found none on its way. It goes on for who waits when its
 * own event has its answer, and `keep` must hold it alive even when its client is gone. Nothing that belongs to a
 * request crosses to another: only bytes, texts and promises do.
 */
import type { EnginePorts } from "../EnginePorts.ts"
import type { Route } from "../Ids.ts"
import { within } from "../internal/deadline.ts"
import { line, shown } from "../LogLine.ts"
import type { AppendReply, FirstAppend } from "./LogContract.ts"

/** A call takes as many events and bytes of bodies at most; a larger body goes alone. */
const CALL_EVENTS = 256
const CALL_BYTES = 1024 * 1024
/** Calls that one request makes for others: the platform lets each make so many and no more. */
const CALLS = 32
/**
 * Milliseconds after which who waits goes on alone: whoever makes the calls is gone, or its call hangs. Its timer is
 * also what tells the platform that a request which waits for another has not hung.
 */
const PATIENCE = 5000

/** The log may have the append or not: the call in which it went has failed, or has not come back. */
export class SharedCallLost {
  /** `undefined` where nothing was heard of it. */
  readonly reason: unknown
  constructor(reason: unknown) {
    this.reason = reason
  }
}

interface Waiting {
  readonly append: FirstAppend
  readonly resolve: (reply: AppendReply) => void
  readonly reject: (lost: SharedCallLost) => void
}

export interface SharedAppends {
  /**
   * Appends by `alone` when no call is on its way, else by one that is shared, which rejects with
   * {@link SharedCallLost}.
   */
  readonly add: (
    route: Route,
    append: FirstAppend,
    alone: () => Promise<AppendReply>,
    keep: (work: Promise<void>) => void
  ) => Promise<AppendReply>
}

/** `send` makes a call in the name of the request that asks it, and answers by position. */
export const make = (
  { timer, log }: Pick<EnginePorts, "timer" | "log">,
  send: (route: Route, appends: ReadonlyArray<FirstAppend>) => Promise<ReadonlyArray<AppendReply>>
): SharedAppends => {
  /** What waits for the next call to a log; nothing stands here where none is on its way. */
  const queues = new Map<Route, Array<Waiting>>()
  const release = (route: Route, queue: Array<Waiting>): void => {
    if (queues.get(route) === queue) queues.delete(route)
  }

  const takeCall = (queue: Array<Waiting>): Array<Waiting> => {
    let [count, bytes] = [0, 0]
    while (count < queue.length && count < CALL_EVENTS) {
      bytes += queue[count]!.append.event.body.length
      if (bytes > CALL_BYTES) break
      count++
    }
    return queue.splice(0, count)
  }
  const share = async (route: Route, all: ReadonlyArray<Waiting>): Promise<void> => {
    try {
      const appends = all.map(({ append }) => append)
      const replies = await send(route, appends)
      for (const [i, { resolve }] of all.entries()) resolve(replies[i]!)
    } catch (error) {
      const fields = { source: shown(all[0]!.append.sourceId), events: all.length }
      log(line("warn", "the log did not answer a shared append; each event goes by itself", fields, error))
      const lost = new SharedCallLost(error)
      for (const { reject } of all) reject(lost)
    }
  }
  const lead = async (route: Route, queue: Array<Waiting>, first: Promise<AppendReply>): Promise<void> => {
    // Whoever asked hears of it.
    await first.catch(() => {})
    for (let calls = 0; queue.length > 0; calls++) {
      if (calls === CALLS) release(route, queue)
      await share(route, takeCall(queue))
    }
    release(route, queue)
  }

  const wait = async (route: Route, queue: Array<Waiting>, append: FirstAppend): Promise<AppendReply> => {
    const { promise, resolve, reject } = Promise.withResolvers<AppendReply>()
    const own = { append, resolve, reject }
    queue.push(own)
    const reply = await within(timer, PATIENCE, promise)
    if (reply !== undefined) return reply
    // Others shall not come to wait for it too.
    release(route, queue)
    const place = queue.indexOf(own)
    if (place !== -1) queue.splice(place, 1)
    log(line("warn", "a shared append has not come back", { source: shown(append.sourceId) }))
    throw new SharedCallLost(undefined)
  }

  return {
    add: (route, append, alone, keep) => {
      const queue = queues.get(route)
      if (queue === undefined) {
        const own: Array<Waiting> = []
        queues.set(route, own)
        const first = alone()
        keep(lead(route, own, first))
        return first
      }
      return append.event.body.length > CALL_BYTES ? alone() : wait(route, queue, append)
    }
  }
}
