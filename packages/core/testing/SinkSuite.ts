/**
 * What every sink must do, as a list of cases: each title begins with the clause of `docs/sinks/writing-a-sink.md` that
 * it proves. A sink's own test runs them against a target that it can make behave badly.
 */
import { deepStrictEqual as equal, ok } from "node:assert/strict"
import { setTimeout as sleep } from "node:timers/promises"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as TestClock from "effect/testing/TestClock"
import * as Event from "../src/event/Event.ts"
import { makeSourceId } from "../src/Ids.ts"
import * as SealedConfig from "../src/secret/SealedConfig.ts"
import * as SecretVault from "../src/secret/SecretVault.ts"
import * as DestinationDriver from "../src/sink/DestinationDriver.ts"
import {
  batchOf,
  isSecret,
  type OutboundEvent,
  type Outcome,
  type Sink,
  type SinkDriver,
  type SinkError,
  type Supports
} from "../src/sink/Sink.ts"
import * as SinkClient from "../src/sink/SinkClient.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** What the target does with the next sends. */
export type Behaviour =
  | "take"
  /** Takes all but events whose body has the word `refused`. */
  | "refuse"
  | "throttle"
  | "throttle for 7 s"
  | "unauthorized"
  | "too large"
  /** Answers that it cannot, to checks too. */
  | "down"
  /** Takes them, and the reply is lost. */
  | "break after"
  /** Never answers. */
  | "hang"
  /** Takes them, answers for the first of a batch, and then no more. */
  | "answer one"
  /** To another path of its own, where it would take them. */
  | "redirect"
  /** Refuses, and shows the credentials that it was given. */
  | "echo"
  /** Says that all is well, and nothing else. */
  | "empty"
  /** A long page that no client expects, as a failure. */
  | "nonsense"

export interface Target {
  /** As a user would write it; it leads to the target. */
  readonly config: { readonly [field: string]: Schema.Json }
  readonly behave: (behaviour: Behaviour) => void
  /** Ids of the events that have arrived, in order, each as often as it came. */
  readonly arrived: () => ReadonlyArray<string>
  /** Their bodies, as text: of JSON as it was sent. */
  readonly bodies: () => ReadonlyArray<string>
  readonly close: () => Promise<void>
}

export interface Options {
  readonly start: () => Promise<Target>
  /** What the sink reaches its target by. Default: the gateway's own client. */
  readonly client?: Layer.Layer<HttpClient.HttpClient>
  /** Behaviours that the sink's target cannot show, each with the reason why. */
  readonly without?: Partial<Readonly<Record<Behaviour, string>>>
}

export interface Case {
  readonly title: string
  readonly run: Effect.Effect<void>
  /** Why it cannot be shown with this target; then it is skipped, in the open. */
  readonly skip?: string
}

/** Milliseconds within which an interrupted send must have ended. */
const SOON = 2000
/** Milliseconds that a send which hangs is given to begin. */
const BEGIN = 200

let events = 0
const outbound = (body = `{"n":${events}}`): OutboundEvent => {
  const event = Event.make({
    sourceId: makeSourceId("00000000", "0123abcde"),
    seq: ++events,
    receivedAt: 1_700_000_000_000,
    contentType: "application/json",
    body
  })
  return batchOf([event], { destinationId: `dst_${"0".repeat(31)}1` })[0]!
}
/** An event on its way, for tests of drivers. */
export const sample = outbound
const some = (count: number) => Array.from({ length: count }, () => outbound())
const ids = (batch: ReadonlyArray<OutboundEvent>) => batch.map(({ event }) => event.id)
const tags = (outcomes: ReadonlyArray<Outcome>) => outcomes.map(({ _tag }) => _tag)

/** The secrets of a config, found as the gateway finds them. */
const secretsIn = (input: unknown, decoded: unknown): ReadonlyArray<string> => {
  if (isSecret(decoded)) return typeof input === "string" ? [input] : []
  if (typeof decoded !== "object" || decoded === null) return []
  return Object.entries(decoded).flatMap(([key, value]) => secretsIn(Reflect.get(input as object, key), value))
}

type Json = { readonly [key: string]: Json } | ReadonlyArray<Json> | string | number | boolean | null
/** Fields of a JSON Schema by their path, those of alternatives too. */
const fieldsOf = (
  schema: Json,
  path = ""
): ReadonlyArray<readonly [path: string, field: { readonly [key: string]: Json }]> => {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return []
  const node = schema as { readonly [key: string]: Json }
  const alternatives = [
    ...((node["anyOf"] ?? []) as ReadonlyArray<Json>),
    ...((node["oneOf"] ?? []) as ReadonlyArray<Json>)
  ]
  return [
    ...Object.entries((node["properties"] ?? {}) as { readonly [key: string]: Json }).flatMap(([name, field]) => [
      [`${path}${name}`, field as { readonly [key: string]: Json }] as const,
      ...fieldsOf(field, `${path}${name}.`)
    ]),
    ...alternatives.flatMap((one) => fieldsOf(one, path)),
    ...("items" in node ? fieldsOf(node["items"]!, `${path}[].`) : [])
  ]
}

