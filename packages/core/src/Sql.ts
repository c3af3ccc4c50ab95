/**
 * The synchronous SQLite that every store is written against: a Durable Object's `storage.sql` and `node:sqlite` both
 * fit.
 *
 * Synchronous on purpose: a timer between two statements of a write commits the first without the second, and Effect
 * fibers yield by timers. So a store is plain functions, and its Effect service wraps each once.
 */
import { StoreTooNew } from "./Errors.ts"

export type SqlValue = string | number | null | Uint8Array | ArrayBuffer

export type SqlRow = Record<string, SqlValue>

export interface Sql {
  /** Runs one statement and returns its rows. Integers come back as numbers. */
  readonly exec: (query: string, ...params: ReadonlyArray<SqlValue>) => ReadonlyArray<SqlRow>
  /** Runs `body` in one transaction: a throw rolls back all of it and is thrown again. */
  readonly transaction: <A>(body: () => A) => A
}

/** A BLOB column as bytes: Durable Objects answer `ArrayBuffer`, `node:sqlite` `Uint8Array`. */
export const blob = (value: SqlValue | undefined): Uint8Array =>
  value instanceof ArrayBuffer ? new Uint8Array(value) : (value as Uint8Array)

/**
 * Brings what is stored under a name to version `known` by `change`, and remembers that in `schema_versions` (`PRAGMA
 * user_version` is refused in Durable Objects). What a newer release stored is refused with `StoreTooNew`: it may hold
 * what this one would not see.
 */
export const bring = (sql: Sql, store: string, known: number, change: (from: number) => void): void =>
  sql.transaction(() => {
    sql.exec(
      "CREATE TABLE IF NOT EXISTS schema_versions (store TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID"
    )
    const stored = Number(sql.exec("SELECT version FROM schema_versions WHERE store = ?", store)[0]?.["version"] ?? 0)
    if (stored > known) throw new StoreTooNew({ store, stored, known })
    change(stored)
    if (stored < known) {
      sql.exec("INSERT OR REPLACE INTO schema_versions (store, version) VALUES (?, ?)", store, known)
    }
  })

/**
 * Brings a store's tables to their newest version, one step after the other. A step adds; a table or a column that
 * nothing reads any more is dropped by a later release, for the release before may still read it.
 */
export const migrate = (sql: Sql, store: string, steps: ReadonlyArray<ReadonlyArray<string>>): void =>
  bring(sql, store, steps.length, (from) => {
    for (const statement of steps.slice(from).flat()) sql.exec(statement)
  })

/** Whether a store has made its tables here. An object that nobody claimed has none. */
export const isClaimed = (sql: Sql): boolean =>
  sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'").length > 0
