/** The bindings of `wrangler.jsonc` and the secrets of a deployment. */
import type { Destination } from "./Destination.ts"
import type { SourceLog } from "./SourceLog.ts"
import type { Workspace } from "./Workspace.ts"

export interface Env {
  readonly WORKSPACE: DurableObjectNamespace<Workspace>
  readonly SOURCE_LOG: DurableObjectNamespace<SourceLog>
  readonly DESTINATION: DurableObjectNamespace<Destination>
  /** Makes workspaces and their first keys. */
  readonly HOOKSTREAM_ROOT_KEY?: string
  /** Key ring of the checksums of ids and API keys. */
  readonly HOOKSTREAM_ID_KEY?: string
  /** Key ring that seals stored secrets. */
  readonly HOOKSTREAM_KEYS?: string
  /** Scheme and host at which senders reach the gateway: `https://hooks.example.com`. Default: see `originOf`. */
  readonly HOOKSTREAM_PUBLIC_URL?: string
  /** "true" opens destinations on private networks and by plain http. */
  readonly HOOKSTREAM_ALLOW_PRIVATE_NETWORKS?: string
  /** Bytes of one source's log above which it accepts nothing more. Default: 8000000000, of the 10 GB that an object holds. */
  readonly HOOKSTREAM_LOG_MAX_BYTES?: string
}
