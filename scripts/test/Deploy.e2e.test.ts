import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { newSecrets } from "@hookstream/devkit/Secrets"
import { productionBundle } from "@hookstream/devkit/Workerd"
import { afterAll, expect, it } from "vitest"
import * as SecretsFile from "../SecretsFile.ts"

const ROOT = join(import.meta.dirname, "../..")
const dir = mkdtempSync(join(tmpdir(), "hookstream-deploy-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** With no account of anybody. */
const deploy = (...args: ReadonlyArray<string>) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["scripts/deploy.ts", "--dry-run", "--outdir", join(dir, "out"), ...args],
    {
      cwd: ROOT,
      encoding: "utf8",
      env: {
        PATH: process.env["PATH"],
        HOME: dir,
        NO_COLOR: "1",
        WRANGLER_SEND_METRICS: "false",
        HOOKSTREAM_SECRETS_DIR: dir
      }
    }
  )
  return { status, output: stdout + stderr }
}

it.each([["production"], ["staging", "--env", "staging"]])(
  "%s is deployed with its secrets, without a warning, as the bundle that is tested",
  (_, ...args) => {
    const env = args.at(-1) ?? ""
    if (!existsSync(join(dir, env === "" ? ".secrets.json" : `.secrets.${env}.json`))) SecretsFile.create(dir, env)
    const { status, output } = deploy(...args)
    expect(output).toContain("--dry-run: exiting now")
    expect(status).toBe(0)
    for (const name of Object.keys(newSecrets())) expect(output).toContain(`env.${name} ("(hidden)")`)
    for (const name of ["WORKSPACE", "SOURCE_LOG", "DESTINATION", "DIRECTORY", "FAILURES", "VERSION"]) {
      expect(output).toContain(`env.${name}`)
    }
    expect(output).toContain('env.HOOKSTREAM_TRUSTED_IP_HEADER ("CF-Connecting-IP")')
    expect(output).not.toMatch(/warning/i)
    const code = (file: string) => readFileSync(file, "utf8").replace(/\/\/# sourceMappingURL=.*/, "")
    expect(code(join(dir, "out/Worker.js"))).toBe(code(productionBundle(true).file))
    expect(existsSync(join(dir, "out/Worker.js.map"))).toBe(true)
  }
)
