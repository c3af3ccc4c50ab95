/**
 * What a log stores beside its events: the config of its source, and how far each destination was notified. The
 * append's own transaction arms the log's alarm, and the alarm wakes every destination whose durable `notified` is
 * below the head. So a lost wake-up costs seconds, never an event.
 */
import type { DestinationId } from "../Ids.ts"
import { migrate, type Sql } from "../Sql.ts"
import { type Form, open } from "../Stored.ts"
import { LogConfig } from "../workspace/Registry.ts"
import { upcast } from "../workspace/Source.ts"

export interface LogConfigStore {
  readonly config: () => LogConfig | undefined
  /** Keeps the newest version: an older one that arrives late changes nothing. */
  readonly configure: (config: LogConfig) => void
  /** Destinations that were not notified of `head`, as far as is stored. */
  readonly behind: (head: number) => ReadonlyArray<DestinationId>
  readonly notified: (destination: DestinationId, head: number) => void
}

const MIGRATIONS = [
  [
    `CREATE TABLE log_config (one INTEGER PRIMARY KEY CHECK (one = 1), config TEXT NOT NULL)`,
    `CREATE TABLE notified (destination TEXT PRIMARY KEY, head INTEGER NOT NULL) WITHOUT ROWID`
  ],
  ["ALTER TABLE log_config ADD COLUMN v INTEGER NOT NULL DEFAULT 1"]
]

/** Of an older workspace too. */
const bring = (stored: LogConfig) => ({ ...stored, source: upcast(stored.source) })
const form: Form<LogConfig> = {
  name: "LogKeeper config",
  schema: LogConfig,
  steps: [bring, bring]
}

export const makeStore = (sql: Sql): LogConfigStore => {
  // The store's first name: it stands in the version table of every log.
  migrate(sql, "LogKeeper", MIGRATIONS)
  const stored = open(sql, form)
  const read = (): LogConfig | undefined => {
    const row = sql.exec("SELECT v, config FROM log_config")[0]
    return row === undefined ? undefined : stored.read(Number(row["v"]), row["config"] as string)
  }
  // Parsed once: every append asks for it.
  let config = read()

  return {
    config: () => config,
    configure: (told) => {
      if (config !== undefined && config.version >= told.version) return
      const next = bring(told)
      sql.transaction(() => {
        sql.exec(
          "INSERT OR REPLACE INTO log_config (one, v, config) VALUES (1, ?, ?)",
          stored.version,
          JSON.stringify(next)
        )
        const wanted = new Set(next.destinations)
        for (const { destination } of sql.exec("SELECT destination FROM notified")) {
          if (!wanted.has(destination as string)) sql.exec("DELETE FROM notified WHERE destination = ?", destination!)
        }
      })
      config = next
    },
    behind: (head) => {
      const told = new Map(
        sql
          .exec("SELECT destination, head FROM notified")
          .map((row) => [row["destination"] as string, Number(row["head"])])
      )
      return (config?.destinations ?? []).filter((destination) => (told.get(destination) ?? 0) < head)
    },
    notified: (destination, head) => {
      sql.exec("INSERT OR REPLACE INTO notified VALUES (?, ?)", destination, head)
    }
  }
}
