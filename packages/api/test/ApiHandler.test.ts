/** The API before any of its handlers: who is let in, what is read of whom, and what wakes a log. */
import { describe, expect, it } from "@effect/vitest"
import * as ApiHandler from "@hookstream/api/ApiHandler"
import { Deployment } from "@hookstream/api/Deployment"
import * as FailureLimit from "@hookstream/api/FailureLimit"
import * as CircuitBreaker from "@hookstream/core/delivery/CircuitBreaker"
import { Deliveries } from "@hookstream/core/delivery/Deliveries"
import { defaultPolicy } from "@hookstream/core/delivery/RetryPolicy"
import { NotFoundError } from "@hookstream/core/Errors"
import * as Ids from "@hookstream/core/Ids"
import { EventLog } from "@hookstream/core/log/EventLog"
import * as IdKeys from "@hookstream/core/secret/IdKeys"
import * as SealedConfig from "@hookstream/core/secret/SealedConfig"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import * as Sink from "@hookstream/core/sink/Sink"
import * as SinkRegistry from "@hookstream/core/sink/SinkRegistry"
import type { Destination } from "@hookstream/core/workspace/Destination"
import { Registry } from "@hookstream/core/workspace/Registry"
import { Effect, Layer, Schema } from "effect"
import { HttpClient } from "effect/http"

const ring = (n: number) => `1:${Buffer.alloc(32, n).toString("base64")}`
const idKeys = IdKeys.make(ring(1))
const WORKSPACE = "0000000a"
const ROUTE = "0123abcde"

const Config = Schema.Struct({
  url: Schema.String,
  tokens: Schema.Array(Sink.secret({ title: "Token", description: "Of the test" }))
})
const TestSink = Sink.make({
  type: "test",
  title: "Test",
  supports: { batch: false, receipts: false },
  config: Config,
  target: ({ url }) => new URL(url).origin,
  driver: () =>
    Effect.succeed({
      batch: { maxEvents: 1, maxBytes: 1 },
      send: () => Effect.succeed([]),
      check: Effect.succeed([])
    })
})

/** A gateway of one workspace with one destination; `asked` are the logs that were asked. */
const start = () =>
  Effect.gen(function* () {
    const key = yield* Effect.promise(() => idKeys.apiKey(WORKSPACE))
    const id = `dst_${"1".repeat(32)}`
    const input = { url: "https://a.example.com/x", tokens: ["first-token-1111", "second-token-2222"] }
    const decoded = yield* Schema.decodeUnknownEffect(Config)(input)
    const owner = { workspace: WORKSPACE, object: id }
    const vault = SecretVault.make(ring(2))
    const config = yield* SealedConfig.seal(owner, input, decoded).pipe(
      Effect.provideService(SecretVault.SecretVault, vault)
    )
    let stored: Destination = {
      kind: "destination",
      id,
      workspace: WORKSPACE,
      version: 1,
      name: "d",
      slug: "d",
      type: "test",
      config,
      retry: defaultPolicy,
      timeoutMs: 1000,
      maxInFlight: 1,
      maxPending: 1,
      ordering: "none",
      breaker: CircuitBreaker.defaultSettings,
      ratePerSecond: null,
      status: "active",
      createdAt: 0,
      updatedAt: 0
    }
    const asked: Array<string> = []
    const services = yield* Layer.build(
      Layer.mergeAll(
        Layer.mock(Registry)({
          authenticate: () => Effect.succeed({ id: "key_1", name: "k", scopes: ["*"], hint: "", createdAt: 0 }),
          get: (_, kind, wanted) =>
            kind === "destination" && wanted === id
              ? Effect.succeed(stored as never)
              : Effect.fail(new NotFoundError({ message: `there is no ${kind} ${wanted}` })),
          update: (entity) => {
            stored = entity as Destination
            return Effect.succeed({ value: entity, untold: [] })
          },
          hasLog: (_, route) => Effect.succeed(route === ROUTE)
        }),
        Layer.mock(EventLog)({
          get: (route) => {
            asked.push(route)
            return Effect.succeed({ events: [], bytes: 0, through: 0 })
          },
          stats: (route) => {
            asked.push(route)
            return Effect.succeed({
              sourceId: `src_${"0".repeat(32)}`,
              count: 0,
              first: 1,
              firstAt: null,
              lastAt: null
            })
          }
        }),
        Layer.mock(Deliveries)({
          summary: () =>
            Effect.succeed({
              control: { pause: null, breaker: { state: "closed", failures: 0 } },
              connections: [],
              pending: 0,
              dead: 0,
              nextDue: null,
              lastError: null
            } as never)
        }),
        Layer.succeed(SecretVault.SecretVault, vault),
        SinkRegistry.layer([TestSink]),
        Layer.succeed(Deployment, {
          rootKey: "the-root-key",
          idKeys,
          allowPrivateNetworks: true,
          publicUrl: undefined,
          trustedIpHeader: "X-Real-IP",
          notices: [],
          jurisdictions: [],
          version: null
        }),
        Layer.succeed(FailureLimit.FailureLimit, { take: FailureLimit.makeMemory(FailureLimit.PER_MINUTE) }),
        Layer.succeed(
          HttpClient.HttpClient,
          HttpClient.make(() => Effect.never)
        )
      )
    )
    const handler = ApiHandler.make(services)
    const call = async (method: string, path: string, init: RequestInit = {}) => {
      const headers = { "Content-Type": "application/json", "X-API-Key": key, ...init.headers }
      const response = await handler(new Request(`https://gateway.example.com${path}`, { ...init, method, headers }))
      // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the gateway answers
      return { status: response.status, headers: response.headers, body: (await response.json()) as any }
    }
    return { call, key, id, asked, tokens: () => JSON.stringify(stored.config) }
  })

