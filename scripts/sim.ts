/** `npm run sim -- --seeds 2000`: the simulations of packages/core, each with that many generated histories. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { parseArgs } from "node:util"

const { seeds } = parseArgs({ options: { seeds: { type: "string", default: "2000" } } }).values
if (!/^[1-9]\d{0,6}$/.test(seeds)) {
  console.error(`--seeds must be a number of histories, not "${seeds}"`)
  process.exit(2)
}
const root = join(import.meta.dirname, "..")
const { status } = spawnSync(
  process.execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--project",
    "unit",
    "packages/core/test/Simulation",
    "packages/core/test/EngineSimulation"
  ],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, HOOKSTREAM_SIM_RUNS: seeds, HOOKSTREAM_ENGINE_RUNS: seeds }
  }
)
process.exit(status ?? 1)
