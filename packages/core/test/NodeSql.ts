import { DatabaseSync } from "node:sqlite"
import type { Sql, SqlRow } from "@hookstream/core/Sql"

/** `node:sqlite` as core's stores want it; `path` defaults to a database in memory. */
export const nodeSql = (path = ":memory:"): Sql & { readonly close: () => void } => {
  const db = new DatabaseSync(path)
  let depth = 0
  return {
    exec: (query, ...params) => {
      const values = params.map((value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : value))
      return db.prepare(query).all(...values) as ReadonlyArray<SqlRow>
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
