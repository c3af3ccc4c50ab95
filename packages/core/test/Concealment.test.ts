/** What a receiver echoes of our credentials, in whatever form, through the driver that deliveries and checks use. */
import { describe, expect, it } from "@effect/vitest"
import { PayloadTooLarge, SinkDied } from "@hookstream/core/Errors"
import * as SealedConfig from "@hookstream/core/secret/SealedConfig"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import * as Concealment from "@hookstream/core/sink/Concealment"
import * as DestinationDriver from "@hookstream/core/sink/DestinationDriver"
import * as Sink from "@hookstream/core/sink/Sink"
import * as SinkRegistry from "@hookstream/core/sink/SinkRegistry"
import { sample } from "@hookstream/core/testing/SinkSuite"
import type { Destination } from "@hookstream/core/workspace/Destination"
import { Cause, Effect, Exit, Layer, Logger, Redacted, Schema } from "effect"
import { HttpClient } from "effect/http"

const Config = Schema.Struct({
  user: Schema.String,
  secret: Sink.secret({ title: "Secret", description: "Of the test" }),
  more: Schema.Array(Sink.secret({ title: "Secret", description: "Of the test" }))
})
type Config = typeof Config.Type

/** The driver of a stored destination, whose sink does what `make` says. */
const driverOf = (input: typeof Config.Encoded, make: (config: Config) => Partial<Sink.SinkDriver>) =>
  Effect.gen(function* () {
    const decoded = yield* Schema.decodeUnknownEffect(Config)(input)
    const config = yield* SealedConfig.seal({ workspace: "00000001", object: "dst_1" }, input, decoded)
    return yield* DestinationDriver.make({ type: "echo", workspace: "00000001", id: "dst_1", config } as Destination)
  }).pipe(
    Effect.scoped,
    Effect.provide([
      SecretVault.layer(`1:${Buffer.alloc(32, 1).toString("base64")}`),
      Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make(() => Effect.never)
      ),
      SinkRegistry.layer([
        Sink.make({
          type: "echo",
          title: "Echo",
          supports: { batch: false, receipts: false },
          config: Config,
          target: () => "echo",
          driver: (decoded) =>
            Effect.succeed({
              batch: { maxEvents: 1, maxBytes: 1 },
              send: () => Effect.succeed([]),
              check: Effect.succeed([]),
              ...make(decoded)
            })
        })
      ])
    ]),
    Effect.orDie
  )

const SECRET = 'pässwörd/+ "x"<y>&z\'=\\end'
const bytes = Buffer.from(SECRET)
const json = JSON.stringify(SECRET).slice(1, -1)
const shift = (count: number) => Buffer.concat([Buffer.alloc(count, 0x41), bytes, Buffer.from("more")])

