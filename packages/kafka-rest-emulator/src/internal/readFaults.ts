import type { Fault, FaultRule, FaultScope } from "../Fault.ts"
import { checkFields, type Field, FieldError, flag, integer, isObject, oneOf, required, text } from "./Fields.ts"

/** The longest wait that a fault may ask for, an hour: a longer one is a slip of the unit. */
const MS_MAX = 3_600_000
const COUNT_MAX = 1_000_000_000
/** `error_code` is a status or a status and two digits (§6). */
const code = integer(100, 59_999)
const ms = integer(0, MS_MAX)
const place = oneOf("nothing", "produce")

// One entry for each field of each kind, held to the types: a field without a check does not compile.
type Fields<T> = { readonly [K in Exclude<keyof T, "_tag">]-?: Field }
const KINDS: { readonly [F in Fault as F["_tag"]]: Fields<F> } = {
  Respond: {
    status: required(integer(200, 599)),
    code,
    body: text,
    contentType: text,
    headers: {
      what: "an object of strings",
      ok: (value) => isObject(value) && Object.values(value).every((one) => typeof one === "string")
    },
    after: place
  },
  Receipt: { code: required(code), message: text, produced: flag },
  Stream: {
    endAfter: integer(0, COUNT_MAX),
    produceRest: flag,
    extra: text,
    withoutErrorCode: flag,
    separator: {
      what: "JSON white space (space, tab, CR, LF) or empty",
      ok: (value) => typeof value === "string" && /^[ \t\r\n]*$/.test(value)
    },
    chunkBytes: integer(1, COUNT_MAX),
    betweenMs: ms
  },
  Cut: {
    after: required({
      what: `${place.what} or a number of bytes`,
      ok: (value) => place.ok(value) || integer(0, COUNT_MAX).ok(value)
    })
  },
  Delay: { ms: required(ms) }
}
const SCOPE: Fields<FaultScope> = {
  on: oneOf("produce", "metadata"),
  topic: text,
  recordMatching: text,
  every: integer(1, COUNT_MAX),
  times: integer(1, COUNT_MAX)
}
const tag = required(oneOf(...Object.keys(KINDS)))

/** Refuses what could never apply: a `GET` has no records and no receipts. */
const checkMetadata = (rule: FaultRule, at: string): void => {
  if (rule._tag === "Receipt" || rule._tag === "Stream")
    throw new FieldError(`${at}.on`, `must be "produce" for a ${rule._tag}`)
  if (rule.recordMatching !== undefined)
    throw new FieldError(`${at}.recordMatching`, 'must be absent where "on" is "metadata"')
  if ("after" in rule && rule.after !== "nothing")
    throw new FieldError(`${at}.after`, 'must be "nothing" where "on" is "metadata"')
}

/** A rule from JSON; `at` is its place there. Throws {@link FieldError}. */
export const readFault = (value: unknown, at: string): FaultRule => {
  if (!isObject(value)) throw new FieldError(at, "must be an object")
  const kind = value["_tag"]
  if (!tag.ok(kind)) throw new FieldError(`${at}._tag`, `must be ${tag.what}, not ${JSON.stringify(kind)}`)
  checkFields(value, { _tag: tag, ...KINDS[kind as Fault["_tag"]], ...SCOPE }, at)
  const rule = value as unknown as FaultRule
  if (rule.on === "metadata") checkMetadata(rule, at)
  return rule
}

/** The body of `PUT /__faults`: `{"faults": [rule, …]}`. Throws {@link FieldError}. */
export const readFaults = (json: string): ReadonlyArray<FaultRule> => {
  let body: unknown
  try {
    body = JSON.parse(json)
  } catch {
    throw new FieldError("body", 'must be JSON: {"faults": [{"_tag": …}]}')
  }
  checkFields(body, { faults: required({ what: "an array of faults", ok: Array.isArray }) }, "body")
  return (body as { readonly faults: ReadonlyArray<unknown> }).faults.map((one, i) => readFault(one, `faults[${i}]`))
}
