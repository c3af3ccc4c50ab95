/**
 * The facts of a destination's journal, the state that they make, and the fold from one to the other. Pure. The durable form of
 * the state is in `DeliveryJournal.ts`, written in the same transaction as its facts.
 */
import * as CircuitBreaker from "./CircuitBreaker.ts"
import type { ConnectionId, Route, SourceId } from "./Ids.ts"
import type { Reason, Receipt } from "./Sink.ts"

/** A try that failed. `attempt` counts from 1; times are milliseconds. */
interface Failure {
  readonly seq: number
  readonly attempt: number
  readonly latency: number
  readonly reason: Reason
  readonly detail: string
}

/** What became of one event in a window. */
export type Settlement =
  | {
      readonly _tag: "Delivered"
      readonly seq: number
      readonly attempt: number
      readonly latency: number
      readonly receipt: Receipt
    }
  /** Rule number `rule` of the connection, from 0, does not hold. */
  | { readonly _tag: "Filtered"; readonly seq: number; readonly rule: number }
  | (Failure & {
      readonly _tag: "Retry"
      readonly key: string | null
      /** Tries spent so far: a try that spends none is repeated under the same number. */
      readonly spent: number
      /** `null`: behind an earlier event of its key. */
      readonly due: number | null
      /** How often the process ended while this event was being sent. */
      readonly restarts: number
      /** When it first failed. */
      readonly since: number
    })
  /** Not tried: behind an earlier event of its key (`due: null`), or because sending had to stop. */
  | {
      readonly _tag: "Waiting"
      readonly seq: number
      readonly key: string | null
      readonly spent: number
      readonly due: number | null
      readonly restarts: number
    }
  | (Failure & { readonly _tag: "Dead"; readonly key: string | null })

/** Why a destination does not send. `user` lasts until it is resumed; the others are probed. */
export type PauseReason = "user" | "Unauthorized" | "Misconfigured"

/** The events whose sends run together: `lo..hi` of a log, or (`seqs`) pending events among them. */
export interface Window {
  readonly connection: ConnectionId
  readonly lo: number
  readonly hi: number
  readonly seqs: ReadonlyArray<number> | null
}

export type Fact =
  | {
      readonly _tag: "ConnectionStarted"
      readonly connection: ConnectionId
      readonly sourceId: SourceId
      readonly route: Route
      /** Events after this sequence are delivered. */
      readonly after: number
    }
  | {
      readonly _tag: "ConnectionChanged"
      readonly connection: ConnectionId
      readonly enabled: boolean
      readonly deleted: boolean
    }
  /** Sends are about to start. `rateFullAt`: the destination's token bucket after them (see `RateLimit.ts`). */
  | (Window & { readonly _tag: "WindowPlanned"; readonly configVersion: number; readonly rateFullAt: number })
  | (Window & { readonly _tag: "WindowSettled"; readonly at: number; readonly settled: ReadonlyArray<Settlement> })
  | {
      readonly _tag: "Paused"
      readonly reason: PauseReason
      readonly detail: string
      readonly probeAt: number | null
    }
  | { readonly _tag: "Resumed" }
  /** Opened, or open for another period (`probes` counts the failed probes). */
  | { readonly _tag: "BreakerOpened"; readonly at: number; readonly until: number; readonly probes: number }
  | { readonly _tag: "BreakerHalfOpened" }
  /** What waits for its retry is due now, all at the same time, so that it drains in the order of the log. */
  | { readonly _tag: "BreakerClosed"; readonly at: number }
  | { readonly _tag: "ThrottledUntil"; readonly until: number; readonly streak: number }
  | { readonly _tag: "ConfigChanged"; readonly version: number }
  /** A person asked: dead letters get all their tries again, what waits for its retry is due now. */
  | {
      readonly _tag: "Redriven"
      readonly connection: ConnectionId
      readonly seqs: ReadonlyArray<number>
      readonly at: number
    }

export interface ConnectionState {
  readonly id: ConnectionId
  readonly sourceId: SourceId
  readonly route: Route
  /** Events up to here came before the connection: they are not its own. */
  readonly after: number
  /** Every event after `after` and up to here is delivered, filtered, pending or dead. */
  readonly cursor: number
  /** The log's last known sequence: a hint from the log, not a fact. */
  readonly head: number
  readonly enabled: boolean
  readonly deleted: boolean
}

