/** Checks plain objects that come from outside, so that an error names the field. */

export class FieldError extends Error {
  /** Where it stands: `faults[0].status`. */
  readonly field: string
  constructor(field: string, message: string) {
    super(`${field} ${message}`)
    this.field = field
  }
}

export interface Field {
  /** As in "must be …". */
  readonly what: string
  readonly ok: (value: unknown) => boolean
  readonly required?: boolean
}

export const integer = (min: number, max: number): Field => ({
  what: `an integer from ${min} to ${max}`,
  ok: (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max
})
export const text: Field = { what: "a string", ok: (value) => typeof value === "string" }
export const flag: Field = { what: "true or false", ok: (value) => typeof value === "boolean" }
export const oneOf = (...choices: ReadonlyArray<string>): Field => ({
  what: choices.map((choice) => `"${choice}"`).join(" or "),
  ok: (value) => choices.includes(value as string)
})
export const required = (field: Field): Field => ({ ...field, required: true })

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Throws {@link FieldError} unless `value` has these fields and no others. */
export const checkFields = (value: unknown, fields: Readonly<Record<string, Field>>, at: string): void => {
  if (!isObject(value)) throw new FieldError(at, "must be an object")
  const known = Object.keys(fields).join(", ")
  for (const [name, given] of Object.entries(value)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (field === undefined) throw new FieldError(`${at}.${name}`, `is unknown here; known are ${known}`)
    if (!field.ok(given)) throw new FieldError(`${at}.${name}`, `must be ${field.what}, not ${JSON.stringify(given)}`)
  }
  for (const [name, field] of Object.entries(fields)) {
    if (field.required && !Object.hasOwn(value, name))
      throw new FieldError(`${at}.${name}`, `is missing: ${field.what}`)
  }
}
