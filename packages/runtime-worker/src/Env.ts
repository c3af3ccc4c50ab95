/** The bindings of `wrangler.jsonc` and the settings of a deployment. */
import type { SettingsInput } from "./DeploymentSettings.ts"

/** Objects are asked by their contracts: see `Peers.ts`. */
export interface Env extends SettingsInput {
  readonly WORKSPACE: DurableObjectNamespace
  readonly SOURCE_LOG: DurableObjectNamespace
  readonly DESTINATION: DurableObjectNamespace
  readonly DIRECTORY: DurableObjectNamespace
  /** Counts who fails, by address, for all isolates of a place; without it each isolate counts for itself. */
  readonly FAILURES?: RateLimit
  /** The version that runs; Cloudflare alone has it. */
  readonly VERSION?: WorkerVersionMetadata
}