/** JSON with each of its texts rewritten. */
const mapTexts = (value: Schema.Json, rewrite: (text: string) => string): Schema.Json => {
  if (typeof value === "string") return rewrite(value)
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map((one) => mapTexts(one, rewrite))
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, mapTexts(one, rewrite)]))
}

const STRICT = { errors: "all", onExcessProperty: "error" } as const
const DETAIL_MAX = 1000

/** The client, which notes what goes through it. */
const watched = (client: Layer.Layer<HttpClient.HttpClient>) => {
  const requests: Array<HttpClientRequest.HttpClientRequest> = []
  const layer = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(
      HttpClient.HttpClient,
      HttpClient.transform((response, request) => {
        requests.push(request)
        return response
      })
    )
  ).pipe(Layer.provide(client))
  return { layer: Layer.merge(client, layer), requests }
}

/** A request as it goes on the wire. */
const wire = ({ method, url, headers, body }: HttpClientRequest.HttpClientRequest) => ({
  method,
  url,
  headers: { ...headers },
  body:
    body._tag === "Uint8Array" || body._tag === "Raw"
      ? Buffer.from(body.body as Uint8Array).toString("base64")
      : body._tag
})

/** The cases for a sink: those of the contract, and those of what it declares in `supports`. */
export const suite = (sink: Sink, { start, client = SinkClient.layer, without = {} }: Options): ReadonlyArray<Case> => {
  const decoded = (target: Target) => Schema.decodeUnknownSync(sink.config)(target.config, STRICT)
  const secrets = (target: Target) => secretsIn(target.config, decoded(target))

  interface Bench {
    readonly driver: SinkDriver
    readonly target: Target
    readonly requests: ReadonlyArray<HttpClientRequest.HttpClientRequest>
  }
  /** Runs `body` with a target and a driver for it. */
  const using = <E>(body: (bench: Bench) => Effect.Effect<void, E>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { layer, requests } = watched(client)
      return Effect.gen(function* () {
        const target = yield* Effect.acquireRelease(Effect.promise(start), (one) => Effect.promise(() => one.close()))
        yield* body({ driver: yield* DestinationDriver.ofConfig(sink, target.config, STRICT), target, requests })
      }).pipe(Effect.scoped, Effect.provide(layer), Effect.orDie)
    })

  const noSecrets = (target: Target, text: string) => {
    for (const secret of secrets(target)) ok(!text.includes(secret), "a secret is told")
  }
  /** What a send came to, as one outcome for each event, however the driver said it. */
  const outcomes = ({ driver, target }: Bench, batch: ReadonlyArray<OutboundEvent>) =>
    driver.send(batch).pipe(
      Effect.catch(({ reason, detail, retryAfter }: SinkError) =>
        Effect.succeed(
          batch.map(
            (): Outcome =>
              retryAfter === undefined
                ? { _tag: "Failed", reason, detail }
                : { _tag: "Failed", reason, detail, retryAfter }
          )
        )
      ),
      Effect.tap((all) =>
        Effect.sync(() => {
          equal(all.length, batch.length)
          noSecrets(target, JSON.stringify(all))
          for (const one of all) {
            if (one._tag === "Delivered") continue
            ok(one.detail.length > 0 && one.detail.length <= DETAIL_MAX, `a detail of ${one.detail.length} characters`)
            ok(one.retryAfter === undefined || (Number.isFinite(one.retryAfter) && one.retryAfter >= 0))
          }
        })
      )
    )
  type Failure = Extract<Outcome, { readonly _tag: "Failed" }>
  /** One event sent to a target that behaves so. */
  const failing = (behaviour: Behaviour, check: (outcome: Failure, bench: Bench) => void) =>
    using((bench) =>
      Effect.gen(function* () {
        bench.target.behave(behaviour)
        const [outcome] = yield* outcomes(bench, [outbound()])
        if (outcome?._tag !== "Failed") return yield* Effect.die(`${behaviour}: ${outcome?._tag}`)
        check(outcome, bench)
      })
    )

  type NeedyCase = Case & { readonly needs?: Behaviour }
  const cases: Array<NeedyCase> = [
    {
      title: "S1: unknown fields of the config are refused by their name",
      run: using(({ target }) =>
        Effect.sync(() => {
          const result = Schema.decodeUnknownResult(sink.config)({ ...target.config, nonsense: 1 }, STRICT)
          ok(String(result._tag === "Failure" ? result.failure : "").includes("nonsense"))
        })
      )
    },
    {
      title: "S2: secrets are found, sealed at rest and masked in answers, and nothing else is",
      run: using(({ target }) =>
        Effect.gen(function* () {
          const place = { workspace: "00000000", object: "dst_1" }
          const stored = yield* SealedConfig.seal(place, target.config, decoded(target))
          noSecrets(target, JSON.stringify(stored))
          const masked = SealedConfig.masked(stored)
          noSecrets(target, JSON.stringify(masked))
          equal(Object.keys(masked), Object.keys(target.config))
          equal(yield* SealedConfig.open(place, stored), target.config)
        }).pipe(Effect.provide(SecretVault.layer(`1:${Buffer.alloc(32, 7).toString("base64")}`)))
      )
    },
    {
      title: "S3: what is wrong with a config is said without its secrets",
      run: using(({ target }) =>
        Effect.sync(() => {
          const spoilt = mapTexts(target.config, (value) =>
            secrets(target).includes(value) ? `${value}\u0000` : value
          )
          for (const config of [{ ...target.config, nonsense: 1 }, spoilt, [target.config], {}]) {
            const result = Schema.decodeUnknownResult(sink.config)(config, STRICT)
            // As users are told: each issue with its path.
            if (result._tag === "Failure") noSecrets(target, JSON.stringify(format(result.failure.issue)))
          }
        })
      )
    },
    {
      title: "S4: a private address is refused unless the deployment opens it",
      run: using(({ target }) =>
        Effect.sync(() => {
          const issues = (allowPrivateNetworks: boolean) =>
            sink.validate(decoded(target), { allowPrivateNetworks, ordering: "none" })
          equal(issues(true), [])
          const isLoopback = JSON.stringify(target.config).includes("127.0.0.1")
          ok(!isLoopback || issues(false).some(({ path }) => path.split(".")[0]! in target.config))
        })
      )
    },
    {
      title: "S26: another address is another target of its secrets",
      run: using(({ target }) =>
        Effect.gen(function* () {
          const other = yield* Effect.acquireRelease(Effect.promise(start), (one) => Effect.promise(() => one.close()))
          const [here, there] = [sink.target(decoded(target)), sink.target(decoded(other))]
          ok(here !== "" && here !== there, `two targets at ${here}`)
          equal(sink.target(decoded(target)), here)
        }).pipe(Effect.scoped)
      )
    },
    {
      title: "S5: every field of the config is documented, and forms know its secrets",
      run: using(({ target }) =>
        Effect.sync(() => {
          const { schema } = Schema.toJsonSchemaDocument(sink.config, STRICT)
          const fields = fieldsOf(schema as Json)
          ok(fields.length > 0)
          for (const [path, field] of fields) {
            const isTag = Array.isArray(field["enum"]) && field["enum"].length === 1
            const isDocumented = typeof field["title"] === "string" && typeof field["description"] === "string"
            ok(isTag || isDocumented, `${path} is not documented`)
          }
          ok(fields.some(([, field]) => field["writeOnly"] === true) || secrets(target).length === 0)
        })
      )
    },
    {
      title: "S28: white space around what users paste is no part of it, and what is stored is as they see it",
      run: using(({ target }) =>
        Effect.sync(() => {
          const spaced = mapTexts(target.config, (value) => ` \u00a0${value}\r\n`)
          equal(sink.tidy(spaced), target.config)
          equal(sink.tidy(target.config), target.config)
          for (const other of [undefined, null, 7, [1]]) equal(sink.tidy(other), other)
        })
      )
    },
    {
      title: "S29: no text of the config may be of any length",
      run: using(({ target }) =>
        Effect.sync(() => {
          const texts: Array<string> = []
          mapTexts(target.config, (value) => {
            texts.push(value)
            return value
          })
          for (const text of texts) {
            const config = mapTexts(target.config, (value) => (value === text ? value + "a".repeat(100_000) : value))
            ok(Schema.decodeUnknownResult(sink.config)(config, STRICT)._tag === "Failure", "a text without a limit")
          }
        })
      )
    },
    {
      title: "S6: making a driver sends nothing",
      run: using(({ target, requests }) =>
        Effect.sync(() => {
          equal([target.arrived(), requests.length], [[], 0])
        })
      )
    },
    {
      title: "S7: one outcome for each event, in order, whatever becomes of them",
      needs: "refuse",
      run: using((bench) =>
        Effect.gen(function* () {
          const { driver, target } = bench
          target.behave("refuse")
          const all3 = [outbound(), outbound('{"refused":true}'), outbound()]
          const batch = driver.batch.maxEvents > 2 ? all3 : [all3[1]!]
          const all = yield* outcomes(bench, batch)
          equal(tags(all), batch.length === 1 ? ["Failed"] : ["Delivered", "Failed", "Delivered"])
          const delivered = batch.filter((_, i) => all[i]!._tag === "Delivered")
          equal(target.arrived(), ids(delivered))
        })
      )
    },
    {
      title: "S7: sends at the same time keep their outcomes apart",
      run: using((bench) =>
        Effect.gen(function* () {
          const batches = some(20).map((one) => [one])
          const all = yield* Effect.forEach(batches, (batch) => outcomes(bench, batch), { concurrency: 6 })
          equal(
            all.flatMap(tags),
            batches.map(() => "Delivered")
          )
          equal([...bench.target.arrived()].sort(), batches.flatMap(ids).sort())
        })
      )
    },
    {
      title: "S8: a send takes at least one event, and more only of a sink that says so",
      run: using(({ driver: { batch } }) =>
        Effect.sync(() => {
          ok(batch.maxEvents >= 1 && batch.maxBytes >= 1)
          ok(sink.supports.batch || batch.maxEvents === 1)
        })
      )
    },
    {
      title: "S9: a send that fails makes one request, and no second",
      needs: "down",
      run: failing("down", (_, { requests }) => ok(requests.length <= 1, `${requests.length} requests`))
    },
    {
      title: "S10: a send waits for no clock",
      run: using((bench) =>
        Effect.gen(function* () {
          const ended = Effect.as(outcomes(bench, [outbound()]), true).pipe(Effect.provide(TestClock.layer()))
          const tooLong = Effect.as(
            Effect.promise(() => sleep(SOON)),
            false
          )
          ok(yield* Effect.race(ended, tooLong), "it waits")
        })
      )
    },
    {
      title: "S11: the same event, attempt and time give the same request",
      run: using((bench) =>
        Effect.gen(function* () {
          const batch = [outbound()]
          yield* outcomes(bench, batch)
          yield* outcomes(bench, batch)
          const [first, second] = bench.requests.map(wire)
          equal(first, second)
        }).pipe(Effect.provide(TestClock.layer()))
      )
    },
    {
      title: "S12: an event has the same id at every attempt, and a driver sends it as often as it is told",
      run: using((bench) =>
        Effect.gen(function* () {
          const one = outbound()
          yield* outcomes(bench, [one])
          yield* outcomes(bench, [{ ...one, attempt: 2 }])
          equal(bench.target.arrived(), [one.event.id, one.event.id])
        })
      )
    },
    {
      title: "S13: no body loses anything on the way",
      run: using((bench) =>
        Effect.gen(function* () {
          const body = '{ "n": 12345678901234567890, "x": 10.00, "x": 1e2, "t": "\\u00e9é" }'
          yield* outcomes(bench, [outbound(body)])
          equal(bench.target.bodies(), [body])
        })
      )
    },
    {
      title: "S14: a redirect is not followed",
      needs: "redirect",
      run: failing("redirect", (_, { target }) => equal(target.arrived(), []))
    },
    {
      title: "S15: an interrupted send ends at once, without an outcome, and the driver goes on",
      needs: "hang",
      run: using((bench) =>
        Effect.gen(function* () {
          const { driver, target } = bench
          target.behave("hang")
          const fiber = yield* Effect.forkChild(Effect.exit(driver.send([outbound()])))
          yield* Effect.promise(() => sleep(BEGIN))
          const startedAt = performance.now()
          yield* Fiber.interrupt(fiber)
          ok(performance.now() - startedAt < SOON, "it hangs on")
          target.behave("take")
          equal(tags(yield* outcomes(bench, [outbound()])), ["Delivered"])
        })
      )
    },
    {
      title: "S16: a secret that the sink echoes is not told",
      needs: "echo",
      run: failing("echo", ({ detail }, { target }) => noSecrets(target, detail))
    },
    {
      title: "S17: what is delivered has arrived",
      run: using((bench) =>
        Effect.gen(function* () {
          const batch = [outbound()]
          equal(tags(yield* outcomes(bench, batch)), ["Delivered"])
          equal(bench.target.arrived(), ids(batch))
        })
      )
    },
    {
      title: "S18: an answer without sense is an outcome all the same",
      needs: "nonsense",
      run: failing("nonsense", ({ reason }) => ok(reason !== "Unauthorized"))
    },
    {
      title: "S19: a reply that is lost is unknown",
      needs: "break after",
      run: failing("break after", ({ reason }) => equal(reason, "Unknown"))
    },
    {
      title: "S20: what went wrong is said in at most 1000 characters",
      needs: "nonsense",
      run: failing("nonsense", ({ detail }) => ok(detail.length <= DETAIL_MAX))
    },
    {
      title: "S21: how long a throttling sink asks to wait is handed on, in milliseconds",
      needs: "throttle for 7 s",
      run: failing("throttle for 7 s", ({ reason, retryAfter }) => equal([reason, retryAfter], ["Throttled", 7000]))
    },
    {
      title: "S24: a check delivers nothing and tells no secret, nor does one of a sink that is down",
      needs: "down",
      run: using(({ driver, target }) =>
        Effect.gen(function* () {
          const well = yield* driver.check
          ok(well.length > 0)
          target.behave("down")
          const down = yield* driver.check
          ok(down.some(({ result }) => result !== "ok"))
          noSecrets(target, JSON.stringify([well, down]))
          equal(target.arrived(), [])
        })
      )
    },
    {
      title: "S25: a step that failed says what would fix it",
      needs: "down",
      run: using(({ driver, target }) =>
        Effect.gen(function* () {
          target.behave("down")
          for (const { name, result, fix } of yield* driver.check) ok(result !== "failed" || fix !== null, name)
        })
      )
    },
    {
      title: "reasons: a sink that is down is an outage, and no fault of the event",
      needs: "down",
      run: failing("down", ({ reason }) => ok(["Unavailable", "Unknown"].includes(reason), reason))
    },
    {
      title: "reasons: refused credentials are Unauthorized",
      needs: "unauthorized",
      run: failing("unauthorized", ({ reason }) => equal(reason, "Unauthorized"))
    },
    {
      title: "reasons: throttling is told from failure",
      needs: "throttle",
      run: failing("throttle", ({ reason, retryAfter }) => equal([reason, retryAfter], ["Throttled", undefined]))
    },
    {
      title: "reasons: an event that is too large is called so",
      needs: "too large",
      run: failing("too large", ({ reason }) => equal(reason, "TooLarge"))
    }
  ]

  // A flag without a case does not compile.
  const declared: { readonly [F in keyof Supports]: ReadonlyArray<NeedyCase> } = {
    batch: [
      {
        title: "S27: what the sink has said of a batch is told at once, and stands if the rest never comes",
        needs: "answer one",
        run: using(({ driver, target }) =>
          Effect.gen(function* () {
            target.behave("answer one")
            const told = yield* Deferred.make<readonly [position: number, outcome: Outcome]>()
            const fiber = yield* Effect.forkChild(
              Effect.exit(driver.send(some(3), (...one) => Deferred.doneUnsafe(told, Effect.succeed(one))))
            )
            const [position, outcome] = yield* Effect.timeout(Deferred.await(told), SOON)
            yield* Fiber.interrupt(fiber)
            equal([position, outcome._tag], [0, "Delivered"])
          })
        )
      },
      {
        title: "S8: a batch arrives whole, in its order, in one request",
        run: using((bench) =>
          Effect.gen(function* () {
            ok(bench.driver.batch.maxEvents > 1, "supports.batch, but a send takes one event")
            const batch = some(Math.min(5, bench.driver.batch.maxEvents))
            equal(
              tags(yield* outcomes(bench, batch)),
              batch.map(() => "Delivered")
            )
            equal(bench.target.arrived(), ids(batch))
            ok(bench.requests.length <= 1)
          })
        )
      }
    ],
    receipts: [
      {
        title: "S17: two deliveries have two receipts, by which each can be found",
        run: using((bench) =>
          Effect.gen(function* () {
            const [first] = yield* outcomes(bench, [outbound()])
            const [second] = yield* outcomes(bench, [outbound()])
            ok(JSON.stringify(first) !== JSON.stringify(second))
          })
        )
      },
      {
        title: "S17: an answer without a receipt is unknown, whatever its status",
        run: failing("empty", ({ reason }) => equal(reason, "Unknown"))
      }
    ]
  }
  const flags = Object.entries(declared).flatMap(([flag, all]) => (sink.supports[flag as keyof Supports] ? all : []))
  return [...cases, ...flags].map(({ needs, ...one }): Case => {
    const skip = needs === undefined ? undefined : without[needs]
    return skip === undefined ? one : { ...one, title: `${one.title} (${skip})`, skip }
  })
}