type Gateway = Effect.Success<ReturnType<typeof start>>
const using = (body: (gateway: Gateway) => Promise<void>) =>
  start().pipe(
    Effect.flatMap((gateway) => Effect.promise(() => body(gateway))),
    Effect.scoped,
    Effect.orDie
  )

describe("a body", () => {
  it.live("of a caller who is not known is not read", () =>
    using(async ({ call }) => {
      for (const [path, headers] of [
        ["/v1/workspaces", { "X-Root-Key": "no", "X-API-Key": "no" }],
        ["/v1/connections/test", { "X-API-Key": "no" }],
        ["/v1/destinations", { "X-API-Key": `hs_live_${"0".repeat(64)}` }]
      ] as const) {
        let pulls = 0
        const body = new ReadableStream<Uint8Array>(
          {
            pull: (controller) => {
              pulls++
              controller.enqueue(new TextEncoder().encode('{"a":'))
            }
          },
          { highWaterMark: 0 }
        )
        const init: RequestInit & { readonly duplex: "half" } = { headers, body, duplex: "half" }
        expect((await call("POST", path, init)).status, path).toBe(401)
        expect(pulls, path).toBe(0)
      }
    })
  )
  it.live("too large, too deep or with too many values is refused before it is walked", () =>
    using(async ({ call, id }) => {
      // A wrong root key beside a good key opens no way around.
      for (const headers of [{}, { "X-Root-Key": "no" }]) {
        for (const [method, path] of [
          ["PATCH", `/v1/destinations/${id}`],
          ["POST", "/v1/destinations"],
          ["POST", "/v1/connections/test"]
        ] as const) {
          const said = async (body: string) => {
            const answer = await call(method, path, { body, headers })
            return `${answer.status} ${answer.body.error}`
          }
          expect(await said(`{"name":"${"x".repeat(2 ** 20)}"}`)).toMatch(/^413 .*1 MiB/)
          expect(await said(`{"config":${'{"a":'.repeat(40_000)}1${"}".repeat(40_001)}`)).toMatch(
            /^400 .*deeper than 100/
          )
          expect(await said(`{"filter_rules":[${"{},".repeat(20_001)}{}]}`)).toMatch(/^400 .*20000 values/)
        }
      }
    })
  )
})

describe("a change of a destination's host", () => {
  it.live("demands each secret again, and a change of anything else none", () =>
    using(async ({ call, id, tokens }) => {
      const before = tokens()
      const patch = (config: object) => call("PATCH", `/v1/destinations/${id}`, { body: JSON.stringify({ config }) })
      const moved = { url: "https://b.example.com/x" }
      for (const config of [moved, { url: "http://a.example.com/x" }, { url: "https://a.example.com:444/x" }]) {
        const { status, body } = await patch(config)
        expect([status, body.issues.map((one: { path: string }) => one.path)]).toEqual([
          409,
          ["config.tokens.0", "config.tokens.1"]
        ])
      }
      const half = await patch({ ...moved, tokens: ["a-new-token-3333", "****2222"] })
      expect([half.status, half.body.issues.map((one: { path: string }) => one.path)]).toEqual([
        409,
        ["config.tokens.1"]
      ])
      expect(half.body.error).toContain("https://b.example.com")
      expect(tokens()).toBe(before)
      expect((await patch({ url: "https://a.example.com/y" })).status).toBe(200)
      expect((await patch({ ...moved, tokens: ["a-new-token-3333"] })).status).toBe(200)
    })
  )
})

describe("a forged event id", () => {
  it.live("asks no log", () =>
    using(async ({ call, asked }) => {
      const event = (route: string) => Ids.makeEventId({ receivedAt: 1_700_000_000_000, seq: 1, route })
      for (const route of ["000000000", "fffffffff"]) {
        for (const path of [`events/${event(route)}`, `delivery-attempts?event_id=${event(route)}`]) {
          expect((await call("GET", `/v1/${path}`)).status).toBe(404)
        }
      }
      expect(asked).toEqual([])
      await call("GET", `/v1/events/${event(ROUTE)}`)
      expect(asked).toContain(ROUTE)
    })
  )
})

describe("an address that fails again and again", () => {
  it.live("is told to stop, and a good key behind it is not", () =>
    using(async ({ call }) => {
      const from = (ip: string, headers: object = { "X-API-Key": "no" }) =>
        call("GET", "/v1/destination-types", { headers: { "X-Real-IP": ip, ...headers } })
      const statuses: Array<number> = []
      for (let n = 0; n < 70; n++) statuses.push((await from("192.0.2.1")).status)
      expect(statuses.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => 401))
      expect(statuses.at(-1)).toBe(429)
      const last = await from("192.0.2.1")
      expect(last.headers.get("retry-after")).toBe("60")
      expect(last.body).toMatchObject({ status: 429, request_id: expect.stringContaining("req_") })
      expect((await from("192.0.2.1", {})).status).toBe(200)
      expect((await from("192.0.2.2")).status).toBe(401)
    })
  )
})
