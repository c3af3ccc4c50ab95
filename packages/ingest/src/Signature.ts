/** Whether a request is signed by its provider. The comparison is Web Crypto's, in constant time. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type SignatureReason, SignatureRejected } from "./Errors.ts"
import { decode, importKey, type Key, SECRET_FORMS } from "./internal/keys.ts"
import * as Received from "./Received.ts"
import * as SignedContent from "./SignedContent.ts"
import type { Scheme, SignedTime } from "./SourceTemplate.ts"
import { schemeOf, type Verification } from "./Verification.ts"

export interface Verdict {
  readonly template: Verification["template"]
  /** Which of the secrets it was signed with, from 0: once no event has the old one any more, that one can go. */
  readonly secret: number
  /** Milliseconds since 1970; `null` where no time is signed. */
  readonly signedAt: number | null
}

/** Each of them is compared by each secret over the whole body; a rotation needs two. */
const SIGNATURES_MAX = 8

const reject = (reason: SignatureReason, message: string) => new SignatureRejected({ reason, message })

// ---------------------------------------------------------------------------------------------------------------------
// Keys

interface Verifier {
  readonly scheme: Scheme
  readonly keys: ReadonlyArray<Key>
}

/** Kept when they are ready: a request must not wait for what another one began. */
const verifiers = new WeakMap<Verification, Verifier>()

/**
 * The keys of a source, imported once. It fails where a secret is none: asked for at configuration, it says which.
 */
export const verifierOf = Effect.fnUntraced(function* (verification: Verification) {
  const known = verifiers.get(verification)
  if (known !== undefined) return known
  const scheme = schemeOf(verification)
  const keys: Array<Key> = []
  for (const [i, secret] of verification.secrets.entries()) {
    const form = SECRET_FORMS[scheme.secret]
    const bytes = form.read(Redacted.value(secret), scheme.forms[0]!.algorithm)
    const unusable = () => reject("secret_unusable", `secrets.${i} ${form.must}`)
    if (bytes === undefined) return yield* unusable()
    keys.push(yield* Effect.tryPromise({ try: () => importKey(bytes), catch: unusable }))
  }
  const verifier: Verifier = { scheme, keys }
  verifiers.set(verification, verifier)
  return verifier
})

// ---------------------------------------------------------------------------------------------------------------------
// Headers

const need = (request: Received.Received, name: string) => {
  const value = Received.header(request, name)
  return value === undefined ? reject("missing_header", `the header ${name} did not come`) : Effect.succeed(value)
}

interface Presented {
  readonly algorithm: Key["algorithm"]
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** What this template knows of the header's items; others, as of a newer version, may stand beside. */
const presentedIn = ({ header, forms }: Scheme, items: ReadonlyArray<string>) => {
  const presented = items.flatMap((item): ReadonlyArray<Presented> => {
    const form = forms.find(({ prefix }) => item.startsWith(prefix))
    if (form === undefined) return []
    const bytes = decode(form.encoding, item.slice(form.prefix.length))
    return bytes === undefined ? [] : [{ algorithm: form.algorithm, bytes }]
  })
  if (presented.length === 0) {
    const must = forms.map(({ prefix, encoding }) => `"${prefix}" and ${encoding}`).join(" or ")
    return reject("malformed_header", `the header ${header} holds no signature: ${must}`)
  }
  return presented.length > SIGNATURES_MAX
    ? reject("malformed_header", `the header ${header} holds more than ${SIGNATURES_MAX} signatures`)
    : Effect.succeed(presented)
}

// ---------------------------------------------------------------------------------------------------------------------
// Time

/** Seconds have ten digits until 2286, milliseconds thirteen since 2001. */
const SECONDS_DIGITS = 11

const millis = (digits: string): number => Number(digits) * (digits.length > SECONDS_DIGITS ? 1 : 1000)

/** The time as it is written; `""` where none is, or it is in the body. */
const timestampOf = Effect.fnUntraced(function* (
  { header, time }: Scheme,
  request: Received.Received,
  items: ReadonlyArray<string>
) {
  if (time === null || time.place._tag === "Payload") return ""
  const { place } = time
  const name = place._tag === "Header" ? place.name : header
  const text =
    place._tag === "Header"
      ? yield* need(request, name)
      : items.find((item) => item.startsWith(place.prefix))?.slice(place.prefix.length)
  return text !== undefined && /^\d{1,16}$/.test(text)
    ? text
    : yield* reject("malformed_header", `the header ${name} holds no time in seconds since 1970`)
})

const seconds = (time: number) => Math.floor(time / 1000)

const checkTime = ({ tolerance, ahead }: SignedTime, signedAt: number, now: number) => {
  const age = seconds(now) - seconds(signedAt)
  if (tolerance === null || Math.abs(age) <= tolerance || (age < 0 && !ahead)) return Effect.void
  return age > 0
    ? reject("timestamp_too_old", `signed ${age} s before it came, at most ${tolerance} s are allowed`)
    : reject("timestamp_in_future", `signed for ${-age} s after it came, at most ${tolerance} s are allowed`)
}

/** What is signed inside the body. */
const payloadTime = (request: Received.Received, path: string) => {
  const value = Received.at(request, path)
  return typeof value === "number" && Number.isInteger(value) && value >= 0
    ? Effect.succeed(millis(String(value)))
    : reject("missing_timestamp", `the body has no time at ${path}`)
}

// ---------------------------------------------------------------------------------------------------------------------
// Verifying

/** The place of the secret that made one of these signatures over one of these contents. */
const matching = async (
  keys: ReadonlyArray<Key>,
  presented: ReadonlyArray<Presented>,
  contents: ReadonlyArray<Uint8Array>
): Promise<number | undefined> => {
  for (const [i, key] of keys.entries()) {
    for (const { algorithm, bytes } of presented) {
      if (algorithm !== key.algorithm) continue
      for (const content of contents) if (await key.verifies(bytes, content)) return i
    }
  }
  return undefined
}

/**
 * Verifies a request over its bytes as they came; `now` is the time of its arrival, in milliseconds since 1970. What is
 * cheap is checked first: headers, then the time, then the signature, then what only a signed body can say.
 */
export const verify = Effect.fnUntraced(function* (
  verification: Verification,
  request: Received.Received,
  now: number
): Effect.fn.Return<Verdict, SignatureRejected> {
  const { scheme, keys } = yield* verifierOf(verification)
  const { time } = scheme
  const value = yield* need(request, scheme.header)
  const items = scheme.separator === null ? [value] : value.split(scheme.separator).map((item) => item.trim())
  const presented = yield* presentedIn(scheme, items)
  const timestamp = yield* timestampOf(scheme, request, items)
  if (time !== null && timestamp !== "") yield* checkTime(time, millis(timestamp), now)

  const contents = yield* SignedContent.of(scheme.signed, request, timestamp)
  const secret = yield* Effect.promise(() => matching(keys, presented, contents))
  if (secret === undefined) {
    return yield* reject("no_secret_matches", "no secret of this source made the signature over this request")
  }
  const { template } = verification
  if (time === null) return { template, secret, signedAt: null }
  if (time.place._tag !== "Payload") return { template, secret, signedAt: millis(timestamp) }
  const signedAt = yield* payloadTime(request, time.place.path)
  yield* checkTime(time, signedAt, now)
  return { template, secret, signedAt }
})
