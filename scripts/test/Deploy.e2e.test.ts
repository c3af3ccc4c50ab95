import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { type Bundle, bundle, bundleIn, ENTRY } from "@hookstream/devkit/Bundle"
import { newSecrets } from "@hookstream/devkit/Secrets"
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
    /** By the hash in its name a chunk says where its source map leads to. */
    const nameless = (text: string) =>
      text.replaceAll(/-[A-Z0-9]{8}\.js/g, ".js").replace(/\/\/# sourceMappingURL=.*/, "")
    const modulesIn = ({ file, chunks }: Bundle) =>
      [file, ...Object.values(chunks)]
        .map((path) => `${nameless(basename(path))}\n${nameless(readFileSync(path, "utf8"))}`)
        .sort()
    expect(modulesIn(bundleIn(join(dir, "out"), "Worker.js"))).toEqual(modulesIn(bundle(ENTRY, { minify: true })))
    expect(existsSync(join(ROOT, "build/Worker.js.map"))).toBe(true)
  }
)
