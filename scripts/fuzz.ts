/** `npm run test:fuzz -- --requests 20000 [--seed 1]`: random requests from the OpenAPI document. */
import { parseArgs } from "node:util"
import { session } from "../packages/contract/src/Session.ts"

const { values } = parseArgs({
  options: { requests: { type: "string", default: "20000" }, seed: { type: "string", default: "1" } }
})
const [requests, seed] = [Number(values.requests), Number(values.seed)]
const { difference, seen } = await session(requests, seed)
for (const [operation, counts] of [...seen].sort()) {
  const statuses = [...counts].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
  console.log(`${operation.padEnd(24)} ${statuses.join(", ")}`)
}
if (difference !== undefined) {
  console.error("An answer differs from the document:", difference)
  process.exitCode = 1
} else console.log(`${requests} requests, no 5xx from a gateway that is well, no answer that differs (seed ${seed})`)
