/** Fails when the Worker grows beyond its budget: the gzip size as `npm run build` prints it. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const ROOT = join(import.meta.dirname, "..")
/**
 * KiB. A Worker's start pays for every byte of it. It was 160 before hostile input was bounded, secrets were concealed
 * and deletions cancelled what waits, and 170 before objects spoke in versions, stored values had forms, and windows
 * were streams, and 177 before the sweep and calls that requests share. The way back is the management API in a Worker
 * of its own.
 */
const BUDGET = 180

const outdir = mkdtempSync(join(tmpdir(), "hookstream-bundle-"))
try {
  const output = execFileSync(
    process.execPath,
    [
      join(ROOT, "node_modules/wrangler/bin/wrangler.js"),
      "deploy",
      "--dry-run",
      "--env=",
      "--outdir",
      outdir,
      "--cwd",
      join(ROOT, "packages/runtime-worker")
    ],
    { encoding: "utf8", env: { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1" } }
  )
  const size = Number(/gzip: ([\d.]+) KiB/.exec(output)?.[1])
  console.log(`Worker bundle: ${size} KiB gzip, budget ${BUDGET} KiB`)
  if (!(size <= BUDGET)) process.exitCode = 1
} finally {
  rmSync(outdir, { recursive: true })
}
