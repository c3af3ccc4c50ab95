/**
 * The decider of delivery: what a destination does next, and what follows from what a sink said. Pure: time and randomness are
 * arguments, state changes only by facts.
 *
 * `plan` chooses, `settle` turns outcomes into facts, `evolve` folds facts into state. The durable form of the state is in
 * `DeliveryJournal.ts`; it is written in the same transaction as its facts.
 */
import type { ConnectionId, Route, SourceId } from "./Ids.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import type { Outcome, Reason, Receipt } from "./Sink.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Facts

/** What became of one event in a settled window. `attempt` counts from 1; times are milliseconds. */
export type Settlement =
  | {
      readonly _tag: "Delivered"
      readonly seq: number
      readonly attempt: number
      readonly latency: number
      readonly receipt: Receipt
    }
  | {
      readonly _tag: "Retry"
      readonly seq: number
      readonly attempt: number
      readonly latency: number
      readonly reason: Reason
      readonly detail: string
      /** Tries spent so far: a try that spends none is repeated under the same number. */
      readonly spent: number
      readonly due: number
    }
  | {
      readonly _tag: "Dead"
      readonly seq: number
      readonly attempt: number
      readonly latency: number
      readonly reason: Reason
      readonly detail: string
    }

/** Why a destination does not send. `user` lasts until it is resumed; the others are probed. */
export type PauseReason = "user" | "Unauthorized" | "Misconfigured"

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
  | {
      /** Sends are about to start for `lo..hi` of the log, or for the pending events `seqs` among them. */
      readonly _tag: "WindowPlanned"
      readonly connection: ConnectionId
      readonly lo: number
      readonly hi: number
      readonly seqs: ReadonlyArray<number> | null
      readonly configVersion: number
    }
  | {
      readonly _tag: "WindowSettled"
      readonly connection: ConnectionId
      readonly lo: number
      readonly hi: number
      /** Pending events: the cursor stays. */
      readonly retry: boolean
      readonly settled: ReadonlyArray<Settlement>
    }
  | {
      /** The process ended between planning and settling: the outcome of every event of the window is unknown. */
      readonly _tag: "WindowLost"
      readonly connection: ConnectionId
      readonly lo: number
      readonly hi: number
      readonly seqs: ReadonlyArray<number> | null
    }
  | { readonly _tag: "Paused"; readonly reason: PauseReason; readonly detail: string; readonly probeAt: number | null }
  | { readonly _tag: "Resumed" }
  | { readonly _tag: "ThrottledUntil"; readonly until: number; readonly streak: number }
  | { readonly _tag: "ConfigChanged"; readonly version: number }

// ---------------------------------------------------------------------------------------------------------------------
// State

export interface ConnectionState {
  readonly id: ConnectionId
  readonly sourceId: SourceId
  readonly route: Route
  /** Events up to here came before the connection: they are not its own. */
  readonly after: number
  /** Every event after `after` and up to here is delivered, pending or dead. */
  readonly cursor: number
  /** The log's last known sequence: a hint from the log, not a fact. */
  readonly head: number
  readonly enabled: boolean
  readonly deleted: boolean
}

export interface Pending {
  readonly connection: ConnectionId
  readonly seq: number
  /** Tries spent. */
  readonly spent: number
  readonly due: number
  readonly reason: Reason
  readonly detail: string
}

/** The events whose sends run together: `lo..hi` of a log, or (`seqs`) pending events among them. */
export interface Window {
  readonly connection: ConnectionId
  readonly lo: number
  readonly hi: number
  readonly seqs: ReadonlyArray<number> | null
}

export interface DeadLetter {
  readonly connection: ConnectionId
  readonly seq: number
  /** Tries made. */
  readonly attempt: number
  readonly reason: Reason
  readonly detail: string
}

/** The state of a destination that is not per event. */
export interface Control {
  readonly configVersion: number
  readonly pause: { readonly reason: PauseReason; readonly detail: string; readonly probeAt: number | null } | null
  /** Nothing is sent before this time; 0 when not throttled. */
  readonly throttledUntil: number
  /** Throttlings in a row without `Retry-After` asked for. */
  readonly throttleStreak: number
  /** The window whose sends have started and whose outcomes are not yet known. */
  readonly window: Window | null
}

export const initialControl: Control = {
  configVersion: 0,
  pause: null,
  throttledUntil: 0,
  throttleStreak: 0,
  window: null
}

