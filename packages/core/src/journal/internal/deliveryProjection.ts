/** The tables that the facts of a delivery journal change: runs, pending events, dead letters. */

import type * as Facts from "../../delivery/Facts.ts"
import * as State from "../../delivery/State.ts"
import type { Sql, SqlRow } from "../../Sql.ts"
import { Reason } from "../../sink/Sink.ts"

export const toRun = (row: SqlRow): State.Run => ({
  id: row["id"] as string,
  connection: row["connection"] as string,
  replay: row["replay"] === null ? null : JSON.parse(row["replay"] as string),
  sourceId: row["source_id"] as string,
  route: row["route"] as string,
  after: Number(row["after"]),
  cursor: Number(row["cursor"]),
  head: Number(row["head"]),
  enabled: row["enabled"] === 1,
  deleted: row["deleted"] === 1,
  delivered: Number(row["delivered"]),
  filtered: Number(row["filtered"]),
  rateFullAt: Number(row["rate_full_at"]),
  finishedAt: row["finished_at"] === null ? null : Number(row["finished_at"]),
  marks: JSON.parse(row["marks"] as string).map(([epoch, through]: readonly [string, number]) => ({ epoch, through }))
})
export const toPending = (row: SqlRow): State.Pending => ({
  run: row["run"] as string,
  seq: Number(row["seq"]),
  key: row["key"] as string | null,
  spent: Number(row["spent"]),
  due: row["due"] === null ? null : Number(row["due"]),
  restarts: Number(row["restarts"]),
  since: row["since"] === null ? null : Number(row["since"]),
  reason: row["reason"] as Reason | null,
  detail: row["detail"] as string
})
export const toDead = (row: SqlRow): State.DeadLetter => ({
  run: row["run"] as string,
  seq: Number(row["seq"]),
  key: row["key"] as string | null,
  attempt: Number(row["attempt"]),
  reason: row["reason"] as Reason,
  detail: row["detail"] as string
})
const marksText = (marks: State.Run["marks"]): string =>
  JSON.stringify(marks.map(({ epoch, through }) => [epoch, through]))

const writeRun = (sql: Sql, run: State.Run): void => {
  sql.exec(
    "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    run.id,
    run.connection,
    run.replay === null ? null : JSON.stringify(run.replay),
    run.sourceId,
    run.route,
    run.after,
    run.cursor,
    run.head,
    run.enabled ? 1 : 0,
    run.deleted ? 1 : 0,
    run.delivered,
    run.filtered,
    run.rateFullAt,
    run.finishedAt,
    marksText(run.marks)
  )
}

/** Writes down how far a run is, and nothing else of it. */
export const writeProgress = (sql: Sql, { id, cursor, delivered, filtered, rateFullAt, marks }: State.Run): void => {
  sql.exec(
    "UPDATE runs SET cursor = ?, delivered = ?, filtered = ?, rate_full_at = ?, marks = ? WHERE id = ?",
    cursor,
    delivered,
    filtered,
    rateFullAt,
    marksText(marks),
    id
  )
}

const readRun = (sql: Sql, id: Facts.RunId): State.Run | undefined =>
  sql.exec("SELECT * FROM runs WHERE id = ?", id).map(toRun)[0]

/**
 * Applies a fact to the tables, as `evolve` (`testing/Fold.ts`) does to plain data. `before` is the control before the
 * fact.
 */
