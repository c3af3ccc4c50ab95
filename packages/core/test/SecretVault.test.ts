import { describe, expect, it } from "@effect/vitest"
import * as SealedConfig from "@hookstream/core/secret/SealedConfig"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import * as Sink from "@hookstream/core/sink/Sink"
import { Effect, Redacted, Result, Schema } from "effect"

const Secret = Sink.secret({ title: "Secret", description: "Of the test" })
const key = (n: number) => `${n}:${Buffer.alloc(32, n).toString("base64")}`
const vault = SecretVault.make(key(1))
const place = { workspace: "00000001", object: "dst_1", field: "config.api_secret" }
const secret = Redacted.make("ABCdef1234567890")

describe("the vault", () => {
  it.effect("opens what it sealed, at its place only", () =>
    Effect.gen(function* () {
      const sealed = yield* vault.seal(place, secret)
      expect(JSON.stringify(sealed)).not.toContain("ABCdef")
      expect(Redacted.value(yield* vault.open(place, sealed))).toBe("ABCdef1234567890")
      for (const other of [{ workspace: "00000002" }, { object: "dst_2" }, { field: "config.other" }]) {
        expect(Result.isFailure(yield* Effect.result(vault.open({ ...place, ...other }, sealed)))).toBe(true)
      }
    })
  )
  it.effect("opens old secrets after the ring has grown, and not without their key", () =>
    Effect.gen(function* () {
      const sealed = yield* vault.seal(place, secret)
      const grown = SecretVault.make(`${key(1)},${key(2)}`)
      expect(Redacted.value(yield* grown.open(place, sealed))).toBe("ABCdef1234567890")
      expect((yield* grown.seal(place, secret)).key).toBe(2)
      const failure = yield* Effect.flip(SecretVault.make(key(2)).open(place, sealed))
      expect(failure.message).toBe("key number 1 is not in HOOKSTREAM_KEYS")
    })
  )
  it.effect("never makes the same ciphertext twice, and a changed one does not open", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* vault.seal(place, secret), yield* vault.seal(place, secret)]
      expect(a.data).not.toBe(b.data)
      expect(Result.isFailure(yield* Effect.result(vault.open(place, { ...a, data: b.data })))).toBe(true)
    })
  )
})

describe("a sealed config", () => {
  const Config = Schema.Struct({
    topic: Schema.String,
    api_secret: Secret,
    auth: Schema.Struct({ tokens: Schema.Array(Secret) })
  })
  const owner = { workspace: "00000001", object: "dst_1" }
  const input = { topic: "t", api_secret: "ABCdef1234567890", auth: { tokens: ["first-token-1111", "short"] } }
  const withVault = Effect.provideService(SecretVault.SecretVault, vault)
  const sealed = SealedConfig.seal(owner, input, Schema.decodeUnknownSync(Config)(input)).pipe(withVault)

  it.effect("holds no secret, shows only masks, and opens to what came", () =>
    Effect.gen(function* () {
      const stored = yield* sealed
      expect(JSON.stringify(stored)).not.toMatch(/ABCdef|first-token|short/)
      expect(SealedConfig.masked(stored)).toEqual({
        topic: "t",
        api_secret: "****7890",
        auth: { tokens: ["****1111", "****"] }
      })
      expect(yield* SealedConfig.open(owner, stored).pipe(withVault)).toEqual(input)
    })
  )
  it("names the secrets that a change does not give anew, in lists too", () => {
    const decoded = Schema.decodeUnknownSync(Config)(input)
    expect(SealedConfig.kept(decoded, {})).toEqual(["api_secret", "auth.tokens.0", "auth.tokens.1"])
    expect(SealedConfig.kept(decoded, { api_secret: "****7890", auth: { tokens: ["new", "****1111"] } })).toEqual([
      "api_secret",
      "auth.tokens.1"
    ])
    expect(SealedConfig.kept(decoded, input)).toEqual([])
  })
  it("a masked value sent back changes nothing, another value does, null removes", () => {
    expect(SealedConfig.patch(input, { api_secret: "****7890", topic: "u" })).toEqual({ ...input, topic: "u" })
    expect(SealedConfig.patch(input, { api_secret: "****0000" })["api_secret"]).toBe("****0000")
    expect(SealedConfig.patch(input, { auth: { tokens: ["****1111", "new"] } })["auth"]).toEqual({
      tokens: ["first-token-1111", "new"]
    })
    // In a list it may move; a masked value of nothing stored is refused by the Schema.
    expect(SealedConfig.patch(input, { auth: { tokens: ["new", "****1111"] } })["auth"]).toEqual({
      tokens: ["new", "first-token-1111"]
    })
    expect(Schema.decodeUnknownResult(Config)({ ...input, api_secret: "****0000" })._tag).toBe("Failure")
    expect(SealedConfig.patch(input, { topic: null })).not.toHaveProperty("topic")
  })
})
