/** What a destination stores of its workspace: the config that it works by. */
import { migrate, type Sql } from "../Sql.ts"
import { type Form, open } from "../Stored.ts"
import { DestinationConfig } from "../workspace/Registry.ts"

export interface DestinationConfigStore {
  readonly config: () => DestinationConfig | undefined
  /** In the caller's transaction. */
  readonly configure: (config: DestinationConfig) => void
}

const MIGRATIONS = [
  // Older releases made it themselves.
  ["CREATE TABLE IF NOT EXISTS destination_config (one INTEGER PRIMARY KEY CHECK (one = 1), config TEXT NOT NULL)"],
  ["ALTER TABLE destination_config ADD COLUMN v INTEGER NOT NULL DEFAULT 1"]
]

/** Version 1 did not say of a connection whether its source was deleted. */
type V1 = Omit<DestinationConfig, "connections"> & { readonly connections: ReadonlyArray<object> }

const form: Form<DestinationConfig> = {
  name: "DestinationConfig config",
  schema: DestinationConfig,
  steps: [
    (stored: V1) => ({ ...stored, connections: stored.connections.map((one) => ({ sourceDeleted: false, ...one })) })
  ]
}

export const makeStore = (sql: Sql): DestinationConfigStore => {
  migrate(sql, "DestinationConfig", MIGRATIONS)
  const stored = open(sql, form)
  return {
    config: () => {
      const row = sql.exec("SELECT v, config FROM destination_config")[0]
      return row === undefined ? undefined : stored.read(Number(row["v"]), row["config"] as string)
    },
    configure: (config) => {
      sql.exec(
        "INSERT OR REPLACE INTO destination_config (one, v, config) VALUES (1, ?, ?)",
        stored.version,
        JSON.stringify(config)
      )
    }
  }
}
