/** What others ask of the directory of workspaces: workspaces, and the Worker's cron trigger. */
import { type Contract, nothing } from "../Contract.ts"
import type { WorkspaceId } from "../Ids.ts"
import { type Jurisdiction, markOf, placementOf } from "../Placement.ts"

export interface DirectoryContract {
  /** From now on this workspace is swept. One that is listed already changes nothing. */
  readonly add: (workspace: WorkspaceId) => void
  /** Begins to sweep all workspaces that are listed here, and answers at once. */
  readonly sweep: () => void
}

export const contract: Contract<DirectoryContract> = {
  name: "the directory",
  version: 1,
  methods: {
    add: { args: 1, answer: nothing },
    sweep: { args: 0, answer: nothing }
  }
}

const PARTS = 16
/** No part outside a jurisdiction knows of what is within it. */
const partsOf = (jurisdiction: Jurisdiction | null): string => {
  const mark = markOf({ jurisdiction, region: null })
  return mark === "" ? "directory-" : `${mark}-directory-`
}

/** Names of the objects that the directory consists of, for ever: their workspaces would be lost with one. */
export const shardsOf = (jurisdiction: Jurisdiction | null): ReadonlyArray<string> =>
  Array.from({ length: PARTS }, (_, n) => `${partsOf(jurisdiction)}${n}`)

/** Where a workspace is listed. Its id is random, so its last digit spreads as well as any hash. */
export const shardOf = (workspace: WorkspaceId): string =>
  `${partsOf(placementOf(workspace).jurisdiction)}${Number.parseInt(workspace.slice(-1), PARTS)}`
