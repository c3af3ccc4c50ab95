import * as ApiHandler from "@hookstream/api/ApiHandler"
import { Deployment } from "@hookstream/api/Deployment"
import { Deliveries } from "@hookstream/core/Deliveries"
import type * as Facts from "@hookstream/core/DeliveryFacts"
import * as DeliveryJournal from "@hookstream/core/DeliveryJournal"
import { newEvent } from "@hookstream/core/Event"
import * as EventLog from "@hookstream/core/EventLog"
import * as IdKeys from "@hookstream/core/IdKeys"
import { type EntityOf, type Kind, Registry } from "@hookstream/core/Registry"
import { SecretVault } from "@hookstream/core/SecretVault"
import * as SinkRegistry from "@hookstream/core/SinkRegistry"
import { Effect, Layer } from "effect"
import { HttpClient } from "effect/http"
import { expect, it } from "vitest"

const EVENTS = 40
const WORKSPACE = "0123abcd"
const DESTINATION = `dst_${"1".repeat(32)}`
const META = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
/** Two connections from two logs. */
const sides = ["a", "b"].map((side) => ({
  connection: `conn_${side.repeat(32)}`,
  sourceId: `src_${WORKSPACE}${side.repeat(24)}`,
  route: side.repeat(9)
}))

/** A destination of whose two logs every event is a dead letter, and the calls that its logs get. */
const start = async () => {
  const calls: Array<string> = []
  const journal = DeliveryJournal.makeMemory()
  const stores = new Map(
    sides.map(({ connection, sourceId, route }) => {
      const store = EventLog.makeMemory({ sourceId, route })
      store.append(
        Array.from({ length: EVENTS }, (_, i) => ({
          event: newEvent(META, new Uint8Array(3)),
          token: String(i),
          now: 1000
        }))
      )
      journal.commit([{ _tag: "ConnectionStarted", connection, sourceId, route, after: 0 }], 1000)
      const settled = Array.from(
        { length: EVENTS },
        (_, i): Facts.Settlement => ({
          _tag: "Dead",
          seq: i + 1,
          attempt: 1,
          latency: 1,
          reason: "Rejected",
          detail: "no",
          key: null
        })
      )
      const fact = { run: connection, lo: 1, hi: EVENTS, seqs: null, at: 1000, settled, seen: [] }
      journal.commit([{ _tag: "WindowSettled", ...fact, rates: null, rest: null }], 1000)
      const counted = (name: string) => calls.push(`${name} ${route}`)
      return [
        route,
        {
          ...store,
          list: (before: number, limit: number) => {
            counted("list")
            return store.list(before, limit)
          },
          ids: (seqs: ReadonlyArray<number>) => {
            counted("ids")
            return store.ids(seqs)
          }
        }
      ] as const
    })
  )
  const idKeys = IdKeys.make(`1:${Buffer.alloc(32).toString("base64")}`)
  const key = await idKeys.apiKey(WORKSPACE)
  const services = await Effect.runPromise(
    Layer.build(
      Layer.mergeAll(
        EventLog.layerStores(stores),
        Layer.mock(Deliveries)({
          summary: () => Effect.succeed(journal.summary()),
          deadLetters: (_, before, limit) => Effect.succeed(journal.deadLetters(before, limit)),
          attempts: (_, filter, before, limit) => Effect.succeed(journal.attempts(filter, before, limit))
        }),
        Layer.mock(Registry)({
          authenticate: () => Effect.succeed({ id: "key_1", name: "n", scopes: ["*"], hint: "hs", createdAt: 0 }),
          // Only asked whether it is there.
          get: <K extends Kind>() => Effect.succeed({ id: DESTINATION } as EntityOf<K>)
        }),
        Layer.mock(SecretVault)({}),
        SinkRegistry.layer([]),
        Layer.succeed(
          HttpClient.HttpClient,
          HttpClient.make(() => Effect.die("no request is made"))
        ),
        Layer.succeed(Deployment, { rootKey: "root", idKeys, allowPrivateNetworks: false })
      )
    ).pipe(Effect.scoped)
  )
  const handler = ApiHandler.make(services)
  const get = async (path: string) => {
    calls.length = 0
    const response = await handler(new Request(`http://gateway${path}`, { headers: { "X-API-Key": key } }))
    return {
      status: response.status,
      body: (await response.json()) as Record<string, ReadonlyArray<{ event_id: string }>>
    }
  }
  return { get, calls, stores }
}

it.each([
  ["dead_letters", `/v1/destinations/${DESTINATION}/dlq?limit=60`],
  ["attempts", `/v1/delivery-attempts?destination_id=${DESTINATION}&limit=60`]
])("a page of %s names its events by one call of each log", async (list, path) => {
  const { get, calls, stores } = await start()
  const { status, body } = await get(path)
  expect(status).toBe(200)
  expect(body[list]!.length).toBe(60)
  const ids = new Set([...stores.values()].flatMap((store) => store.list(999, 99).map(({ id }) => id)))
  calls.length = 0
  await get(path)
  expect(body[list]!.every(({ event_id }) => ids.has(event_id))).toBe(true)
  expect(new Set(body[list]!.map(({ event_id }) => event_id)).size).toBe(60)
  expect(calls.toSorted()).toEqual(sides.map(({ route }) => `ids ${route}`))
})
