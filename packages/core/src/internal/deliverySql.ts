/** The delivery journal over SQL: the facts, and the tables that they change. */
import * as Delivery from "../Delivery.ts"
import * as Facts from "../DeliveryFacts.ts"
import type { DeliveryStatus, DeliveryStore } from "../DeliveryJournal.ts"
import { type ConnectionId, MAX_SEQUENCE } from "../Ids.ts"
import type { Reason } from "../Sink.ts"
import { migrate, type Sql, type SqlRow } from "../Sql.ts"
import { deadPage, entriesIn, statusOf } from "./deliveryTelling.ts"

/** The version of the facts that this code writes. */
const FACT_VERSION = 1

/** The sequences that a fact is about, so that an event's facts are found without reading them all. */
const rangeOf = (fact: Facts.Fact): readonly [lo: number | null, hi: number | null] => {
  if (fact._tag === "WindowSettled") return [fact.lo, fact.hi]
  return fact._tag === "Redriven" ? [Math.min(...fact.seqs), Math.max(...fact.seqs)] : [null, null]
}

const MIGRATIONS = [
  [
    `CREATE TABLE journal (
       n INTEGER PRIMARY KEY, at INTEGER NOT NULL, v INTEGER NOT NULL, type TEXT NOT NULL,
       connection TEXT, lo INTEGER, hi INTEGER, is_read INTEGER NOT NULL, fact TEXT NOT NULL)`,
    // Windows read from a log never overlap, so the one of an event is the first that ends at or after it.
    `CREATE INDEX journal_reads ON journal (connection, hi) WHERE is_read = 1`,
    `CREATE TABLE control (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL)`,
    `CREATE TABLE connections (
       id TEXT PRIMARY KEY, source_id TEXT NOT NULL, route TEXT NOT NULL, after INTEGER NOT NULL, cursor INTEGER NOT NULL,
       head INTEGER NOT NULL, enabled INTEGER NOT NULL, deleted INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE pending (
       connection TEXT NOT NULL, seq INTEGER NOT NULL, key TEXT, spent INTEGER NOT NULL, due INTEGER,
       restarts INTEGER NOT NULL, since INTEGER, reason TEXT, detail TEXT NOT NULL, PRIMARY KEY (connection, seq)) WITHOUT ROWID`,
    `CREATE INDEX pending_due ON pending (due) WHERE due IS NOT NULL`,
    `CREATE INDEX pending_key ON pending (connection, key, seq) WHERE key IS NOT NULL`,
    `CREATE TABLE dead (
       connection TEXT NOT NULL, seq INTEGER NOT NULL, key TEXT, attempt INTEGER NOT NULL, reason TEXT NOT NULL,
       detail TEXT NOT NULL, PRIMARY KEY (connection, seq)) WITHOUT ROWID`
  ]
]

const ENABLED = "SELECT id FROM connections WHERE enabled = 1 AND deleted = 0"

const toConnection = (row: SqlRow): Facts.ConnectionState => ({
  id: row["id"] as string,
  sourceId: row["source_id"] as string,
  route: row["route"] as string,
  after: Number(row["after"]),
  cursor: Number(row["cursor"]),
  head: Number(row["head"]),
  enabled: row["enabled"] === 1,
  deleted: row["deleted"] === 1
})
const toPending = (row: SqlRow): Facts.Pending => ({
  connection: row["connection"] as string,
  seq: Number(row["seq"]),
  key: row["key"] as string | null,
  spent: Number(row["spent"]),
  due: row["due"] === null ? null : Number(row["due"]),
  restarts: Number(row["restarts"]),
  since: row["since"] === null ? null : Number(row["since"]),
  reason: row["reason"] as Reason | null,
  detail: row["detail"] as string
})
const toDead = (row: SqlRow): Facts.DeadLetter => ({
  connection: row["connection"] as string,
  seq: Number(row["seq"]),
  key: row["key"] as string | null,
  attempt: Number(row["attempt"]),
  reason: row["reason"] as Reason,
  detail: row["detail"] as string
})
const toFact = (row: SqlRow): Facts.Fact => JSON.parse(row["fact"] as string)

