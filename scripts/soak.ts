/** `npm run soak -- --rounds 20`: the kill test with that many rounds. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { parseArgs } from "node:util"

const { rounds } = parseArgs({ options: { rounds: { type: "string", default: "20" } } }).values
if (!/^[1-9]\d{0,3}$/.test(rounds)) {
  console.error(`--rounds must be a number of kills, not "${rounds}"`)
  process.exit(2)
}
const root = join(import.meta.dirname, "..")
const { status } = spawnSync(
  process.execPath,
  [join(root, "node_modules/vitest/vitest.mjs"), "run", "--project", "workerd", "packages/runtime-worker/test/Kill"],
  { cwd: root, stdio: "inherit", env: { ...process.env, HOOKSTREAM_KILL_ROUNDS: rounds } }
)
process.exit(status ?? 1)
