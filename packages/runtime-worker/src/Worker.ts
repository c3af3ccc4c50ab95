/**
 * The Worker: the ingest route in plain code, ahead of everything; the API behind it, a module of its own that is
 * evaluated at its first call.
 */
import type * as ApiHandler from "@hookstream/api/ApiHandler"
import { Deployment } from "@hookstream/api/Deployment"
import { errorResponse } from "@hookstream/api/ErrorResponse"
import { FailureLimit } from "@hookstream/api/FailureLimit"
import { SHARDS } from "@hookstream/core/directory/DirectoryContract"
import * as Ids from "@hookstream/core/Ids"
import { line } from "@hookstream/core/LogLine"
import { pack } from "@hookstream/core/log/PackedAppends"
import * as SharedAppends from "@hookstream/core/log/SharedAppends"
import { askEach } from "@hookstream/core/Sweep"
import { SecretVault } from "@hookstream/core/secret/SecretVault"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Env } from "./Env.ts"
import { type Edge, ingest, targetOf } from "./Ingest.ts"
import { SettingsError } from "./internal/errors.ts"
import { timer } from "./internal/ports.ts"
import { print } from "./internal/print.ts"
import { runtimeOf } from "./Layers.ts"
import { directoryOf, logOf } from "./Peers.ts"

export { Destination } from "./Destination.ts"
export { Directory } from "./Directory.ts"
export { SourceLog } from "./SourceLog.ts"
export { Workspace } from "./Workspace.ts"

/** Seconds. Settings are fixed by a person. */
const UNSET_RETRY_AFTER = 60

interface Gateway {
  readonly edge: Edge
  readonly api: (request: Request) => Promise<Response>
}

const makeGateway = (env: Env): Gateway => {
  const services = runtimeOf(env).runSync(Effect.context<ApiHandler.Services>())
  let api: Gateway["api"] | undefined
  return {
    edge: {
      env,
      deployment: Context.get(services, Deployment),
      vault: Context.get(services, SecretVault),
      failures: Context.get(services, FailureLimit),
      appends: SharedAppends.make({ timer, log: print }, (route, appends) => logOf(env, route).appendAll(pack(appends)))
    },
    api: async (request) => {
      // Each request imports it by itself: a promise of another one's may never settle.
      const { make } = await import("@hookstream/api/ApiHandler")
      api ??= make(services)
      return await api(request)
    }
  }
}

const gateways = new WeakMap<Env, Gateway>()
const gatewayOf = (env: Env): Gateway => {
  const known = gateways.get(env)
  if (known !== undefined) return known
  const gateway = makeGateway(env)
  gateways.set(env, gateway)
  return gateway
}

let isUnsetTold = false

/**
 * What any request is answered while settings are missing or wrong: senders repeat. The log tells of it once for each
 * isolate.
 */
const unset = (error: SettingsError, requestId: string): Response => {
  if (!isUnsetTold) {
    print(line("error", "settings are missing or wrong", { settings: error.issues.map(({ path }) => path) }, error))
  }
  isUnsetTold = true
  const { issues, message } = error
  return errorResponse(503, message, { requestId, issues, retryAfterSeconds: UNSET_RETRY_AFTER })
}

export default {
  async fetch(request, env, ctx): Promise<Response> {
    try {
      const gateway = gatewayOf(env)
      const target = targetOf(request.url)
      if (target === undefined) return await gateway.api(request)
      return await ingest(request, target, gateway.edge, (work) => ctx.waitUntil(work))
    } catch (error) {
      const requestId = Ids.random("req")
      if (error instanceof SettingsError) return unset(error, requestId)
      print(line("error", "a request could not be answered", { request_id: requestId }, error))
      return errorResponse(500, "an error inside the gateway; its log has the cause", { requestId })
    }
  },
  /** The sweep of all objects, begun by the cron trigger of `wrangler.jsonc`. */
  async scheduled(_, env): Promise<void> {
    await askEach({ timer, log: print }, SHARDS, (shard) => directoryOf(env, shard).sweep())
  }
} satisfies ExportedHandler<Env>
