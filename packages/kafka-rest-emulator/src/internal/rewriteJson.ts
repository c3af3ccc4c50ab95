/** A JSON value read into Jackson's tree and written by it again: what becomes of `data` whose type is JSON. */
import { JsonError } from "./JsonCursor.ts"
import type { JsonReader } from "./JsonReader.ts"
import { javaDouble } from "./javaDouble.ts"

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r"
}
const unit = (char: string): string => `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`

/** Characters beyond the basic plane are written as two escapes, what else is not ASCII as it is. */
const quote = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must be escaped
  `"${text.replace(/["\\\u0000-\u001f\ud800-\udfff]/g, (char) => SHORT[char] ?? unit(char))}"`

/** Fractions go through double; what is too large for one becomes a text. */
const fraction = (text: string): string => {
  const value = Number(text)
  return Number.isFinite(value) ? javaDouble(value) : `"${javaDouble(value)}"`
}

/** Whole numbers stay exact, whatever their length. */
const whole = (text: string): string => BigInt(text).toString()

const members = (reader: JsonReader): string => {
  // A map keeps a name at its first place when its value is set again, as Java's does.
  const all = new Map<string, string>()
  while (reader.next() === "name") {
    const name = reader.name
    reader.next()
    all.set(name, rewriteJson(reader))
  }
  return `{${[...all].map(([name, value]) => `${quote(name)}:${value}`).join(",")}}`
}

const items = (reader: JsonReader): string => {
  const all: Array<string> = []
  while (reader.next() !== "]") all.push(rewriteJson(reader))
  return `[${all.join(",")}]`
}

/** The present value, as it is written again. Throws {@link JsonError}. */
export const rewriteJson = (reader: JsonReader): string => {
  switch (reader.token) {
    case "{":
      return members(reader)
    case "[":
      return items(reader)
    case "string":
      return quote(reader.text())
    case "int":
      return whole(reader.text())
    case "float":
      return fraction(reader.text())
    case "true":
    case "false":
    case "null":
      return reader.token
    default:
      throw new JsonError("Unexpected end-of-input in a value")
  }
}
