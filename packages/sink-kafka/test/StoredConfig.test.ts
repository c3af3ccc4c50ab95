/** Destinations that an earlier version has stored go on to work, whatever is asked of new ones. */

import * as SealedConfig from "@hookstream/core/secret/SealedConfig"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import * as DestinationDriver from "@hookstream/core/sink/DestinationDriver"
import * as SinkClient from "@hookstream/core/sink/SinkClient"
import * as SinkRegistry from "@hookstream/core/sink/SinkRegistry"
import { Destination } from "@hookstream/core/workspace/Destination"
import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"
import { Effect, Layer, Redacted, Schema } from "effect"
import { afterAll, beforeAll, expect, it } from "vitest"
import { config, outbound } from "./support.ts"

const SECRET = " pasted with its line end\n"

let emulator: Emulator
beforeAll(async () => {
  emulator = await startEmulator({
    topics: [{ name: config.topic }],
    credentials: { apiKey: " key ", apiSecret: SECRET }
  })
})
afterAll(() => emulator.close())

it.each([
  ["a cluster id of any text", { cluster_id: "my cluster/1?" }, "/v3/clusters/my%20cluster%2F1%3F/"],
  ["a REST endpoint that ends in /v3", { rest_endpoint: "/v3/ " }, "/v3/clusters/lkc-xxxxx/"],
  [
    "a bootstrap server that is a URL",
    { bootstrap_servers: "https://proxy.example.com:443" },
    "/v3/clusters/lkc-xxxxx/"
  ]
])("a destination stored with %s sends as it did, its secret as it was", async (_, change, path) => {
  const rest_endpoint = `${emulator.url}${"rest_endpoint" in change ? change.rest_endpoint : ""}`
  const written = { ...config, api_key: " key ", api_secret: SECRET, ...change, rest_endpoint }
  const vault = SecretVault.layer(`1:${Buffer.alloc(32, 7).toString("base64")}`)
  const place = { workspace: "00000000", object: `dst_${"0".repeat(32)}` }
  const outcomes = await Effect.gen(function* () {
    const destination = Schema.decodeUnknownSync(Destination)({
      kind: "destination",
      id: place.object,
      workspace: place.workspace,
      version: 1,
      name: "old",
      slug: "old",
      type: "kafka",
      config: yield* SealedConfig.seal(place, written, { ...written, api_secret: Redacted.make(SECRET) }),
      retry: { enabled: true, maxRetries: 5, backoff: "fixed", intervals: [1], jitter: false },
      timeoutMs: 1000,
      maxInFlight: 4,
      maxPending: 100,
      ordering: "none",
      breaker: { enabled: true, threshold: 5, resetMs: 1000 },
      ratePerSecond: null,
      status: "active",
      createdAt: 0,
      updatedAt: 0
    })
    const driver = yield* DestinationDriver.make(destination)
    return yield* driver.send([outbound("{}")])
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.mergeAll(SinkClient.layer, vault, SinkRegistry.layer([KafkaSink]))),
    Effect.runPromise
  )
  expect(outcomes).toMatchObject([{ _tag: "Delivered" }])
  expect(emulator.requests().at(-1)!.url).toContain(path)
})
