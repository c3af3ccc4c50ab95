/**
 * `npm start`: the gateway on workerd with a REST Proxy stand-in, one webhook sent through, and the record that became
 * of it. Then it tells what lands and what goes wrong, until it is stopped.
 */
import { createServer } from "node:net"
import { join, relative, resolve, sep } from "node:path"
import type { Client } from "@hookstream/devkit/ApiClient"
import { FolderInUse } from "@hookstream/devkit/Errors"
import { type Claim, claimFolder, type Gateway, startGateway } from "@hookstream/devkit/Gateway"
import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import type { StoredRecord } from "@hookstream/kafka-rest-emulator/Topic"
import { CLUSTER, type Dev, DevFileError, prepareDemo, TOPIC } from "./Demo.ts"
import { plain, watch } from "./Watch.ts"

const ROOT = join(import.meta.dirname, "..")
/** Where the user typed the command. */
const CWD = process.env["INIT_CWD"] ?? process.cwd()
const DIR = resolve(CWD, process.env["HOOKSTREAM_DIR"] || join(ROOT, ".hookstream"))
const SHOWN_DIR = DIR.startsWith(CWD + sep) ? relative(CWD, DIR) : DIR
const HOST = "127.0.0.1"
const RECORD_MS = 30_000
const PARENT_MS = 500

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
  new Promise((done) => {
    const probe = createServer()
    probe.once("error", (error: NodeJS.ErrnoException) =>
      fail(
        error.code === "EADDRINUSE"
          ? `Port ${port} is taken. Choose another: ${variable}=${port + 2} npm start`
          : `Port ${port} cannot be used (${error.code}). Choose another: ${variable}=${port + 10_000} npm start`
      )
    )
    probe.listen(port, HOST, () => probe.close(() => done()))
  })

const claim = async (): Promise<Claim> => {
  try {
    return await claimFolder(DIR)
  } catch (error) {
    if (!(error instanceof FolderInUse)) throw error
    const { starter, gateway, url } = error.by
    const at = url === undefined ? "" : ` at ${url}`
    if (starter !== undefined) {
      return fail(`hookstream runs on ${SHOWN_DIR} already${at} (process ${starter}).
  To stop it:           Ctrl-C in its terminal, or kill ${starter}
  To run another one:   HOOKSTREAM_DIR=.hookstream-2 PORT=8788 KAFKA_REST_PORT=8083 npm start`)
    }
    return fail(
      gateway === undefined
        ? `Another process holds ${join(SHOWN_DIR, "lock")}. End it, or choose another folder: HOOKSTREAM_DIR=…`
        : `An earlier start was killed, and its gateway still runs on ${SHOWN_DIR} (process ${gateway}).
  To end it:            kill -9 ${gateway}     (nothing is lost: what it took is on disk)`
    )
  }
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

const eventOf = ({ headers }: StoredRecord) => headers.find(({ name }) => name === "hookstream-event-id")?.value

const line = (text: string) => console.log(`${new Date().toTimeString().slice(0, 8)}  ${text}`)
const recordLine = (record: StoredRecord) => {
  const { topic, partition, offset, value, raw_value_data } = record
  line(plain(`record  ${topic} ${partition}/${offset}  ${eventOf(record)}  ${value?.type} ${raw_value_data}`))
}

/** Sends one webhook, and tells what became of it. No record is its user's doing: the gateway runs all the same. */
const sendOne = async (dev: Dev, emulator: Emulator, client: Client): Promise<string> => {
  const response = await fetch(dev.ingest_url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: `{"hello":"hookstream","sent_at":"${new Date().toISOString()}"}`
  })
  const text = await response.text()
  if (response.status !== 200) return `The webhook sent just now was answered ${response.status}: ${text}`
  const { event_id } = JSON.parse(text) as { readonly event_id: string }
  const landed = () => emulator.records(TOPIC).find((record) => eventOf(record) === event_id)
  const destination = async () => (await client.need("GET", `/v1/destinations/${dev.demo?.destination_id}`)).destination
  for (const until = Date.now() + RECORD_MS; landed() === undefined; ) {
    const { status, paused_reason, last_error, id } = await destination()
    if (status === "paused") {
      return `The webhook sent just now waits: the demo's destination ${id} is paused (${paused_reason}). To resume it:

  curl -X POST -H "X-API-Key: ${dev.api_key}" ${dev.gateway}/v1/destinations/${id}/resume`
    }
    if (Date.now() > until) {
      return `The webhook sent just now (${event_id}) is no record after ${RECORD_MS / 1000} s. What happened to it:

  curl -H "X-API-Key: ${dev.api_key}" ${dev.gateway}/v1/events/${event_id}/timeline

${last_error === null ? "" : `The last error of its destination: ${last_error}`}`
    }
    await new Promise((done) => setTimeout(done, 50))
  }
  return `The webhook sent just now is a record:\n\n${show(landed()!)}`
}

