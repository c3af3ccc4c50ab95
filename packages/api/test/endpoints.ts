/** Every endpoint of the API with a request that it takes, for tests of what all of them do alike. */
import { type Api, type Call, connect, deadAt, START } from "./support.ts"

/** The ids of one of everything. */
export interface World {
  readonly source: string
  readonly destination: string
  readonly connection: string
  readonly event: string
  readonly attempt: string
  readonly replay: string
  readonly key: string
  readonly workspace: string
}

export interface Endpoint {
  /** `group.endpoint`, as the API names it. */
  readonly name: string
  readonly method: "GET" | "POST" | "PATCH" | "DELETE"
  readonly path: string
  readonly body?: unknown
  readonly status: number
  /** What a key must be able to do. */
  readonly needs: "nothing" | "read" | "write" | "*" | "root"
  /** Whether it names something that belongs to a workspace. */
  readonly isOwned: boolean
}

const hourAgo = new Date(START - 3_600_000).toISOString()

export const endpointsOf = (world: World): ReadonlyArray<Endpoint> => {
  const { source, destination, connection, event, attempt, replay, key, workspace } = world
  const one = (
    name: string,
    needs: Endpoint["needs"],
    method: Endpoint["method"],
    path: string,
    more: { readonly body?: unknown; readonly status?: number; readonly isOwned?: boolean } = {}
  ): Endpoint => ({ name, needs, method, path, status: 200, isOwned: false, ...more })
  const config = { answer: "ok", token: "x" }
  const mine = { isOwned: true }
  return [
    one("system.health", "nothing", "GET", "/v1/health"),
    one("workspaces.create", "root", "POST", "/v1/workspaces", { body: {}, status: 201 }),
    one("workspaces.createKey", "root", "POST", `/v1/workspaces/${workspace}/api-keys`, {
      body: { name: "k" },
      status: 201
    }),
    one("api-keys.create", "*", "POST", "/v1/auth/api-keys", { body: { name: "k" }, status: 201 }),
    one("api-keys.list", "*", "GET", "/v1/auth/api-keys"),
    one("sources.create", "write", "POST", "/v1/sources", { body: { name: "s" }, status: 201 }),
    one("sources.list", "read", "GET", "/v1/sources"),
    one("sources.get", "read", "GET", `/v1/sources/${source}`, mine),
    one("sources.update", "write", "PATCH", `/v1/sources/${source}`, { body: { name: "t" }, isOwned: true }),
    one("sources.rotateUrl", "write", "POST", `/v1/sources/${source}/rotate-url`, { body: {}, isOwned: true }),
    one("source-templates.list", "read", "GET", "/v1/source-templates"),
    one("destination-types.list", "read", "GET", "/v1/destination-types"),
    one("destinations.create", "write", "POST", "/v1/destinations", {
      body: { name: "d", type: "mirror", config },
      status: 201
    }),
    one("destinations.list", "read", "GET", "/v1/destinations"),
    one("destinations.get", "read", "GET", `/v1/destinations/${destination}`, mine),
    one("destinations.update", "write", "PATCH", `/v1/destinations/${destination}`, {
      body: { name: "e" },
      isOwned: true
    }),
    one("destinations.pause", "write", "POST", `/v1/destinations/${destination}/pause`, mine),
    one("destinations.resume", "write", "POST", `/v1/destinations/${destination}/resume`, mine),
    one("destinations.test", "write", "POST", `/v1/destinations/${destination}/test`, { body: {}, isOwned: true }),
    one("destinations.circuit", "read", "GET", `/v1/destinations/${destination}/circuit`, mine),
    one("destinations.resetCircuit", "write", "POST", `/v1/destinations/${destination}/circuit/reset`, mine),
    one("destinations.deadLetters", "read", "GET", `/v1/destinations/${destination}/dlq`, mine),
    one("connections.create", "write", "POST", "/v1/connections", {
      body: { source_id: source, destination_id: destination },
      status: 201,
      isOwned: true
    }),
    one("connections.list", "read", "GET", "/v1/connections"),
    one("connections.get", "read", "GET", `/v1/connections/${connection}`, mine),
    one("connections.update", "write", "PATCH", `/v1/connections/${connection}`, {
      body: { name: "c" },
      isOwned: true
    }),
    one("connections.test", "write", "POST", "/v1/connections/test", { body: { filter_rules: [], event: {} } }),
    one("events.list", "read", "GET", `/v1/events?source_id=${source}`, mine),
    one("events.get", "read", "GET", `/v1/events/${event}`, mine),
    one("events.timeline", "read", "GET", `/v1/events/${event}/timeline`, mine),
    one("delivery-attempts.list", "read", "GET", `/v1/delivery-attempts?destination_id=${destination}`, mine),
    one("events.retry", "write", "POST", `/v1/events/${event}/retry`, mine),
    one("delivery-attempts.retry", "write", "POST", `/v1/delivery-attempts/${attempt}/retry`, mine),
    one("destinations.redrive", "write", "POST", `/v1/destinations/${destination}/dlq/redrive`, {
      body: {},
      isOwned: true
    }),
    one("destinations.retry", "write", "POST", `/v1/destinations/${destination}/retry`, { body: {}, isOwned: true }),
    one("replay.create", "write", "POST", "/v1/replay", {
      body: { destination_id: destination, from: hourAgo, to: new Date(START).toISOString() },
      status: 201,
      isOwned: true
    }),
    one("replay.list", "read", "GET", "/v1/replay"),
    one("replay.get", "read", "GET", `/v1/replay/${replay}`, mine),
    one("replay.cancel", "write", "DELETE", `/v1/replay/${replay}`, mine),
    one("connections.remove", "write", "DELETE", `/v1/connections/${connection}?force=true`, mine),
    one("destinations.remove", "write", "DELETE", `/v1/destinations/${destination}?force=true`, mine),
    one("sources.remove", "write", "DELETE", `/v1/sources/${source}?force=true`, mine),
    one("api-keys.remove", "*", "DELETE", `/v1/auth/api-keys/${key}`, mine)
  ]
}

/** One of everything, in a workspace: an event that is a dead letter, tried once, and a replay of it. */
export const makeWorld = async (api: Api, workspace: string, call: Call): Promise<World> => {
  const { source, destination, connection } = await connect(call)
  const event = api.append(source.id, '{"n":1}')
  api.commit(destination.id, deadAt(connection.id, 1, api.now()))
  const { body } = await call("GET", `/v1/delivery-attempts?destination_id=${destination.id}`)
  const replay = await call("POST", "/v1/replay", {
    destination_id: destination.id,
    from: hourAgo,
    to: new Date(START).toISOString()
  })
  const key = await call("POST", "/v1/auth/api-keys", { name: "spare", scopes: ["read"] })
  return {
    source: source.id,
    destination: destination.id,
    connection: connection.id,
    event,
    attempt: body.delivery_attempts[0].id,
    replay: replay.body.replay.id,
    key: key.body.api_key.id,
    workspace
  }
}
