/** What the person who runs the gateway has set. */
import type { IdKeys } from "@hookstream/core/secret/IdKeys"
import * as Context from "effect/Context"

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
  }
>()("@hookstream/api/Deployment") {}
