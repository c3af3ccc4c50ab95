/**
 * Secrets at rest: envelope encryption with AES-256-GCM. Each secret has a random data key; the data key is wrapped by
 * the deployment's key ring (`HOOKSTREAM_KEYS`). Both layers are bound to the place of the secret (workspace, object,
 * field, version of this format), so that a ciphertext moved to another row does not open.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SecretError } from "../Errors.ts"
import { fromBase64, toBase64 } from "../internal/base64.ts"
import { parseKeyRing } from "./KeyRing.ts"

const FORMAT = 1

export const MAX_KEY_NUMBER = 1_000_000

export const SealedSecret = Schema.Struct({
  v: Schema.Literal(FORMAT),
  /** Number of the ring key that wraps the data key. */
  key: Schema.Int,
  /** Base64 of a 12-byte IV and the ciphertext with its tag. */
  wrapped: Schema.String,
  data: Schema.String
})
export type SealedSecret = typeof SealedSecret.Type

/** Where a secret belongs. */
export interface SecretPlace {
  readonly workspace: string
  readonly object: string
  /** Dotted path: `config.api_secret`. */
  readonly field: string
}

export class SecretVault extends Context.Service<
  SecretVault,
  {
    readonly seal: (place: SecretPlace, secret: Redacted.Redacted<string>) => Effect.Effect<SealedSecret>
    readonly open: (place: SecretPlace, sealed: SealedSecret) => Effect.Effect<Redacted.Redacted<string>, SecretError>
    /**
     * Seals one of many short-lived texts: it has no data key of its own, but uses one of its place, derived from the
     * ring (HKDF-SHA256, RFC 5869) and kept in memory. For up to 2^32 texts a place (NIST SP 800-38D §8.3).
     */
    readonly lock: (place: string, text: string) => Promise<string>
    /** Rejects with `SecretError`. */
    readonly unlock: (place: string, locked: string) => Promise<string>
  }
>()("@hookstream/core/SecretVault") {}

const IV_BYTES = 12
const encoder = new TextEncoder()
const decoder = new TextDecoder()

const aes = (bytes: Uint8Array<ArrayBuffer>, usage: "encrypt" | "decrypt") =>
  crypto.subtle.importKey("raw", bytes, "AES-GCM", false, [usage])

const encrypt = async (key: Uint8Array<ArrayBuffer>, aad: Uint8Array<ArrayBuffer>, plain: Uint8Array<ArrayBuffer>) => {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const options = { name: "AES-GCM", iv, additionalData: aad }
  const cipher = new Uint8Array(await crypto.subtle.encrypt(options, await aes(key, "encrypt"), plain))
  const out = new Uint8Array(IV_BYTES + cipher.length)
  out.set(iv)
  out.set(cipher, IV_BYTES)
  return toBase64(out)
}

const decrypt = async (key: Uint8Array<ArrayBuffer>, aad: Uint8Array<ArrayBuffer>, text: string) => {
  const bytes = fromBase64(text) ?? new Uint8Array()
  const options = { name: "AES-GCM", iv: bytes.subarray(0, IV_BYTES), additionalData: aad }
  return new Uint8Array(await crypto.subtle.decrypt(options, await aes(key, "decrypt"), bytes.subarray(IV_BYTES)))
}

const associatedData = ({ workspace, object, field }: SecretPlace) =>
  encoder.encode([workspace, object, field, FORMAT].join("|"))

/** Keys of places that are remembered. */
const PLACES_MAX = 1024

const derive = async (key: Uint8Array<ArrayBuffer>, place: string): Promise<CryptoKey> => {
  const base = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveKey"])
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encoder.encode(place) }
  return crypto.subtle.deriveKey(how, base, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"])
}

/** Throws `KeyRingError` when the ring text is malformed. */
export const make = (ringText: string): SecretVault["Service"] => {
  const ring = parseKeyRing(ringText, "HOOKSTREAM_KEYS", { maxNumber: MAX_KEY_NUMBER })
  const ofPlaces = new Map<string, Promise<CryptoKey>>()
  const keyOf = (number: number, place: string): Promise<CryptoKey> => {
    const name = `${number}|${place}`
    const known = ofPlaces.get(name)
    if (known !== undefined) return known
    const key = ring.keys.get(number)
    const message = `key number ${number} is not in HOOKSTREAM_KEYS`
    if (key === undefined) return Promise.reject(new SecretError({ field: place, message }))
    if (ofPlaces.size >= PLACES_MAX) ofPlaces.clear()
    const made = derive(key, place)
    ofPlaces.set(name, made)
    return made
  }
  return {
    lock: async (place, text) => {
      const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
      const key = await keyOf(ring.active, place)
      const cipher = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, encoder.encode(text)))
      return `${ring.active}.${toBase64(iv)}${toBase64(cipher)}`
    },
    unlock: async (place, locked) => {
      const dot = locked.indexOf(".")
      const key = await keyOf(Number(locked.slice(0, dot)), place)
      const bytes = fromBase64(locked.slice(dot + 1)) ?? new Uint8Array()
      const how = { name: "AES-GCM", iv: bytes.subarray(0, IV_BYTES) }
      try {
        return decoder.decode(await crypto.subtle.decrypt(how, key, bytes.subarray(IV_BYTES)))
      } catch {
        throw new SecretError({ field: place, message: "the stored text does not open with its key" })
      }
    },
    seal: (place, secret) =>
      Effect.promise(async () => {
        const aad = associatedData(place)
        const dataKey = crypto.getRandomValues(new Uint8Array(32))
        return {
          v: FORMAT,
          key: ring.active,
          wrapped: await encrypt(ring.keys.get(ring.active)!, aad, dataKey),
          data: await encrypt(dataKey, aad, encoder.encode(Redacted.value(secret)))
        }
      }),
    open: (place, sealed) => {
      const key = ring.keys.get(sealed.key)
      if (key === undefined) {
        return Effect.fail(
          new SecretError({ field: place.field, message: `key number ${sealed.key} is not in HOOKSTREAM_KEYS` })
        )
      }
      return Effect.tryPromise({
        try: async () => {
          const aad = associatedData(place)
          const dataKey = await decrypt(key, aad, sealed.wrapped)
          return Redacted.make(decoder.decode(await decrypt(dataKey, aad, sealed.data)))
        },
        catch: () => new SecretError({ field: place.field, message: "the stored secret does not open with its key" })
      })
    }
  }
}

export const layer = (ringText: string): Layer.Layer<SecretVault> => Layer.sync(SecretVault, () => make(ringText))
