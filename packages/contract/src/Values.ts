/** Random JSON: what a JSON Schema asks for, and what it does not. */
import type { Random } from "./Random.ts"

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [name: string]: Json }
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

/** What is known of the gateway: its ids by their prefix, and cursors that it gave. */
export interface Known {
  readonly ids: ReadonlyMap<string, ReadonlyArray<string>>
  readonly cursors: ReadonlyArray<string>
}

export interface Context {
  readonly random: Random
  readonly known: Known
  readonly components: Readonly<Record<string, JsonSchema>>
  /** Milliseconds since 1970, about which times are asked for. */
  readonly now: number
}

const TEXTS = [
  "",
  " ",
  "a",
  "ünï-ço∂é 🎉",
  "null",
  "0",
  "-1",
  "\u0000",
  "\ud800",
  "'\"`\\",
  "../..",
  "%00",
  "a".repeat(300)
]
const PATHS = ["payload.a", "headers.x-test", "query.q", "method", "payload.0.b", "nonsense..", "payload"]
const NUMBERS = [0, 1, -1, 0.5, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, 99_999_999_999_999]
const FIELDS = ["name", "type", "config", "__proto__", "constructor", "unknown", "", "status"]

/** Any JSON at all. */
export const anyJson = (random: Random, depth = 3): Json => {
  const kind = random.int(0, depth === 0 ? 3 : 5)
  if (kind === 0) return null
  if (kind === 1) return random.chance(0.5)
  if (kind === 2) return random.pick(NUMBERS)
  if (kind === 3) return random.pick(TEXTS)
  const items = Array.from({ length: random.int(0, 3) }, () => anyJson(random, depth - 1))
  return kind === 4 ? items : Object.fromEntries(items.map((item) => [random.pick(FIELDS), item]))
}

const hex = (random: Random, digits: number): string =>
  Array.from({ length: digits }, () => random.int(0, 15).toString(16)).join("")

/** An id with this prefix: mostly one that is there. */
const idOf = ({ random, known }: Context, prefix: string): string => {
  const ids = known.ids.get(prefix) ?? []
  return ids.length > 0 && random.chance(0.85) ? random.pick(ids) : `${prefix}_${hex(random, 32)}`
}

/** The pattern of a workspace id. */
const WORKSPACE = "^(?:[0-9a-f]{2}|[g-j][g-p])[0-9a-f]{6}$"

const text = (context: Context, schema: JsonSchema): string => {
  const { random, now } = context
  const { pattern, format, examples, minLength = 0, maxLength = 40 } = schema
  const prefix = /^\^([a-z]+)_(?:\[0-9a-f\]|\(\?:)/.exec(String(pattern))?.[1]
  if (prefix !== undefined) return idOf(context, prefix)
  if (format === "date-time") {
    return new Date(now + random.pick([-86_400_000, -3_600_000, -60_000, -1, 0, 3_600_000])).toISOString()
  }
  if (Array.isArray(examples) && random.chance(0.6)) return String(random.pick(examples))
  if (pattern === WORKSPACE) return hex(random, 8)
  if (pattern !== undefined) return `${hex(random, random.int(1, 8))}-${hex(random, 4)}`
  const length = random.int(Number(minLength), Math.min(Number(maxLength), 40))
  const letters = Array.from({ length }, () => random.pick([..."abc xyz.-_09ü🎉"])).join("")
  return random.chance(0.3) ? random.pick(PATHS) : letters.slice(0, Number(maxLength))
}

const number = ({ random }: Context, { minimum, maximum }: JsonSchema): number => {
  const [low, high] = [Number(minimum ?? 0), Number(maximum ?? 1000)]
  return random.chance(0.3) ? random.pick([low, high]) : random.int(Math.ceil(low), Math.floor(high))
}

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** References within references after which the first of several choices is taken: it leads to no other. */
const DEPTH = 8

/** A value that a Schema asks for. Finer rules, which it has no words for, may refuse it. */
export const valueOf = (context: Context, schema: JsonSchema, depth = 0): Json => {
  const { random, components } = context
  const { $ref, enum: values, anyOf, oneOf, type } = schema
  if (typeof $ref === "string") return valueOf(context, components[$ref.split("/").at(-1)!]!, depth + 1)
  if ("const" in schema) return schema["const"] as Json
  if (Array.isArray(values)) return random.pick(values)
  const choice = anyOf ?? oneOf
  if (Array.isArray(choice)) return valueOf(context, depth < DEPTH ? random.pick(choice) : choice[0], depth)
  if (type === "null") return null
  if (type === "boolean") return random.chance(0.5)
  if (type === "integer" || type === "number") return number(context, schema)
  if (type === "string") return text(context, schema)
  if (type === "array") {
    const { items, minItems = 0 } = schema
    const length = random.int(Number(minItems), Number(minItems) + 2)
    return Array.from({ length }, () => valueOf(context, isObject(items) ? items : {}, depth))
  }
  if (type !== "object") return anyJson(random)
  const { properties = {}, required = [], additionalProperties } = schema
  const fields = Object.entries(isObject(properties) ? properties : {})
    .filter(([name]) => (required as ReadonlyArray<string>).includes(name) || random.chance(0.25))
    .map(([name, field]): [string, Json] => [name, valueOf(context, field as JsonSchema, depth)])
  const more = isObject(additionalProperties) && random.chance(0.5)
  return Object.fromEntries(more ? [...fields, ["x-one", valueOf(context, additionalProperties, depth)]] : fields)
}

/** The value with one thing in it that is different: a field less or more, or another value. */
export const spoilt = (random: Random, value: Json): Json => {
  if (typeof value !== "object" || value === null || random.chance(0.2)) return anyJson(random)
  if (Array.isArray(value)) {
    if (value.length === 0) return [anyJson(random)]
    const at = random.int(0, value.length - 1)
    return value.map((item, i) => (i === at ? spoilt(random, item) : item))
  }
  const entries = Object.entries(value)
  if (entries.length === 0 || random.chance(0.2)) {
    return Object.fromEntries([...entries, [random.pick(FIELDS), anyJson(random)]])
  }
  const at = random.int(0, entries.length - 1)
  if (random.chance(0.25)) return Object.fromEntries(entries.filter((_, i) => i !== at))
  return Object.fromEntries(entries.map(([name, item], i) => [name, i === at ? spoilt(random, item) : item]))
}