/** The change of the tables that a fact makes; `Facts.evolve` is the same on plain data. `before`: the control at that point. */
const project = (sql: Sql, fact: Facts.Fact, before: Facts.Control): void => {
  switch (fact._tag) {
    case "ConnectionStarted": {
      const { connection, sourceId, route, after } = fact
      const values = [connection, sourceId, route, after, after, after]
      sql.exec("INSERT OR REPLACE INTO connections VALUES (?, ?, ?, ?, ?, ?, 1, 0)", ...values)
      return
    }
    case "ConnectionChanged": {
      const values = [fact.enabled ? 1 : 0, fact.deleted ? 1 : 0, fact.connection]
      sql.exec("UPDATE connections SET enabled = ?, deleted = ? WHERE id = ?", ...values)
      return
    }
    case "WindowSettled": {
      const { connection } = fact
      if (fact.seqs === null) sql.exec("UPDATE connections SET cursor = ? WHERE id = ?", fact.hi, connection)
      for (const one of fact.settled) settleEvent(sql, connection, fact.seqs !== null, one)
      const free = sql.exec(
        `SELECT min(seq) AS seq FROM pending WHERE connection = ? AND key IS NOT NULL GROUP BY key HAVING count(due) = 0`,
        connection
      )
      for (const { seq } of free) {
        sql.exec("UPDATE pending SET due = ? WHERE connection = ? AND seq = ?", fact.at, connection, seq!)
      }
      return
    }
    case "BreakerOpened":
      if (before.breaker.state === "closed") {
        sql.exec("UPDATE pending SET spent = 0 WHERE reason IN ('Unavailable', 'TimedOut', 'Unknown') AND spent > 0")
      }
      return
    case "BreakerClosed":
      sql.exec("UPDATE pending SET due = ? WHERE due IS NOT NULL", fact.at)
      return
    case "Redriven":
      for (const seq of fact.seqs) {
        const at = [fact.connection, seq]
        const letter = sql.exec("SELECT * FROM dead WHERE connection = ? AND seq = ?", ...at).map(toDead)[0]
        if (letter === undefined) {
          sql.exec("UPDATE pending SET due = ? WHERE connection = ? AND seq = ? AND due > ?", fact.at, ...at, fact.at)
        } else {
          sql.exec("DELETE FROM dead WHERE connection = ? AND seq = ?", ...at)
          const values = [...at, letter.key, fact.at, letter.reason, letter.detail]
          sql.exec("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, 0, ?, 0, NULL, ?, ?)", ...values)
        }
      }
      return
    default:
      return
  }
}

const settleEvent = (sql: Sql, connection: ConnectionId, isRetry: boolean, one: Facts.Settlement): void => {
  const { seq } = one
  switch (one._tag) {
    case "Retry": {
      const values = [connection, seq, one.key, one.spent, one.due, one.restarts, one.since, one.reason, one.detail]
      sql.exec("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", ...values)
      return
    }
    case "Waiting":
      sql.exec(
        `INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, '') ON CONFLICT (connection, seq) DO UPDATE
         SET key = excluded.key, spent = excluded.spent, due = excluded.due, restarts = excluded.restarts`,
        ...[connection, seq, one.key, one.spent, one.due, one.restarts]
      )
      return
    default:
      if (isRetry) sql.exec("DELETE FROM pending WHERE connection = ? AND seq = ?", connection, seq)
      if (one._tag === "Dead") {
        const values = [connection, seq, one.key, one.attempt, one.reason, one.detail]
        sql.exec("INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?, ?)", ...values)
      }
  }
}

