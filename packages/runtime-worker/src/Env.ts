/** The bindings of `wrangler.jsonc` and the settings of a deployment. */
import type { SettingsInput } from "./DeploymentSettings.ts"
import type { Destination } from "./Destination.ts"
import type { SourceLog } from "./SourceLog.ts"
import type { Workspace } from "./Workspace.ts"

export interface Env extends SettingsInput {
  readonly WORKSPACE: DurableObjectNamespace<Workspace>
  readonly SOURCE_LOG: DurableObjectNamespace<SourceLog>
  readonly DESTINATION: DurableObjectNamespace<Destination>
}
