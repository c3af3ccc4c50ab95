/**
 * Keeps the secrets of a config out of words that others write: a receiver may echo the request, whole or in part, as
 * it was sent, decoded, escaped or encoded again.
 *
 * The forms of a secret: plain, with white space folded, its UTF-8 read as Latin-1, Windows-1252 or ASCII; each of
 * these escaped for JSON, HTML, a URL or a form; hex; base64 and base64url at each of the three alignments, so that it
 * is found inside `user:secret` too. Words may be cut anywhere, so every {@link PART} characters in a row that stand in
 * a form are hidden, whatever their case, and of base64 the whole of its token.
 *
 * Short secrets stand in innocent words: under {@link PART} characters they are hidden as a word of their own, under
 * {@link WORD_MIN} only beside what may be their user name.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { PayloadTooLarge, SinkDied } from "../Errors.ts"
import { toBase64 } from "../internal/base64.ts"
import { isSecret, type Outcome, type SinkDriver, SinkError } from "./Sink.ts"

const MASK = "****"
const PART = 8
const WORD_MIN = 4
/** A longer text beside a secret is no user name. */
const NAME_MAX = 256

export type Conceal = (text: string) => string

interface Found {
  readonly secret: string
  /** Texts of the same object. */
  readonly beside: ReadonlyArray<string>
}

const secretsIn = (value: unknown): ReadonlyArray<Found> => {
  if (typeof value !== "object" || value === null || isSecret(value)) return []
  const values: ReadonlyArray<unknown> = Object.values(value)
  const beside = values.filter((one): one is string => typeof one === "string" && one.length <= NAME_MAX)
  return values.flatMap((one) => (isSecret(one) ? [{ secret: Redacted.value(one), beside }] : secretsIn(one)))
}

const encoder = new TextEncoder()
/** Of ASCII alone: in `toLowerCase` some letters become two, and some depend on their place. */
const lower = (text: string) =>
  /[^\0-~]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text.toLowerCase()
const hex = (value: number, digits = 2) => value.toString(16).padStart(digits, "0")
const hexOf = (bytes: Uint8Array, prefix = "") => Array.from(bytes, (byte) => prefix + hex(byte)).join("")

const json = (text: string) => JSON.stringify(text).slice(1, -1)
const unit = (char: string) => char.replace(/[\s\S]/g, (one) => `\\u${hex(one.charCodeAt(0), 4)}`)
const percent = (char: string) => hexOf(encoder.encode(char), "%")
const NAMES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }
const entity = (char: string) => NAMES[char] ?? char
const decimal = (char: string) => `&#${char.codePointAt(0)};`
const hexadecimal = (char: string) => `&#x${char.codePointAt(0)!.toString(16)};`

