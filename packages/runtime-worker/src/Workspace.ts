/** The Durable Object of a workspace: a shell over core's `WorkspaceEngine`. */
import { shardOf } from "@hookstream/core/directory/DirectoryContract"
import { routeOf } from "@hookstream/core/Ids"
import { contract } from "@hookstream/core/workspace/WorkspaceContract"
import * as WorkspaceEngine from "@hookstream/core/workspace/WorkspaceEngine"
import { objectOf } from "./internal/objectOf.ts"
import type { RuntimeOf } from "./Layers.ts"
import { destinationOf, directoryOf, logOf } from "./Peers.ts"

export const makeWorkspace = (runtimeOf: RuntimeOf) =>
  objectOf(contract, (ports, env) =>
    WorkspaceEngine.make({
      ...ports,
      execute: (effect) => runtimeOf(env).runPromise(effect),
      peers: {
        list: (workspace) => directoryOf(env, shardOf(workspace)).add(workspace),
        claimLog: (source) => logOf(env, routeOf(source)).claim(source),
        configureLog: (source, config) => logOf(env, routeOf(source)).configure(config),
        configureDestination: (id, config) => destinationOf(env, id).configure(config),
        commandDestination: (id, jobs) => destinationOf(env, id).command(jobs),
        nudgeLog: (source) => logOf(env, routeOf(source)).nudge(),
        nudgeDestination: (id) => destinationOf(env, id).nudge()
      }
    })
  )
