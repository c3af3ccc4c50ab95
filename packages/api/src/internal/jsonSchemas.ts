/** JSON Schemas as data: what is done to them on their way into the OpenAPI document. */
import { DOCUMENTED_AS } from "../Fields.ts"

export interface JsonSchema {
  readonly [keyword: string]: unknown
}

export const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const SCHEMAS = new Set(["items", "additionalProperties", "not", "propertyNames"])
const LISTS = new Set(["anyOf", "oneOf", "allOf", "prefixItems"])
const MAPS = new Set(["properties", "patternProperties"])

/** `change` at each Schema of a Schema, the innermost first. */
export const mapSchemas = (schema: JsonSchema, change: (schema: JsonSchema) => JsonSchema): JsonSchema => {
  const inner = (value: unknown): unknown => (isObject(value) ? mapSchemas(value, change) : value)
  const entries = Object.entries(schema).map(([keyword, value]) => {
    if (SCHEMAS.has(keyword)) return [keyword, inner(value)]
    if (LISTS.has(keyword) && Array.isArray(value)) return [keyword, value.map(inner)]
    if (!MAPS.has(keyword) || !isObject(value)) return [keyword, value]
    return [keyword, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inner(one)]))]
  })
  return change(Object.fromEntries(entries))
}

/** A field or parameter as it is shown; `undefined`: not at all. */
export const documented = (field: JsonSchema): JsonSchema | undefined => {
  const { allOf = [] } = field
  const parts: ReadonlyArray<unknown> = [field, ...(Array.isArray(allOf) ? allOf : [])]
  const said = parts.filter(isObject).find((part) => DOCUMENTED_AS in part)?.[DOCUMENTED_AS]
  return said === undefined ? field : isObject(said) ? said : undefined
}

/** What a number can hold says nothing; a default that is an object stops generators, and its fields have their own. */
const isNoise = ([keyword, value]: readonly [string, unknown]): boolean =>
  (keyword === "minimum" && value === Number.MIN_SAFE_INTEGER) ||
  (keyword === "maximum" && value === Number.MAX_SAFE_INTEGER) ||
  (keyword === "default" && isObject(value))

/** Without noise and hidden fields; a choice of one is a constant. */
export const tidy = (schema: JsonSchema): JsonSchema =>
  mapSchemas(schema, (one) => {
    const out = Object.fromEntries(Object.entries(one).filter((entry) => !isNoise(entry)))
    const { properties, prefixItems, items, enum: values } = out
    if (isObject(properties)) {
      out["properties"] = Object.fromEntries(
        Object.entries(properties).flatMap(([name, field]) => {
          const shown = isObject(field) ? documented(field) : undefined
          return shown === undefined ? [] : [[name, shown]]
        })
      )
    }
    // A list that is not empty comes as its first item and the others.
    if (JSON.stringify(prefixItems) === JSON.stringify([items])) delete out["prefixItems"]
    if (!Array.isArray(values)) return out
    if (values.every(Number.isInteger)) out["type"] = "integer"
    if (values.length > 1) return out
    const { enum: _, ...rest } = out
    return { ...rest, const: values[0] }
  })

const CHECKS = new Set([
  "format",
  "maxItems",
  "maxLength",
  "maxProperties",
  "maximum",
  "minItems",
  "minLength",
  "minProperties",
  "minimum",
  "pattern",
  "propertyNames",
  "uniqueItems",
  "writeOnly"
])
const isEmpty = (schema: unknown): boolean => isObject(schema) && Object.keys(schema).length === 0

/**
 * What is shown of a config: secrets are masked, and what an earlier version took may not pass the checks of today. So
 * of its Schema only the shape is left.
 */
export const shape = (schema: JsonSchema): JsonSchema =>
  mapSchemas(schema, (one) =>
    Object.fromEntries(
      Object.entries(one)
        .filter(([keyword, value]) => !CHECKS.has(keyword) && !(keyword === "additionalProperties" && value === false))
        .map(([keyword, value]) => [
          keyword,
          keyword === "allOf" && Array.isArray(value) ? value.filter((member) => !isEmpty(member)) : value
        ])
        .filter(([keyword, value]) => keyword !== "allOf" || (Array.isArray(value) && value.length > 0))
    )
  )

export const requiredOf = ({ required }: JsonSchema): ReadonlyArray<string> => (Array.isArray(required) ? required : [])
export const propertiesOf = ({ properties }: JsonSchema): JsonSchema => (isObject(properties) ? properties : {})

/** What changes an object of this Schema: any of its fields, and `null` to remove one that may be missing. */
export const patchOf = (schema: JsonSchema): JsonSchema => {
  const { required: _, ...rest } = schema
  const required = requiredOf(schema)
  const properties = Object.entries(propertiesOf(schema)).map(([name, field]) => [
    name,
    required.includes(name) ? field : { anyOf: [field, { type: "null" }] }
  ])
  return { ...rest, properties: Object.fromEntries(properties) }
}

const SECRET = "ABCdef1234567890"

/** An example of the required fields, by the examples of each; `undefined` when one of them has none. */
export const exampleOf = (schema: JsonSchema): unknown => {
  if (schema["writeOnly"] === true) return SECRET
  if (Array.isArray(schema["examples"])) return schema["examples"][0]
  if ("const" in schema) return schema["const"]
  if (!isObject(schema["properties"])) return undefined
  const fields = requiredOf(schema).map((name) => {
    const field = propertiesOf(schema)[name]
    return [name, isObject(field) ? exampleOf(field) : undefined] as const
  })
  return fields.every(([, value]) => value !== undefined) ? Object.fromEntries(fields) : undefined
}
