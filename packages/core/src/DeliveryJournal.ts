/**
 * The delivery journal of a destination: its append-only list of facts, and the projections that they change (control,
 * connections, pending, dead letters), written in the same transaction.
 *
 * `DeliveryStore` is the synchronous store over SQL; `DeliveryJournal` is the service that the pump writes to.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Delivery from "./Delivery.ts"
import type { ConnectionId, SourceId } from "./Ids.ts"
import type { Reason, Receipt } from "./Sink.ts"
import { migrate, type Sql, type SqlRow } from "./Sql.ts"

/** One try of a delivery, as the journal tells it. */
export interface Attempt {
  readonly connection: ConnectionId
  /** Milliseconds since 1970, when its outcome was settled. */
  readonly at: number
  /** From 1; `null` where the process ended before the outcome was known. */
  readonly attempt: number | null
  readonly status: "delivered" | "failed" | "unknown"
  readonly latency: number | null
  readonly receipt: Receipt | null
  readonly reason: Reason | null
  readonly detail: string | null
  /** When the next try is due; `null` when there is none. */
  readonly nextAt: number | null
  readonly isDeadLetter: boolean
}

/** Where an event stands on one connection. */
export interface DeliveryStatus {
  readonly connection: ConnectionId
  readonly seq: number
  readonly status: "waiting" | "retrying" | "delivered" | "dead"
}

/** What a user wants to know of a destination at once. */
export interface Summary {
  readonly control: Delivery.Control
  readonly connections: ReadonlyArray<Delivery.ConnectionState>
  readonly pending: number
  readonly dead: number
  readonly nextDue: number | null
  readonly lastError: { readonly reason: Reason; readonly detail: string } | null
}

export interface DeliveryStore {
  /** Appends the facts and changes the projections, all in one transaction. `now` in milliseconds since 1970. */
  readonly commit: (facts: ReadonlyArray<Delivery.Fact>, now: number) => void
  /** A log has events up to `head`; lower heads change nothing. */
  readonly raiseHead: (sourceId: SourceId, head: number) => void
  readonly control: () => Delivery.Control
  readonly view: (now: number) => Delivery.View
  /** The tries of one event, oldest first. */
  readonly attempts: (sourceId: SourceId, seq: number) => ReadonlyArray<Attempt>
  readonly statuses: (sourceId: SourceId, seqs: ReadonlyArray<number>) => ReadonlyArray<DeliveryStatus>
  readonly summary: () => Summary
  /** Every fact, oldest first. */
  readonly facts: () => ReadonlyArray<Delivery.Fact>
  /** The whole state as the projections hold it. */
  readonly state: () => Delivery.State
}

export class DeliveryJournal extends Context.Service<
  DeliveryJournal,
  {
    readonly commit: (facts: ReadonlyArray<Delivery.Fact>) => Effect.Effect<void>
    readonly control: Effect.Effect<Delivery.Control>
    readonly view: Effect.Effect<Delivery.View>
  }
>()("@hookstream/core/DeliveryJournal") {}

/** The service over one store. */
export const make = (store: DeliveryStore): DeliveryJournal["Service"] => ({
  commit: (facts) =>
    Effect.clockWith((clock) => Effect.sync(() => store.commit(facts, clock.currentTimeMillisUnsafe()))),
  control: Effect.sync(store.control),
  view: Effect.clockWith((clock) => Effect.sync(() => store.view(clock.currentTimeMillisUnsafe())))
})

export const layer = (store: DeliveryStore): Layer.Layer<DeliveryJournal> => Layer.succeed(DeliveryJournal, make(store))