/** As servers write a text into JSON, HTML, a URL and a form. */
const escapes = (text: string): ReadonlyArray<string> => [
  text,
  json(text),
  json(text).replaceAll("/", "\\/"),
  json(text).replace(/[^ -~]/gu, unit),
  json(text).replace(/[<>&]/g, unit),
  text.replace(/[^ -~]|["&'+<>`]/gu, unit),
  text.replace(/[&<>"]/g, entity),
  text.replace(/[&<>"']/g, (char) => (char === "'" ? decimal(char) : entity(char))),
  text.replace(/[^ -~]|[&<>"'`=/+]/gu, decimal),
  text.replace(/[^ -~]|[&<>"'`=/+]/gu, hexadecimal),
  text.replace(/[^\w.~-]/gu, percent),
  text.replace(/[^\w.~!*'()-]/gu, percent),
  text.replace(/[^\w.*-]/gu, (char) => (char === " " ? "+" : percent(char)))
]

/** As readers see it that fold white space, or take its bytes for another encoding. */
const readings = (text: string, bytes: Uint8Array): ReadonlyArray<string> => {
  const folded = text.replace(/[\s\p{Cc}]+/gu, " ").trim()
  if (bytes.length === text.length) return [text, folded]
  const latin1 = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")
  const windows = new TextDecoder("windows-1252").decode(bytes)
  return [text, folded, latin1, windows, latin1.replace(/[^\0-~]/g, "\ufffd"), text.replace(/[^\0-~]/gu, "?")]
}

/** What base64 has of these bytes alone, after `offset` bytes of another text. */
const base64At = (bytes: Uint8Array, offset: number): string => {
  const padded = new Uint8Array(offset + bytes.length)
  padded.set(bytes, offset)
  return toBase64(padded).slice(Math.ceil((offset * 8) / 6), Math.floor((padded.length * 8) / 6))
}
const urlSafe = (text: string) => text.replaceAll("+", "-").replaceAll("/", "_")
const base64 = (text: string): string => toBase64(encoder.encode(text)).replace(/=+$/, "")

interface Forms {
  /** {@link PART} characters in a row, and what they are of. */
  readonly parts: ReadonlyMap<string, typeof PLAIN | typeof ENCODED>
  /** 1 at the hash of each part: to cut a part out of a text costs fifty times as much as its hash. */
  readonly hashes: Uint8Array
  /** Shorter forms, hidden as a word; and of base64 wherever they stand. */
  readonly words: ReadonlySet<string>
  readonly pieces: ReadonlySet<string>
}

const PLAIN = 1
const ENCODED = 2

const HASHES = 2 ** 16
const BASE = 31
/** What the first character of a part has become in its hash. */
const FIRST = (BASE ** PART) | 0
/** Of {@link PART} characters in a row, from the hash of those one place before. */
const rolled = (hash: number, text: string, end: number): number => {
  const next = Math.imul(hash, BASE) + text.charCodeAt(end)
  return (end < PART ? next : next - Math.imul(FIRST, text.charCodeAt(end - PART))) | 0
}
const placeOf = (hash: number): number => (hash ^ (hash >>> 16)) & (HASHES - 1)

const formsOf = (secrets: ReadonlyArray<Found>): Forms => {
  const parts = new Map<string, typeof PLAIN | typeof ENCODED>()
  const hashes = new Uint8Array(HASHES)
  const words = new Set<string>()
  const pieces = new Set<string>()
  const add = (form: string, kind: typeof PLAIN | typeof ENCODED, short: Set<string>) => {
    const text = lower(form)
    if (text.length < PART) short.add(text)
    for (let [end, hash] = [0, 0]; end < text.length; end++) {
      hash = rolled(hash, text, end)
      if (end + 1 < PART) continue
      parts.set(text.slice(end + 1 - PART, end + 1), kind)
      hashes[placeOf(hash)] = 1
    }
  }
  for (const { secret, beside } of secrets) {
    if (secret.length < WORD_MIN) {
      for (const pair of beside.map((name) => `${name}:${secret}`)) {
        words.add(lower(pair))
        pieces.add(lower(base64(pair)))
      }
      continue
    }
    const bytes = encoder.encode(secret)
    for (const form of readings(secret, bytes).flatMap(escapes)) add(form, PLAIN, words)
    add(hexOf(bytes), PLAIN, words)
    const inBase64 = [0, 1, 2].map((offset) => base64At(bytes, offset))
    for (const form of inBase64.flatMap((text) => escapes(text).concat(urlSafe(text)))) add(form, ENCODED, pieces)
  }
  return { parts, hashes, words, pieces }
}

/** A letter goes before, and not the end of an escape; or one follows. */
const IN_WORD = /[\p{L}\p{N}_]$/u
const AFTER_ESCAPE = /(%[\da-f]{2}|\\u[\da-f]{4}|\\[nrt])$/
const WORD_GOES_ON = /^[\p{L}\p{N}_]/u
const TOKEN = /[\w+/=-]/

/** Which characters of a text are of a secret; `undefined` when none is. */
const marked = (text: string, { parts, hashes, words, pieces }: Forms): Uint8Array | undefined => {
  let marks: Uint8Array | undefined
  const mark = (kind: number, from: number, to: number) => {
    marks ??= new Uint8Array(text.length)
    marks.fill(kind, from, to)
  }
  let hash = 0
  for (let end = 0; end < text.length; end++) {
    hash = rolled(hash, text, end)
    if (end + 1 < PART || hashes[placeOf(hash)] === 0) continue
    const kind = parts.get(text.slice(end + 1 - PART, end + 1))
    if (kind !== undefined) mark(kind, end + 1 - PART, end + 1)
  }
  const each = (form: string, found: (from: number, to: number) => void) => {
    for (let at = text.indexOf(form); at !== -1; at = text.indexOf(form, at + 1)) found(at, at + form.length)
  }
  for (const piece of pieces) each(piece, (from, to) => mark(ENCODED, from, to))
  for (const word of words) {
    each(word, (from, to) => {
      const before = text.slice(Math.max(0, from - 6), from)
      const isInside = IN_WORD.test(before) && !AFTER_ESCAPE.test(before)
      if (!isInside && !WORD_GOES_ON.test(text.slice(to, to + 2))) mark(PLAIN, from, to)
    })
  }
  return marks
}

/** Of base64 the token is hidden, not only what is a secret's alone. */
const spread = (text: string, marks: Uint8Array): void => {
  const step = (i: number, by: 1 | -1) => {
    if (marks[i] === ENCODED && marks[i + by] === 0 && TOKEN.test(text.charAt(i + by))) marks[i + by] = ENCODED
  }
  for (let i = 0; i < text.length; i++) step(i, 1)
  for (let i = text.length - 1; i > 0; i--) step(i, -1)
}

const masked = (text: string, forms: Forms): string => {
  const lowered = lower(text)
  const marks = marked(lowered, forms)
  if (marks === undefined) return text
  spread(lowered, marks)
  let out = ""
  for (let i = 0; i < text.length; i++) {
    if (marks[i] === 0) out += text.charAt(i)
    else if (i === 0 || marks[i - 1] === 0) out += MASK
  }
  return out
}

/**
 * Hides the secrets of a decoded config in a text. The forms are made at the first text, so a sink that is well pays
 * nothing.
 */
export const make = (config: unknown): Conceal => {
  const secrets = secretsIn(config)
  if (secrets.length === 0) return (text) => text
  let forms: Forms | undefined
  return (text) => {
    forms ??= formsOf(secrets)
    return masked(text, forms)
  }
}

const outcomeBy =
  (conceal: Conceal) =>
  (outcome: Outcome): Outcome => {
    if (outcome._tag === "Failed") return { ...outcome, detail: conceal(outcome.detail) }
    const receipt = Object.entries(outcome.receipt).map(
      ([name, value]) => [name, typeof value === "string" ? conceal(value) : value] as const
    )
    return { _tag: "Delivered", receipt: Object.fromEntries(receipt) }
  }

/** What a driver logs, as one text. */
const loggerBy =
  (conceal: Conceal) =>
  (logger: Logger.Logger<unknown, unknown>): Logger.Logger<unknown, unknown> =>
    Logger.make((options) => {
      const parts: ReadonlyArray<unknown> = Array.isArray(options.message) ? options.message : [options.message]
      const words = parts.map((one) => (typeof one === "string" ? one : (JSON.stringify(one) ?? String(one))))
      const cause = options.cause.reasons.length === 0 ? [] : [Cause.pretty(options.cause)]
      logger.log({ ...options, message: conceal([...words, ...cause].join(" ")), cause: Cause.empty })
    })

/**
 * A driver that tells no secret of its config, whatever its sink makes of a receiver's words: outcomes, check steps,
 * log lines.
 */
export const around = (config: unknown, driver: SinkDriver): SinkDriver => {
  const conceal = make(config)
  const outcome = outcomeBy(conceal)
  const quiet = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    effect.pipe(
      Effect.catchDefect((defect) =>
        // Core's own, of a path into the body: it makes the event a dead letter, and holds nothing of the config.
        Effect.die(
          defect instanceof PayloadTooLarge
            ? defect
            : new SinkDied({ message: conceal(Cause.pretty(Cause.die(defect))) })
        )
      ),
      Effect.updateService(Logger.CurrentLoggers, (loggers) => new Set([...loggers].map(loggerBy(conceal))))
    )
  return {
    ...driver,
    send: (batch, tell) =>
      // A sink may throw before it has begun.
      quiet(
        Effect.suspend(() => driver.send(batch, tell && ((position, heard) => tell(position, outcome(heard)))))
      ).pipe(
        Effect.map((outcomes) => outcomes.map(outcome)),
        Effect.mapError((error) => {
          const { reason, retryAfter } = error
          const detail = conceal(error.detail)
          return new SinkError(retryAfter === undefined ? { reason, detail } : { reason, detail, retryAfter })
        })
      ),
    check: quiet(driver.check).pipe(
      Effect.map((steps) =>
        steps.map((step) => ({
          ...step,
          detail: conceal(step.detail),
          fix: step.fix === null ? null : conceal(step.fix)
        }))
      )
    )
  }
}
