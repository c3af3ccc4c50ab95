#!/usr/bin/env node
/** `kafka-rest-emulator --port 8082 --topic webhook-events` */
import { parseArgs } from "node:util"
import { startEmulator } from "./Emulator.ts"
import { FieldError } from "./internal/Fields.ts"
import { readFault } from "./internal/readFaults.ts"
import { readLimits } from "./internal/readLimits.ts"
import { PROXY_VERSIONS } from "./internal/routes.ts"
import type { StoredRecord } from "./Topic.ts"

const USAGE = `Usage: kafka-rest-emulator --topic NAME[:PARTITIONS] … [options]

A stand-in for the Confluent REST Proxy v3, in memory.

  --topic NAME[:PARTITIONS]  a topic that exists, with 6 partitions unless said; may be repeated
  --port N                   default 8082; 0 takes any free port
  --host HOST                default 127.0.0.1
  --cluster-id ID            the cluster's id, and /kafka/v3 as on Confluent Cloud; without it "emulator", and /v3 alone
  --api-key KEY --api-secret SECRET
                             ask for these by Basic auth
  --max-block-ms MS          how long each record of an unknown topic or partition waits; default 60000
  --proxy-version VERSION    7.9 (default) or 8.3, where their answers differ
  --limits PRESET|JSON       confluent_cloud_shared, or for example '{"requestsPerSecond":25}'
  --fault JSON               switched on from the start, for example '{"_tag":"Delay","ms":500}'; may be repeated
  --help                     this text

While it runs, GET, PUT and DELETE /__faults show and switch faults, and GET /topics/NAME/records reads records back.`

const fail = (message: string): never => {
  console.error(`${message}\n\n${USAGE}`)
  process.exit(2)
}

const readArgs = () => {
  try {
    return parseArgs({
      options: {
        port: { type: "string", default: "8082" },
        host: { type: "string", default: "127.0.0.1" },
        topic: { type: "string", multiple: true, default: [] },
        "cluster-id": { type: "string" },
        "api-key": { type: "string" },
        "api-secret": { type: "string" },
        "max-block-ms": { type: "string", default: "60000" },
        "proxy-version": { type: "string", default: "7.9" },
        limits: { type: "string" },
        fault: { type: "string", multiple: true, default: [] },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

/** Ends with the field's error instead of throwing it. */
const checked = <A>(read: () => A): A => {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    return fail(error.message)
  }
}

const parseJson = (text: string, flag: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return fail(`${flag} must be JSON, not ${text}`)
  }
}

/** Of a value on one line of the terminal. */
const SHOWN = 120
const show = ({ topic, partition, offset, key, value }: StoredRecord): string => {
  const text = value?.text ?? "null"
  const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length} characters)` : text
  return `${topic}-${partition}@${offset} key=${key?.text ?? "null"} ${shown}`
}

const args = readArgs()
if (args.help) {
  console.log(USAGE)
  process.exit(0)
}
const port = Number(args.port)
if (!Number.isInteger(port) || port < 0 || port > 65_535)
  fail(`--port must be a number from 0 to 65535, not "${args.port}"`)
const maxBlockMs = Number(args["max-block-ms"])
if (!/^\d{1,7}$/.test(args["max-block-ms"]))
  fail(`--max-block-ms must be a number of milliseconds below 10000000, not "${args["max-block-ms"]}"`)
const version =
  PROXY_VERSIONS.find((one) => one === args["proxy-version"]) ??
  fail(`--proxy-version must be ${PROXY_VERSIONS.join(" or ")}, not "${args["proxy-version"]}"`)
if (args.topic.length === 0) fail("--topic is required: topics are not created by producing to them")
const topics = args.topic.map((text) => {
  const match = /^([a-zA-Z0-9._-]{1,249})(?::([1-9]\d{0,3}))?$/.exec(text)
  if (match === null) return fail(`--topic must be NAME or NAME:PARTITIONS, not "${text}"`)
  return match[2] === undefined ? { name: match[1]! } : { name: match[1]!, partitions: Number(match[2]) }
})
const { "api-key": apiKey, "api-secret": apiSecret, "cluster-id": clusterId, limits } = args
if ((apiKey === undefined) !== (apiSecret === undefined)) fail("--api-key and --api-secret go together")
const faults = args.fault.map((text) => checked(() => readFault(parseJson(text, "--fault"), "--fault")))

try {
  const emulator = await startEmulator({
    port,
    host: args.host,
    topics,
    faults,
    maxBlockMs,
    version,
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(apiKey === undefined || apiSecret === undefined ? {} : { credentials: { apiKey, apiSecret } }),
    ...(limits === undefined ? {} : { limits: checked(() => readLimits(limits, "--limits")) }),
    onRecord: (record) => console.log(show(record))
  })
  console.log(`REST Proxy v3 emulator on ${emulator.url}, topics: ${topics.map(({ name }) => name).join(", ")}`)
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void emulator.close())
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error
  fail(`port ${port} is taken: choose another with --port`)
}