const MIGRATIONS = [
  [
    `CREATE TABLE journal (
       n INTEGER PRIMARY KEY, at INTEGER NOT NULL, v INTEGER NOT NULL, type TEXT NOT NULL,
       connection TEXT, lo INTEGER, hi INTEGER, fact TEXT NOT NULL)`,
    `CREATE TABLE control (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL)`,
    `CREATE TABLE connections (
       id TEXT PRIMARY KEY, source_id TEXT NOT NULL, route TEXT NOT NULL, after INTEGER NOT NULL, cursor INTEGER NOT NULL,
       head INTEGER NOT NULL, enabled INTEGER NOT NULL, deleted INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE pending (
       connection TEXT NOT NULL, seq INTEGER NOT NULL, spent INTEGER NOT NULL, due INTEGER NOT NULL, reason TEXT NOT NULL,
       detail TEXT NOT NULL, PRIMARY KEY (connection, seq)) WITHOUT ROWID`,
    `CREATE INDEX pending_due ON pending (due)`,
    `CREATE TABLE dead (
       connection TEXT NOT NULL, seq INTEGER NOT NULL, attempt INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
       PRIMARY KEY (connection, seq)) WITHOUT ROWID`
  ]
]

/** The version of the facts that this code writes. */
const FACT_VERSION = 1

const attemptOf = (connection: ConnectionId, at: number, one: Delivery.Settlement): Attempt => ({
  connection,
  at,
  attempt: one.attempt,
  status: one._tag === "Delivered" ? "delivered" : "failed",
  latency: one.latency,
  receipt: one._tag === "Delivered" ? one.receipt : null,
  reason: one._tag === "Delivered" ? null : one.reason,
  detail: one._tag === "Delivered" ? null : one.detail,
  nextAt: one._tag === "Retry" ? one.due : null,
  isDeadLetter: one._tag === "Dead"
})

/** The tries of event `seq` that a fact tells of. */
const attemptsIn = (fact: Delivery.Fact, at: number, seq: number): ReadonlyArray<Attempt> => {
  if (fact._tag === "WindowSettled") {
    return fact.settled.filter((one) => one.seq === seq).map((one) => attemptOf(fact.connection, at, one))
  }
  if (fact._tag === "WindowLost" && (fact.seqs?.includes(seq) ?? (fact.lo <= seq && seq <= fact.hi))) {
    const detail = "hookstream was stopped before the outcome was known; the event is sent again"
    const { connection } = fact
    const unknown = { attempt: null, status: "unknown", latency: null, receipt: null, nextAt: null } as const
    return [{ connection, at, ...unknown, reason: "Unknown", detail, isDeadLetter: false }]
  }
  return []
}

const statusOf = (
  { id, after, cursor }: Delivery.ConnectionState,
  seq: number,
  is: { readonly pending: boolean; readonly dead: boolean }
): ReadonlyArray<DeliveryStatus> => {
  if (seq <= after) return []
  const status = is.dead ? "dead" : is.pending ? "retrying" : seq <= cursor ? "delivered" : "waiting"
  return [{ connection: id, seq, status }]
}

