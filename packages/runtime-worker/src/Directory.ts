/** The Durable Object of a part of the directory: a shell over core's `DirectoryEngine`. */
import { contract } from "@hookstream/core/directory/DirectoryContract"
import * as DirectoryEngine from "@hookstream/core/directory/DirectoryEngine"
import { objectOf } from "./internal/objectOf.ts"
import { workspaceOf } from "./Peers.ts"

export const Directory = objectOf(contract, (ports, env) =>
  DirectoryEngine.make({
    ...ports,
    peers: { sweep: (workspace) => workspaceOf(env, workspace).sweep() }
  })
)
