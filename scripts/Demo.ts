/**
 * What `npm start` makes for itself: a source, a destination and a connection, found again by the ids in `dev.json`. It
 * changes nothing else, and of these nothing but the address of the stand-in.
 */
import { randomBytes } from "node:crypto"
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { type Answer, apiClient, type Client, newWorkspace } from "@hookstream/devkit/ApiClient"
import type { Gateway } from "@hookstream/devkit/Gateway"
import type { Emulator } from "@hookstream/kafka-rest-emulator/Emulator"

export const TOPIC = "webhook-events"
export const CLUSTER = "lkc-npm-start"
const API_SECRET = "local-api-secret"
const DESTINATION = "npm start: destination"

/** `dev.json`: what scripts need to reach the gateway. */
export interface Dev {
  readonly gateway: string
  readonly kafka_rest: string
  readonly api_key: string
  readonly ingest_url: string
  /** Absent in files of earlier versions. */
  readonly demo?: {
    readonly source_id: string
    readonly destination_id: string
    readonly connection_id: string
  }
}

export class DevFileError extends Error {}

const read = (file: string): Partial<Dev> => {
  if (!existsSync(file)) return {}
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch {
    throw new DevFileError(`${file} is not JSON. Fix it, or delete it: the next start makes a new workspace then.`)
  }
}

/** All of it or nothing, also when the process is killed meanwhile. */
const write = (file: string, dev: Partial<Dev>): void => {
  writeFileSync(`${file}.new`, `${JSON.stringify(dev, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** What the answer holds; nothing when there is no such thing any more. */
const found = (answer: Answer, what: string): Answer["body"] => {
  if (answer.status === 200) return answer.body[what]
  if (answer.status === 404) return undefined
  throw new Error(`the ${what} of the demo: ${answer.status} ${JSON.stringify(answer.body)}`)
}
const get = async (client: Client, what: "source" | "destination" | "connection", id: string | undefined) =>
  id === undefined ? undefined : found(await client.call("GET", `/v1/${what}s/${id}`), what)

/** A client of the workspace of earlier starts, when its key is good still; otherwise of a new one. */
const workspace = async (gateway: Gateway, saved: string | undefined) => {
  if (saved !== undefined) {
    const client = apiClient(gateway.url, { "X-API-Key": saved })
    const answer = await client.call("GET", "/v1/sources?limit=1")
    if (answer.status === 200) return { key: saved, client }
    if (answer.status !== 401) throw new Error(`GET /v1/sources: ${answer.status} ${JSON.stringify(answer.body)}`)
  }
  return newWorkspace(gateway.url, gateway.rootKey)
}

/** A slug that nothing else has, so that a name is free for its user. */
const slug = () => `npm-start-${randomBytes(4).toString("hex")}`

const destinationOf = async (client: Client, id: string | undefined, emulator: Emulator): Promise<string> => {
  const destination = await get(client, "destination", id)
  // Whoever gave it another cluster made it a destination of their own.
  if (destination?.config.cluster_id === CLUSTER) {
    if (destination.config.rest_endpoint !== emulator.url) {
      // Another address gets no secret unless it is given again.
      const config = { rest_endpoint: emulator.url, api_secret: API_SECRET }
      await client.need("PATCH", `/v1/destinations/${id}`, { config })
    }
    // The stand-in was away while nothing ran: that is no reason to wait for the next probe.
    if (destination.circuit.state !== "closed") await client.need("POST", `/v1/destinations/${id}/circuit/reset`)
    return destination.id
  }
  const made = await client.need("POST", "/v1/destinations", {
    name: DESTINATION,
    slug: slug(),
    type: "kafka",
    config: {
      bootstrap_servers: "localhost:9092",
      cluster_id: CLUSTER,
      topic: TOPIC,
      api_key: "local",
      api_secret: API_SECRET,
      rest_endpoint: emulator.url
    }
  })
  return made.destination.id
}

/** The demo as an earlier start left it, with what is missing created again. */
export const prepareDemo = async (file: string, gateway: Gateway, emulator: Emulator) => {
  const saved = read(file)
  const { key, client } = await workspace(gateway, saved.api_key)
  const demo = key === saved.api_key ? saved.demo : undefined

  const source =
    (await get(client, "source", demo?.source_id)) ??
    (await client.need("POST", "/v1/sources", { name: "npm start: source", slug: slug() })).source
  const destination = await destinationOf(client, demo?.destination_id, emulator)
  const known = await get(client, "connection", demo?.connection_id)
  const connection =
    known?.source_id === source.id && known?.destination_id === destination
      ? known
      : (await client.need("POST", "/v1/connections", { source_id: source.id, destination_id: destination })).connection
  const dev: Dev = {
    gateway: gateway.url,
    kafka_rest: emulator.url,
    api_key: key,
    ingest_url: source.ingest_url,
    demo: { source_id: source.id, destination_id: destination, connection_id: connection.id }
  }
  write(file, dev)
  return { dev, client, destination }
}
