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
  /** "true" opens destinations on private networks and by plain http. */
  readonly HOOKSTREAM_ALLOW_PRIVATE_NETWORKS?: string
  /**
   * The header in which whoever stands before the gateway names the sender's address: `CF-Connecting-IP` on Cloudflare,
   * which sets it itself. Without it no address is believed.
   */
  readonly HOOKSTREAM_TRUSTED_IP_HEADER?: string
  /** Counts who fails, by address, for all isolates of a place; without it each isolate counts for itself. */
  readonly FAILURES?: RateLimit
  /** Bytes of one source's log above which it accepts nothing more. Default: 8000000000, of the 10 GB that an object holds. */
  readonly HOOKSTREAM_LOG_MAX_BYTES?: string
}