/** Opens the journal in `sql`, making its tables when they are missing. */
export const makeStore = (sql: Sql): DeliveryStore => {
  migrate(sql, "DeliveryJournal", MIGRATIONS)

  const control = (): Facts.Control => {
    const row = sql.exec("SELECT state FROM control")[0]
    return row === undefined ? Facts.initialControl : JSON.parse(row["state"] as string)
  }
  const connections = () => sql.exec("SELECT * FROM connections ORDER BY id").map(toConnection)
  const count = (table: "pending" | "dead") => Number(sql.exec(`SELECT count(*) AS n FROM ${table}`)[0]!["n"])
  const numberOrNull = (value: unknown) => (value === null || value === undefined ? null : Number(value))

  /** Due events, each followed by those that wait behind its key, as far as none of the key is due later. */
  const due = (now: number): ReadonlyArray<Facts.Pending> => {
    const limit = Delivery.WINDOW_EVENTS
    const heads = sql
      .exec(
        `SELECT * FROM pending WHERE due <= ? AND connection IN (${ENABLED}) ORDER BY due, connection, seq LIMIT ?`,
        now,
        limit
      )
      .map(toPending)
    const out = [...heads]
    for (const { connection, key } of heads) {
      if (key === null || out.length >= limit) continue
      out.push(
        ...sql
          .exec(
            `SELECT * FROM pending WHERE connection = ?1 AND key = ?2 AND due IS NULL
             AND seq < coalesce((SELECT min(seq) FROM pending WHERE connection = ?1 AND key = ?2 AND due > ?3), ?4)
             ORDER BY seq LIMIT ?5`,
            ...[connection, key, now, MAX_SEQUENCE, limit - out.length]
          )
          .map(toPending)
          .filter((one) => !out.some((other) => other.connection === one.connection && other.seq === one.seq))
      )
    }
    return out
  }

  return {
    control,
    commit: (facts, now) =>
      sql.transaction(() => {
        const before = control()
        let after = before
        for (const fact of facts) {
          const isRead = fact._tag === "WindowSettled" && fact.seqs === null
          sql.exec(
            "INSERT INTO journal (at, v, type, connection, lo, hi, is_read, fact) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ...[now, FACT_VERSION, fact._tag, "connection" in fact ? fact.connection : null],
            ...[...rangeOf(fact), isRead ? 1 : 0, JSON.stringify(fact)]
          )
          project(sql, fact, after)
          after = Facts.evolveControl(after, fact)
        }
        if (after !== before) sql.exec("INSERT OR REPLACE INTO control VALUES (1, ?)", JSON.stringify(after))
      }),
    raiseHead: (sourceId, head) => {
      sql.exec("UPDATE connections SET head = ? WHERE source_id = ? AND head < ?", head, sourceId, head)
    },
    view: (now) => {
      const pendingOf = new Map(
        sql
          .exec("SELECT connection, count(*) AS n FROM pending GROUP BY connection")
          .map((row) => [row["connection"] as string, Number(row["n"])])
      )
      const next = sql.exec(`SELECT min(due) AS due FROM pending WHERE due > ? AND connection IN (${ENABLED})`, now)[0]
      const state = control()
      return {
        control: state,
        connections: connections()
          .filter(({ deleted }) => !deleted)
          .map((connection) => ({ ...connection, pending: pendingOf.get(connection.id) ?? 0 })),
        due: due(now),
        oldest:
          state.breaker.state === "closed"
            ? []
            : sql
                .exec(
                  `SELECT * FROM pending WHERE due IS NOT NULL AND connection IN (${ENABLED}) ORDER BY seq, connection LIMIT ?`,
                  Delivery.WINDOW_EVENTS
                )
                .map(toPending),
        nextDue: numberOrNull(next?.["due"]),
        pendingCount: [...pendingOf.values()].reduce((a, b) => a + b, 0)
      }
    },
    pendingAmong: (connection, seqs) =>
      sql
        .exec(
          "SELECT * FROM pending WHERE connection = ? AND seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
          connection,
          JSON.stringify(seqs)
        )
        .map(toPending),
    blockedKeys: (connection, keys) =>
      new Set(
        sql
          .exec(
            "SELECT DISTINCT key FROM pending WHERE connection = ? AND key IN (SELECT value FROM json_each(?))",
            connection,
            JSON.stringify(keys)
          )
          .map(({ key }) => key as string)
      ),
    timeline: (sourceId, seq) =>
      sql
        .exec(
          `SELECT at, fact FROM journal
           WHERE lo <= ? AND hi >= ? AND connection IN (SELECT id FROM connections WHERE source_id = ?) ORDER BY n`,
          seq,
          seq,
          sourceId
        )
        .flatMap((row) => entriesIn(toFact(row), Number(row["at"]), seq)),
    statuses: (sourceId, seqs) =>
      connections()
        .filter((connection) => connection.sourceId === sourceId)
        .flatMap(({ id, after, cursor }) =>
          seqs.flatMap((seq): ReadonlyArray<DeliveryStatus> => {
            if (seq <= after) return []
            const has = (table: "pending" | "dead") =>
              sql.exec(`SELECT 1 FROM ${table} WHERE connection = ? AND seq = ?`, id, seq).length > 0
            const isFiltered = () =>
              sql
                .exec(
                  "SELECT fact FROM journal WHERE is_read = 1 AND connection = ? AND hi >= ? ORDER BY hi LIMIT 1",
                  id,
                  seq
                )
                .some((row) => entriesIn(toFact(row), 0, seq)[0]?.type === "filtered")
            return [{ connection: id, seq, status: statusOf(seq, cursor, has, isFiltered) }]
          })
        ),
    deadLetters: (before, limit) => {
      const rows = sql.exec(
        `SELECT * FROM dead WHERE (connection, seq) < (?, ?) ORDER BY connection DESC, seq DESC LIMIT ?`,
        ...[before?.connection ?? "~", before?.seq ?? 0, limit + 1]
      )
      return deadPage(rows.map(toDead), limit)
    },
    summary: () => {
      const last = sql.exec("SELECT reason, detail FROM pending WHERE reason IS NOT NULL ORDER BY due DESC LIMIT 1")[0]
      return {
        control: control(),
        connections: connections(),
        pending: count("pending"),
        dead: count("dead"),
        nextDue: numberOrNull(sql.exec("SELECT min(due) AS due FROM pending")[0]?.["due"]),
        lastError: last === undefined ? null : { reason: last["reason"] as Reason, detail: last["detail"] as string }
      }
    },
    facts: () => sql.exec("SELECT fact FROM journal ORDER BY n").map(toFact),
    state: () => ({
      control: control(),
      connections: new Map(connections().map((connection) => [connection.id, connection])),
      pending: byEvent(sql.exec("SELECT * FROM pending").map(toPending)),
      dead: byEvent(sql.exec("SELECT * FROM dead").map(toDead))
    })
  }
}

const byEvent = <A extends { readonly connection: ConnectionId; readonly seq: number }>(
  all: ReadonlyArray<A>
): ReadonlyMap<string, A> => new Map(all.map((one) => [Facts.eventKey(one.connection, one.seq), one]))
