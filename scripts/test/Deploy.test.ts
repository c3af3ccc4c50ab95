import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { readDeployed } from "@hookstream/devkit/Workerd"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type SettingsInput, settingsOf } from "../../packages/runtime-worker/src/DeploymentSettings.ts"
import * as SecretsFile from "../SecretsFile.ts"

const ROOT = join(import.meta.dirname, "../..")
let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hookstream-secrets-"))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const run = (script: "keygen" | "deploy", ...args: ReadonlyArray<string>) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`scripts/${script}.ts`, ...args], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, HOOKSTREAM_SECRETS_DIR: dir }
  })
  return { status, output: stdout + stderr }
}
const text = (file: string) => readFileSync(join(dir, file), "utf8")

describe("npm run keygen", () => {
  it("makes secrets that a gateway starts with, for their owner's eyes only, and never writes over them", () => {
    const { status, output } = run("keygen")
    expect(status).toBe(0)
    const before = text(".secrets.json")
    const secrets: SettingsInput = JSON.parse(before)
    expect(settingsOf(secrets)).toMatchObject(secrets)
    expect(statSync(join(dir, ".secrets.json")).mode & 0o777).toBe(0o600)
    for (const value of Object.values(secrets)) expect(output).not.toContain(String(value).replace("1:", ""))

    const again = run("keygen")
    expect(again.status).toBe(1)
    expect(again.output).toContain("is there already")
    expect(text(".secrets.json")).toBe(before)
  })
  it("makes others for another environment", () => {
    expect(SecretsFile.create(dir, "")).toBe(join(dir, ".secrets.json"))
    expect(SecretsFile.create(dir, "staging")).toBe(join(dir, ".secrets.staging.json"))
    const staging: SettingsInput = JSON.parse(text(".secrets.staging.json"))
    for (const [name, value] of Object.entries(staging)) expect(text(".secrets.json"), name).not.toContain(value)
  })
  it("writes to a place that git ignores", () => {
    const files = [".secrets.json", ".secrets.staging.json"]
    const ignored = execFileSync("git", ["check-ignore", ...files], { cwd: ROOT, encoding: "utf8" })
    expect(ignored.trim().split("\n")).toEqual(files)
  })
})

it("wrangler.jsonc names the schema of the wrangler that is installed", () => {
  const worker = join(ROOT, "packages/runtime-worker")
  const [, schema] = /"\$schema": "(.+?)"/.exec(readFileSync(join(worker, "wrangler.jsonc"), "utf8"))!
  expect(JSON.parse(readFileSync(join(worker, schema!), "utf8")).definitions).toHaveProperty("RawConfig")
})

it("no environment inherits the domain of production, which its deploy would take away", () => {
  const environments = Object.entries(readDeployed().env)
  expect(environments.map(([name]) => name)).toContain("staging")
  for (const [name, settings] of environments) expect(settings, name).toHaveProperty("routes")
})

describe("npm run deploy", () => {
  it("stops without the secrets of its environment, and says how to make them", () => {
    const { status, output } = run("deploy", "--dry-run", "-e", "staging")
    expect(status).toBe(1)
    expect(output).toContain(`There is no ${join(dir, ".secrets.staging.json")}`)
    expect(output).toContain("npm run keygen -- --env staging\n")
    expect(output).not.toContain("wrangler 4")
  })
  it("takes no other file of secrets, which it would not check", () => {
    SecretsFile.create(dir, "")
    for (const args of [["--secrets-file", "mine.json"], ["--secrets-file=mine.json"]]) {
      const { status, output } = run("deploy", "--dry-run", ...args)
      expect(status).toBe(1)
      expect(output).toContain("HOOKSTREAM_SECRETS_DIR")
      expect(output).not.toContain("wrangler 4")
    }
  })
  it.each([
    [[], ""],
    [["--dry-run", "--message", "a fix"], ""],
    [["--env=", "--dry-run"], ""],
    [["--env", ""], ""],
    [["--env", "staging"], "staging"],
    [["--dry-run", "--env=staging", "--tag", "v2"], "staging"],
    [["-e", "staging"], "staging"],
    [["--env-file", "staging"], ""]
  ])("%j deploys to %j", (args, env) => {
    expect(SecretsFile.environmentOf(args, ["staging"])).toBe(env)
  })
  it("knows no environment that wrangler.jsonc does not have", () => {
    expect(() => SecretsFile.environmentOf(["--env", "stagin"], ["staging"])).toThrow("only: staging")
  })
  it.each([
    ["{ not: 'json-7f3a' }", "is not JSON"],
    ["json-7f3a", "is not JSON"],
    ['{"HOOKSTREAM_ROOT_KEY": "json-7f3a"}', "HOOKSTREAM_ID_KEY is not set"],
    [
      JSON.stringify({
        HOOKSTREAM_ROOT_KEY: "root",
        HOOKSTREAM_ID_KEY: `1:${Buffer.alloc(32).toString("base64")}`,
        HOOKSTREAM_KEYS: "1:json-7f3a"
      }),
      "HOOKSTREAM_KEYS must be"
    ]
  ])("stops at secrets with which every request would be answered with 503, and shows none: %s", (content, why) => {
    writeFileSync(join(dir, ".secrets.json"), content)
    expect(() => SecretsFile.find(dir, "")).toThrow(why)
    expect(() => SecretsFile.find(dir, "")).not.toThrow("json-7f3a")
  })
})