export interface Pending {
  readonly connection: ConnectionId
  readonly seq: number
  /** The ordering key, `null` where no order is kept. */
  readonly key: string | null
  /** Tries spent. */
  readonly spent: number
  /** `null`: behind an earlier pending event of its key. */
  readonly due: number | null
  readonly restarts: number
  /** When it first failed; `null` when it was not tried. */
  readonly since: number | null
  /** Of the last try; `null` when there was none. */
  readonly reason: Reason | null
  readonly detail: string
}

export interface DeadLetter {
  readonly connection: ConnectionId
  readonly seq: number
  readonly key: string | null
  /** Tries made. */
  readonly attempt: number
  readonly reason: Reason
  readonly detail: string
}

/** The state of a destination that is not per event. */
export interface Control {
  readonly configVersion: number
  readonly pause: { readonly reason: PauseReason; readonly detail: string; readonly probeAt: number | null } | null
  readonly breaker: CircuitBreaker.Breaker
  /** When the sink last answered for an event, whatever it said; 0 before. */
  readonly lastAnswerAt: number
  /** Nothing is sent before this time; 0 when not throttled. */
  readonly throttledUntil: number
  /** Throttlings in a row for which the sink asked no time. */
  readonly throttleStreak: number
  /** The token bucket of the rate limit. */
  readonly rateFullAt: number
  /** The window whose sends have started and whose outcomes are not yet known. */
  readonly window: Window | null
}

export const initialControl: Control = {
  ...{ configVersion: 0, pause: null, breaker: CircuitBreaker.closed, lastAnswerAt: 0, throttledUntil: 0 },
  ...{ throttleStreak: 0, rateFullAt: 0, window: null }
}

/** The whole state of a destination. */
export interface State {
  readonly control: Control
  readonly connections: ReadonlyMap<ConnectionId, ConnectionState>
  /** By {@link eventKey}. */
  readonly pending: ReadonlyMap<string, Pending>
  readonly dead: ReadonlyMap<string, DeadLetter>
}

export const initialState: State = {
  control: initialControl,
  connections: new Map(),
  pending: new Map(),
  dead: new Map()
}

export const eventKey = (connection: ConnectionId, seq: number): string => `${connection}/${seq}`

/** Failures that say something of the sink and nothing of the event. */
const OUTAGE: ReadonlyArray<Reason> = ["Unavailable", "TimedOut", "Unknown"]
export const isOutage = (reason: Reason): boolean => OUTAGE.includes(reason)

/** What the breaker sees of a settlement: nothing of an event that was not sent, or whose end nobody saw. */
export const observations = (
  connection: ConnectionId,
  settled: ReadonlyArray<Settlement>
): ReadonlyArray<CircuitBreaker.Observation> =>
  settled.flatMap((one) => {
    const event = eventKey(connection, one.seq)
    if (one._tag === "Delivered") return [{ event, ok: true }]
    if (one._tag === "Retry") return one.restarts === 0 ? [{ event, ok: !isOutage(one.reason) }] : []
    return one._tag === "Dead" ? [{ event, ok: !isOutage(one.reason) }] : []
  })

/** The fold of a control's facts; facts about single events leave it as it is. */
export const evolveControl = (control: Control, fact: Fact): Control => {
  switch (fact._tag) {
    case "WindowPlanned": {
      const { connection, lo, hi, seqs, rateFullAt } = fact
      return { ...control, window: { connection, lo, hi, seqs }, rateFullAt }
    }
    case "WindowSettled": {
      const delivered = fact.settled.some(({ _tag }) => _tag === "Delivered")
      const seen = observations(fact.connection, fact.settled)
      return {
        ...control,
        window: null,
        breaker: CircuitBreaker.observe(control.breaker, seen),
        lastAnswerAt: seen.some(({ ok }) => ok) ? fact.at : control.lastAnswerAt,
        throttleStreak: delivered ? 0 : control.throttleStreak
      }
    }
    case "Paused":
      return { ...control, pause: { reason: fact.reason, detail: fact.detail, probeAt: fact.probeAt } }
    case "Resumed":
      return { ...control, pause: null }
    case "BreakerOpened": {
      const since = control.breaker.state === "closed" ? fact.at : control.breaker.since
      return { ...control, breaker: { state: "open", since, until: fact.until, probes: fact.probes } }
    }
    case "BreakerHalfOpened":
      return control.breaker.state === "closed"
        ? control
        : { ...control, breaker: { ...control.breaker, state: "half_open" } }
    case "BreakerClosed":
      return { ...control, breaker: CircuitBreaker.closed }
    case "ThrottledUntil":
      return { ...control, throttledUntil: fact.until, throttleStreak: fact.streak }
    case "ConfigChanged": {
      // A new configuration may be the mend: what was paused for the old one is probed at once.
      const { pause } = control
      const probing = pause === null || pause.reason === "user" ? pause : { ...pause, probeAt: 0 }
      return { ...control, configVersion: fact.version, pause: probing }
    }
    default:
      return control
  }
}

