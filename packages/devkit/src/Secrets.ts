/** The secrets of a deployment, as `wrangler.jsonc` requires them. */
import { randomBytes } from "node:crypto"

const ring = () => `1:${randomBytes(32).toString("base64")}`

/** New ones, by the names of their settings. */
export const newSecrets = (): Readonly<Record<string, string>> => ({
  HOOKSTREAM_ROOT_KEY: randomBytes(32).toString("hex"),
  HOOKSTREAM_ID_KEY: ring(),
  HOOKSTREAM_KEYS: ring()
})
