/**
 * `npm run deploy [-- --env staging] [further arguments of wrangler deploy]`: checks the types, then deploys the code
 * and its secrets as one version, so that none ever serves without them.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { readDeployed } from "@hookstream/devkit/Workerd"
import * as SecretsFile from "./SecretsFile.ts"

const ROOT = join(import.meta.dirname, "..")

const run = (args: ReadonlyArray<string>): void => {
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}

const secretsFile = (args: ReadonlyArray<string>): string => {
  const env = SecretsFile.environmentOf(args, Object.keys(readDeployed().env))
  if (args.some((arg) => arg.startsWith("--secrets-file"))) {
    throw new SecretsFile.SecretsFileError("it names the file of secrets itself; HOOKSTREAM_SECRETS_DIR is its folder.")
  }
  return SecretsFile.find(SecretsFile.folder(), env)
}

try {
  const args = process.argv.slice(2)
  const file = secretsFile(args)
  run(["node_modules/typescript/bin/tsc", "-b"])
  run([
    "node_modules/wrangler/bin/wrangler.js",
    "deploy",
    "--cwd",
    "packages/runtime-worker",
    "--secrets-file",
    file,
    // Production, unless the arguments name an environment.
    ...(args.some((arg) => /^(--env(=|$)|-e)/.test(arg)) ? [] : ["--env="]),
    ...args
  ])
} catch (error) {
  if (!(error instanceof SecretsFile.SecretsFileError)) throw error
  console.error(`npm run deploy stopped: ${error.message}`)
  process.exitCode = 1
}
