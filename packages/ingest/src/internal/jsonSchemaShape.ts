/**
 * What a JSON Schema may be here. The validator itself takes anything: a misspelt type then refuses all, a broken
 * pattern throws at the first event, and some keywords let a sender choose how long a check takes.
 *
 * Refused as not supported: regular expressions (they backtrack), `uniqueItems` (each with each), and schemas that lead
 * back to themselves (with `anyOf` the work doubles with each level of the body).
 */

/** Where in the schema, and what is wrong there. */
export interface ShapeIssue {
  readonly path: ReadonlyArray<string | number>
  readonly issue: string
}

type Node = { readonly [keyword: string]: unknown }

/** A schema within the schema. */
export interface Part {
  readonly node: Node
  readonly path: ShapeIssue["path"]
  /** Those directly inside it. */
  readonly inside: Array<Part>
}

interface Walk {
  readonly issues: Array<ShapeIssue>
  readonly parts: Array<Part>
  /** Those that the walk is in now. */
  readonly around: Array<Part>
}

type Check = (value: unknown, path: ShapeIssue["path"], to: Walk) => void

const TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"]
/** Those whose check takes no longer than the text is. */
const FORMATS = ["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"]
/** Names on the way to a schema: of objects in objects, two for each. */
const DEPTH_MAX = 64

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && !Array.isArray(value)

const must = (issue: string, holds: (value: unknown) => boolean): Check => {
  return (value, path, { issues }) => {
    if (!holds(value)) issues.push({ path, issue: `must be ${issue}` })
  }
}
const unsupported = (issue: string): Check => {
  return (_, path, { issues }) => {
    issues.push({ path, issue: `not supported yet: ${issue}` })
  }
}

const isText = (value: unknown): value is string => typeof value === "string"
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText)
const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0

const text = must("a text", isText)
const texts = must("a list of texts", isTexts)
const count = must("a whole number from 0", isCount)
const number = must("a number", (value) => typeof value === "number")

const schema: Check = (value, path, to) => {
  if (typeof value === "boolean") return
  if (!isNode(value)) {
    to.issues.push({ path, issue: "must be a schema: an object, true or false" })
    return
  }
  if (path.length > DEPTH_MAX) {
    to.issues.push({ path, issue: "must not be so deep" })
    return
  }
  const part: Part = { node: value, path, inside: [] }
  to.around.at(-1)?.inside.push(part)
  to.parts.push(part)
  to.around.push(part)
  for (const [keyword, one] of Object.entries(value)) {
    if (Object.hasOwn(KEYWORDS, keyword)) KEYWORDS[keyword]!(one, [...path, keyword], to)
  }
  to.around.pop()
}
const schemas: Check = (value, path, to) => {
  if (!Array.isArray(value) || value.length === 0) to.issues.push({ path, issue: "must be a list of schemas" })
  else for (const [i, one] of value.entries()) schema(one, [...path, i], to)
}
const mapOf =
  (each: Check): Check =>
  (value, path, to) => {
    if (!isNode(value)) to.issues.push({ path, issue: "must be an object" })
    else for (const [name, one] of Object.entries(value)) each(one, [...path, name], to)
  }
/** Schemas that are only named there: they are asked where a reference leads to them. */
const named: Check = (value, path, to) => {
  const around = to.around.splice(0)
  mapOf(schema)(value, path, to)
  to.around.push(...around)
}
const either =
  (list: Check): Check =>
  (value, path, to) =>
    (Array.isArray(value) ? list : schema)(value, path, to)

const PATTERN = unsupported("regular expressions, which a sender could make take very long")

const KEYWORDS: Readonly<Record<string, Check>> = {
  $schema: text,
  $id: (value, path, to) =>
    (path.length === 1 ? text : unsupported("only the whole schema has an $id"))(value, path, to),
  $ref: must("a reference within this schema, such as #/$defs/name", (value) => isText(value) && value.startsWith("#")),
  $defs: named,
  definitions: named,
  $anchor: text,
  $recursiveRef: unsupported("schemas that lead back to themselves"),
  $dynamicRef: unsupported("schemas that lead back to themselves"),
  type: must(
    `one of ${TYPES.join(", ")}, or a list of them`,
    (value) => [value].flat().every((one) => TYPES.includes(one as string)) && [value].flat().length > 0
  ),
  enum: must("a list", Array.isArray),
  required: texts,
  not: schema,
  anyOf: schemas,
  allOf: schemas,
  oneOf: schemas,
  if: schema,
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: schema,
  else: schema,
  format: must(`one of ${FORMATS.join(", ")}`, (value) => FORMATS.includes(value as string)),
  properties: mapOf(schema),
  patternProperties: PATTERN,
  additionalProperties: schema,
  unevaluatedProperties: schema,
  minProperties: count,
  maxProperties: count,
  propertyNames: schema,
  dependentRequired: mapOf(texts),
  dependentSchemas: mapOf(schema),
  dependencies: mapOf(either(texts)),
  prefixItems: schemas,
  items: either(schemas),
  additionalItems: schema,
  unevaluatedItems: schema,
  contains: schema,
  minContains: count,
  maxContains: count,
  minItems: count,
  maxItems: count,
  uniqueItems: (value, path, to) =>
    value === false ? undefined : unsupported("each item is compared with each other one")(value, path, to),
  minimum: number,
  maximum: number,
  exclusiveMinimum: number,
  exclusiveMaximum: number,
  multipleOf: must("a number above 0", (value) => typeof value === "number" && value > 0),
  minLength: count,
  maxLength: count,
  pattern: PATTERN
}

/** All that is wrong with a schema, and its parts. */
export const shapeOf = (value: unknown): Pick<Walk, "issues" | "parts"> => {
  const walk: Walk = { issues: [], parts: [], around: [] }
  schema(value, [], walk)
  return walk
}
