/**
 * Values that are stored as JSON for long. Beside each stands the version of its form, `v`, and what an older release
 * wrote is brought to the present form when it is read.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { StoreUnreadable } from "./Errors.ts"
import { bring, type Sql } from "./Sql.ts"

/** Steps from version to version: that at place `n` takes version `n + 1`, as it was stored then. */
export type Steps = ReadonlyArray<(stored: never) => unknown>

/** The version that a list of steps leads to. */
export const versionOf = (steps: Steps): number => steps.length + 1

/** A value of version `version`, brought to the present one. */
export const upcast = (steps: Steps, version: number, stored: unknown): unknown =>
  steps.slice(version - 1).reduce((value, step) => step(value as never), stored)

export interface Form<A> {
  /** As `schema_versions` has it. */
  readonly name: string
  readonly schema: Schema.Codec<A, unknown>
  readonly steps: Steps
}

export interface Stored<A> {
  /** What is written now. */
  readonly version: number
  /** Throws `StoreUnreadable` when it is not what its version says. */
  readonly read: (version: number, json: string) => A
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** Opens what is stored in a form. Throws `StoreTooNew` when a newer release has stored some of it. */
export const open = <A>(sql: Sql, { name, schema, steps }: Form<A>): Stored<A> => {
  const version = versionOf(steps)
  bring(sql, name, version, () => {})
  const decode = Schema.decodeUnknownResult(schema)
  return {
    version,
    read: (from, json) => {
      let value: unknown
      try {
        value = upcast(steps, from, JSON.parse(json))
      } catch {
        throw new StoreUnreadable({ store: name, version: from, path: "" })
      }
      const decoded = decode(value)
      if (Result.isSuccess(decoded)) return decoded.success
      // Where it is wrong, and not what stands there: a value may be anything.
      const [issue] = format(decoded.failure.issue).issues
      const path = (issue?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".")
      throw new StoreUnreadable({ store: name, version: from, path })
    }
  }
}
