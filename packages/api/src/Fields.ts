/** Fields that several resources share. */

import * as Filter from "@hookstream/core/event/Filter"
import * as Sink from "@hookstream/core/sink/Sink"
import { MAX_LENGTH as MAX_SLUG_LENGTH } from "@hookstream/core/workspace/Slug"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import type * as JsonSchema from "effect/JsonSchema"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

/**
 * What the OpenAPI document says of an endpoint: the name of its function in generated code, the rule in a line, and
 * what there is to know besides.
 */
export const about = (identifier: string, summary: string, description: string) =>
  OpenApi.annotations({ identifier, summary, description })

/** What the OpenAPI document says of a group: the text of its tag. */
export const tag = (description: string) => OpenApi.annotations({ description })

/** How the OpenAPI document shows a field or parameter whose Schema says less, or `null`: not at all. */
export const DOCUMENTED_AS = "x-documented-as"
const documentedAs =
  (json: JsonSchema.JsonSchema | null) =>
  <S extends Schema.Top>(field: S): S["Rebuild"] =>
    field.annotateKey({ [DOCUMENTED_AS]: json })
export const undocumented = documentedAs(null)

/** A check that JSON Schema has no words for. What is annotated behind it is in the OpenAPI document all the same. */
export const holds = <A>(test: (value: A) => boolean, message: string) =>
  Schema.makeFilter(test, { message, toJsonSchema: () => [{}, true] })

/** Text that can be shown everywhere: half of a surrogate pair is no character, and a NUL ends a text in places. */
const Text = Schema.String.check(
  holds(
    (text: string) => text.isWellFormed() && !text.includes("\0"),
    "must be text without NUL characters and lone surrogates"
  )
)

export const Name = Text.check(
  Schema.isPattern(/\S/u, { message: "must not be empty" }),
  Schema.isMaxLength(200, { message: "must have at most 200 characters" })
).annotate({ examples: ["Event Stream"] })

export const Slug = Schema.String.check(
  Schema.isPattern(/^[a-z0-9]+(-[a-z0-9]+)*$/u, { message: "must be lowercase letters and digits, words joined by -" }),
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
    )
  ).pipe(undocumented)

/** A query parameter that is no text. */
const fromQuery = <A extends number | boolean>(options: {
  readonly schema: Schema.Codec<A>
  readonly isValid: (text: string) => boolean
  readonly message: string
  readonly decode: (text: string) => A
  /** As the OpenAPI document has it. */
  readonly json: JsonSchema.JsonSchema
}) =>
  Schema.Unknown.check(
    Schema.makeFilter((text) => typeof text === "string" && options.isValid(text), { message: options.message })
  ).pipe(
    Schema.optionalKey,
    documentedAs(options.json),
    Schema.decodeTo(Schema.optionalKey(options.schema), {
      decode: SchemaGetter.transform((text) => options.decode(String(text))),
      encode: SchemaGetter.transform(String)
    })
  )

/** `true` or `false` in a query. */
export const flag = (description: string) =>
  fromQuery({
    schema: Schema.Boolean,
    isValid: (text) => text === "true" || text === "false",
    message: "must be true or false",
    decode: (text) => text === "true",
    json: { type: "boolean", description }
  })

export const DEFAULT_LIMIT = 20
export const MAX_LIMIT = 100

/** `?cursor=&limit=`: newest first, opaque cursors that stay good while others insert. */
export const pageQuery = {
  cursor: Schema.optionalKey(
    Schema.String.annotate({ description: "`cursor` of the page before" }).check(
      Schema.isMaxLength(8192, { message: "must be the `cursor` of an earlier answer" })
    )
  ),
  limit: fromQuery({
    schema: Schema.Finite,
    isValid: (text) => /^([1-9]\d?|100)$/.test(text),
    message: `must be a whole number from 1 to ${MAX_LIMIT}`,
    decode: Number,
    json: {
      type: "integer",
      minimum: 1,
      maximum: MAX_LIMIT,
      default: DEFAULT_LIMIT,
      description: "Items of a page, at most"
    }
  })
}

export const pageOf = <const K extends string, S extends Schema.Top>(plural: K, item: S) =>
  Schema.Struct({
    [plural]: Schema.Array(item),
    cursor: Schema.NullOr(Schema.String).annotate({
      description: "For the next page; `null` on the last one",
      examples: ["1764064800000"]
    }),
    has_more: Schema.Boolean
  } as { readonly [P in K]: Schema.$Array<S> } & {
    readonly cursor: Schema.NullOr<typeof Schema.String>
    readonly has_more: typeof Schema.Boolean
  })

/** A time as callers give it. */
export const TimeInput = Schema.String.annotate({ format: "date-time", examples: ["2026-11-24T10:00:00Z"] }).check(
  holds(
    (text: string) => /^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(Date.parse(text)),
    'must be an ISO 8601 time, such as "2026-11-24T10:00:00Z"'
  )
)

/** Characters of the JSON of all rules of a connection or a replay. */
const RULES_MAX = 32 * 1024

const COMPARISONS_MAX = 50
/** Of groups within groups, their rules counted. */
const DEPTH_MAX = 6

export const { FilterRule } = Filter
export const Rules = Schema.Array(FilterRule)
  .check(
    holds(
      (rules: ReadonlyArray<Filter.FilterRule>) => Filter.comparisonsOf(rules).length <= COMPARISONS_MAX,
      `must have at most ${COMPARISONS_MAX} rules, those in groups counted`
    ),
    holds(
      (rules: ReadonlyArray<Filter.FilterRule>) => rules.every((rule) => Filter.depthOf(rule) <= DEPTH_MAX),
      `must have groups within groups at most ${DEPTH_MAX - 1} deep`
    ),
    holds(
      (rules: ReadonlyArray<Filter.FilterRule>) => JSON.stringify(rules).length <= RULES_MAX,
      `must have at most ${RULES_MAX / 1024} KiB together`
    )
  )
  .annotate({ description: "All must hold for an event to be delivered. Default: none, so every event is" })

/** Why a try failed, and the sink's proof that one did not. */
export const Reason = Sink.Reason.annotate({ identifier: "Reason", description: "Why a try failed" })
export const Receipt = Sink.Receipt.annotate({ identifier: "Receipt", description: "The sink's proof of a delivery" })

/** 201 `{ "<singular>": … }`. */
export const created = HttpApiSchema.status(201)

export const Removed = Schema.Struct({ success: Schema.Literal(true) }).annotate({ identifier: "Removed" })

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
  force: flag("Also when deliveries wait, which are cancelled then. Default: false")
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