/** The fold of a control's facts; facts about single events leave it as it is. */
export const evolveControl = (control: Control, fact: Fact): Control => {
  switch (fact._tag) {
    case "WindowPlanned":
      return { ...control, window: { connection: fact.connection, lo: fact.lo, hi: fact.hi, seqs: fact.seqs } }
    case "WindowSettled": {
      const delivered = fact.settled.some(({ _tag }) => _tag === "Delivered")
      return { ...control, window: null, throttleStreak: delivered ? 0 : control.throttleStreak }
    }
    case "WindowLost":
      return { ...control, window: null }
    case "Paused":
      return { ...control, pause: { reason: fact.reason, detail: fact.detail, probeAt: fact.probeAt } }
    case "Resumed":
      return { ...control, pause: null }
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

const withConnection = (state: State, id: ConnectionId, change: Partial<ConnectionState>): State => {
  const connection = state.connections.get(id)
  if (connection === undefined) return state
  return { ...state, connections: new Map(state.connections).set(id, { ...connection, ...change }) }
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
    case "WindowSettled": {
      const { connection } = fact
      const pending = new Map(state.pending)
      const dead = new Map(state.dead)
      for (const one of fact.settled) {
        const key = eventKey(connection, one.seq)
        if (fact.retry) pending.delete(key)
        if (one._tag === "Retry") {
          const { seq, spent, due, reason, detail } = one
          pending.set(key, { connection, seq, spent, due, reason, detail })
        } else if (one._tag === "Dead") {
          const { seq, attempt, reason, detail } = one
          dead.set(key, { connection, seq, attempt, reason, detail })
        }
      }
      return fact.retry
        ? { ...state, pending, dead }
        : withConnection({ ...state, pending, dead }, connection, { cursor: fact.hi })
    }
    default:
      return state
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Plan

/** What `plan` looks at: bounded, whatever the backlog. */
export interface View {
  readonly control: Control
  /** In the order in which they should take their turn. */
  readonly connections: ReadonlyArray<ConnectionState>
  /** Pending events of enabled connections that are due, oldest due first, at most as many as one window holds. */
  readonly due: ReadonlyArray<Pending>
  /** When the next pending event that is not due yet will be. */
  readonly nextDue: number | null
  readonly pendingCount: number
}

export type Plan =
  | { readonly _tag: "Recover"; readonly window: Window }
  | { readonly _tag: "Retry"; readonly connection: ConnectionState; readonly items: ReadonlyArray<Pending> }
  | { readonly _tag: "Read"; readonly connection: ConnectionState; readonly maxEvents: number }
  /** Nothing to do before `until` (`null`: before a wake-up or a change). */
  | {
      readonly _tag: "Wait"
      readonly until: number | null
      readonly because: "idle" | "paused" | "throttled" | "retry due"
    }

/** Events a window holds at most, and what may be read for it. */
export const WINDOW_EVENTS = 100
export const WINDOW_BYTES = 1024 * 1024
/** A destination paused for its credentials or configuration tries one event again at this interval. */
export const PROBE_INTERVAL = 5 * 60_000

/** Chooses the next step: recover, wait, retry what is due, read on. */
export const plan = (view: View, now: number, limits: { readonly maxPending: number }): Plan => {
  const { control } = view
  if (control.window !== null) return { _tag: "Recover", window: control.window }

  const { pause } = control
  if (pause !== null && (pause.probeAt === null || pause.probeAt > now)) {
    return { _tag: "Wait", until: pause.probeAt, because: "paused" }
  }
  if (control.throttledUntil > now) return { _tag: "Wait", until: control.throttledUntil, because: "throttled" }

  // A paused destination that may probe sends one event only.
  const size = pause === null ? WINDOW_EVENTS : 1
  const first = view.due[0]
  const retrying = view.connections.find(({ id }) => id === first?.connection)
  if (retrying !== undefined) {
    const items = view.due.filter(({ connection }) => connection === retrying.id).slice(0, size)
    return { _tag: "Retry", connection: retrying, items: [...items].sort((a, b) => a.seq - b.seq) }
  }
  const room = limits.maxPending - view.pendingCount
  const behind = view.connections.find(({ enabled, cursor, head }) => enabled && cursor < head)
  if (behind !== undefined && room > 0) {
    return { _tag: "Read", connection: behind, maxEvents: Math.min(size, room) }
  }
  return view.nextDue === null
    ? { _tag: "Wait", until: null, because: "idle" }
    : { _tag: "Wait", until: view.nextDue, because: "retry due" }
}

// ---------------------------------------------------------------------------------------------------------------------
// Settle

/** What a reason means for the event and for its destination. The compiler keeps the table complete. */
interface Consequence {
  readonly spendsAttempt: boolean
  readonly next: "dead" | "pause" | "throttle" | "schedule"
}

const CONSEQUENCES: { readonly [R in Reason]: Consequence } = {
  Malformed: { spendsAttempt: true, next: "dead" },
  TooLarge: { spendsAttempt: true, next: "dead" },
  Rejected: { spendsAttempt: true, next: "dead" },
  Unauthorized: { spendsAttempt: false, next: "pause" },
  Misconfigured: { spendsAttempt: false, next: "pause" },
  Throttled: { spendsAttempt: false, next: "throttle" },
  Unavailable: { spendsAttempt: true, next: "schedule" },
  TimedOut: { spendsAttempt: true, next: "schedule" },
  Unknown: { spendsAttempt: true, next: "schedule" }
}

export interface Settled {
  readonly seq: number
  /** Tries spent before this one. */
  readonly spent: number
  readonly latency: number
  readonly outcome: Outcome
}

export interface SettleContext {
  readonly now: number
  readonly policy: RetryPolicy.RetryPolicy
  readonly control: Control
  /** The config that the sends used. An outcome of an older version pauses nothing. */
  readonly configVersion: number
  /** Uniform in [0, 1); asked once for each retry. */
  readonly random: () => number
}

const THROTTLE_MIN = 1000
const THROTTLE_MAX = 60_000
const RETRY_AFTER_MAX = 3_600_000

const throttle = (outcomes: ReadonlyArray<Settled>, { now, control, random }: SettleContext) => {
  const throttled = outcomes.flatMap(({ outcome }) =>
    outcome._tag === "Failed" && outcome.reason === "Throttled" ? [outcome] : []
  )
  if (throttled.length === 0) return undefined
  const asked = Math.max(...throttled.map(({ retryAfter }) => retryAfter ?? 0))
  // Never before the time that was asked for, at most twice as late, so that many destinations do not return at once.
  if (asked > 0) {
    return {
      until: now + Math.round(Math.min(asked * (1 + random()), RETRY_AFTER_MAX)),
      streak: control.throttleStreak
    }
  }
  const streak = control.throttleStreak + 1
  return { until: now + Math.min(THROTTLE_MIN * 2 ** (streak - 1), THROTTLE_MAX), streak }
}

/**
 * The facts that follow from a window's outcomes: one `WindowSettled`, and what it means for the whole destination.
 */
export const settle = (
  window: Window,
  outcomes: ReadonlyArray<Settled>,
  context: SettleContext
): ReadonlyArray<Fact> => {
  const { now, policy, control, random } = context
  const throttled = throttle(outcomes, context)
  const current = context.configVersion === control.configVersion

  const settlement = ({ seq, spent, latency, outcome }: Settled): Settlement => {
    const attempt = spent + 1
    if (outcome._tag === "Delivered") return { _tag: "Delivered", seq, attempt, latency, receipt: outcome.receipt }
    const { reason, detail } = outcome
    const { spendsAttempt, next } = CONSEQUENCES[reason]
    const base = { seq, attempt, latency, reason, detail }
    const retry = (due: number): Settlement => ({ ...base, _tag: "Retry", spent: spendsAttempt ? attempt : spent, due })
    switch (next) {
      case "dead":
        return { ...base, _tag: "Dead" }
      case "pause":
        return retry(now)
      case "throttle":
        return retry(throttled?.until ?? now)
      case "schedule": {
        const delay = RetryPolicy.delayAfter(policy, attempt, random())
        return delay === undefined ? { ...base, _tag: "Dead" } : retry(now + delay)
      }
    }
  }

  const { connection, lo, hi, seqs } = window
  const settled = outcomes.map(settlement)
  const facts: Array<Fact> = [{ _tag: "WindowSettled", connection, lo, hi, retry: seqs !== null, settled }]
  if (throttled !== undefined) facts.push({ _tag: "ThrottledUntil", ...throttled })
  if (!current || control.pause?.reason === "user") return facts

  const refused = outcomes.find(
    ({ outcome }) => outcome._tag === "Failed" && CONSEQUENCES[outcome.reason].next === "pause"
  )?.outcome
  if (refused?._tag === "Failed") {
    const reason = refused.reason as PauseReason
    facts.push({ _tag: "Paused", reason, detail: refused.detail, probeAt: now + PROBE_INTERVAL })
  } else if (control.pause !== null) {
    const mended = outcomes.some(({ outcome }) => outcome._tag === "Delivered")
    facts.push(mended ? { _tag: "Resumed" } : { _tag: "Paused", ...control.pause, probeAt: now + PROBE_INTERVAL })
  }
  return facts
}

// ---------------------------------------------------------------------------------------------------------------------
// Configure

/** A destination's connections as its workspace wants them. */
export interface Wanted {
  readonly version: number
  readonly paused: boolean
  readonly connections: ReadonlyArray<{
    readonly id: ConnectionId
    readonly sourceId: SourceId
    readonly route: Route
    readonly enabled: boolean
    readonly deleted: boolean
    /** The log's last sequence now: a new connection delivers what comes after it. */
    readonly head: number
  }>
}

/** The facts that bring a destination to a newer configuration; none when it has that version already. */
export const configure = (
  control: Control,
  connections: ReadonlyArray<ConnectionState>,
  wanted: Wanted
): ReadonlyArray<Fact> => {
  if (wanted.version <= control.configVersion) return []
  const known = new Map(connections.map((connection) => [connection.id, connection]))
  const facts: Array<Fact> = [{ _tag: "ConfigChanged", version: wanted.version }]
  for (const { id, sourceId, route, enabled, deleted, head } of wanted.connections) {
    const before = known.get(id)
    if (before === undefined && deleted) continue
    if (before === undefined) facts.push({ _tag: "ConnectionStarted", connection: id, sourceId, route, after: head })
    const state = before ?? { enabled: true, deleted: false }
    if (state.enabled !== enabled || state.deleted !== deleted) {
      facts.push({ _tag: "ConnectionChanged", connection: id, enabled, deleted })
    }
  }
  if (wanted.paused && control.pause?.reason !== "user") {
    facts.push({ _tag: "Paused", reason: "user", detail: "paused by its status", probeAt: null })
  }
  if (!wanted.paused && control.pause?.reason === "user") facts.push({ _tag: "Resumed" })
  return facts
}
