/**
 * The judge: its own record of what was sent, accepted and received, and the promises held against it. It imports
 * nothing of what it judges.
 */

/** A webhook: which sender (source) sent it, its number there, from 1, and its key. */
export interface Sent {
  readonly source: number
  readonly n: number
  readonly key: number
}

interface Arrival extends Sent {
  readonly at: number
  /** The sink's answer reached the gateway. */
  answered: boolean
}

/** Milliseconds after which an answered request is surely on record, so that the end of its process repeats nothing. */
const SETTLED_AFTER = 20_000

const nameOf = ({ source, n }: Sent) => `${source}/${n}`

export const makeOracle = () => {
  const accepted = new Map<string, Sent & { readonly at: number }>()
  const arrivals = new Map<string, Array<Arrival>>()
  const requests = new Map<string, Array<number>>()
  const kills = new Map<string, Array<number>>()
  const refused = new Map<string, Set<string>>()
  const arrivalsOf = (target: string): Array<Arrival> => {
    const known = arrivals.get(target)
    if (known !== undefined) return known
    const made: Array<Arrival> = []
    arrivals.set(target, made)
    return made
  }

  return {
    /** `at`: when its sender began. A connection that stood then delivers it. */
    accepted: (sent: Sent, at: number) => accepted.set(nameOf(sent), { ...sent, at }),
    acceptedCount: () => accepted.size,
    request: (destination: string, at: number) => requests.set(destination, [...(requests.get(destination) ?? []), at]),
    /** `target`: a destination, or one of its replays. Answers what to call when the sink's answer has arrived. */
    arrived: (target: string, all: ReadonlyArray<Sent>, at: number): (() => void) => {
      const made = all.map((sent): Arrival => ({ ...sent, at, answered: false }))
      arrivalsOf(target).push(...made)
      return () => {
        for (const one of made) one.answered = true
      }
    },
    refused: (target: string, sent: Sent) => {
      refused.set(target, (refused.get(target) ?? new Set()).add(nameOf(sent)))
    },
    killed: (destination: string, at: number) => kills.set(destination, [...(kills.get(destination) ?? []), at]),
    wasRefused: (target: string, sent: Sent) => refused.get(target)?.has(nameOf(sent)) === true,

    /** What was accepted in this span and never arrived. */
    missing: (target: string, source: number, from: number, to: number): ReadonlyArray<Sent> => {
      const arrived = new Set(arrivalsOf(target).map(nameOf))
      return [...accepted.values()].filter(
        (sent) => sent.source === source && sent.at >= from && sent.at <= to && !arrived.has(nameOf(sent))
      )
    },
    /** Arrivals of something that nobody has sent to it. */
    strangers: (target: string, sources: ReadonlyArray<number>): ReadonlyArray<string> =>
      arrivalsOf(target)
        .filter(({ source }) => !sources.includes(source))
        .map(nameOf),
    /** What arrived more often than unanswered requests and ends of processes explain. */
    unexplained: (target: string, destination: string): ReadonlyArray<string> =>
      [...Map.groupBy(arrivalsOf(target), nameOf)].flatMap(([name, all]) => {
        const doubtful = all.filter(
          ({ at, answered }) =>
            !answered || (kills.get(destination) ?? []).some((kill) => kill >= at && kill <= at + SETTLED_AFTER)
        )
        return all.length > 1 + doubtful.length ? [`${name}: ${all.length} times`] : []
      }),
    /** Where an event of a key first arrived before an earlier one. */
    outOfOrder: (target: string, without: ReadonlySet<string>): ReadonlyArray<string> => {
      const firsts = new Map<string, Arrival>()
      for (const one of arrivalsOf(target)) if (!firsts.has(nameOf(one))) firsts.set(nameOf(one), one)
      const last = new Map<string, number>()
      return [...firsts.values()].flatMap((one) => {
        if (without.has(nameOf(one))) return []
        const lane = `${one.source}/${one.key}`
        const before = last.get(lane) ?? 0
        last.set(lane, Math.max(before, one.n))
        return one.n < before ? [`${nameOf(one)} after ${before}`] : []
      })
    },
    /** Most requests in any span of this many milliseconds. */
    busiest: (destination: string, span: number): number => {
      const all = requests.get(destination) ?? []
      return all.reduce((most, at, i) => {
        const until = all.findLastIndex((other) => other < at + span)
        return Math.max(most, until - i + 1)
      }, 0)
    },
    nameOf
  }
}
export type Oracle = ReturnType<typeof makeOracle>
