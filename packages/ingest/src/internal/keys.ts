/** Secrets as keys of Web Crypto, and signatures that they verify. */
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"

type Bytes = Uint8Array<ArrayBuffer>

// ---------------------------------------------------------------------------------------------------------------------
// Encodings

export type Encoding = "hex" | "base64" | "text"

const encoder = new TextEncoder()

const decoded = (result: Result.Result<Uint8Array, unknown>): Uint8Array | undefined =>
  Result.isSuccess(result) ? result.success : undefined

const DECODERS: { readonly [E in Encoding]: (text: string) => Uint8Array | undefined } = {
  hex: (text) => decoded(Hex.decode(text)),
  base64: (text) => decoded(Base64.decode(text)),
  text: (text) => encoder.encode(text)
}

/** `undefined` where the text is not in this encoding, or holds nothing. */
export const decode = (encoding: Encoding, text: string): Bytes | undefined => {
  const bytes = DECODERS[encoding](text)
  return bytes === undefined || bytes.length === 0 ? undefined : (bytes as Bytes)
}

// ---------------------------------------------------------------------------------------------------------------------
// Algorithms

export const ALGORITHMS = ["hmac_sha256", "hmac_sha1", "hmac_sha512", "ecdsa_p256_sha256", "ed25519", "token"] as const
export type Algorithm = (typeof ALGORITHMS)[number]

interface Primitive {
  readonly format: "raw" | "spki"
  /** For the import of the key. */
  readonly key: { readonly name: string; readonly hash?: string; readonly namedCurve?: string }
  readonly verify: { readonly name: string; readonly hash?: string }
}

const hmac = (hash: string): Primitive => ({
  format: "raw",
  key: { name: "HMAC", hash },
  verify: { name: "HMAC" }
})

const PRIMITIVES: { readonly [A in Algorithm]: Primitive } = {
  hmac_sha256: hmac("SHA-256"),
  hmac_sha1: hmac("SHA-1"),
  hmac_sha512: hmac("SHA-512"),
  ecdsa_p256_sha256: {
    format: "spki",
    key: { name: "ECDSA", namedCurve: "P-256" },
    verify: { name: "ECDSA", hash: "SHA-256" }
  },
  ed25519: {
    format: "raw",
    key: { name: "Ed25519" },
    verify: { name: "Ed25519" }
  },
  // A token is compared by its MAC: Web Crypto has no other comparison in constant time.
  token: hmac("SHA-256")
}

const COORDINATE = 32

/**
 * An ECDSA signature as Web Crypto takes it, r and s of 32 bytes each, from its ASN.1 DER (RFC 3279 §2.2.3);
 * `undefined` where it is none.
 */
