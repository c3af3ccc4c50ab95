/**
 * A sink's config at rest: the JSON as the user wrote it, with a {@link Sealed} in the place of each secret. Which
 * fields are secrets follows from the sink's own Schema: those that decode to `Redacted`.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { SecretError } from "../Errors.ts"
import { isSecret } from "../sink/Sink.ts"
import { SealedSecret, type SecretPlace, SecretVault } from "./SecretVault.ts"

type Json = Schema.Json
type JsonObject = { readonly [key: string]: Json }

/** A sealed secret and what users see of it. */
const Sealed = Schema.Struct({ $sealed: SealedSecret, masked: Schema.String })
const isSealed = Schema.is(Sealed)

const MASK = "****"
/** Of a shorter secret not even the end is shown. */
const SHOW_END_FROM = 12

/** `****` and the last four characters; `****` alone for a secret under 12 characters. */
export const mask = (secret: string): string => (secret.length < SHOW_END_FROM ? MASK : `${MASK}${secret.slice(-4)}`)

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Rebuilds a JSON value, asking `f` at each node first: a result replaces the node, `undefined` goes on into it. */
const rewrite = Effect.fnUntraced(function* <E, R>(
  value: Json,
  f: (value: Json, path: ReadonlyArray<string>) => Effect.Effect<Json, E, R> | undefined,
  path: ReadonlyArray<string> = []
): Effect.fn.Return<Json, E, R> {
  const replaced = f(value, path)
  if (replaced !== undefined) return yield* replaced
  if (Array.isArray(value)) {
    const items: Array<Json> = []
    for (const [i, item] of value.entries()) items.push(yield* rewrite(item, f, [...path, String(i)]))
    return items
  }
  if (!isObject(value)) return value
  const out: Record<string, Json> = {}
  for (const [key, item] of Object.entries(value)) out[key] = yield* rewrite(item, f, [...path, key])
  return out
})

const at = (value: unknown, path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (node, key) => (typeof node === "object" && node !== null ? Reflect.get(node, key) : undefined),
    value
  )

type Owner = Omit<SecretPlace, "field">
const place = (owner: Owner, path: ReadonlyArray<string>): SecretPlace => ({
  ...owner,
  field: ["config", ...path].join(".")
})

/** Seals each secret of `input`; `decoded` is what the sink's Schema made of it. */
export const seal = Effect.fn("SealedConfig.seal")(function* (owner: Owner, input: JsonObject, decoded: unknown) {
  const vault = yield* SecretVault
  return (yield* rewrite(input, (value, path) =>
    typeof value === "string" && isSecret(at(decoded, path))
      ? Effect.map(vault.seal(place(owner, path), Redacted.make(value)), ($sealed) => ({
          $sealed,
          masked: mask(value)
        }))
      : undefined
  )) as JsonObject
})

/** The config with its secrets in plain text, ready for the sink's Schema. Do not store, log or answer it. */
export const open = Effect.fn("SealedConfig.open")(function* (owner: Owner, stored: JsonObject) {
  const vault = yield* SecretVault
  return (yield* rewrite<SecretError, never>(stored, (value, path) =>
    isSealed(value) ? Effect.map(vault.open(place(owner, path), value.$sealed), Redacted.value) : undefined
  )) as JsonObject
})

/** The config as users may see it. */
export const masked = (stored: JsonObject): JsonObject =>
  Effect.runSync(rewrite(stored, (value) => (isSealed(value) ? Effect.succeed(value.masked) : undefined))) as JsonObject

/**
 * Secrets that a PATCH does not replace, by their path: it leaves them out, or sends their mask. `decoded` is what
 * the sink's Schema made of the patched config.
 */
export const kept = (
  decoded: unknown,
  changes: JsonObject,
  path: ReadonlyArray<string> = []
): ReadonlyArray<string> => {
  if (isSecret(decoded)) {
    const given = at(changes, path)
    return typeof given === "string" && !given.startsWith(MASK) ? [] : [path.join(".")]
  }
  if (typeof decoded !== "object" || decoded === null) return []
  return Object.entries(decoded).flatMap(([key, value]) => kept(value, changes, [...path, key]))
}

/**
 * Applies a PATCH: named fields replace stored ones, `null` removes one, and a masked value sent back keeps the secret
 * that it masks. `opened` is the stored config with its secrets in plain text; so is the result.
 */
export const patch = (opened: JsonObject, changes: JsonObject): JsonObject => {
  const unmasked = Effect.runSync(
    rewrite(changes, (value, path) => {
      if (typeof value !== "string" || !value.startsWith(MASK)) return undefined
      // In a list it may have changed its place.
      const list = at(opened, path.slice(0, -1))
      const known = [at(opened, path), ...(Array.isArray(list) ? list : [])]
      const secret = known.find((one): one is string => typeof one === "string" && value === mask(one))
      return secret === undefined ? undefined : Effect.succeed(secret)
    })
  ) as JsonObject
  return Object.fromEntries(Object.entries({ ...opened, ...unmasked }).filter(([, value]) => value !== null))
}
