/** `npm run bench [-- <case> …]`: hookstream against the bare platform, in one run. */
import * as Backlog from "./cases/Backlog.ts"
import * as ColdStart from "./cases/ColdStart.ts"
import * as Cost from "./cases/Cost.ts"
import * as DeliverKafka from "./cases/DeliverKafka.ts"
import * as EndToEnd from "./cases/EndToEnd.ts"
import * as FanOut from "./cases/FanOut.ts"
import * as Ingest from "./cases/Ingest.ts"
import * as KafkaEncode from "./cases/KafkaEncode.ts"
import * as Lone from "./cases/Lone.ts"
import * as ManySources from "./cases/ManySources.ts"
import { profile } from "./Profile.ts"
import { print, RESULTS, type Result, save } from "./Result.ts"

const CASES: Readonly<Record<string, () => Promise<Result>>> = {
  "kafka-encode": KafkaEncode.run,
  ingest: Ingest.run,
  "deliver-kafka": DeliverKafka.run,
  "end-to-end": EndToEnd.run,
  "fan-out": FanOut.run,
  "many-sources": ManySources.run,
  backlog: Backlog.run,
  "cold-start": ColdStart.run,
  cost: Cost.run,
  lone: Lone.run
}

const asked = process.argv.slice(2)
if (asked[0] === "profile") {
  await profile(asked[1])
  process.exit(0)
}
const unknown = asked.filter((name) => !(name in CASES))
if (unknown.length > 0) {
  console.error(`there is no case ${unknown.join(", ")}: use ${Object.keys(CASES).join(", ")}`)
  process.exit(2)
}
const begun = performance.now()
for (const name of asked.length === 0 ? Object.keys(CASES) : asked) {
  const startedAt = performance.now()
  console.log(`\n${name} …`)
  const result = await CASES[name]!()
  print(`${name} (${((performance.now() - startedAt) / 1000).toFixed(0)} s)`, result)
  save(name, result)
}
console.log(`\n${((performance.now() - begun) / 1000).toFixed(0)} s in all. The numbers and plots are in ${RESULTS}`)
