import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Client, newWorkspace } from "@hookstream/devkit/ApiClient"
import { type Gateway, type GatewayOptions, startGateway } from "@hookstream/devkit/Gateway"
import { type Emulator, type EmulatorOptions, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"

export const TOPIC = "webhook-events"
const CLUSTER_ID = "lkc-xxxxx"
export const CREDENTIALS = { apiKey: "ABCDEFGHIJKLMNOP", apiSecret: "ABCdef1234567890" }

export interface Rig {
  readonly emulator: Emulator
  readonly dir: string
  gateway: Gateway
  readonly client: Client
  readonly key: string
  readonly close: () => Promise<void>
}

/** A gateway on workerd with a workspace of its own, and a REST Proxy; both on free ports. */
export const startRig = async (
  options: Partial<EmulatorOptions> = {},
  own: Pick<GatewayOptions, "modules"> = {}
): Promise<Rig> => {
  const emulator = await startEmulator({
    topics: [{ name: TOPIC }],
    clusterId: CLUSTER_ID,
    maxBlockMs: 5,
    credentials: CREDENTIALS,
    ...options
  })
  const dir = mkdtempSync(join(tmpdir(), "hookstream-"))
  const gateway = await startGateway({ ...own, dir, port: 0 })
  const { client, key } = await newWorkspace(gateway.url, gateway.rootKey)
  const rig: Rig = {
    emulator,
    dir,
    gateway,
    client,
    key,
    close: async () => {
      await Promise.all([rig.gateway.stop(), emulator.close()])
      rmSync(dir, { recursive: true, force: true })
    }
  }
  return rig
}

export const kafkaConfig = (emulator: Emulator) => ({
  bootstrap_servers: "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092",
  cluster_id: CLUSTER_ID,
  topic: TOPIC,
  api_key: CREDENTIALS.apiKey,
  api_secret: CREDENTIALS.apiSecret,
  rest_endpoint: emulator.url
})

let names = 0
/** A source that delivers to the emulator. `settings` and `config` change the destination. */
export const connect = async ({ client, emulator }: Rig, settings: object = {}, config: object = {}) => {
  const n = ++names
  const { source } = await client.need("POST", "/v1/sources", { name: `Source ${n}` })
  const { destination } = await client.need("POST", "/v1/destinations", {
    name: `Destination ${n}`,
    type: "kafka",
    config: { ...kafkaConfig(emulator), ...config },
    ...settings
  })
  const { connection } = await client.need("POST", "/v1/connections", {
    source_id: source.id,
    destination_id: destination.id
  })
  return { source, destination, connection }
}

/** Asks until `done` holds for the answer, and fails with the last answer when it does not in `ms` milliseconds. */
export const eventually = async <A>(
  ask: () => Promise<A> | A,
  done: (answer: A) => boolean,
  ms = 20_000
): Promise<A> => {
  const until = Date.now() + ms
  while (true) {
    const answer = await ask()
    if (done(answer)) return answer
    if (Date.now() >= until) {
      throw new Error(`not within ${ms} ms: ${done}; the last answer: ${JSON.stringify(answer)?.slice(0, 2000)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
