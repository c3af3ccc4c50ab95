/** The suite on a sink in memory, and that it finds what is wrong with sinks that break the contract. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Sink from "@hookstream/core/sink/Sink"
import * as SinkSuite from "@hookstream/core/testing/SinkSuite"
import { Effect, Exit, Layer, Redacted, Schema } from "effect"
import { HttpClient } from "effect/http"

/** What a target got and how it behaves, by its address. */
const targets = new Map<string, { behaviour: SinkSuite.Behaviour; readonly arrived: Array<Sink.OutboundEvent> }>()
let addresses = 0
const start = async (): Promise<SinkSuite.Target> => {
  const address = `memory-${addresses++}`
  const target = { behaviour: "take" as SinkSuite.Behaviour, arrived: [] as Array<Sink.OutboundEvent> }
  targets.set(address, target)
  return {
    config: { address, token: "a-token-of-the-test" },
    behave: (behaviour) => {
      target.behaviour = behaviour
    },
    arrived: () => target.arrived.map(({ event }) => event.id),
    bodies: () => target.arrived.map(({ event }) => new TextDecoder().decode(event.body)),
    close: async () => void targets.delete(address)
  }
}

const MemoryConfig = Schema.Struct({
  address: Schema.String.annotate({ title: "Address", description: "Of the target" }).check(Schema.isMaxLength(100)),
  token: Sink.secret({ title: "Token", description: "Shown to the target" })
})

const fail = (reason: Sink.Reason, retryAfter?: number) =>
  Effect.fail(new Sink.SinkError({ reason, detail: "as asked", ...(retryAfter === undefined ? {} : { retryAfter }) }))

const driver = ({ address, token }: typeof MemoryConfig.Type): Sink.SinkDriver => {
  const target = targets.get(address)!
  expect(Redacted.value(token)).toBe("a-token-of-the-test")
  const take = (one: Sink.OutboundEvent) => {
    target.arrived.push(one)
    return Sink.delivered({ position: target.arrived.length })
  }
  return {
    batch: { maxEvents: 10, maxBytes: 1024 },
    send: (batch, tell) =>
      Effect.suspend(() => {
        switch (target.behaviour) {
          case "take":
            return Effect.succeed(batch.map(take))
          case "refuse":
            return Effect.succeed(
              batch.map((one) =>
                new TextDecoder().decode(one.event.body).includes("refused") ? Sink.failed("Rejected", "no") : take(one)
              )
            )
          case "throttle":
            return fail("Throttled")
          case "throttle for 7 s":
            return fail("Throttled", 7000)
          case "unauthorized":
            return fail("Unauthorized")
          case "too large":
            return fail("TooLarge")
          case "down":
            return fail("Unavailable")
          case "break after":
            return Effect.andThen(
              Effect.sync(() => batch.map(take)),
              fail("Unknown")
            )
          case "hang":
            return Effect.never
          case "answer one":
            tell?.(0, batch.map(take)[0]!)
            return Effect.never
          case "redirect":
            return fail("Rejected")
          case "echo":
            return Effect.fail(new Sink.SinkError({ reason: "Rejected", detail: Redacted.value(token) }))
          case "empty":
          case "nonsense":
            return fail("Unknown")
        }
      }),
    check: Effect.sync(() => {
      const isDown = target.behaviour === "down"
      const fix = isDown ? "start it" : null
      return [{ name: "memory", result: isDown ? "failed" : "ok", detail: target.behaviour, fix } as const]
    })
  }
}

const MemorySink = Sink.make({
  type: "memory",
  title: "Memory",
  supports: { batch: true, receipts: true },
  config: MemoryConfig,
  target: ({ address }) => address,
  driver: (config) => Effect.sync(() => driver(config))
})

const client = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make(() => Effect.never)
)
const options = { start, client }

describe("a sink in memory", () => {
  for (const { title, run } of SinkSuite.suite(MemorySink, options)) it.live(title, () => run)
})

/** A sink that keeps the contract but for one thing. */
const breaking = (change: (driver: Sink.SinkDriver) => Partial<Sink.SinkDriver>): Sink.Sink => ({
  ...MemorySink,
  driver: (config) => Effect.map(MemorySink.driver(config), (one) => ({ ...one, ...change(one) }))
})
const BROKEN: Readonly<Record<string, readonly [clause: string, sink: Sink.Sink]>> = {
  "has an undocumented field": [
    "S5",
    { ...MemorySink, config: Schema.Struct({ ...MemoryConfig.fields, address: Schema.String }) as never }
  ],
  "keeps the white space of what was pasted": ["S28", { ...MemorySink, tidy: (config) => config }],
  "takes texts of any length": [
    "S29",
    { ...MemorySink, config: Schema.Struct({ ...MemoryConfig.fields, address: Schema.String }) as never }
  ],
  "shows its secrets to anybody": ["S26", { ...MemorySink, target: () => "memory" }],
  "answers for fewer events": [
    "S7",
    breaking(({ send }) => ({ send: (batch) => Effect.map(send(batch), (all) => all.slice(1)) }))
  ],
  "calls a lost reply delivered": [
    "S19",
    breaking(({ send }) => ({
      send: (batch) => Effect.catch(send(batch), () => Effect.succeed(batch.map(() => Sink.delivered({ n: 1 }))))
    }))
  ],
  "forgets how long to wait": [
    "S21",
    breaking(({ send }) => ({
      send: (batch) => Effect.mapError(send(batch), ({ reason, detail }) => new Sink.SinkError({ reason, detail }))
    }))
  ],
  "cannot be interrupted": [
    "S15",
    breaking(({ send }) => ({
      send: (batch) =>
        Effect.uninterruptible(
          Effect.timeoutOrElse(Effect.interruptible(send(batch)), {
            duration: "4 seconds",
            orElse: () => fail("TimedOut")
          })
        )
    }))
  ],
  "delivers at a check": [
    "S24",
    breaking(({ check, send }) => ({ check: Effect.andThen(Effect.ignore(send([SinkSuite.sample()])), check) }))
  ],
  "says what it knows of a batch at its end only": ["S27", breaking(({ send }) => ({ send: (batch) => send(batch) }))],
  "says that it takes batches, and takes one": ["S8", breaking(() => ({ batch: { maxEvents: 1, maxBytes: 1 } }))]
}

describe("the suite finds a sink that", () => {
  it.live.each(Object.entries(BROKEN))("%s", ([, [clause, sink]]) =>
    Effect.gen(function* () {
      const own = SinkSuite.suite(sink, options).filter(({ title }) => title.startsWith(`${clause}:`))
      const ends = yield* Effect.forEach(own, ({ run }) => Effect.exit(run))
      expect(ends.some(Exit.isFailure)).toBe(true)
    })
  )
})

describe("the page on writing a sink", () => {
  it("has a case for every MUST", () => {
    const page = readFileSync(new URL("../../../docs/sinks/writing-a-sink.md", import.meta.url), "utf8")
    const musts = [...page.matchAll(/^- \*\*(S\d+)\*\* ([\s\S]*?)(?=\n\n|\n- \*\*S)/gm)]
      .filter(([, , text]) => text!.includes("MUST"))
      .map(([, clause]) => clause!)
    const proven = new Set(SinkSuite.suite(MemorySink, options).map(({ title }) => title.split(":")[0]!))
    expect(musts.length).toBeGreaterThan(15)
    expect(musts.filter((clause) => !proven.has(clause))).toEqual([])
  })
})
