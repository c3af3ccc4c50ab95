/** The delivery journal in memory, by the pure fold. */

import type * as Facts from "../src/delivery/Facts.ts"
import * as Policy from "../src/delivery/Policy.ts"
import * as State from "../src/delivery/State.ts"
import { MAX_SEQUENCE } from "../src/Ids.ts"
import type { DeliveryStatus, DeliveryStore } from "../src/journal/DeliveryJournal.ts"
import {
  attemptPage,
  deadPage,
  entriesIn,
  goesOn,
  isCancelledIn,
  isGone,
  isRaised,
  needsOf,
  progressOf,
  type Row,
  statusOf
} from "../src/journal/internal/deliveryTelling.ts"
import * as Fold from "./Fold.ts"

/** A journal in memory, by the pure fold: for tests, and the oracle for the SQL store. */
export const makeMemory = (): DeliveryStore => {
  const journal: Array<Row> = []
  let state = State.initialState
  const sorted = () => [...state.runs.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  const live = () => sorted().filter(({ replay }) => replay === null)
  const pendingOf = (run: Facts.RunId) =>
    [...state.pending.values()].filter((one) => one.run === run).sort((a, b) => a.seq - b.seq)
  const deadOf = (run: Facts.RunId) => [...state.dead.values()].filter((one) => one.run === run).length
  const isLive = (run: Facts.RunId) => {
    const found = state.runs.get(run)
    return found?.enabled === true && !found.deleted
  }
  const order = (a: State.Pending, b: State.Pending) =>
    (a.due ?? 0) - (b.due ?? 0) || (a.run < b.run ? -1 : a.run > b.run ? 1 : a.seq - b.seq)
  const timed = () => [...state.pending.values()].filter((one) => one.due !== null && isLive(one.run)).sort(order)

  const undeleted = () => [...state.pending.values()].filter(({ run }) => state.runs.get(run)?.deleted === false)
  const isCancelled = (id: Facts.RunId, seq: number) => {
    const run = state.runs.get(id)
    return run !== undefined && isCancelledIn(run, seq, () => state.pending.has(State.eventKey(id, seq)))
  }

  return {
    control: () => state.control,
    commit: (facts, now) => {
      state = facts.reduce(Fold.evolve, state)
      for (const fact of facts) {
        if (fact._tag === "LogRestored") {
          journal.forEach((row, i) => {
            const isOf = "run" in row.fact && row.fact.run === fact.run
            if (isOf) journal[i] = { ...row, hi: Math.min(row.hi ?? 0, fact.through) }
          })
        }
        journal.push({ n: journal.length + 1, at: now, hi: MAX_SEQUENCE, fact })
      }
    },
    raiseHead: (sourceId, head) => {
      const raised = sorted().map((one) =>
        one.sourceId === sourceId && isRaised(one) && one.head < head ? { ...one, head } : one
      )
      state = { ...state, runs: new Map(raised.map((one) => [one.id, one])) }
    },
    headIs: (sourceId, head) => {
      const lowered = sorted().map((one) => (one.sourceId === sourceId && isRaised(one) ? { ...one, head } : one))
      state = { ...state, runs: new Map(lowered.map((one) => [one.id, one])) }
    },
    openAbove: (run, seq) =>
      [...state.pending.values(), ...state.dead.values()].filter((one) => one.run === run && one.seq > seq).length,
    view: (now) => {
      const heads = timed()
        .filter(({ due }) => due! <= now)
        .slice(0, Policy.WINDOW_EVENTS)
      const keys = new Set(heads.flatMap(({ run, key }) => (key === null ? [] : [`${run} ${key}`])))
      const isLater = (one: State.Pending) => (other: State.Pending) =>
        other.key === one.key && other.due !== null && other.due > now && other.seq < one.seq
      const behind = [...state.pending.values()].filter(
        (one) => one.due === null && keys.has(`${one.run} ${one.key}`) && !pendingOf(one.run).some(isLater(one))
      )
      const shown = sorted()
        .filter(({ deleted }) => !deleted)
        .map((run) => ({
          ...run,
          pending: pendingOf(run.id).length,
          dead: run.replay?.maxEvents == null ? 0 : deadOf(run.id)
        }))
      return {
        control: state.control,
        runs: shown.filter((run) => goesOn(run, run.pending)),
        due: [...heads, ...behind.sort((a, b) => a.seq - b.seq)].slice(0, Policy.WINDOW_EVENTS),
        oldest:
          state.control.breaker.state === "closed"
            ? []
            : timed()
                .sort((a, b) => a.seq - b.seq)
                .slice(0, Policy.WINDOW_EVENTS),
        nextDue: timed().find(({ due }) => due! > now)?.due ?? null,
        pendingCount: shown.reduce((sum, { pending }) => sum + pending, 0)
      }
    },
    pendingAmong: (run, seqs) => pendingOf(run).filter(({ seq }) => seqs.includes(seq)),
    pendingAfter: (from, limit) =>
      undeleted()
        .sort((a, b) => (a.run < b.run ? -1 : a.run > b.run ? 1 : a.seq - b.seq))
        .filter(({ run, seq }) => from === null || run > from.run || (run === from.run && seq > from.seq))
        .slice(0, limit),
    runs: sorted,
    blockedKeys: (run, keys) =>
      new Set(pendingOf(run).flatMap(({ key }) => (key !== null && keys.includes(key) ? [key] : []))),
    timeline: (sourceId, seq) =>
      journal.flatMap((row) =>
        "run" in row.fact && state.runs.get(row.fact.run)?.sourceId === sourceId && !isGone(row, seq)
          ? entriesIn(row, seq, isCancelled)
          : []
      ),
    statuses: (sourceId, seqs) =>
      live()
        .filter((run) => run.sourceId === sourceId)
        .flatMap((run) =>
          seqs.flatMap((seq): ReadonlyArray<DeliveryStatus> => {
            const { id } = run
            const key = State.eventKey(id, seq)
            const isFiltered = () =>
              journal.some(
                ({ fact, hi }) =>
                  !isGone({ hi }, seq) &&
                  fact._tag === "WindowSettled" &&
                  fact.run === id &&
                  fact.settled.some((one) => one.seq === seq && one._tag === "Filtered")
              )
            const status = statusOf(run, seq, (table) => state[table].has(key), isFiltered)
            return status === undefined ? [] : [{ connection: id, seq, status }]
          })
        ),
    deadLetters: (before, limit) => {
      const key = (one: { readonly run: Facts.RunId; readonly seq: number }) =>
        `${one.run}/${String(one.seq).padStart(12, "0")}`
      const all = [...state.dead.values()].sort((a, b) => (key(a) < key(b) ? 1 : -1))
      return deadPage(before === null ? all : all.filter((one) => key(one) < key(before)), limit)
    },
    summary: () => {
      const waits = undeleted()
      const last = waits
        .filter(({ reason }) => reason !== null)
        .sort(order)
        .at(-1)
      const dues = waits.flatMap(({ due }) => due ?? [])
      return {
        control: state.control,
        connections: live(),
        pending: waits.length,
        dead: state.dead.size,
        nextDue: dues.length === 0 ? null : Math.min(...dues),
        lastError: last === undefined ? null : { reason: last.reason!, detail: last.detail }
      }
    },
    attempts: (filter, before, limit) => {
      const settled = journal.filter(({ n, fact }) => fact._tag === "WindowSettled" && n <= (before?.n ?? n))
      return attemptPage(settled.reverse(), filter, before, limit)
    },
    runOfAttempt: ({ n, seq }) => {
      const row = journal[n - 1]
      const isOfIt = row?.fact._tag === "WindowSettled" && row.fact.settled.some((one) => one.seq === seq)
      return isOfIt && !isGone(row, seq) ? row.fact.run : undefined
    },
    isOpen: (run, seq) => {
      const key = State.eventKey(run, seq)
      return state.runs.get(run)?.deleted === false && (state.pending.has(key) || state.dead.has(key))
    },
    replay: (replay) =>
      progressOf(
        sorted().filter((run) => run.replay?.id === replay),
        (run) => ({ pending: pendingOf(run).length, dead: deadOf(run) })
      ),
    needs: (sourceId) =>
      needsOf(
        sorted().filter((run) => run.sourceId === sourceId && goesOn(run, pendingOf(run.id).length)),
        (id) => pendingOf(id)[0]?.seq ?? null
      ),
    facts: () => journal.map(({ fact }) => fact),
    state: () => state
  }
}
