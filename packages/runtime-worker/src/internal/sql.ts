import type { Sql, SqlRow } from "@hookstream/core/Sql"

/** A Durable Object's SQLite as core's stores want it. */
export const sqlOf = (storage: DurableObjectStorage): Sql => ({
  exec: (query, ...params) => storage.sql.exec(query, ...params).toArray() as ReadonlyArray<SqlRow>,
  transaction: (body) => storage.transactionSync(body)
})
