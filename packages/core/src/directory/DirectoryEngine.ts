/**
 * The engine of a part of the directory: it lists workspaces, and sweeps them. One that lists none stores nothing.
 */
import type { EnginePorts } from "../EnginePorts.ts"
import type { WorkspaceId } from "../Ids.ts"
import { isClaimed, migrate } from "../Sql.ts"
import * as Sweep from "../Sweep.ts"
import type { DirectoryContract } from "./DirectoryContract.ts"

/** The workspaces as the directory asks them. */
export interface DirectoryPeers {
  /** Answers once the workspace has begun. */
  readonly sweep: (workspace: WorkspaceId) => Promise<void>
}

export interface DirectoryPorts extends EnginePorts {
  readonly peers: DirectoryPeers
}

export interface DirectoryEngine extends DirectoryContract {
  /** Call when the alarm fires. Never rejects. */
  readonly alarm: () => Promise<void>
}

export const make = (ports: DirectoryPorts): DirectoryEngine => {
  const { sql, alarm, peers } = ports
  const open = (): Sweep.Sweep => {
    migrate(sql, "Directory", [["CREATE TABLE workspaces (id TEXT PRIMARY KEY) WITHOUT ROWID"]])
    return Sweep.make({
      ports,
      page: (after, limit) =>
        sql
          .exec("SELECT id FROM workspaces WHERE id > ? ORDER BY id LIMIT ?", after, limit)
          .map(({ id }) => id as string),
      ask: peers.sweep
    })
  }
  let sweep = isClaimed(sql) ? open() : undefined

  return {
    add: (workspace) => {
      sweep ??= open()
      sql.exec("INSERT OR IGNORE INTO workspaces VALUES (?)", workspace)
    },
    sweep: () => sweep?.begin(),
    alarm: async () => {
      alarm.fired()
      await sweep?.turn()
    }
  }
}