/** Opens the journal in `sql`, making its tables when they are missing. */
export const makeStore = (sql: Sql): DeliveryStore => {
  migrate(sql, "DeliveryJournal", MIGRATIONS)

  const control = (): Delivery.Control => {
    const row = sql.exec("SELECT state FROM control")[0]
    return row === undefined ? Delivery.initialControl : JSON.parse(row["state"] as string)
  }
  const toConnection = (row: SqlRow): Delivery.ConnectionState => ({
    id: row["id"] as string,
    sourceId: row["source_id"] as string,
    route: row["route"] as string,
    after: Number(row["after"]),
    cursor: Number(row["cursor"]),
    head: Number(row["head"]),
    enabled: row["enabled"] === 1,
    deleted: row["deleted"] === 1
  })
  const toPending = (row: SqlRow): Delivery.Pending => ({
    connection: row["connection"] as string,
    seq: Number(row["seq"]),
    spent: Number(row["spent"]),
    due: Number(row["due"]),
    reason: row["reason"] as Reason,
    detail: row["detail"] as string
  })
  const toDead = (row: SqlRow): Delivery.DeadLetter => ({
    connection: row["connection"] as string,
    seq: Number(row["seq"]),
    attempt: Number(row["attempt"]),
    reason: row["reason"] as Reason,
    detail: row["detail"] as string
  })
  const connections = () => sql.exec("SELECT * FROM connections ORDER BY id").map(toConnection)
  const count = (table: "pending" | "dead") => Number(sql.exec(`SELECT count(*) AS n FROM ${table}`)[0]!["n"])
  const toFact = (row: SqlRow): Delivery.Fact => JSON.parse(row["fact"] as string)

  const project = (fact: Delivery.Fact): void => {
    switch (fact._tag) {
      case "ConnectionStarted": {
        const { connection, sourceId, route, after } = fact
        const values = [connection, sourceId, route, after, after, after]
        sql.exec("INSERT OR REPLACE INTO connections VALUES (?, ?, ?, ?, ?, ?, 1, 0)", ...values)
        break
      }
      case "ConnectionChanged":
        sql.exec(
          "UPDATE connections SET enabled = ?, deleted = ? WHERE id = ?",
          ...[fact.enabled ? 1 : 0, fact.deleted ? 1 : 0, fact.connection]
        )
        break
      case "WindowSettled":
        if (!fact.retry) sql.exec("UPDATE connections SET cursor = ? WHERE id = ?", fact.hi, fact.connection)
        for (const one of fact.settled) {
          if (fact.retry && one._tag !== "Retry") {
            sql.exec("DELETE FROM pending WHERE connection = ? AND seq = ?", fact.connection, one.seq)
          }
          if (one._tag === "Retry") {
            const values = [fact.connection, one.seq, one.spent, one.due, one.reason, one.detail]
            sql.exec("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?)", ...values)
          } else if (one._tag === "Dead") {
            const values = [fact.connection, one.seq, one.attempt, one.reason, one.detail]
            sql.exec("INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?)", ...values)
          }
        }
        break
      default:
        break
    }
  }

  return {
    control,
    commit: (facts, now) =>
      sql.transaction(() => {
        const before = control()
        for (const fact of facts) {
          const [connection, lo, hi] = [
            "connection" in fact ? fact.connection : null,
            "lo" in fact ? fact.lo : null,
            "hi" in fact ? fact.hi : null
          ]
          sql.exec(
            "INSERT INTO journal (at, v, type, connection, lo, hi, fact) VALUES (?, ?, ?, ?, ?, ?, ?)",
            ...[now, FACT_VERSION, fact._tag, connection, lo, hi, JSON.stringify(fact)]
          )
          project(fact)
        }
        const after = facts.reduce(Delivery.evolveControl, before)
        if (after !== before) sql.exec("INSERT OR REPLACE INTO control VALUES (1, ?)", JSON.stringify(after))
      }),
    raiseHead: (sourceId, head) => {
      sql.exec("UPDATE connections SET head = ? WHERE source_id = ? AND head < ?", head, sourceId, head)
    },
    view: (now) => {
      const enabled = "SELECT id FROM connections WHERE enabled = 1 AND deleted = 0"
      const next = sql.exec(`SELECT min(due) AS due FROM pending WHERE due > ? AND connection IN (${enabled})`, now)[0]
      return {
        control: control(),
        connections: connections().filter(({ deleted }) => !deleted),
        due: sql
          .exec(
            `SELECT * FROM pending WHERE due <= ? AND connection IN (${enabled}) ORDER BY due LIMIT ?`,
            now,
            Delivery.WINDOW_EVENTS
          )
          .map(toPending),
        nextDue: next === undefined || next["due"] === null ? null : Number(next["due"]),
        pendingCount: count("pending")
      }
    },
    attempts: (sourceId, seq) =>
      sql
        .exec(
          `SELECT at, fact FROM journal
           WHERE lo <= ? AND hi >= ? AND connection IN (SELECT id FROM connections WHERE source_id = ?) ORDER BY n`,
          seq,
          seq,
          sourceId
        )
        .flatMap((row) => attemptsIn(toFact(row), Number(row["at"]), seq)),
    statuses: (sourceId, seqs) =>
      connections()
        .filter((connection) => connection.sourceId === sourceId)
        .flatMap((connection) =>
          seqs.flatMap((seq) => {
            const has = (table: "pending" | "dead") =>
              sql.exec(`SELECT 1 FROM ${table} WHERE connection = ? AND seq = ?`, connection.id, seq).length > 0
            return statusOf(connection, seq, { pending: has("pending"), dead: has("dead") })
          })
        ),
    summary: () => {
      const worst = sql.exec("SELECT reason, detail, due FROM pending ORDER BY due DESC LIMIT 1")[0]
      const next = sql.exec("SELECT min(due) AS due FROM pending")[0]?.["due"]
      return {
        control: control(),
        connections: connections(),
        pending: count("pending"),
        dead: count("dead"),
        nextDue: next === null || next === undefined ? null : Number(next),
        lastError: worst === undefined ? null : { reason: worst["reason"] as Reason, detail: worst["detail"] as string }
      }
    },
    facts: () => sql.exec("SELECT fact FROM journal ORDER BY n").map(toFact),
    state: () => ({
      control: control(),
      connections: new Map(connections().map((connection) => [connection.id, connection])),
      pending: new Map(
        sql.exec("SELECT * FROM pending").map((row) => {
          const one = toPending(row)
          return [Delivery.eventKey(one.connection, one.seq), one]
        })
      ),
      dead: new Map(
        sql.exec("SELECT * FROM dead").map((row) => {
          const one = toDead(row)
          return [Delivery.eventKey(one.connection, one.seq), one]
        })
      )
    })
  }
}

