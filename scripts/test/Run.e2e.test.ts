import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { freePort, npm } from "./npmStart.ts"

const ROOT = join(import.meta.dirname, "../..")
let copy: string
beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), "hookstream-run-"))
})
afterEach(() => rmSync(copy, { recursive: true, force: true }))

const add = (file: string) => {
  mkdirSync(join(copy, dirname(file)), { recursive: true })
  cpSync(join(ROOT, file), join(copy, file))
}

/** A registry that is not there, and nothing of earlier downloads. */
const offline = async (): Promise<Readonly<Record<string, string>>> => ({
  npm_config_registry: `http://127.0.0.1:${await freePort()}`,
  npm_config_cache: join(copy, ".npm")
})

describe("without a network", () => {
  it.each(["start", "test"])(
    "npm %s on a fresh clone says within moments what failed, and what to do",
    async (script) => {
      const packages = readdirSync(join(ROOT, "packages")).map((name) => `packages/${name}/package.json`)
      for (const file of ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "scripts/run.mjs", ...packages])
        add(file)
      // npm's own patience is longer than this test's.
      const one = npm([script, "--silent"], await offline(), copy)
      expect(await one.exited).toBe(1)
      expect(one.output()).toContain("Installing the packages")
      expect(one.output()).toContain("ECONNREFUSED")
      expect(one.output()).toContain(`npm ${script}: the packages could not be installed`)
      expect(one.output()).toContain("check it, then run\n")
    }
  )
  it("what is installed runs", async () => {
    const one = npm(["run", "sim", "--", "--seeds", "none"], await offline())
    expect(await one.exited).toBe(2)
    expect(one.output()).toContain('--seeds must be a number of histories, not "none"')
  })
})

it("npm test names the step that failed, and how to repeat it", () => {
  add("scripts/test.ts")
  const tsc = join(copy, "node_modules/typescript/bin/tsc")
  mkdirSync(dirname(tsc), { recursive: true })
  writeFileSync(tsc, 'console.log("error TS1"); process.exit(2)')
  let failed: { readonly status: number; readonly stdout: string; readonly stderr: string } | undefined
  try {
    execFileSync(process.execPath, ["scripts/test.ts"], { cwd: copy, encoding: "utf8", stdio: "pipe" })
  } catch (error) {
    failed = error as typeof failed
  }
  expect(failed?.status).toBe(2)
  expect(failed?.stdout).toContain("error TS1")
  expect(failed?.stderr).toContain("npm test stopped: types failed")
  expect(failed?.stderr).toContain("npm run check")
})
