/** The JSON Schema that the bodies of a source must fit. */
import { dereference, type Schema as JsonSchema, type SchemaDraft, validate } from "@cfworker/json-schema"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { BodyRejected } from "./Errors.ts"
import { type Part, type ShapeIssue, shapeOf } from "./internal/jsonSchemaShape.ts"
import type * as Received from "./Received.ts"

const SCHEMA_MAX = 64 * 1024
/** Schemas that one look at the whole schema goes through, with each reference followed. */
const PARTS_MAX = 2000

/** How many of them stand around each other then: each takes of the stack. */
const HEIGHT_MAX = 64

const DRAFTS: ReadonlyMap<string, SchemaDraft> = new Map([
  ["http://json-schema.org/draft-07/schema", "7"],
  ["https://json-schema.org/draft/2019-09/schema", "2019-09"],
  ["https://json-schema.org/draft/2020-12/schema", "2020-12"]
])
const DEFAULT_DRAFT = "https://json-schema.org/draft/2020-12/schema"

/** A schema that can be asked. */
interface Compiled {
  readonly schema: JsonSchema | boolean
  readonly draft: SchemaDraft
  readonly lookup: ReturnType<typeof dereference>
}

const fail = (...issues: ReadonlyArray<ShapeIssue>) => Result.fail(issues)

/** The library writes the target of a reference beside it. */
const targetOf = ({ node }: Part): unknown => node["__absolute_ref__"]

/** What a schema comes to with its references followed. */
interface Extent {
  readonly size: number
  readonly height: number
}

/** What is wrong with the references of a schema that has these parts. */
const referenceIssue = (parts: ReadonlyArray<Part>, lookup: Compiled["lookup"]): ShapeIssue | undefined => {
  const byNode = new Map<unknown, Part>(parts.map((part) => [part.node, part]))
  const known = new Map<Part, Extent>()
  const open = new Set<Part>()
  const extentOf = (part: Part): Extent | ShapeIssue => {
    const before = known.get(part)
    if (before !== undefined) return before
    if (open.has(part)) return { path: part.path, issue: "not supported yet: schemas that lead back to themselves" }
    open.add(part)
    const reference = targetOf(part)
    const target = reference === undefined ? true : lookup[String(reference)]
    if (target === undefined) {
      return { path: [...part.path, "$ref"], issue: "must lead to a schema within this one, such as #/$defs/name" }
    }
    const followed = byNode.get(target)
    let [size, height] = [1, 1]
    for (const one of followed === undefined ? part.inside : [...part.inside, followed]) {
      const extent = extentOf(one)
      if ("issue" in extent) return extent
      size += extent.size
      height = Math.max(height, extent.height + 1)
    }
    if (size > PARTS_MAX) return { path: part.path, issue: `must not come to more than ${PARTS_MAX} schemas` }
    if (height > HEIGHT_MAX) return { path: part.path, issue: `must not come to more than ${HEIGHT_MAX} levels` }
    open.delete(part)
    known.set(part, { size, height })
    return { size, height }
  }
  for (const part of parts) {
    const extent = extentOf(part)
    if ("issue" in extent) return extent
  }
  return undefined
}

const compileSchema = (given: unknown): Result.Result<Compiled, ReadonlyArray<ShapeIssue>> => {
  const text = JSON.stringify(given) ?? ""
  if (text.length > SCHEMA_MAX) return fail({ path: [], issue: `must be at most ${SCHEMA_MAX / 1024} KiB` })
  // The library writes into what it is given.
  const schema = JSON.parse(text) as Compiled["schema"]
  const { issues, parts } = shapeOf(schema)
  if (issues.length > 0) return fail(...issues)
  const { $schema = DEFAULT_DRAFT } = typeof schema === "object" ? schema : {}
  const draft = DRAFTS.get($schema.replace(/#$/, ""))
  if (draft === undefined) return fail({ path: ["$schema"], issue: `must be one of ${[...DRAFTS.keys()].join(", ")}` })
  try {
    const lookup = dereference(schema)
    const issue = referenceIssue(parts, lookup)
    return issue === undefined ? Result.succeed({ schema, draft, lookup }) : fail(issue)
  } catch {
    return fail({ path: ["$id"], issue: "must be a URL, and no schema may have the name of another" })
  }
}

export const BodySchema = Schema.Struct({
  schema: Schema.Union([Schema.Record(Schema.String, Schema.Json), Schema.Boolean])
    .annotate({
      title: "JSON Schema",
      description: "Of draft 2020-12, or as its $schema says (draft-07, 2019-09)",
      message: "must be a JSON Schema: an object, true or false"
    })
    .check(
      Schema.makeFilter((given: unknown) => {
        const compiled = compileSchema(given)
        return Result.isSuccess(compiled) ? undefined : compiled.failure
      })
    ),
  action: Schema.Literals(["reject", "warn"]).annotate({
    title: "Action",
    description: "reject answers 422; warn stores the event with the verdict",
    message: 'must be "reject" or "warn"'
  })
})
export type BodySchema = typeof BodySchema.Type

/** Names that a sender chose may be long. */
const POINTER_MAX = 300

/** The check of one version of the settings. */
export const compile = ({ schema: given }: BodySchema) => {
  const compiled = compileSchema(given)
  return (request: Received.Received): Result.Result<void, BodyRejected> => {
    // It was compiled when it was written; a later version of this check may think otherwise of it.
    if (Result.isFailure(compiled)) {
      return Result.fail(
        new BodyRejected({ reason: "schema_invalid", pointer: "#", message: "the stored schema cannot be used" })
      )
    }
    const payload = request.payload()
    if (payload === undefined) {
      return Result.fail(
        new BodyRejected({ reason: "not_json", pointer: "#", message: "the body is no JSON, or has too many values" })
      )
    }
    const { schema, draft, lookup } = compiled.success
    const { valid, errors } = validate(payload, schema, draft, lookup)
    if (valid) return Result.succeed(undefined)
    // The last is the innermost, and tells most. Its own words may hold a value.
    const { instanceLocation = "#", keywordLocation = "#" } = errors.at(-1) ?? {}
    return Result.fail(
      new BodyRejected({
        reason: "schema_invalid",
        pointer: instanceLocation.slice(0, POINTER_MAX),
        message: `the body does not fit ${keywordLocation.slice(0, POINTER_MAX)} of the schema`
      })
    )
  }
}