const withConnection = (state: State, id: ConnectionId, change: Partial<ConnectionState>): State => {
  const connection = state.connections.get(id)
  if (connection === undefined) return state
  return { ...state, connections: new Map(state.connections).set(id, { ...connection, ...change }) }
}

/** Of each key that has no pending event with a time, the first that waits behind it is due. */
const release = (pending: Map<string, Pending>, connection: ConnectionId, at: number): void => {
  const byKey = Map.groupBy(
    [...pending.values()].filter((one) => one.connection === connection && one.key !== null),
    ({ key }) => key
  )
  for (const waiting of byKey.values()) {
    if (waiting.some(({ due }) => due !== null)) continue
    const first = waiting.reduce((a, b) => (b.seq < a.seq ? b : a))
    pending.set(eventKey(connection, first.seq), { ...first, due: at })
  }
}

const settleEvents = (state: State, fact: Extract<Fact, { readonly _tag: "WindowSettled" }>): State => {
  const { connection } = fact
  const pending = new Map(state.pending)
  const dead = new Map(state.dead)
  for (const one of fact.settled) {
    const key = eventKey(connection, one.seq)
    if (one._tag === "Retry" || one._tag === "Waiting") {
      const { seq, spent, due, restarts } = one
      const before = pending.get(key)
      const last =
        one._tag === "Retry"
          ? { reason: one.reason, detail: one.detail, since: one.since }
          : { reason: before?.reason ?? null, detail: before?.detail ?? "", since: before?.since ?? null }
      pending.set(key, { connection, seq, key: one.key, spent, due, restarts, ...last })
    } else {
      if (fact.seqs !== null) pending.delete(key)
      if (one._tag === "Dead") {
        const { seq, attempt, reason, detail } = one
        dead.set(key, { connection, seq, key: one.key, attempt, reason, detail })
      }
    }
  }
  release(pending, connection, fact.at)
  const settled = { ...state, pending, dead }
  return fact.seqs === null ? withConnection(settled, connection, { cursor: fact.hi }) : settled
}

/** The fold of the journal. `DeliveryJournal`'s SQL does the same in tables; a test compares the two. */
export const evolve = (before: State, fact: Fact): State => {
  const state = { ...before, control: evolveControl(before.control, fact) }
  switch (fact._tag) {
    case "ConnectionStarted": {
      const { connection: id, sourceId, route, after } = fact
      const started = { id, sourceId, route, after, cursor: after, head: after, enabled: true, deleted: false }
      return { ...state, connections: new Map(state.connections).set(id, started) }
    }
    case "ConnectionChanged":
      return withConnection(state, fact.connection, { enabled: fact.enabled, deleted: fact.deleted })
    case "WindowSettled":
      return settleEvents(state, fact)
    case "BreakerOpened": {
      // What failed so far was the outage's fault: its tries are given back.
      const refund = (one: Pending) => (one.reason !== null && isOutage(one.reason) ? { ...one, spent: 0 } : one)
      return before.control.breaker.state === "closed"
        ? { ...state, pending: new Map([...state.pending].map(([key, one]) => [key, refund(one)])) }
        : state
    }
    case "BreakerClosed": {
      const soon = (one: Pending) => (one.due === null ? one : { ...one, due: fact.at })
      return { ...state, pending: new Map([...state.pending].map(([key, one]) => [key, soon(one)])) }
    }
    case "Redriven": {
      const pending = new Map(state.pending)
      const dead = new Map(state.dead)
      for (const seq of fact.seqs) {
        const key = eventKey(fact.connection, seq)
        const letter = dead.get(key)
        const waiting = pending.get(key)
        if (letter !== undefined) {
          dead.delete(key)
          const again = {
            spent: 0,
            due: fact.at,
            restarts: 0,
            since: null,
            reason: letter.reason,
            detail: letter.detail
          }
          pending.set(key, { connection: fact.connection, seq, key: letter.key, ...again })
        } else if (waiting?.due != null && waiting.due > fact.at) pending.set(key, { ...waiting, due: fact.at })
      }
      return { ...state, pending, dead }
    }
    default:
      return state
  }
}
