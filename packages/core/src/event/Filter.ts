/**
 * Filter rules of a connection: all must hold. Compiled once for each version of the connection. A rule compares, or is
 * a group: `any` (one of its rules holds), `all`, or `not` (its rule does not hold).
 *
 * | op | holds when |
 * |---|---|
 * | `eq`, `neq` | the value is, is not, the same JSON value (a missing one is unlike every value) |
 * | `contains` | a text holds the text, or a list the value |
 * | `gt`, `gte`, `lt`, `lte` | both are numbers and compare so: nothing is coerced |
 * | `exists` | the path leads somewhere (`value: false`: nowhere) |
 * | `in` | the value is one of the list |
 * | `starts_with`, `ends_with` | a text begins, ends with the text |
 * | `matches` | a text is like the pattern, in which `*` stands for any characters, and for nothing |
 *
 * A pattern is no regular expression: those backtrack, and who sends a webhook would choose how long.
 */
import * as Schema from "effect/Schema"
import * as EventPath from "./EventPath.ts"

const TEXT = ["starts_with", "ends_with", "matches"] as const

export const Op = Schema.Literals(["eq", "neq", "contains", "gt", "gte", "lt", "lte", "exists", "in", ...TEXT])
export type Op = typeof Op.Type

const NUMERIC: ReadonlyArray<Op> = ["gt", "gte", "lt", "lte"]
const isText = (op: Op): boolean => TEXT.some((one) => one === op)
/** Characters of a pattern. */
const PATTERN_MAX = 256

/** What is wrong with an operand, `undefined` when nothing is. */
const operandIssue = (op: Op, value: unknown): string | undefined => {
  if (NUMERIC.includes(op)) return typeof value === "number" ? undefined : `${op} compares with a number`
  if (isText(op) && typeof value !== "string") return `${op} compares with a text`
  if (op === "matches" && (value as string).length > PATTERN_MAX) {
    return `a pattern has at most ${PATTERN_MAX} characters`
  }
  if (op === "in") return Array.isArray(value) ? undefined : "in needs a list of values"
  if (op === "exists")
    return value === undefined || typeof value === "boolean" ? undefined : "exists takes true or false"
  return value === undefined ? `${op} needs a value` : undefined
}

export const Comparison = Schema.Struct({
  field: Schema.String.check(
    Schema.makeFilter((path: string) => EventPath.compile(path) !== undefined, {
      message: `must be a path: ${EventPath.SYNTAX}`
    })
  ).annotate({ examples: ["payload.type", "headers.x-github-event"] }),
  op: Op,
  value: Schema.optionalKey(Schema.Json)
}).check(
  Schema.makeFilter(({ op, value }: { readonly op: Op; readonly value?: Schema.Json }) => {
    const issue = operandIssue(op, value)
    return issue === undefined ? undefined : { path: ["value"], issue }
  })
)
export type Comparison = typeof Comparison.Type

/** Groups may stand within groups. */
export type FilterRule =
  | Comparison
  | { readonly any: ReadonlyArray<FilterRule> }
  | { readonly all: ReadonlyArray<FilterRule> }
  | { readonly not: FilterRule }

const Group = Schema.NonEmptyArray(Schema.suspend((): Schema.Codec<FilterRule> => FilterRule))

export const FilterRule: Schema.Codec<FilterRule> = Schema.Union([
  Comparison,
  Schema.Struct({ any: Group }),
  Schema.Struct({ all: Group }),
  Schema.Struct({ not: Schema.suspend((): Schema.Codec<FilterRule> => FilterRule) })
]).annotate({ identifier: "FilterRule" })

/** The comparisons within a rule. */
const within = (rule: FilterRule): ReadonlyArray<Comparison> => {
  if ("any" in rule) return rule.any.flatMap(within)
  if ("all" in rule) return rule.all.flatMap(within)
  return "not" in rule ? within(rule.not) : [rule]
}
/** All comparisons of some rules, in whichever groups they stand. */
export const comparisonsOf = (rules: ReadonlyArray<FilterRule>): ReadonlyArray<Comparison> => rules.flatMap(within)
const deepestOf = (rules: ReadonlyArray<FilterRule>): number =>
  rules.reduce((deepest, rule) => Math.max(deepest, depthOf(rule)), 0)
/** How deep groups stand within groups: 1 where there are none. */
export const depthOf = (rule: FilterRule): number => {
  if ("any" in rule) return 1 + deepestOf(rule.any)
  if ("all" in rule) return 1 + deepestOf(rule.all)
  return "not" in rule ? 1 + depthOf(rule.not) : 1
}

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

/** Looks for the parts between the stars one after another, each where it comes first. */
const isLike = (text: string, pattern: string): boolean => {
  const parts = pattern.split("*")
  const [first, last] = [parts[0]!, parts.at(-1)!]
  if (parts.length === 1) return text === pattern
  const end = text.length - last.length
  if (!text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return at <= end
}

const texts =
  (holds: (actual: string, expected: string) => boolean) =>
  (actual: unknown, expected: unknown): boolean =>
    typeof actual === "string" && holds(actual, expected as string)

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
  in: (actual, expected) => (expected as ReadonlyArray<unknown>).some((one) => same(actual, one)),
  starts_with: texts((actual, expected) => actual.startsWith(expected)),
  ends_with: texts((actual, expected) => actual.endsWith(expected)),
  matches: texts(isLike)
}

type Holds = (view: EventPath.EventView) => boolean

const compileRule = (rule: FilterRule): Holds => {
  if ("any" in rule) {
    const some = rule.any.map(compileRule)
    return (view) => some.some((holds) => holds(view))
  }
  if ("all" in rule) {
    const every = rule.all.map(compileRule)
    return (view) => every.every((holds) => holds(view))
  }
  if ("not" in rule) {
    const holds = compileRule(rule.not)
    return (view) => !holds(view)
  }
  const read = EventPath.compile(rule.field)!
  const holds = OPS[rule.op]
  return (view) => holds(read(view), rule.value)
}

/** Answers the number of the first rule that does not hold, from 0; `undefined` when the event passes. */
export type Filter = (view: EventPath.EventView) => number | undefined

export const compile = (rules: ReadonlyArray<FilterRule>): Filter => {
  const compiled = rules.map(compileRule)
  return (view) => {
    const failed = compiled.findIndex((holds) => !holds(view))
    return failed === -1 ? undefined : failed
  }
}
