/** What the person who runs the gateway has set. */
import type { Jurisdiction } from "@hookstream/core/Placement"
import type { IdKeys } from "@hookstream/core/secret/IdKeys"
import * as Context from "effect/Context"
import type { Issue } from "./ApiError.ts"

export class Deployment extends Context.Service<
  Deployment,
  {
    /** Makes workspaces and their first keys. */
    readonly rootKey: string
    readonly idKeys: IdKeys
    /** Scheme and host at which senders reach the gateway, without a slash; `undefined`: see `internal/origin.ts`. */
    readonly publicUrl: string | undefined
    /** Opens destinations on private networks and by plain http. */
    readonly allowPrivateNetworks: boolean
    /** The header in which a trusted proxy names the sender; `undefined`: none is trusted. */
    readonly trustedIpHeader: string | undefined
    /** What is missing without which the gateway works all the same, and what that means. */
    readonly notices: ReadonlyArray<Issue>
    /** In which workspaces can be made here. */
    readonly jurisdictions: ReadonlyArray<Jurisdiction>
    /** Id of the version that answers, as Cloudflare counts them; `null` elsewhere. */
    readonly version: string | null
  }
>()("@hookstream/api/Deployment") {}
