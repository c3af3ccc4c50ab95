/**
 * `npm start`: the gateway on workerd with a REST Proxy stand-in, one webhook sent through, and the record that became of it.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import type { StoredRecord } from "@hookstream/kafka-rest-emulator/Topic"
import { apiClient, newWorkspace } from "./ApiClient.ts"
import { type Gateway, startGateway } from "./Gateway.ts"

const DIR = join(import.meta.dirname, "..", ".hookstream")
const DEV_FILE = join(DIR, "dev.json")
const TOPIC = "webhook-events"
const CLUSTER_ID = "lkc-local"
const HOST = "127.0.0.1"
const RECORD_MS = 30_000

interface Dev {
  readonly gateway: string
  readonly kafka_rest: string
  readonly api_key: string
  readonly ingest_url: string
}

const fail = (message: string): never => {
  console.error(`\n${message}`)
  process.exit(1)
}

const portOf = (variable: string, fallback: number): number => {
  const port = Number(process.env[variable] ?? fallback)
  return Number.isInteger(port) && port >= 1 && port <= 65_535
    ? port
    : fail(`${variable} must be a port from 1 to 65535, not "${process.env[variable]}".`)
}

const needFree = (variable: string, port: number): Promise<void> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once("error", () => fail(`Port ${port} is taken. Choose another: ${variable}=${port + 1} npm start`))
    probe.listen(port, HOST, () => probe.close(() => resolve()))
  })

/** The keys, source, destination and connection of an earlier start, or new ones. */
const prepare = async (gateway: Gateway, emulator: Emulator): Promise<Dev> => {
  const addresses = { gateway: gateway.url, kafka_rest: emulator.url }
  const saved: Dev | undefined = existsSync(DEV_FILE) ? JSON.parse(readFileSync(DEV_FILE, "utf8")) : undefined
  if (saved !== undefined) {
    const client = apiClient(gateway.url, { "X-API-Key": saved.api_key })
    const answer = await client.call("GET", "/v1/destinations")
    const destination = answer.status === 200 ? answer.body.destinations[0] : undefined
    if (destination !== undefined) {
      if (destination.config.rest_endpoint !== emulator.url) {
        await client.need("PATCH", `/v1/destinations/${destination.id}`, { config: { rest_endpoint: emulator.url } })
      }
      return { ...addresses, api_key: saved.api_key, ingest_url: gateway.url + new URL(saved.ingest_url).pathname }
    }
  }
  const { key, client } = await newWorkspace(gateway.url, gateway.rootKey)
  const { source } = await client.need("POST", "/v1/sources", { name: "Local webhooks" })
  const { destination } = await client.need("POST", "/v1/destinations", {
    name: "Event Stream",
    type: "kafka",
    config: {
      ...{ bootstrap_servers: "localhost:9092", cluster_id: CLUSTER_ID, topic: TOPIC },
      ...{ api_key: "local", api_secret: "local-api-secret", rest_endpoint: emulator.url }
    }
  })
  await client.need("POST", "/v1/connections", { source_id: source.id, destination_id: destination.id })
  return { ...addresses, api_key: key, ingest_url: source.ingest_url }
}

const show = (record: StoredRecord): string =>
  [
    `  topic      ${record.topic}`,
    `  partition  ${record.partition}`,
    `  offset     ${record.offset}`,
    `  key        ${record.key?.text ?? "none"}`,
    ...record.headers.map(({ name, value }) => `  header     ${name}: ${value}`),
    `  value      ${record.value?.type} ${record.raw_value_data}`
  ].join("\n")

const main = async () => {
  const port = portOf("PORT", 8787)
  const kafkaPort = portOf("KAFKA_REST_PORT", 8082)
  if (port === kafkaPort) fail("PORT and KAFKA_REST_PORT must differ.")
  await needFree("PORT", port)
  await needFree("KAFKA_REST_PORT", kafkaPort)
  mkdirSync(DIR, { recursive: true })

  let announce = (_record: StoredRecord) => {}
  const emulator = await startEmulator({
    port: kafkaPort,
    host: HOST,
    topics: [{ name: TOPIC }],
    clusterId: CLUSTER_ID,
    onRecord: (one) => announce(one)
  })
  console.log("Starting the gateway …")
  const gateway = await startGateway({ dir: DIR, port })

  let stopping = false
  const stop = async (code: number) => {
    if (stopping) return
    stopping = true
    await Promise.all([gateway.stop(), emulator.close()])
    process.exit(code)
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void stop(0))
  void gateway.exited.then(() => {
    if (stopping) return
    console.error(`\nThe gateway ended by itself; its log is ${gateway.logFile}`)
    void stop(1)
  })

  try {
    const dev = await prepare(gateway, emulator)
    writeFileSync(DEV_FILE, `${JSON.stringify(dev, null, 2)}\n`, { mode: 0o600 })

    const body = `{"hello":"hookstream","sent_at":"${new Date().toISOString()}"}`
    const response = await fetch(dev.ingest_url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body
    })
    const { event_id } = (await response.json()) as { readonly event_id: string }
    const deadline = Date.now() + RECORD_MS
    const landed = () => emulator.records(TOPIC).find(({ headers }) => headers.some(({ value }) => value === event_id))
    while (landed() === undefined && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50))
    const record = landed()
    if (record === undefined)
      throw new Error(`event ${event_id} is no record after ${RECORD_MS / 1000} s; see ${gateway.logFile}`)

    console.log(`
hookstream is running. Ctrl-C stops everything; the state stays in .hookstream/.

  gateway     ${dev.gateway}    (API description: ${dev.gateway}/openapi.json)
  REST Proxy  ${dev.kafka_rest}    (a stand-in, in memory; topic ${TOPIC})
  API key     ${dev.api_key}

Send a webhook:

  curl -X POST ${dev.ingest_url} \\
    -H "Content-Type: application/json" -d '{"order":42}'

Follow it (put the event_id that came back in place of EVENT_ID):

  curl -H "X-API-Key: ${dev.api_key}" ${dev.gateway}/v1/events/EVENT_ID

Read the topic:

  curl "${dev.kafka_rest}/topics/${TOPIC}/records?from=0"

The webhook sent just now is a record:

${show(record)}

Further records appear here as they land.`)
    announce = (one) => console.log(`\n${show(one)}`)
  } catch (error) {
    console.error(`\n${error instanceof Error ? error.message : String(error)}`)
    await stop(1)
  }
}

await main()
