import * as ApiHandler from "@hookstream/api/ApiHandler"
import { Deployment } from "@hookstream/api/Deployment"
import * as FailureLimit from "@hookstream/api/FailureLimit"
import { Deliveries } from "@hookstream/core/delivery/Deliveries"
import * as EventLog from "@hookstream/core/log/EventLog"
import * as IdKeys from "@hookstream/core/secret/IdKeys"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import * as SinkRegistry from "@hookstream/core/sink/SinkRegistry"
import { type EntityOf, type Kind, Registry } from "@hookstream/core/workspace/Registry"
import { Effect, Layer, Logger } from "effect"
import { HttpClient } from "effect/http"

export const WORKSPACE = "0123abcd"

export interface ApiOptions {
  readonly stores?: ReadonlyMap<string, EventLog.EventLogStore>
  readonly deliveries?: Partial<Deliveries["Service"]>
}

/** The API over mocks and logs at hand: for what goes wrong inside. Whatever entity is asked for is there. */
export const startApi = async ({ stores = new Map(), deliveries = {} }: ApiOptions) => {
  const logged: Array<unknown> = []
  const idKeys = IdKeys.make(`1:${Buffer.alloc(32).toString("base64")}`)
  const key = await idKeys.apiKey(WORKSPACE)
  const layer = Layer.mergeAll(
    EventLog.layerStores(stores),
    Layer.mock(Deliveries)(deliveries),
    Layer.mock(Registry)({
      authenticate: () => Effect.succeed({ id: "key_1", name: "n", scopes: ["*"], hint: "hs", createdAt: 0 }),
      hasLog: () => Effect.succeed(true),
      get: <K extends Kind>(_: string, __: K, id: string) => Effect.succeed({ id } as EntityOf<K>)
    }),
    SecretVault.layer(`1:${Buffer.alloc(32).toString("base64")}`),
    Layer.succeed(FailureLimit.FailureLimit, { take: FailureLimit.makeMemory(FailureLimit.PER_MINUTE) }),
    SinkRegistry.layer([]),
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make(() => Effect.die("no request is made"))
    ),
    Layer.succeed(Deployment, {
      rootKey: "root",
      idKeys,
      allowPrivateNetworks: false,
      publicUrl: undefined,
      trustedIpHeader: undefined,
      notices: [],
      jurisdictions: [],
      version: null
    }),
    Logger.layer([Logger.make(({ message }) => logged.push(message))])
  )
  const services = await Effect.runPromise(Layer.build(layer).pipe(Effect.scoped))
  const handler = ApiHandler.make(services)
  return {
    /** What was given to the logger. */
    logged,
    call: (path: string, init: RequestInit = {}) =>
      handler(new Request(`http://gateway${path}`, { headers: { "X-API-Key": key }, ...init }))
  }
}
