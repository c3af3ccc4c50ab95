/**
 * Group commit: requests that come close together are written in one transaction, so that they share its price. A
 * request that comes alone is written at once.
 */
import type { Timer } from "../../EnginePorts.ts"

/** A group is written when it has this many requests or bytes, otherwise at the next turn of the event loop. */
const GROUP_REQUESTS = 256
const GROUP_BYTES = 1024 * 1024

interface Waiting<A, B> {
  readonly request: A
  readonly resolve: (reply: B) => void
  readonly reject: (error: unknown) => void
}

export interface GroupCommit<A, B> {
  /** Answers after the request is written. When a group fails, all of its requests fail with the same error. */
  readonly add: (request: A) => B | Promise<B>
  /** The same for several that came together: answered by position, and in one group unless others came before. */
  readonly addAll: (requests: ReadonlyArray<A>) => ReadonlyArray<B> | Promise<ReadonlyArray<B>>
}

/**
 * `write` gets the requests of one transaction and answers them by position; all are written, or it throws and none is.
 */
export const make = <A, B>(options: {
  readonly timer: Timer
  readonly write: (requests: ReadonlyArray<A>) => ReadonlyArray<B>
  readonly bytesOf: (request: A) => number
}): GroupCommit<A, B> => {
  const { timer, write, bytesOf } = options
  let waiting: Array<Waiting<A, B>> = []
  let waitingBytes = 0
  /** Something was written in this turn or in the one before. */
  let isBusy = false

  const flush = (): void => {
    const group = waiting
    waiting = []
    waitingBytes = 0
    try {
      const replies = write(group.map(({ request }) => request))
      for (const [i, { resolve }] of group.entries()) resolve(replies[i]!)
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }

  /** Writes what comes at each turn, until a turn goes by in which nothing came. */
  const gather = async (): Promise<void> => {
    isBusy = true
    do {
      await timer.sleep(0)
      if (waiting.length === 0) isBusy = false
      else flush()
    } while (isBusy)
  }

  const wait = (request: A): Promise<B> => {
    const { promise, resolve, reject } = Promise.withResolvers<B>()
    waiting.push({ request, resolve, reject })
    waitingBytes += bytesOf(request)
    if (waiting.length >= GROUP_REQUESTS || waitingBytes >= GROUP_BYTES) flush()
    return promise
  }
  const writeNow = (requests: ReadonlyArray<A>): ReadonlyArray<B> => {
    void gather()
    return write(requests)
  }

  return {
    add: (request) => (isBusy ? wait(request) : writeNow([request])[0]!),
    addAll: (requests) => (isBusy ? Promise.all(requests.map(wait)) : writeNow(requests))
  }
}