const welcome = (dev: Dev, outcome: string) => `
hookstream is running. Ctrl-C stops everything; the state stays in ${SHOWN_DIR}/.

  gateway     ${dev.gateway}    (its API: ${dev.gateway}/docs)
  REST Proxy  ${dev.kafka_rest}    (a stand-in, in memory; topic ${TOPIC})
  API key     ${dev.api_key}

For the commands of the README:

  export HOOKSTREAM_URL=${dev.gateway} HOOKSTREAM_API_KEY=${dev.api_key}

Send a webhook:

  curl -X POST ${dev.ingest_url} \\
    -H "Content-Type: application/json" -d '{"order":42}'

Follow it (put the event_id that came back in place of EVENT_ID):

  curl -H "X-API-Key: ${dev.api_key}" ${dev.gateway}/v1/events/EVENT_ID

Read the topic:

  curl "${dev.kafka_rest}/topics/${TOPIC}/records?from=0"

${outcome}

Further records, and what goes wrong on the way, appear here.
`

const run = async (gateway: Gateway, emulator: Emulator, setAnnounce: (to: typeof recordLine) => void) => {
  const { dev, client } = await prepareDemo(join(DIR, "dev.json"), gateway, emulator)
  console.log(welcome(dev, await sendOne(dev, emulator, client)))
  setAnnounce(recordLine)
  watch(client, line)
}

const main = async () => {
  const parent = process.ppid
  let stop = async (code: number): Promise<void> => process.exit(code)
  // Whoever started this was killed and could not pass anything on.
  if (process.env["npm_lifecycle_event"] !== undefined) {
    setInterval(() => process.ppid !== parent && void stop(1), PARENT_MS).unref()
  }
  const port = portOf("PORT", 8787)
  const kafkaPort = portOf("KAFKA_REST_PORT", 8082)
  if (port === kafkaPort) fail("PORT and KAFKA_REST_PORT must differ.")
  const claimed = await claim()
  await needFree("PORT", port)
  await needFree("KAFKA_REST_PORT", kafkaPort)

  let announce = (_record: StoredRecord) => {}
  const emulator = await startEmulator({
    port: kafkaPort,
    host: HOST,
    topics: [{ name: TOPIC }],
    clusterId: CLUSTER,
    onRecord: (one) => announce(one)
  })
  console.log("Starting the gateway …")
  const vars = { HOOKSTREAM_PUBLIC_URL: `http://${HOST}:${port}` }
  const gateway = await startGateway({ dir: DIR, port, vars }, claimed)

  let isStopping = false
  stop = async (code) => {
    if (isStopping) return
    isStopping = true
    // In this order: the gateway would take the stand-in's end for an outage.
    await gateway.stop()
    await emulator.close()
    process.exit(code)
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void stop(0))
  void gateway.exited.then(() => {
    if (isStopping) return
    console.error(`\nThe gateway ended by itself; its log is ${gateway.logFile}`)
    void stop(1)
  })

  try {
    await run(gateway, emulator, (to) => {
      announce = to
    })
  } catch (error) {
    if (isStopping) return
    console.error(`\n${error instanceof Error ? error.message : String(error)}`)
    if (!(error instanceof DevFileError)) console.error(`The gateway's log is ${gateway.logFile}`)
    await stop(1)
  }
}

await main().catch((error) => fail(error instanceof Error ? error.message : String(error)))
