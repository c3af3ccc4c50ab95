/** The bindings of `wrangler.jsonc` and the settings of a deployment. */
import type { SettingsInput } from "./DeploymentSettings.ts"
import type { Destination } from "./Destination.ts"
import type { SourceLog } from "./SourceLog.ts"
import type { Workspace } from "./Workspace.ts"

export interface Env extends SettingsInput {
  readonly WORKSPACE: DurableObjectNamespace<Workspace>
  readonly SOURCE_LOG: DurableObjectNamespace<SourceLog>
  readonly DESTINATION: DurableObjectNamespace<Destination>
  /** Counts who fails, by address, for all isolates of a place; without it each isolate counts for itself. */
  readonly FAILURES?: RateLimit
  /** The version that runs; Cloudflare alone has it. */
  readonly VERSION?: WorkerVersionMetadata
}
