/** The epochs of a log over SQL: one row for each instance that has appended something. */
import * as Ids from "../../Ids.ts"
import type { Sql, SqlRow } from "../../Sql.ts"
import { type Epoch, NONE } from "../Epochs.ts"

/** A step of the log's tables: what is there then is of no epoch. */
export const epochsTable = [
  "CREATE TABLE epochs (first INTEGER PRIMARY KEY, id TEXT NOT NULL)",
  `INSERT INTO epochs VALUES (${NONE.first}, '${NONE.id}')`
]

/** The newest epochs that a log tells of itself. */
const RECENT = 16

const toEpoch = (row: SqlRow): Epoch => ({ id: row["id"] as string, first: Number(row["first"]) })

/** An epoch that nobody has seen. */
export const fresh = (first: number): Epoch => ({ id: Ids.randomHex(16), first })

/** Begins an epoch, in the transaction that writes its first event. */
export const begin = (sql: Sql, { id, first }: Epoch): void => {
  sql.exec("INSERT INTO epochs VALUES (?, ?)", first, id)
}

/** From the epoch of event `from`, as far as it is known, to that of event `to`. */
export const between = (sql: Sql, from: number, to: number): ReadonlyArray<Epoch> =>
  sql
    .exec(
      `SELECT * FROM epochs WHERE first <= ?2 AND
       first >= coalesce((SELECT max(first) FROM epochs WHERE first <= ?1), 0) ORDER BY first`,
      from,
      Math.max(from, to)
    )
    .map(toEpoch)

export const recent = (sql: Sql): ReadonlyArray<Epoch> =>
  sql.exec("SELECT * FROM epochs ORDER BY first DESC LIMIT ?", RECENT).map(toEpoch).reverse()

/** Forgets epochs before that of event `seq`: whoever goes on reading has read at least so far. */
export const forget = (sql: Sql, seq: number): void => {
  sql.exec("DELETE FROM epochs WHERE first < (SELECT max(first) FROM epochs WHERE first <= ?)", seq)
}
