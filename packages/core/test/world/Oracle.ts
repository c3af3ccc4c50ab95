/**
 * The judge: its own record of what was sent, accepted and received, and of what the user was told, and the promises
 * held against it. It imports nothing of what it judges.
 */

/** A webhook: which source it was sent to, its number there, from 1, and its key. */
export interface Sent {
  readonly source: number
  readonly n: number
  readonly key: number
}

/** What is delivered over one connection, as its events come or in one replay. */
export interface Lane {
  readonly connection: string
  readonly replay: string | null
  readonly destination: string
  readonly source: number
  /** When its user first asked for it: a replay is of what came before, a connection of what comes afterwards. */
  readonly asked: number
}

/** A request to a sink, as it left. */
export interface Request {
  readonly destination: string
  readonly lanes: ReadonlyArray<string>
  readonly at: number
  /** Of the sink's config. */
  readonly generation: number
  /** When another instance took the place of the one that sent it. */
  readonly replacedAt: number | undefined
}

interface Arrival extends Sent {
  readonly at: number
  /** The sink's answer reached an instance that could write it down. */
  answered: boolean
}
interface Accepted extends Sent {
  readonly began: number
  readonly answered: number
}
interface Span {
  readonly from: number
  until: number
}

/** Milliseconds after which an answered request is surely on record, so that the end of its process repeats nothing. */
const SETTLED_AFTER = 20_000
/**
 * Milliseconds for which an instance that was replaced may begin requests: what it has planned it sends, until it
 * writes down an outcome, which fails.
 */
const REPLACED_SENDS = 2500

export const laneOf = (connection: string, replay: string | null) =>
  replay === null ? connection : `${connection} ${replay}`
/** What can be stopped: the deliveries of a source, and what it takes. */
export const sourceScope = (source: number) => `source ${source}`
export const intakeScope = (source: number) => `intake ${source}`
const nameOf = ({ source, n }: Sent) => `${source}/${n}`

const listed = <K, V>(map: Map<K, Array<V>>, key: K): Array<V> => {
  const known = map.get(key) ?? []
  map.set(key, known)
  return known
}

