/** Fields that several resources share. */

import { comparisonsOf, depthOf, FilterRule } from "@hookstream/core/event/Filter"
import { MAX_LENGTH as MAX_SLUG_LENGTH } from "@hookstream/core/workspace/Slug"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"

/** Text that can be shown everywhere: half of a surrogate pair is no character, and a NUL ends a text in places. */
const Text = Schema.String.check(
  Schema.makeFilter((text: string) => text.isWellFormed() && !text.includes("\0"), {
    message: "must be text without NUL characters and lone surrogates"
  })
)

export const Name = Text.check(
  Schema.isPattern(/\S/, { message: "must not be empty" }),
  Schema.isMaxLength(200, { message: "must have at most 200 characters" })
).annotate({ examples: ["Event Stream"] })

export const Slug = Schema.String.check(
  Schema.isPattern(/^[a-z0-9]+(-[a-z0-9]+)*$/, { message: "must be lowercase letters and digits, words joined by -" }),
  Schema.isMaxLength(MAX_SLUG_LENGTH, { message: `must have at most ${MAX_SLUG_LENGTH} characters` })
).annotate({
  description: "When absent, made from the name: `event-stream`, or `event-stream-2` where that is taken",
  examples: ["event-stream"]
})

export const Description = Schema.NullOr(
  Text.check(Schema.isMaxLength(2000, { message: "must have at most 2000 characters" }))
)

/** ISO 8601, UTC. */
export const Time = Schema.String.annotate({ format: "date-time", examples: ["2026-11-24T10:00:00.000Z"] })
export const time = (millis: number): string => new Date(millis).toISOString()
export const timeOrNull = (millis: number | null): string | null => (millis === null ? null : time(millis))

/**
 * A field of the API that is not built yet. Only values that ask for nothing are accepted: to take a verification
 * secret and not verify would be a lie.
 */
export const notYet = (...neutral: ReadonlyArray<Schema.Json>) =>
  Schema.optionalKey(
    Schema.Unknown.check(
      Schema.makeFilter(
        (value) => value === null || neutral.some((one) => JSON.stringify(one) === JSON.stringify(value)),
        { message: "not supported yet" }
      )
    ).annotate({ description: "Not supported yet" })
  )

export const DEFAULT_LIMIT = 20
export const MAX_LIMIT = 100

/** `?cursor=&limit=`: newest first, opaque cursors that stay good while others insert. */
export const pageQuery = {
  cursor: Schema.optionalKey(
    Schema.String.annotate({ description: "`cursor` of the page before" }).check(
      Schema.isMaxLength(8192, { message: "must be the `cursor` of an earlier answer" })
    )
  ),
  limit: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^([1-9]\d?|100)$/, { message: `must be a whole number from 1 to ${MAX_LIMIT}` })
    )
      .pipe(Schema.decodeTo(Schema.FiniteFromString))
      .annotate({ description: `1 to ${MAX_LIMIT}, default ${DEFAULT_LIMIT}` })
  )
}

export const pageOf = <const K extends string, S extends Schema.Top>(plural: K, item: S) =>
  Schema.Struct({
    [plural]: Schema.Array(item),
    cursor: Schema.NullOr(Schema.String),
    has_more: Schema.Boolean
  } as { readonly [P in K]: Schema.$Array<S> } & {
    readonly cursor: Schema.NullOr<typeof Schema.String>
    readonly has_more: typeof Schema.Boolean
  })

/** A time as callers give it. */
export const TimeInput = Schema.String.check(
  Schema.makeFilter((text: string) => /^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(Date.parse(text)), {
    message: 'must be an ISO 8601 time, such as "2026-11-24T10:00:00Z"'
  })
).annotate({ format: "date-time", examples: ["2026-11-24T10:00:00Z"] })

/** Characters of the JSON of all rules of a connection or a replay. */
const RULES_MAX = 32 * 1024

const COMPARISONS_MAX = 50
/** Of groups within groups, their rules counted. */
const DEPTH_MAX = 6

export const Rules = Schema.Array(FilterRule)
  .check(
    Schema.makeFilter((rules: ReadonlyArray<FilterRule>) => comparisonsOf(rules).length <= COMPARISONS_MAX, {
      message: `must have at most ${COMPARISONS_MAX} rules, those in groups counted`
    }),
    Schema.makeFilter((rules: ReadonlyArray<FilterRule>) => rules.every((rule) => depthOf(rule) <= DEPTH_MAX), {
      message: `must have groups within groups at most ${DEPTH_MAX - 1} deep`
    }),
    Schema.makeFilter((rules: ReadonlyArray<FilterRule>) => JSON.stringify(rules).length <= RULES_MAX, {
      message: `must have at most ${RULES_MAX / 1024} KiB together`
    })
  )
  .annotate({ description: "All must hold for an event to be delivered. Default: none, so every event is" })

/** 201 `{ "<singular>": … }`. */
export const created = HttpApiSchema.status(201)

export const Removed = Schema.Struct({ success: Schema.Literal(true) })

const pending_on = Schema.Array(Schema.String).annotate({
  description:
    "The change is stored, but these sources and destinations could not be reached. It is sent to them again " +
    "until they apply it: do not repeat the request"
})

/**
 * What a change answers: `status`, or 202 with `pending_on` when someone whom it concerns could not be told in time.
 */
export const changed = <const F extends Schema.Struct.Fields>(fields: F, status = 200) =>
  [
    Schema.Struct({ ...fields, pending_on }).pipe(HttpApiSchema.status(202)),
    Schema.Struct(fields).pipe(HttpApiSchema.status(status))
  ] as const

/** The body of such an answer. */
export const withUntold = <A extends object>(body: A, untold: ReadonlyArray<string>) =>
  untold.length === 0 ? body : { ...body, pending_on: untold }

/** Of a DELETE that takes deliveries with it. */
export const forceQuery = {
  force: Schema.optionalKey(
    Schema.Literals(["true", "false"]).annotate({
      description: "`true`: also when deliveries wait, which are cancelled then. Default: false"
    })
  )
}
export const Deleted = {
  success: Schema.Literal(true),
  cancelled: Schema.NullOr(Schema.Int).annotate({
    description:
      "Deliveries (an event on a connection) that waited, for a retry or in the log, and will not be made; " +
      "`null` when a destination could not say"
  })
}

/** The same key with the same body answers the first result again; with another body it is a conflict. */
export const idempotencyHeader = {
  "idempotency-key": Schema.optionalKey(
    Schema.String.check(Schema.isMaxLength(200), Schema.isMinLength(1)).annotate({
      description: "The same key and body answer the first result again; another body answers 409"
    })
  )
}
