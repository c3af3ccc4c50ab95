/** The fold of a journal's facts to the whole state: the oracle for the tables that SQL keeps. */
import type { Fact, RunId } from "../src/delivery/Facts.ts"
import {
  countOf,
  eventKey,
  evolveControl,
  isOutage,
  marksOf,
  newRun,
  type Pending,
  type Run,
  replayRate,
  runOf,
  type State,
  type WindowSettled
} from "../src/delivery/State.ts"
import { advanced } from "../src/log/Epochs.ts"

/** Changes the runs for which `which` holds. */
const withRuns = (state: State, which: (run: Run) => boolean, change: (run: Run) => Partial<Run>): State => ({
  ...state,
  runs: new Map([...state.runs].map(([id, run]) => [id, which(run) ? { ...run, ...change(run) } : run]))
})

/** Of each key that has no pending event with a time, the first that waits behind it is due. */
const release = (pending: Map<string, Pending>, run: RunId, at: number): void => {
  const byKey = Map.groupBy(
    [...pending.values()].filter((one) => one.run === run && one.key !== null),
    ({ key }) => key
  )
  for (const waiting of byKey.values()) {
    if (waiting.some(({ due }) => due !== null)) continue
    const first = waiting.reduce((a, b) => (b.seq < a.seq ? b : a))
    pending.set(eventKey(run, first.seq), { ...first, due: at })
  }
}

/** What waits for its retry is due at `at`, all of it at once, so that it drains in the order of the log. */
const hurried = (
  pending: State["pending"],
  at: number,
  isMeant: (one: Pending) => boolean
): ReadonlyMap<string, Pending> =>
  new Map([...pending].map(([key, one]) => [key, one.due !== null && isMeant(one) ? { ...one, due: at } : one]))

const settleEvents = (state: State, fact: WindowSettled): State => {
  const { run } = fact
  const pending = new Map(state.pending)
  const dead = new Map(state.dead)
  for (const one of fact.settled) {
    const key = eventKey(run, one.seq)
    switch (one._tag) {
      case "Retry": {
        const { seq, spent, due, restarts, reason, detail, since } = one
        pending.set(key, { run, seq, key: one.key, spent, due, restarts, reason, detail, since })
        break
      }
      case "Waiting": {
        const { seq, spent, due, restarts } = one
        const { reason = null, detail = "", since = null } = pending.get(key) ?? {}
        pending.set(key, { run, seq, key: one.key, spent, due, restarts, reason, detail, since })
        break
      }
      case "Dead": {
        if (fact.seqs !== null) pending.delete(key)
        const { seq, attempt, reason, detail } = one
        dead.set(key, { run, seq, key: one.key, attempt, reason, detail })
        break
      }
      case "Delivered":
      case "Filtered":
        if (fact.seqs !== null) pending.delete(key)
        break
      default:
        one satisfies never
    }
  }
  release(pending, run, fact.at)
  return withRuns(
    { ...state, pending, dead },
    ({ id }) => id === run,
    (before) => ({
      delivered: before.delivered + countOf(fact, "Delivered"),
      filtered: before.filtered + countOf(fact, "Filtered"),
      ...(fact.seqs === null
        ? {
            marks: advanced(before.marks, fact.epochs ?? [], fact.hi),
            cursor: fact.hi,
            rateFullAt: replayRate(before, fact.settled.length - countOf(fact, "Filtered"), fact.at)
          }
        : {})
    })
  )
}

/** The fold of the journal. `DeliveryJournal`'s SQL does the same in tables; a test compares the two. */
export const evolve = (before: State, fact: Fact): State => {
  const state = { ...before, control: evolveControl(before.control, fact) }
  switch (fact._tag) {
    case "ConnectionStarted": {
      const { connection, sourceId, route, after } = fact
      const marks = marksOf(fact)
      const started = newRun({ id: connection, connection, replay: null, sourceId, route, after, head: after, marks })
      return { ...state, runs: new Map(state.runs).set(connection, started) }
    }
    case "ConnectionChanged": {
      const { enabled, deleted } = fact
      // A replay that was cancelled stays so.
      return withRuns(
        state,
        ({ connection }) => connection === fact.connection,
        (run) => ({ enabled, deleted: deleted || (run.replay !== null && run.deleted) })
      )
    }
    case "ReplayRequested": {
      const { connection, replay, after, through } = fact
      const live = state.runs.get(connection)
      if (live === undefined) return state
      const { sourceId, route, enabled, deleted } = live
      const id = runOf(connection, replay.id)
      const run = newRun({ id, connection, replay, sourceId, route, after, head: through })
      return { ...state, runs: new Map(state.runs).set(id, { ...run, enabled, deleted }) }
    }
    case "ReplayFinished":
      return withRuns(
        state,
        ({ id }) => id === fact.run,
        () => ({ finishedAt: fact.at })
      )
    case "ReplayCancelled":
      return withRuns(
        state,
        ({ replay }) => replay?.id === fact.replay,
        () => ({ deleted: true })
      )
    case "RunCancelled":
      return withRuns(
        state,
        ({ id }) => id === fact.run,
        (run) => ({ deleted: true, head: Math.max(run.cursor, fact.through) })
      )
    case "WindowSettled":
      return settleEvents(state, fact)
    case "LogRestored": {
      const { run, through, marks } = fact
      const isKept = ([, one]: readonly [string, { readonly run: RunId; readonly seq: number }]) =>
        one.run !== run || one.seq <= through
      return withRuns(
        {
          ...state,
          pending: new Map([...state.pending].filter(isKept)),
          dead: new Map([...state.dead].filter(isKept))
        },
        ({ id }) => id === run,
        ({ cursor, after, head }) => ({
          cursor: Math.min(cursor, through),
          after: Math.min(after, through),
          head: Math.min(head, through),
          marks
        })
      )
    }
    case "BreakerOpened": {
      // What failed so far was the outage's fault: its tries are given back.
      const refund = (one: Pending) => (one.reason !== null && isOutage(one.reason) ? { ...one, spent: 0 } : one)
      return before.control.breaker.state === "closed"
        ? { ...state, pending: new Map([...state.pending].map(([key, one]) => [key, refund(one)])) }
        : state
    }
    case "BreakerClosed":
      return { ...state, pending: hurried(state.pending, fact.at, () => true) }
    case "RetriesDue": {
      const { connection, at } = fact
      const isMeant = ({ run }: Pending) => connection === null || state.runs.get(run)?.connection === connection
      return { ...state, pending: hurried(state.pending, at, isMeant) }
    }
    case "Redriven": {
      const pending = new Map(state.pending)
      const dead = new Map(state.dead)
      for (const seq of fact.seqs) {
        const key = eventKey(fact.run, seq)
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
          pending.set(key, { run: fact.run, seq, key: letter.key, ...again })
        } else if (waiting?.due != null && waiting.due > fact.at) pending.set(key, { ...waiting, due: fact.at })
      }
      return { ...state, pending, dead }
    }
    case "WindowPlanned":
    case "Paused":
    case "Resumed":
    case "BreakerHalfOpened":
    case "ThrottledUntil":
    case "ConfigChanged":
      return state
  }
}
