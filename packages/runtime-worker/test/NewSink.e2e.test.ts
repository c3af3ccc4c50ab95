import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"

const ROOT = join(import.meta.dirname, "../../..")

it("a sink made by new:sink compiles, is registered, and keeps the contract as it comes", () => {
  const copy = mkdtempSync(join(tmpdir(), "hookstream-new-sink-"))
  const run = (command: string, ...args: ReadonlyArray<string>) =>
    execFileSync(command, args, { cwd: copy, encoding: "utf8", env: { ...process.env, CI: "true", NO_COLOR: "1" } })
  try {
    const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: ROOT, encoding: "utf8" })
    for (const file of files.trim().split("\n")) cpSync(join(ROOT, file), join(copy, file), { recursive: true })
    run(process.execPath, "scripts/newSink.ts", "acme-queue")
    run("npx", "--yes", "pnpm@12.21.0", "install", "--prefer-offline", "--no-frozen-lockfile")
    run(process.execPath, "node_modules/typescript/bin/tsc", "-b", "packages/runtime-worker")
    run(process.execPath, "node_modules/@biomejs/biome/bin/biome", "check", "--write", ".")
    const output = run(
      process.execPath,
      "node_modules/vitest/vitest.mjs",
      "run",
      "--project",
      "unit",
      "packages/sink-acme-queue"
    )
    expect(output).toMatch(/Tests {2}\d{2} passed/)
    expect(output).not.toContain("failed")
    const changed = run("grep", "-c", "AcmeQueueSink", "packages/runtime-worker/src/Sinks.ts")
    expect(Number(changed)).toBe(2)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}, 120_000)
