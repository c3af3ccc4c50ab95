#!/usr/bin/env node
/** `kafka-rest-emulator --port 8082 --topic webhook-events` */
import { parseArgs } from "node:util"
import { startEmulator } from "./Emulator.ts"

const USAGE = `Usage: kafka-rest-emulator [--port 8082] [--host 127.0.0.1] --topic NAME[:PARTITIONS] …
                           [--cluster-id ID] [--api-key KEY --api-secret SECRET]`

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
        "api-secret": { type: "string" }
      }
    }).values
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

const args = readArgs()
const port = Number(args.port)
if (!Number.isInteger(port) || port < 0 || port > 65_535)
  fail(`--port must be a number from 0 to 65535, not "${args.port}"`)
if (args.topic.length === 0) fail("--topic is required: topics are not created by producing to them")
const topics = args.topic.map((text) => {
  const match = /^([a-zA-Z0-9._-]{1,249})(?::([1-9]\d{0,3}))?$/.exec(text)
  if (match === null) return fail(`--topic must be NAME or NAME:PARTITIONS, not "${text}"`)
  return match[2] === undefined ? { name: match[1]! } : { name: match[1]!, partitions: Number(match[2]) }
})
const { "api-key": apiKey, "api-secret": apiSecret, "cluster-id": clusterId } = args
if ((apiKey === undefined) !== (apiSecret === undefined)) fail("--api-key and --api-secret go together")

try {
  const emulator = await startEmulator({
    ...{ port, host: args.host, topics },
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(apiKey === undefined || apiSecret === undefined ? {} : { credentials: { apiKey, apiSecret } })
  })
  console.log(`REST Proxy v3 emulator on ${emulator.url}, topics: ${topics.map(({ name }) => name).join(", ")}`)
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void emulator.close())
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error
  fail(`port ${port} is taken: choose another with --port`)
}
