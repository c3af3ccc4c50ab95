/** Makes the Worker as it is deployed, in `build`. Wrangler asks for it by `wrangler.jsonc`. */
import { join } from "node:path"
import { ENTRY, writeBundle } from "@hookstream/devkit/Bundle"

writeBundle(ENTRY, join(import.meta.dirname, "../build"), { minify: true })
