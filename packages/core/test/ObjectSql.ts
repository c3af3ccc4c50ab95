/**
 * SQLite as a Durable Object has it: the first write begins an implicit transaction, which the next macrotask commits,
 * and so does whatever leaves the object (the output gate waits for it). A write before a throw stays; a crash drops
 * what is not committed. `Stores.workerd.test.ts` compares it with workerd.
 */
import { DatabaseSync } from "node:sqlite"
import type { Sql, SqlRow } from "@hookstream/core/Sql"
import { statementsOf } from "./NodeSql.ts"

/** All that a database holds. */
export interface Snapshot {
  readonly schema: ReadonlyArray<string>
  readonly tables: ReadonlyArray<readonly [name: string, rows: ReadonlyArray<SqlRow>]>
}

export interface ObjectSql extends Sql {
  /** Commits now, as the output gate does. */
  readonly flush: () => void
  /** The process ends: what is not committed is gone. */
  readonly crash: () => void
  readonly snapshot: () => Snapshot
  /** Puts back what it held then, and commits. */
  readonly restore: (snapshot: Snapshot) => void
}

export const objectSql = (): ObjectSql => {
  const db = new DatabaseSync(":memory:")
  const statement = statementsOf(db)
  let open = false
  let depth = 0
  const flush = () => {
    if (!open) return
    open = false
    db.exec("COMMIT")
  }
  const begin = () => {
    if (open) return
    open = true
    db.exec("BEGIN")
    setImmediate(flush)
  }
  const tables = () =>
    db
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .all()
      .map(({ name }) => String(name))
  return {
    flush,
    snapshot: () => {
      flush()
      const made = db.prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC").all()
      return {
        schema: made.map(({ sql }) => String(sql)),
        tables: tables().map((name) => [name, db.prepare(`SELECT * FROM ${name}`).all() as ReadonlyArray<SqlRow>])
      }
    },
    restore: (snapshot) => {
      flush()
      for (const name of tables()) db.exec(`DROP TABLE ${name}`)
      for (const query of snapshot.schema) db.exec(query)
      for (const [name, rows] of snapshot.tables) {
        for (const row of rows) {
          const places = Object.keys(row).map(() => "?")
          const values = Object.values(row) as ReadonlyArray<string>
          db.prepare(`INSERT INTO ${name} VALUES (${places.join(", ")})`).run(...values)
        }
      }
    },
    crash: () => {
      if (open) db.exec("ROLLBACK")
      open = false
    },
    exec: (query, ...params) => {
      if (!/^\s*SELECT/i.test(query)) begin()
      return statement(query).all(...(params as ReadonlyArray<string>)) as ReadonlyArray<SqlRow>
    },
    transaction: (body) => {
      begin()
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
    }
  }
}
