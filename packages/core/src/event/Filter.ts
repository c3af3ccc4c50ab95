/**
 * Filter rules of a connection: all must hold. Compiled once for each version of the connection.
 *
 * | op | holds when |
 * |---|---|
 * | `eq`, `neq` | the value is, is not, the same JSON value (a missing one is unlike every value) |
 * | `contains` | a text holds the text, or a list the value |
 * | `gt`, `gte`, `lt`, `lte` | both are numbers and compare so: nothing is coerced |
 * | `exists` | the path leads somewhere (`value: false`: nowhere) |
 * | `in` | the value is one of the list |
 */
import * as Schema from "effect/Schema"
import * as EventPath from "./EventPath.ts"

export const Op = Schema.Literals(["eq", "neq", "contains", "gt", "gte", "lt", "lte", "exists", "in"])
export type Op = typeof Op.Type

const NUMERIC: ReadonlyArray<Op> = ["gt", "gte", "lt", "lte"]

/** What is wrong with an operand, `undefined` when nothing is. */
const operandIssue = (op: Op, value: unknown): string | undefined => {
  if (NUMERIC.includes(op)) return typeof value === "number" ? undefined : `${op} compares with a number`
  if (op === "in") return Array.isArray(value) ? undefined : "in needs a list of values"
  if (op === "exists")
    return value === undefined || typeof value === "boolean" ? undefined : "exists takes true or false"
  return value === undefined ? `${op} needs a value` : undefined
}

export const FilterRule = Schema.Struct({
  field: Schema.String.annotate({ examples: ["payload.type", "headers.x-github-event"] }).check(
    Schema.makeFilter((path: string) => EventPath.compile(path) !== undefined, {
      message: `must be a path: ${EventPath.SYNTAX}`
    })
  ),
  op: Op,
  value: Schema.optionalKey(Schema.Json)
}).check(
  Schema.makeFilter(({ op, value }: { readonly op: Op; readonly value?: Schema.Json }) => {
    const issue = operandIssue(op, value)
    return issue === undefined ? undefined : { path: ["value"], issue }
  })
)
export type FilterRule = typeof FilterRule.Type

/** The same JSON value; the order of an object's names does not matter. */
const same = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [left, right] = [Object.entries(a), Object.keys(b)]
  return (
    left.length === right.length &&
    left.every(([key, value]) => Object.hasOwn(b, key) && same(value, Reflect.get(b, key)))
  )
}

const OPS: { readonly [O in Op]: (actual: unknown, expected: unknown) => boolean } = {
  eq: (actual, expected) => same(actual, expected),
  neq: (actual, expected) => !same(actual, expected),
  contains: (actual, expected) =>
    typeof actual === "string"
      ? typeof expected === "string" && actual.includes(expected)
      : Array.isArray(actual) && actual.some((one) => same(one, expected)),
  gt: (actual, expected) => typeof actual === "number" && actual > (expected as number),
  gte: (actual, expected) => typeof actual === "number" && actual >= (expected as number),
  lt: (actual, expected) => typeof actual === "number" && actual < (expected as number),
  lte: (actual, expected) => typeof actual === "number" && actual <= (expected as number),
  exists: (actual, expected) => (actual !== undefined) === (expected ?? true),
  in: (actual, expected) => (expected as ReadonlyArray<unknown>).some((one) => same(actual, one))
}

/** Answers the number of the first rule that does not hold, from 0; `undefined` when the event passes. */
export type Filter = (view: EventPath.EventView) => number | undefined

export const compile = (rules: ReadonlyArray<FilterRule>): Filter => {
  const compiled = rules.map(({ field, op, value }) => {
    const read = EventPath.compile(field)!
    const holds = OPS[op]
    return (view: EventPath.EventView) => holds(read(view), value)
  })
  return (view) => {
    const failed = compiled.findIndex((holds) => !holds(view))
    return failed === -1 ? undefined : failed
  }
}
