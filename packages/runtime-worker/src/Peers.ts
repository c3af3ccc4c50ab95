/**
 * The Durable Objects as others ask them, by their contracts. Each call takes a new stub: some errors break one. Every
 * call gives the region, for the first to ask an object has it made; later ones are not looked at.
 */
import { type Asked, asking } from "@hookstream/core/Contract"
import * as Delivery from "@hookstream/core/delivery/DeliveryContract"
import * as Directory from "@hookstream/core/directory/DirectoryContract"
import { UnavailableError } from "@hookstream/core/Errors"
import type { DestinationId, Route, WorkspaceId } from "@hookstream/core/Ids"
import * as Log from "@hookstream/core/log/LogContract"
import { JURISDICTIONS, type Jurisdiction, placementOf } from "@hookstream/core/Placement"
import * as Registry from "@hookstream/core/workspace/WorkspaceContract"
import type { Env } from "./Env.ts"

const askLog = asking(Log.contract)
const askDestination = asking(Delivery.contract)
const askWorkspace = asking(Registry.contract)
const askDirectory = asking(Directory.contract)

/** workerd on its own has no jurisdictions, and throws. */
const within = (namespace: DurableObjectNamespace, jurisdiction: Jurisdiction): DurableObjectNamespace => {
  try {
    return namespace.jurisdiction(jurisdiction)
  } catch (cause) {
    throw new UnavailableError({ message: `this platform has no jurisdiction ${jurisdiction}`, cause })
  }
}

/** The object of this name, where its name says. */
const stubOf = (namespace: DurableObjectNamespace, name: string): object => {
  const { jurisdiction, region } = placementOf(name)
  const there = jurisdiction === null ? namespace : within(namespace, jurisdiction)
  return region === null ? there.getByName(name) : there.getByName(name, { locationHint: region })
}

export const logOf = (env: Env, route: Route): Asked<Log.LogContract> => askLog(stubOf(env.SOURCE_LOG, route))

export const destinationOf = (env: Env, id: DestinationId): Asked<Delivery.DeliveryContract> =>
  askDestination(stubOf(env.DESTINATION, id))

export const workspaceOf = (env: Env, id: WorkspaceId): Asked<Registry.WorkspaceContract> =>
  askWorkspace(stubOf(env.WORKSPACE, id))

/** A part of the directory, by its name. */
export const directoryOf = (env: Env, shard: string): Asked<Directory.DirectoryContract> =>
  askDirectory(stubOf(env.DIRECTORY, shard))

/** The jurisdictions that the platform has. */
export const jurisdictionsOf = ({ DIRECTORY }: Env): ReadonlyArray<Jurisdiction> =>
  JURISDICTIONS.filter((jurisdiction) => {
    try {
      within(DIRECTORY, jurisdiction)
      return true
    } catch {
      return false
    }
  })

/** Names of all parts of the directory, of each jurisdiction. */
export const shardsOf = (env: Env): ReadonlyArray<string> => [null, ...jurisdictionsOf(env)].flatMap(Directory.shardsOf)
