import { LIMIT_PRESETS, type LimitPreset, type Limits } from "../Limits.ts"
import { checkFields, type Field, FieldError, integer } from "./Fields.ts"

const rate = integer(1, 1_000_000_000)
const FIELDS: { readonly [K in keyof Limits]-?: Field } = {
  requestsPerSecond: rate,
  recordsPerSecond: rate,
  bytesPerSecond: rate,
  messageBytes: rate
}

/** The name of a preset, or limits as JSON. Throws {@link FieldError}, which names the field below `at`. */
export const readLimits = (given: string, at: string): Limits => {
  if (Object.hasOwn(LIMIT_PRESETS, given)) return LIMIT_PRESETS[given as LimitPreset]
  let limits: unknown
  try {
    limits = JSON.parse(given)
  } catch {
    const presets = Object.keys(LIMIT_PRESETS).join(", ")
    throw new FieldError(at, `must be ${presets} or JSON of ${Object.keys(FIELDS).join(", ")}, not "${given}"`)
  }
  checkFields(limits, FIELDS, at)
  return limits as Limits
}