/** As servers write it, and what of each must not be read. */
const FORMS: Readonly<Record<string, string>> = {
  plain: SECRET,
  "plain in other words": `your password ${SECRET} is wrong`,
  "the decoded Basic pair": `user:${SECRET}`,
  JSON: json,
  "JSON of PHP": json.replaceAll("/", "\\/"),
  "JSON in ASCII": json.replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`),
  "JSON of Go": json.replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`),
  "percent-encoded": encodeURIComponent(SECRET),
  "percent-encoded in lower case": encodeURIComponent(SECRET).toLowerCase(),
  "of a form": new URLSearchParams({ a: SECRET }).toString().slice(2),
  "HTML with names": SECRET.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;"),
  "HTML with numbers": SECRET.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`),
  hex: bytes.toString("hex"),
  "hex in upper case": bytes.toString("hex").toUpperCase(),
  "read as Latin-1": bytes.toString("latin1"),
  "Latin-1 in JSON": JSON.stringify(bytes.toString("latin1")).slice(1, -1),
  base64: bytes.toString("base64"),
  "base64 of the pair": Buffer.from(`user:${SECRET}`).toString("base64"),
  "base64 of the pair in a URL": encodeURIComponent(Buffer.from(`user:${SECRET}`).toString("base64")),
  "base64 of the pair in JSON of PHP": Buffer.from(`user:${SECRET}`).toString("base64").replaceAll("/", "\\/"),
  base64url: Buffer.from(`user:${SECRET}`).toString("base64url"),
  "base64 of parts, at the first alignment": shift(3).toString("base64"),
  "at the second": shift(4).toString("base64"),
  "at the third": shift(5).toString("base64")
}
/** Eight characters of a form in a row. */
const partsOf = (form: string) => Array.from({ length: form.length - 7 }, (_, i) => form.slice(i, i + 8))
/** What stands around the secret. */
const OWN_WORDS = new Set(partsOf(`HTTP 500: your password `).concat(partsOf(" is wrong")))

const echoing = (words: string) =>
  driverOf({ user: "user", secret: SECRET, more: ["second-secret-0123456789"] }, () => ({
    send: (batch) =>
      batch[0]!.attempt === 1
        ? Effect.succeed([
            Sink.failed("Unavailable", `HTTP 500: ${words}`),
            Sink.delivered({ status: 200, said: words })
          ])
        : Effect.fail(new Sink.SinkError({ reason: "Unavailable", detail: words })),
    check: Effect.succeed([{ name: "echo", result: "failed", detail: words, fix: `not ${words}` }])
  }))

describe("a secret that a receiver echoes is neither stored nor shown", () => {
  it.effect.each(Object.entries(FORMS))("%s", ([, form]) =>
    Effect.gen(function* () {
      const driver = yield* echoing(form)
      const first = sample()
      const told = [
        yield* driver.send([first]),
        yield* Effect.flip(driver.send([{ ...first, attempt: 2 }])),
        yield* driver.check
      ]
      const values: Array<string> = []
      JSON.stringify(told, (_, value) => {
        if (typeof value === "string") values.push(value)
        return value
      })
      expect(values.filter((one) => one.includes("****")).length).toBe(5)
      const secretParts = partsOf(form).filter((part) => !OWN_WORDS.has(part))
      for (const value of values) for (const part of secretParts) expect(value).not.toContain(part)
    })
  )
  it.effect("also what is told of an event before the send has ended", () =>
    Effect.gen(function* () {
      const driver = yield* driverOf({ user: "u", secret: "a-secret-0123456789", more: [] }, ({ secret }) => ({
        send: (_, tell) =>
          Effect.sync(() => tell?.(0, Sink.failed("Rejected", `no: ${Redacted.value(secret)}`))).pipe(Effect.as([]))
      }))
      const heard: Array<unknown> = []
      yield* driver.send([sample()], (position, outcome) => heard.push([position, outcome]))
      expect(heard).toEqual([[0, Sink.failed("Rejected", "no: ****")]])
    })
  )
  it.effect("cut anywhere, or with its white space folded", () =>
    Effect.gen(function* () {
      const conceal = Concealment.make({ secret: Redacted.make("0a1b2c3d4e5f \t 6g7h8i9jK") })
      expect(conceal("told: 0a1b2c3d4")).toBe("told: ****")
      expect(conceal("told: …5f 6g7h8i9jK")).toBe("told: …****")
      expect(conceal("told: 0a1b2c3d … i9jK")).toBe("told: **** … i9jK")
    })
  )
  it.effect("in what a driver logs, and in what it dies of", () =>
    Effect.gen(function* () {
      const driver = yield* driverOf({ user: "u", secret: "a-secret-0123456789", more: [] }, ({ secret }) => ({
        send: () =>
          Effect.logWarning("sent", { token: Redacted.value(secret) }).pipe(
            Effect.andThen(Effect.die(new Error(`bad header: ${Redacted.value(secret)}`)))
          )
      }))
      const lines: Array<string> = []
      const logger = Logger.layer([
        Logger.make(({ message, cause }) => void lines.push(JSON.stringify([message, cause])))
      ])
      const exit = yield* Effect.exit(driver.send([sample()])).pipe(Effect.provide(logger))
      expect(lines.join()).toContain("sent")
      expect(lines.join()).toContain("****")
      expect(String(exit)).toContain("bad header: ****")
      expect(lines.join() + String(exit)).not.toContain("a-secret")
    })
  )
  it.effect("also where the sink throws before it has begun", () =>
    Effect.gen(function* () {
      const driver = yield* driverOf({ user: "u", secret: SECRET, more: [] }, ({ secret }) => ({
        send: () => {
          throw new Error(`it was ${Redacted.value(secret)}`)
        }
      }))
      const exit = yield* Effect.exit(driver.send([sample()]))
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toBeInstanceOf(SinkDied)
      expect(String(exit)).not.toContain(SECRET)
    })
  )
  it.effect("and a body that is too large for its path keeps its own error, by which it is a dead letter", () =>
    Effect.gen(function* () {
      const large = new PayloadTooLarge({ message: "too many values" })
      const driver = yield* driverOf({ user: "u", secret: SECRET, more: [] }, () => ({ send: () => Effect.die(large) }))
      const exit = yield* Effect.exit(driver.send([sample()]))
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toBe(large)
    })
  )
})

describe("short secrets", () => {
  const conceal = (secret: string, text: string) =>
    Concealment.make({ user: "admin", secret: Redacted.make(secret) })(text)
  it("under eight characters are hidden as words, not inside of others", () => {
    expect(conceal("code", 'the code is wrong: {"error_code":"decode"}')).toBe(
      'the **** is wrong: {"error_code":"decode"}'
    )
    expect(conceal("s3cr3t", `Basic ${btoa("admin:s3cr3t")} admin:s3cr3t x%20s3cr3t`)).toBe(
      "Basic **** admin:**** x%20****"
    )
  })
  it("under four only beside their user name", () => {
    expect(conceal("500", `HTTP 500: not admin:500, ${btoa("admin:500")}`)).toBe("HTTP 500: not ****, ****")
  })
  it("a config without secrets changes nothing", () => {
    expect(Concealment.make({ url: "https://example.com" })("https://example.com")).toBe("https://example.com")
  })
})

describe("words of others", () => {
  it.effect.prop("are shown as they are where they hold no part of a secret", [Schema.String], ([text]) =>
    Effect.sync(() => {
      const conceal = Concealment.make({ secret: Redacted.make("\u{10ffff}0123456789abcdef\u{10fffe}") })
      expect(conceal(text)).toBe(text)
    })
  )
})