export const project = (sql: Sql, fact: Facts.Fact, before: State.Control): void => {
  switch (fact._tag) {
    case "ConnectionStarted": {
      const { connection, sourceId, route, after } = fact
      const marks = State.marksOf(fact)
      writeRun(
        sql,
        State.newRun({ id: connection, connection, replay: null, sourceId, route, after, head: after, marks })
      )
      return
    }
    case "ConnectionChanged": {
      const deleted = fact.deleted ? 1 : 0
      sql.exec(
        `UPDATE runs SET enabled = ?, deleted = max(?, CASE WHEN replay IS NULL THEN 0 ELSE deleted END)
         WHERE connection = ?`,
        fact.enabled ? 1 : 0,
        deleted,
        fact.connection
      )
      return
    }
    case "ReplayRequested": {
      const { connection, replay, after, through } = fact
      const live = readRun(sql, connection)
      if (live === undefined) return
      const { sourceId, route, enabled, deleted } = live
      const id = State.runOf(connection, replay.id)
      const run = State.newRun({ id, connection, replay, sourceId, route, after, head: through })
      writeRun(sql, { ...run, enabled, deleted })
      return
    }
    case "ReplayFinished":
      sql.exec("UPDATE runs SET finished_at = ? WHERE id = ?", fact.at, fact.run)
      return
    case "ReplayCancelled":
      sql.exec("UPDATE runs SET deleted = 1 WHERE json_extract(replay, '$.id') = ?", fact.replay)
      return
    case "RunCancelled":
      sql.exec("UPDATE runs SET deleted = 1, head = max(cursor, ?) WHERE id = ?", fact.through, fact.run)
      return
    case "LogRestored": {
      const { run, through, marks } = fact
      sql.exec(
        `UPDATE runs SET cursor = min(cursor, ?1), after = min(after, ?1), head = min(head, ?1), marks = ?2
         WHERE id = ?3`,
        through,
        marksText(marks),
        run
      )
      for (const table of ["pending", "dead"]) {
        sql.exec(`DELETE FROM ${table} WHERE run = ? AND seq > ?`, run, through)
      }
      return
    }
    case "WindowSettled": {
      const { run } = fact
      const before = readRun(sql, run)
      if (before !== undefined) writeProgress(sql, State.afterWindow(before, fact))
      for (const one of fact.settled) settleEvent(sql, run, fact.seqs !== null, one)
      const free = sql.exec(
        `SELECT min(seq) AS seq FROM pending WHERE run = ? AND key IS NOT NULL GROUP BY key HAVING count(due) = 0`,
        run
      )
      for (const { seq } of free) {
        sql.exec("UPDATE pending SET due = ? WHERE run = ? AND seq = ?", fact.at, run, seq!)
      }
      return
    }
    case "BreakerOpened":
      if (before.breaker.state === "closed") {
        sql.exec(
          "UPDATE pending SET spent = 0 WHERE reason IN (SELECT value FROM json_each(?)) AND spent > 0",
          JSON.stringify(Reason.literals.filter(State.isOutage))
        )
      }
      return
    case "BreakerClosed":
      sql.exec("UPDATE pending SET due = ? WHERE due IS NOT NULL", fact.at)
      return
    case "RetriesDue":
      sql.exec(
        `UPDATE pending SET due = ?1 WHERE due IS NOT NULL
         AND (?2 IS NULL OR run IN (SELECT id FROM runs WHERE connection = ?2))`,
        fact.at,
        fact.connection
      )
      return
    case "Redriven":
      for (const seq of fact.seqs) {
        const at = [fact.run, seq]
        const letter = sql.exec("SELECT * FROM dead WHERE run = ? AND seq = ?", ...at).map(toDead)[0]
        if (letter === undefined) {
          sql.exec("UPDATE pending SET due = ? WHERE run = ? AND seq = ? AND due > ?", fact.at, ...at, fact.at)
        } else {
          sql.exec("DELETE FROM dead WHERE run = ? AND seq = ?", ...at)
          const values = [...at, letter.key, fact.at, letter.reason, letter.detail]
          sql.exec("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, 0, ?, 0, NULL, ?, ?)", ...values)
        }
      }
      return
    case "WindowPlanned":
    case "Paused":
    case "Resumed":
    case "BreakerHalfOpened":
    case "ThrottledUntil":
    case "ConfigChanged":
      // The control alone has them.
      return
    default:
      fact satisfies never
  }
}

const settleEvent = (sql: Sql, run: Facts.RunId, isRetry: boolean, one: Facts.Settlement): void => {
  const { seq } = one
  const unpend = () => sql.exec("DELETE FROM pending WHERE run = ? AND seq = ?", run, seq)
  switch (one._tag) {
    case "Retry": {
      const values = [run, seq, one.key, one.spent, one.due, one.restarts, one.since, one.reason, one.detail]
      sql.exec("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", ...values)
      return
    }
    case "Waiting":
      sql.exec(
        `INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, '') ON CONFLICT (run, seq) DO UPDATE
         SET key = excluded.key, spent = excluded.spent, due = excluded.due, restarts = excluded.restarts`,
        run,
        seq,
        one.key,
        one.spent,
        one.due,
        one.restarts
      )
      return
    case "Delivered":
    case "Filtered":
      if (isRetry) unpend()
      return
    case "Dead": {
      if (isRetry) unpend()
      const values = [run, seq, one.key, one.attempt, one.reason, one.detail]
      sql.exec("INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?, ?)", ...values)
      return
    }
    default:
      one satisfies never
  }
}