export const makeOracle = () => {
  const accepted = new Map<string, Accepted>()
  const lanes = new Map<string, Lane>()
  const arrivals = new Map<string, Array<Arrival>>()
  const refused = new Map<string, Set<string>>()
  const requests: Array<Request> = []
  const ends = new Map<string, Array<number>>()
  /** From when on a lane delivers all that comes. */
  const promised = new Map<string, number>()
  /** When nothing may begin, by connection, destination, source or replay. */
  const stops = new Map<string, Array<Span>>()
  /** What its user wants no more. */
  const unwanted = new Set<string>()
  /** The generations of a sink's config that hold, and from when on. */
  const generations = new Map<string, Array<{ readonly at: number; readonly generation: number }>>()

  const scopesOf = ({ connection, destination, source, replay }: Lane) =>
    [connection, destination, sourceScope(source), replay].filter((scope) => scope !== null)
  /** `end`: of what takes time, and may have happened at any moment of it. */
  const isStopped = (scope: string, at: number, end = at) =>
    listed(stops, scope).some(({ from, until }) => from < at && end < until)
  const isWanted = (lane: Lane) => !scopesOf(lane).some((scope) => unwanted.has(scope))
  const firstsOf = (lane: string): ReadonlyArray<Arrival> => {
    const firsts = new Map<string, Arrival>()
    for (const one of listed(arrivals, lane)) if (!firsts.has(nameOf(one))) firsts.set(nameOf(one), one)
    return [...firsts.values()]
  }
  /** Whether it must arrive on the lane, as far as its user was told. */
  const isOwed = (id: string, lane: Lane, { source, began, answered }: Accepted): boolean => {
    const from = promised.get(id)
    if (from === undefined || source !== lane.source) return false
    return lane.replay === null ? began >= from : answered < lane.asked
  }
  /** Whether it has no business there: what came before a connection, or after the range of a replay. */
  const isForeign = (lane: Lane, { source, began, answered }: Accepted): boolean =>
    source !== lane.source || (lane.replay === null ? answered < lane.asked : began > lane.asked)

  const foreign = (restored: ReadonlySet<number>) =>
    [...arrivals.keys()].flatMap((id) => {
      const lane = lanes.get(id)
      if (lane !== undefined && restored.has(lane.source)) return []
      return firstsOf(id).flatMap((one) => {
        const event = accepted.get(nameOf(one))
        const isOwn = lane !== undefined && (event === undefined ? one.source === lane.source : !isForeign(lane, event))
        return isOwn ? [] : [`${nameOf(one)} has no business on ${id}`]
      })
    })
  const afterStop = () =>
    requests.flatMap(({ lanes: ids, at, replacedAt }) =>
      ids.flatMap((id) => {
        const lane = lanes.get(id)
        const stopped = lane === undefined ? [] : scopesOf(lane).filter((scope) => isStopped(scope, at))
        return replacedAt === undefined
          ? stopped.map((scope) => `${id} goes on at ${at} though ${scope} has stopped`)
          : []
      })
    )
  const byOldConfig = () =>
    requests.flatMap(({ destination, generation, at, replacedAt }) => {
      const newest = listed(generations, destination).findLast((one) => one.at < at)
      const isOld = replacedAt === undefined && newest !== undefined && generation < newest.generation
      return isOld ? [`${destination} sends by config ${generation} at ${at}, and not ${newest.generation}`] : []
    })
  const unfenced = () =>
    requests.flatMap(({ destination, at, replacedAt }) =>
      replacedAt !== undefined && at > replacedAt + REPLACED_SENDS
        ? [`${destination} sends at ${at}, and was replaced at ${replacedAt}`]
        : []
    )
  /** What arrived more often than unanswered requests and ends of processes explain. */
  const repeated = (restored: ReadonlySet<number>) =>
    [...arrivals].flatMap(([id, all]) => {
      if (restored.has(lanes.get(id)?.source ?? 0)) return []
      const kills = listed(ends, lanes.get(id)?.destination ?? "")
      return [...Map.groupBy(all, nameOf)].flatMap(([name, some]) => {
        const doubtful = some.filter(
          ({ at, answered }) => !answered || kills.some((end) => end >= at && end <= at + SETTLED_AFTER)
        )
        return some.length > 1 + doubtful.length ? [`${name} arrived ${some.length} times on ${id}`] : []
      })
    })
  /** What was sent before the source went on may arrive afterwards. */
  const takenWhileClosed = (restored: ReadonlySet<number>) =>
    [...accepted.values()].flatMap((one) =>
      !restored.has(one.source) && isStopped(intakeScope(one.source), one.began, one.answered)
        ? [`${nameOf(one)} was accepted, and its source takes nothing`]
        : []
    )

  return {
    // -----------------------------------------------------------------------------------------------------------------
    // What happened

    accepted: (sent: Sent, began: number, answered: number) =>
      accepted.set(nameOf(sent), {
        ...sent,
        began,
        answered
      }),
    acceptedCount: () => accepted.size,
    isAccepted: (sent: Sent) => accepted.has(nameOf(sent)),
    request: (request: Request) => requests.push(request),
    /** Answers what to call when the sink's answer has arrived. */
    arrived: (lane: string, all: ReadonlyArray<Sent>, at: number): (() => void) => {
      const made = all.map((sent): Arrival => ({ ...sent, at, answered: false }))
      listed(arrivals, lane).push(...made)
      return () => {
        for (const one of made) one.answered = true
      }
    },
    refused: (lane: string, sent: Sent) => refused.set(lane, (refused.get(lane) ?? new Set()).add(nameOf(sent))),
    /** An instance of the destination ended, or was replaced. */
    ended: (destination: string, at: number) => listed(ends, destination).push(at),

    // -----------------------------------------------------------------------------------------------------------------
    // What its user asked for, and was told

    asked: (lane: Lane) => lanes.set(laneOf(lane.connection, lane.replay), lane),
    promised: (lane: string, at: number) => promised.set(lane, Math.min(promised.get(lane) ?? at, at)),
    stopped: (scope: string, at: number) => listed(stops, scope).push({ from: at, until: Number.POSITIVE_INFINITY }),
    /** Its user asks that it goes on. */
    resumed: (scope: string, at: number) => {
      for (const span of listed(stops, scope)) span.until = Math.min(span.until, at)
    },
    unwanted: (scope: string) => unwanted.add(scope),
    renewed: (destination: string, generation: number, at: number) =>
      listed(generations, destination).push({ generation, at }),

    // -----------------------------------------------------------------------------------------------------------------
    // The promises

    /** `restored`: sources whose log went back, so that it has forgotten a change, and its events come again. */
    broken: (restored: ReadonlySet<number>): ReadonlyArray<string> =>
      [foreign, afterStop, byOldConfig, unfenced, repeated, takenWhileClosed].flatMap((promise) => promise(restored)),
    /** What is owed and never arrived, by lane; without those that have stopped before `now`. */
    missing: (now: number): ReadonlyArray<Lane & { readonly id: string; readonly events: ReadonlyArray<Sent> }> =>
      [...lanes].flatMap(([id, lane]) => {
        if (!isWanted(lane) || scopesOf(lane).some((scope) => isStopped(scope, now))) return []
        const arrived = new Set(listed(arrivals, id).map(nameOf))
        const events = [...accepted.values()].filter((one) => isOwed(id, lane, one) && !arrived.has(nameOf(one)))
        return events.length === 0 ? [] : [{ ...lane, id, events }]
      }),
    /** Numbers of the events that arrived at a destination, in order; each is told once. */
    arrivedAt: (destination: string): ReadonlyArray<number> =>
      [...lanes].flatMap(([id, lane]) =>
        lane.destination === destination && lane.replay === null
          ? listed(arrivals, id)
              .splice(0)
              .map(({ n }) => n)
          : []
      ),
    wasRefused: (lane: string, sent: Sent) => refused.get(lane)?.has(nameOf(sent)) === true,
    /** Lanes that are wanted. */
    wanted: (): ReadonlyArray<Lane> => [...lanes.values()].filter(isWanted),
    /** Where an accepted event of a key first arrived before an earlier one, by lane. */
    outOfOrder: (
      destination: string
    ): ReadonlyArray<{ readonly lane: string; readonly event: Sent; readonly after: Sent }> =>
      [...lanes]
        .filter(([, lane]) => lane.destination === destination)
        .flatMap(([id]) => {
          const last = new Map<number, Sent>()
          const firsts = firstsOf(id).filter((one) => accepted.has(nameOf(one)))
          return firsts.flatMap((one) => {
            const before = last.get(one.key)
            if (before === undefined || before.n < one.n) last.set(one.key, one)
            return before !== undefined && one.n < before.n ? [{ lane: id, event: one, after: before }] : []
          })
        }),
    /** Most requests of a destination in any span of this many milliseconds. */
    busiest: (destination: string, span: number): number => {
      const all = requests.filter((one) => one.destination === destination).map(({ at }) => at)
      return all.reduce((most, at, i) => Math.max(most, all.findLastIndex((other) => other < at + span) - i + 1), 0)
    },
    nameOf
  }
}
export type Oracle = ReturnType<typeof makeOracle>
