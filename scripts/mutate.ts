/**
 * `npm run mutate -- core delivery/Plan.ts journal/internal/deliverySql.ts:20-90`: puts one small fault after another
 * into these files, or lines of them, of a package's `src` (all of it when none is named), in a copy of the tree, and
 * runs the unit tests that reach it. Faults that no test noticed are listed as survivors. `docs/proofs.md` has the
 * figures, and why each survivor there is accepted.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs"
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
const dir = `packages/${name}`
const missing = files.find((file) => !existsSync(join(root, dir, "src", file.replace(/:.*/, ""))))
if (name === undefined || missing !== undefined || !/^[1-9]\d?$/.test(values.workers)) {
  if (missing !== undefined) console.error(`${dir}/src has no ${missing}`)
  console.error("npm run mutate -- <package> [file of its src, or file:line-line …] [--workers n]")
  process.exit(2)
}
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
