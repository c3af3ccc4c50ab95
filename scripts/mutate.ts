/**
 * `npm run mutate -- core Delivery.ts internal/deliverySql.ts`: puts one small fault after another into these files of a package's
 * `src` (all of them when none is named), in a copy of the tree, and runs the unit tests that reach it. What is listed as survived
 * no test has noticed. `docs/proofs.md` has the figures, and why each survivor there may live.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { basename, join } from "node:path"
import { parseArgs } from "node:util"
import { Stryker } from "@stryker-mutator/core"

const root = join(import.meta.dirname, "..")
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { workers: { type: "string", default: String(Math.max(1, availableParallelism() - 1)) } }
})
const [name, ...files] = positionals
if (name === undefined || !/^[1-9]\d?$/.test(values.workers)) {
  console.error("npm run mutate -- <package> [file of its src …] [--workers n]")
  process.exit(2)
}
const dir = `packages/${name}`
const copy = mkdtempSync(join(tmpdir(), "hookstream-mutate-"))
process.chdir(root)
process.env["HOOKSTREAM_MUTATED"] = files.map((file) => basename(file).replace(/\.ts.*$/, "")).join(" ")
try {
  await new Stryker({
    mutate: (files.length > 0 ? files : ["**/*.ts"]).map((file) => `${dir}/src/${file}`),
    testRunner: "vitest",
    plugins: ["@stryker-mutator/vitest-runner"],
    vitest: { configFile: "vitest.mutate.config.ts", dir },
    coverageAnalysis: "perTest",
    concurrency: Number(values.workers),
    tempDirName: copy,
    ignorePatterns: ["dist", "build", ".wrangler", ".hookstream", "packages/bench/results"],
    // What neither the code nor its tests have changed since is not tried again.
    incremental: true,
    incrementalFile: `node_modules/.cache/hookstream-mutate/${name}.json`,
    // It rewrites tsconfig.json by an API that TypeScript 7 does not have; nothing here needs it.
    tsconfigFile: "none.json",
    timeoutMS: 5000,
    reporters: ["clear-text", "progress-append-only"],
    clearTextReporter: { logTests: false, reportTests: false },
    allowEmpty: false
  }).runMutationTest()
} finally {
  rmSync(copy, { recursive: true, force: true })
}
