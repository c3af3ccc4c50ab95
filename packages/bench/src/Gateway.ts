/** hookstream's production bundle under `workerd serve`, and what the cases set up in it. */
import { randomBytes } from "node:crypto"
import { type Client, newWorkspace } from "@hookstream/devkit/ApiClient"
import { type Bundle, bundle, ENTRY } from "@hookstream/devkit/Bundle"
import { serve, type Workerd } from "./Workerd.ts"

export interface Gateway extends Workerd {
  readonly client: Client
}

const ring = () => `1:${randomBytes(32).toString("base64")}`

export interface GatewayOptions {
  readonly inspectorPort?: number
  /** Default: as it is deployed. Without it functions keep their names. */
  readonly minify?: boolean
  /** One other than the production bundle. */
  readonly main?: Bundle
  readonly dir?: string
  readonly vars?: ReturnType<typeof newVars>
}

/** What a deployment sets, fresh. */
export const newVars = () => ({
  HOOKSTREAM_ROOT_KEY: randomBytes(32).toString("hex"),
  HOOKSTREAM_ID_KEY: ring(),
  HOOKSTREAM_KEYS: ring(),
  HOOKSTREAM_ALLOW_PRIVATE_NETWORKS: "true"
})

export const OBJECTS = {
  WORKSPACE: "Workspace",
  SOURCE_LOG: "SourceLog",
  DESTINATION: "Destination",
  DIRECTORY: "Directory"
}

export const startGateway = async ({
  minify = true,
  main,
  vars = newVars(),
  ...rest
}: GatewayOptions = {}): Promise<Gateway> => {
  const workerd = await serve({ main: main ?? bundle(ENTRY, { minify }), objects: OBJECTS, vars, ...rest })
  const { client } = await newWorkspace(workerd.url, vars.HOOKSTREAM_ROOT_KEY)
  return { ...workerd, client }
}

let names = 0
export const addSource = async ({ client, url }: Gateway) => {
  const { source } = await client.need("POST", "/v1/sources", { name: `Source ${names++}` })
  return { id: source.id as string, url: url + new URL(source.ingest_url).pathname }
}

/** A Kafka destination of this source that produces to the stub. */
export const addKafka = async (
  { client }: Gateway,
  source: string,
  stubPort: number,
  settings: object = {},
  config: object = {}
): Promise<string> => {
  const { destination } = await client.need("POST", "/v1/destinations", {
    name: `Destination ${names++}`,
    type: "kafka",
    ...settings,
    config: {
      bootstrap_servers: "kafka.example.com:9092",
      cluster_id: "lkc-bench",
      topic: "bench",
      api_key: "key",
      api_secret: "secret",
      rest_endpoint: `http://127.0.0.1:${stubPort}`,
      ...config
    }
  })
  await client.need("POST", "/v1/connections", { source_id: source, destination_id: destination.id })
  return destination.id
}
