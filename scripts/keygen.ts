/** `npm run keygen [-- --env staging]`: makes the secrets of a deployment, and shows none of them. */
import { readDeployed } from "@hookstream/devkit/Workerd"
import * as SecretsFile from "./SecretsFile.ts"

try {
  const env = SecretsFile.environmentOf(process.argv.slice(2), Object.keys(readDeployed().env))
  const file = SecretsFile.create(SecretsFile.folder(), env)
  console.log(`${file} holds new secrets, for a Worker that has none yet. git ignores it, only you can read it.

  Keep a copy where it is safe: what is stored does not open without it.
  Next:  npm run deploy${env === "" ? "" : ` -- --env ${env}`}`)
} catch (error) {
  if (!(error instanceof SecretsFile.SecretsFileError)) throw error
  console.error(`npm run keygen stopped: ${error.message}`)
  process.exitCode = 1
}
