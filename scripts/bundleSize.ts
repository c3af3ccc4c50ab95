/** Fails when the Worker grows beyond its budgets. */
import { readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { bundle, ENTRY } from "@hookstream/devkit/Bundle"

/** KiB after gzip of what is evaluated at the start: every cold start pays for it. */
const START = 148
/** KiB after gzip of all. The platform takes 3 MiB. */
const ALL = 212

const { file, chunks, atStart } = bundle(ENTRY, { minify: true })
const kib = (files: ReadonlyArray<string>) =>
  files.reduce((sum, path) => sum + gzipSync(readFileSync(path)).length / 1024, 0)
for (const [name, size, budget] of [
  ["at the start", kib(atStart), START],
  ["in all", kib([file, ...Object.values(chunks)]), ALL]
] as const) {
  console.log(`Worker bundle ${name}: ${size.toFixed(1)} KiB gzip, budget ${budget} KiB`)
  if (size > budget) process.exitCode = 1
}
