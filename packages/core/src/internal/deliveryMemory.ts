/** The delivery journal in memory, by the pure fold. */
import * as Delivery from "../Delivery.ts"
import * as Facts from "../DeliveryFacts.ts"
import type { DeliveryStatus, DeliveryStore } from "../DeliveryJournal.ts"
import type { ConnectionId } from "../Ids.ts"
import { deadPage, entriesIn, statusOf } from "./deliveryTelling.ts"

/** A journal in memory, by the pure fold: for tests, and the oracle for the SQL store. */
export const makeMemory = (): DeliveryStore => {
  const journal: Array<{ readonly at: number; readonly fact: Facts.Fact }> = []
  let state = Facts.initialState
  const sorted = () => [...state.connections.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  const pendingOf = (connection: ConnectionId) =>
    [...state.pending.values()].filter((one) => one.connection === connection).sort((a, b) => a.seq - b.seq)
  const isLive = (connection: ConnectionId) => {
    const found = state.connections.get(connection)
    return found?.enabled === true && !found.deleted
  }
  const order = (a: Facts.Pending, b: Facts.Pending) =>
    (a.due ?? 0) - (b.due ?? 0) || (a.connection < b.connection ? -1 : a.connection > b.connection ? 1 : a.seq - b.seq)
  const timed = () =>
    [...state.pending.values()].filter((one) => one.due !== null && isLive(one.connection)).sort(order)

  return {
    control: () => state.control,
    commit: (facts, now) => {
      state = facts.reduce(Facts.evolve, state)
      for (const fact of facts) journal.push({ at: now, fact })
    },
    raiseHead: (sourceId, head) => {
      const raised = sorted().map((one) => (one.sourceId === sourceId && one.head < head ? { ...one, head } : one))
      state = { ...state, connections: new Map(raised.map((one) => [one.id, one])) }
    },
    view: (now) => {
      const heads = timed()
        .filter(({ due }) => due! <= now)
        .slice(0, Delivery.WINDOW_EVENTS)
      const keys = new Set(heads.flatMap(({ connection, key }) => (key === null ? [] : [`${connection} ${key}`])))
      const isLater = (one: Facts.Pending) => (other: Facts.Pending) =>
        other.key === one.key && other.due !== null && other.due > now && other.seq < one.seq
      const behind = [...state.pending.values()].filter(
        (one) =>
          one.due === null && keys.has(`${one.connection} ${one.key}`) && !pendingOf(one.connection).some(isLater(one))
      )
      return {
        control: state.control,
        connections: sorted()
          .filter(({ deleted }) => !deleted)
          .map((connection) => ({ ...connection, pending: pendingOf(connection.id).length })),
        due: [...heads, ...behind.sort((a, b) => a.seq - b.seq)].slice(0, Delivery.WINDOW_EVENTS),
        oldest:
          state.control.breaker.state === "closed"
            ? []
            : timed()
                .sort((a, b) => a.seq - b.seq)
                .slice(0, Delivery.WINDOW_EVENTS),
        nextDue: timed().find(({ due }) => due! > now)?.due ?? null,
        pendingCount: state.pending.size
      }
    },
    pendingAmong: (connection, seqs) => pendingOf(connection).filter(({ seq }) => seqs.includes(seq)),
    blockedKeys: (connection, keys) =>
      new Set(pendingOf(connection).flatMap(({ key }) => (key !== null && keys.includes(key) ? [key] : []))),
    timeline: (sourceId, seq) =>
      journal.flatMap(({ at, fact }) =>
        "connection" in fact && state.connections.get(fact.connection)?.sourceId === sourceId
          ? entriesIn(fact, at, seq)
          : []
      ),
    statuses: (sourceId, seqs) =>
      sorted()
        .filter((connection) => connection.sourceId === sourceId)
        .flatMap(({ id, after, cursor }) =>
          seqs.flatMap((seq): ReadonlyArray<DeliveryStatus> => {
            if (seq <= after) return []
            const key = Facts.eventKey(id, seq)
            const isFiltered = () =>
              journal.some(
                ({ fact }) =>
                  fact._tag === "WindowSettled" &&
                  fact.connection === id &&
                  fact.settled.some((one) => one.seq === seq && one._tag === "Filtered")
              )
            return [
              { connection: id, seq, status: statusOf(seq, cursor, (table) => state[table].has(key), isFiltered) }
            ]
          })
        ),
    deadLetters: (before, limit) => {
      const key = (one: { readonly connection: ConnectionId; readonly seq: number }) =>
        `${one.connection}/${String(one.seq).padStart(12, "0")}`
      const all = [...state.dead.values()].sort((a, b) => (key(a) < key(b) ? 1 : -1))
      return deadPage(before === null ? all : all.filter((one) => key(one) < key(before)), limit)
    },
    summary: () => {
      const last = [...state.pending.values()]
        .filter(({ reason }) => reason !== null)
        .sort(order)
        .at(-1)
      const dues = [...state.pending.values()].flatMap(({ due }) => due ?? [])
      return {
        control: state.control,
        connections: sorted(),
        pending: state.pending.size,
        dead: state.dead.size,
        nextDue: dues.length === 0 ? null : Math.min(...dues),
        lastError: last === undefined ? null : { reason: last.reason!, detail: last.detail }
      }
    },
    facts: () => journal.map(({ fact }) => fact),
    state: () => state
  }
}
