import { DatabaseSync, type StatementSync } from "node:sqlite"
import type { Sql, SqlRow } from "@hookstream/core/Sql"

/** The statements of a database, each compiled once: that takes longer than running it. */
export const statementsOf = (db: DatabaseSync): ((query: string) => StatementSync) => {
  const known = new Map<string, StatementSync>()
  return (query) => {
    const statement = known.get(query) ?? db.prepare(query)
    known.set(query, statement)
    return statement
  }
}

/** `node:sqlite` as core's stores want it; `path` defaults to a database in memory. */
export const nodeSql = (path = ":memory:"): Sql & { readonly close: () => void } => {
  const db = new DatabaseSync(path)
  const statement = statementsOf(db)
  let depth = 0
  return {
    exec: (query, ...params) => {
      const values = params.map((value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : value))
      return statement(query).all(...values) as ReadonlyArray<SqlRow>
    },
    // Durable Objects nest transactions; SQLite does it by savepoints.
    transaction: (body) => {
      const name = `t${depth++}`
      db.exec(`SAVEPOINT ${name}`)
      try {
        const result = body()
        db.exec(`RELEASE ${name}`)
        return result
      } catch (error) {
        db.exec(`ROLLBACK TO ${name}; RELEASE ${name}`)
        throw error
      } finally {
        depth--
      }
    },
    close: () => db.close()
  }
}