/** A journal in memory, by the pure fold: for tests, and the oracle for the SQL store. */
export const makeMemory = (): DeliveryStore => {
  const journal: Array<{ readonly at: number; readonly fact: Delivery.Fact }> = []
  let state = Delivery.initialState
  const sorted = () => [...state.connections.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  const isLive = (connection: ConnectionId) => {
    const found = state.connections.get(connection)
    return found?.enabled === true && !found.deleted
  }
  return {
    control: () => state.control,
    commit: (facts, now) => {
      state = facts.reduce(Delivery.evolve, state)
      for (const fact of facts) journal.push({ at: now, fact })
    },
    raiseHead: (sourceId, head) => {
      const raised = sorted().map((one) => (one.sourceId === sourceId && one.head < head ? { ...one, head } : one))
      state = { ...state, connections: new Map(raised.map((one) => [one.id, one])) }
    },
    view: (now) => {
      const live = [...state.pending.values()]
        .filter(({ connection }) => isLive(connection))
        .sort((a, b) => a.due - b.due)
      return {
        control: state.control,
        connections: sorted().filter(({ deleted }) => !deleted),
        due: live.filter(({ due }) => due <= now).slice(0, Delivery.WINDOW_EVENTS),
        nextDue: live.find(({ due }) => due > now)?.due ?? null,
        pendingCount: state.pending.size
      }
    },
    attempts: (sourceId, seq) =>
      journal.flatMap(({ at, fact }) =>
        "connection" in fact && state.connections.get(fact.connection)?.sourceId === sourceId
          ? attemptsIn(fact, at, seq)
          : []
      ),
    statuses: (sourceId, seqs) =>
      sorted()
        .filter((connection) => connection.sourceId === sourceId)
        .flatMap((connection) =>
          seqs.flatMap((seq) => {
            const key = Delivery.eventKey(connection.id, seq)
            return statusOf(connection, seq, { pending: state.pending.has(key), dead: state.dead.has(key) })
          })
        ),
    summary: () => {
      const byDue = [...state.pending.values()].sort((a, b) => a.due - b.due)
      const worst = byDue.at(-1)
      return {
        control: state.control,
        connections: sorted(),
        pending: state.pending.size,
        dead: state.dead.size,
        nextDue: byDue[0]?.due ?? null,
        lastError: worst === undefined ? null : { reason: worst.reason, detail: worst.detail }
      }
    },
    facts: () => journal.map(({ fact }) => fact),
    state: () => state
  }
}
