import type { Sql, SqlRow } from "@hookstream/core/Sql"

/** A Durable Object's SQLite as core's stores want it. */
export const sqlOf = (storage: DurableObjectStorage): Sql => ({
  exec: (query, ...params) => storage.sql.exec(query, ...params).toArray() as ReadonlyArray<SqlRow>,
  transaction: (body) => storage.transactionSync(body)
})

/** Whether a store has made its tables here: an object that nobody claimed has none, and writes none. */
export const isClaimed = (storage: DurableObjectStorage): boolean =>
  storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'").toArray().length > 0
