/**
 * The file with the secrets of a deployment: `.secrets.json` of production, `.secrets.<name>.json` of another
 * environment of `wrangler.jsonc`. `npm run keygen` makes it, `npm run deploy` sends it with the code.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { newSecrets } from "@hookstream/devkit/Secrets"
import { type SettingsInput, settingsOf } from "../packages/runtime-worker/src/DeploymentSettings.ts"

const ROOT = join(import.meta.dirname, "..")

/** Folder of the files: the repository, which ignores them, unless the user names another. */
export const folder = (): string =>
  resolve(process.env["INIT_CWD"] ?? process.cwd(), process.env["HOOKSTREAM_SECRETS_DIR"] || ROOT)

/** What the user has to change; it holds no secret. */
export class SecretsFileError extends Error {}

/** The environment that arguments of wrangler name; empty for production. */
export const environmentOf = (args: ReadonlyArray<string>, known: ReadonlyArray<string>): string => {
  const { values } = parseArgs({
    args: [...args],
    options: { env: { type: "string", short: "e" } },
    strict: false
  })
  const { env = "" } = values
  if (env === "" || known.includes(String(env))) return String(env)
  throw new SecretsFileError(`wrangler.jsonc has no environment "${env}", only: ${known.join(", ")}.`)
}

const nameOf = (env: string): string => (env === "" ? ".secrets.json" : `.secrets.${env}.json`)
const keygenOf = (env: string): string => (env === "" ? "npm run keygen" : `npm run keygen -- --env ${env}`)

/** Makes new secrets and the file that holds them. Never writes over one: without its keys nothing stored opens. */
export const create = (dir: string, env: string): string => {
  const file = join(dir, nameOf(env))
  try {
    writeFileSync(file, `${JSON.stringify(newSecrets(), null, 2)}\n`, { mode: 0o600, flag: "wx" })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    throw new SecretsFileError(`${file} is there already, and stays as it is: without its keys nothing stored opens.`)
  }
  return file
}

const parsed = (file: string): SettingsInput | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch {
    // What the error says may be a part of a secret.
    return undefined
  }
}

/** The file, when a gateway would start with what it holds. */
export const find = (dir: string, env: string): string => {
  const file = join(dir, nameOf(env))
  if (!existsSync(file)) {
    throw new SecretsFileError(`There is no ${file}.
  For a first deploy:    ${keygenOf(env)}
  For any later one:     bring the file that was deployed before. New keys would not open what is stored,
                         and ingest URLs and API keys that were made would end.`)
  }
  const secrets = parsed(file)
  if (secrets === undefined) throw new SecretsFileError(`${file} is not JSON.`)
  try {
    settingsOf(secrets)
  } catch (error) {
    throw new SecretsFileError(`${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  return file
}
