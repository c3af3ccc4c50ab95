import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { expect, it } from "vitest"

const ROOT = join(import.meta.dirname, "../../..")

it("a sink made by new:sink compiles, is registered, and keeps the contract as it comes", () => {
  const copy = mkdtempSync(join(tmpdir(), "hookstream-new-sink-"))
  const run = (command: string, ...args: ReadonlyArray<string>) =>
    execFileSync(command, args, { cwd: copy, encoding: "utf8", env: { ...process.env, CI: "true", NO_COLOR: "1" } })
  try {
    const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: ROOT, encoding: "utf8" })
    for (const file of files.trim().split("\n")) cpSync(join(ROOT, file), join(copy, file), { recursive: true })
    const told = run(process.execPath, "scripts/newSink.ts", "acme-queue")
    const commands = [...told.matchAll(/^(?:next:|\s+) *((?:np[mx]|node) .*)$/gm)].map(([, command]) => command!)
    expect(commands).toHaveLength(3)
    // As whoever reads them types them: on the machine's Node, whatever this test runs on.
    const PATH = process.env["PATH"]!.split(delimiter).filter((entry) => !entry.endsWith("node_modules/.bin"))
    const env = { ...process.env, PATH: PATH.join(delimiter), CI: "true", NO_COLOR: "1" }
    const outputs = commands.map((command) => execFileSync("sh", ["-c", command], { cwd: copy, encoding: "utf8", env }))
    run(
      process.execPath,
      "node_modules/typescript/bin/tsc",
      "-b",
      "packages/runtime-worker",
      "packages/sink-acme-queue/test"
    )
    const output = outputs.at(-1)!
    expect(output).toMatch(/Tests {2}\d{2} passed/)
    expect(output).not.toContain("failed")
    const changed = run("grep", "-c", "AcmeQueueSink", "packages/runtime-worker/src/Sinks.ts")
    expect(Number(changed)).toBe(2)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}, 120_000)
