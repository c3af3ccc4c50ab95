/**
 * What the gateway logs: lines with a constant message and fields with the details. `docs/logs.md` lists them. No line
 * has a secret, nor the end of an ingest URL: anyone who knows it may write to the source.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { withoutTokens } from "./Ids.ts"

/**
 * An error is none of these: it goes through {@link line}, which makes a value of it that keeps what it says as JSON.
 */
export type LogValue = string | number | boolean | null | ReadonlyArray<LogValue> | LogFields
export interface LogFields {
  readonly [name: string]: LogValue
}

export type Level = "info" | "warn" | "error"

export interface Line {
  readonly level: Level
  readonly message: string
  readonly fields: LogFields
}

/** Longer words are cut. */
const WORDS_MAX = 1000

/** Words from anywhere, without what gives access: ingest tokens are taken out, API keys lose all but their kind. */
export const shown = (words: string): string =>
  withoutTokens(words)
    .replace(/(hs_(?:live|test)_)[0-9a-z]{64}/g, "$1…")
    .slice(0, WORDS_MAX)

/** What a thrown value may have; Cloudflare marks the errors of its objects with the last two. */
interface Thrown {
  readonly name?: unknown
  readonly message?: unknown
  readonly cause?: unknown
  readonly retryable?: unknown
  readonly overloaded?: unknown
}

/** An error as a line shows it, with what its own cause says. */
const errorOf = (error: unknown): { name: string; message: string; retryable: boolean; overloaded: boolean } => {
  const { name, message, cause, retryable, overloaded }: Thrown = Object(error)
  const inner = cause === undefined ? undefined : errorOf(cause)
  const words = typeof message === "string" ? message : String(error)
  return {
    name: typeof name === "string" ? name : typeof error,
    message: shown(inner === undefined ? words : `${words}: ${inner.message}`),
    retryable: retryable === true || inner?.retryable === true,
    overloaded: overloaded === true || inner?.overloaded === true
  }
}

/** `error`: a thrown value, or the cause of an effect. */
export const line = (level: Level, message: string, fields: LogFields, error?: unknown): Line => ({
  level,
  message,
  fields:
    error === undefined ? fields : { ...fields, error: errorOf(Cause.isCause(error) ? Cause.squash(error) : error) }
})

const LEVELS = { info: "Info", warn: "Warn", error: "Error" } as const

/** Hands a line to the logger: its message, and its fields. */
export const write = ({ level, message, fields }: Line): Effect.Effect<void> =>
  Effect.logWithLevel(LEVELS[level])(message, fields)
