/**
 * A gateway made of its sinks: the ingest route in plain code, ahead of everything; the API behind it, a module of its
 * own that is evaluated at its first call; and the objects.
 */
import type * as ApiHandler from "@hookstream/api/ApiHandler"
import { Deployment } from "@hookstream/api/Deployment"
import { errorResponse } from "@hookstream/api/ErrorResponse"
import { FailureLimit } from "@hookstream/api/FailureLimit"
import * as Ids from "@hookstream/core/Ids"
import { line } from "@hookstream/core/LogLine"
import { pack } from "@hookstream/core/log/PackedAppends"
import * as SharedAppends from "@hookstream/core/log/SharedAppends"
import { askEach } from "@hookstream/core/Sweep"
import { SecretVault } from "@hookstream/core/secret/SecretVault"
import type { Sink } from "@hookstream/core/sink/Sink"
import * as Gate from "@hookstream/ingest/Gate"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { makeDestination } from "./Destination.ts"
import { Directory } from "./Directory.ts"
import type { Env } from "./Env.ts"
import { type Edge, ingest, targetOf } from "./Ingest.ts"
import { SettingsError } from "./internal/errors.ts"
import { timer } from "./internal/ports.ts"
import { print } from "./internal/print.ts"
import { type RuntimeOf, runtimesOf } from "./Layers.ts"
import { directoryOf, logOf, shardsOf } from "./Peers.ts"
import { SourceLog } from "./SourceLog.ts"
import { makeWorkspace } from "./Workspace.ts"

/** Seconds. Settings are fixed by a person. */
const UNSET_RETRY_AFTER = 60

interface Entry {
  readonly edge: Edge
  readonly api: (request: Request) => Promise<Response>
}

const entryOf = (env: Env, runtimeOf: RuntimeOf): Entry => {
  const services = runtimeOf(env).runSync(Effect.context<ApiHandler.Services>())
  let api: Entry["api"] | undefined
  return {
    edge: {
      env,
      deployment: Context.get(services, Deployment),
      vault: Context.get(services, SecretVault),
      failures: Context.get(services, FailureLimit),
      gate: Gate.make(print),
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

export interface GatewayOptions {
  /** What destinations may be of, each type once. */
  readonly sinks: ReadonlyArray<Sink>
}

/** The Worker's handlers, and the classes of its objects by the names that `wrangler.jsonc` binds. */
export const makeGateway = ({ sinks }: GatewayOptions) => {
  const runtimeOf = runtimesOf(sinks)
  const entries = new WeakMap<Env, Entry>()
  const entryIn = (env: Env): Entry => {
    const known = entries.get(env)
    if (known !== undefined) return known
    const entry = entryOf(env, runtimeOf)
    entries.set(env, entry)
    return entry
  }
  return {
    async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
      try {
        const { api, edge } = entryIn(env)
        const target = targetOf(request.url)
        if (target === undefined) return await api(request)
        return await ingest(request, target, edge, (work) => ctx.waitUntil(work))
      } catch (error) {
        const requestId = Ids.random("req")
        if (error instanceof SettingsError) return unset(error, requestId)
        print(line("error", "a request could not be answered", { request_id: requestId }, error))
        return errorResponse(500, "an error inside the gateway; its log has the cause", { requestId })
      }
    },
    /** The sweep of all objects, begun by the cron trigger of `wrangler.jsonc`. */
    async scheduled(_: unknown, env: Env): Promise<void> {
      await askEach({ timer, log: print }, shardsOf(env), (shard) => directoryOf(env, shard).sweep())
    },
    Workspace: makeWorkspace(runtimeOf),
    SourceLog,
    Destination: makeDestination(runtimeOf),
    Directory
  }
}