const rawOfDer = (der: Bytes): Bytes | undefined => {
  const SEQUENCE = 0x30
  const INTEGER = 0x02
  if (der[0] !== SEQUENCE || der[1] !== der.length - 2) return undefined
  const raw = new Uint8Array(2 * COORDINATE)
  let at = 2
  for (const end of [COORDINATE, 2 * COORDINATE]) {
    const length = der[at + 1] ?? 0
    const integer = der.subarray(at + 2, at + 2 + length)
    const digits = integer[0] === 0 ? integer.subarray(1) : integer
    if (der[at] !== INTEGER || digits.length > COORDINATE) return undefined
    raw.set(digits, end - digits.length)
    at += 2 + length
  }
  return at === der.length ? raw : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Keys

export interface Key {
  readonly algorithm: Algorithm
  readonly verifies: (signature: Bytes, content: Uint8Array) => Promise<boolean>
}

const { subtle } = crypto

/** Rejects where the bytes are no key, as a point that is not on its curve. */
export const importKey = async ({ algorithm, bytes }: KeyBytes): Promise<Key> => {
  const { format, key, verify } = PRIMITIVES[algorithm]
  const uses: Array<"sign" | "verify"> = algorithm === "token" ? ["sign", "verify"] : ["verify"]
  const imported = await subtle.importKey(format, bytes, key, false, uses)
  const check = (signature: Bytes, content: Uint8Array) => subtle.verify(verify, imported, signature, content as Bytes)
  if (algorithm === "token") {
    const mac = new Uint8Array(await subtle.sign("HMAC", imported, bytes))
    return { algorithm, verifies: (token) => check(mac, token) }
  }
  if (algorithm !== "ecdsa_p256_sha256") return { algorithm, verifies: check }
  return {
    algorithm,
    verifies: async (signature, content) => {
      const raw = rawOfDer(signature)
      return raw !== undefined && (await check(raw, content))
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Secrets

export interface KeyBytes {
  readonly algorithm: Algorithm
  readonly bytes: Bytes
}

/**
 * How a provider writes its secrets: `utf8` any text; `stripe` a text that begins with `whsec_`; `standard` as Standard
 * Webhooks has them, both kinds; `p256` and `ed25519` the public key of a pair.
 */
export type SecretForm = "utf8" | "stripe" | "standard" | "p256" | "ed25519"

const after = (prefix: string, text: string): string | undefined =>
  text.startsWith(prefix) ? text.slice(prefix.length) : undefined

const base64 = (text: string | undefined): Bytes | undefined =>
  text === undefined ? undefined : decode("base64", text)

/** An uncompressed point on P-256, as SubjectPublicKeyInfo (RFC 5480 §2): all before it is the same in each. */
const P256 = base64("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE")!
const P256_BYTES = P256.length + 2 * COORDINATE
const ED25519_BYTES = 32
/** Standard Webhooks, "Signature scheme". */
const HMAC_MIN_BYTES = 24
const HMAC_MAX_BYTES = 64

const ed25519Of = (text: string): KeyBytes | undefined => {
  const bytes = decode(/^[0-9a-f]{64}$/i.test(text) ? "hex" : "base64", text)
  return bytes?.length === ED25519_BYTES ? { algorithm: "ed25519", bytes } : undefined
}

const standardOf = (secret: string): KeyBytes | undefined => {
  const publicKey = after("whpk_", secret)
  if (publicKey !== undefined) return ed25519Of(publicKey)
  const bytes = base64(after("whsec_", secret))
  return bytes !== undefined && bytes.length >= HMAC_MIN_BYTES && bytes.length <= HMAC_MAX_BYTES
    ? { algorithm: "hmac_sha256", bytes }
    : undefined
}

const p256Of = (secret: string): KeyBytes | undefined => {
  const bytes = base64(secret.replace(/-----[A-Z ]+-----|\s/g, ""))
  const isKey = bytes?.length === P256_BYTES && P256.every((byte, i) => byte === bytes[i])
  return isKey ? { algorithm: "ecdsa_p256_sha256", bytes } : undefined
}

interface Form {
  readonly read: (secret: string, algorithm: Algorithm) => KeyBytes | undefined
  /** What a secret must be, for people. */
  readonly must: string
}

const utf8 = (secret: string, algorithm: Algorithm): KeyBytes => ({
  algorithm,
  bytes: encoder.encode(secret)
})

export const SECRET_FORMS: { readonly [F in SecretForm]: Form } = {
  utf8: {
    read: utf8,
    must: "must be a text"
  },
  stripe: {
    read: (secret, algorithm) => (secret.startsWith("whsec_") ? utf8(secret, algorithm) : undefined),
    must: 'must be the signing secret of the endpoint, which begins with "whsec_": no API key'
  },
  standard: {
    read: standardOf,
    must:
      `must be "whsec_" and ${HMAC_MIN_BYTES} to ${HMAC_MAX_BYTES} bytes in base64, ` +
      `or the public key, "whpk_" and ${ED25519_BYTES} bytes in base64`
  },
  p256: {
    read: p256Of,
    must: "must be the public key of a P-256 pair in base64 (SPKI), as the provider shows it"
  },
  ed25519: {
    read: (secret) => ed25519Of(after("whpk_", secret) ?? secret),
    must: `must be the public key of an Ed25519 pair: ${ED25519_BYTES} bytes in base64 or hex`
  }
}
