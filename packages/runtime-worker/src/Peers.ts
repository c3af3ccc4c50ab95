/** The Durable Objects as others ask them, by their contracts. Each call takes a new stub: some errors break one. */
import { type Asked, asking } from "@hookstream/core/Contract"
import * as Delivery from "@hookstream/core/delivery/DeliveryContract"
import * as Directory from "@hookstream/core/directory/DirectoryContract"
import type { DestinationId, Route, WorkspaceId } from "@hookstream/core/Ids"
import * as Log from "@hookstream/core/log/LogContract"
import * as Registry from "@hookstream/core/workspace/WorkspaceContract"
import type { Env } from "./Env.ts"

const askLog = asking(Log.contract)
const askDestination = asking(Delivery.contract)
const askWorkspace = asking(Registry.contract)
const askDirectory = asking(Directory.contract)

export const logOf = (env: Env, route: Route): Asked<Log.LogContract> => askLog(env.SOURCE_LOG.getByName(route))

export const destinationOf = (env: Env, id: DestinationId): Asked<Delivery.DeliveryContract> =>
  askDestination(env.DESTINATION.getByName(id))

export const workspaceOf = (env: Env, id: WorkspaceId): Asked<Registry.WorkspaceContract> =>
  askWorkspace(env.WORKSPACE.getByName(id))

/** A part of the directory, by its name. */
export const directoryOf = (env: Env, shard: string): Asked<Directory.DirectoryContract> =>
  askDirectory(env.DIRECTORY.getByName(shard))
