/** What Jackson makes of a JSON value where a number, a text, a name of a list, bytes or a time is wanted. */
import { JsonError } from "./JsonCursor.ts"
import type { JsonReader } from "./JsonReader.ts"
import { type Instant, ofDecimal, ofSeconds, ofText } from "./javaInstant.ts"
import { RecordError } from "./RecordError.ts"
import { readBase64 } from "./readBase64.ts"

const INT_MIN = -2_147_483_648
const INT_MAX = 2_147_483_647

const refuse = (reader: JsonReader, what: string): never => {
  throw new RecordError(400, `Cannot deserialize value of type ${what} from token ${reader.token}`)
}
/** As Java trims: control characters too. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: Java's String.trim
const trim = (text: string): string => text.replace(/^[\u0000-\u0020]+|[\u0000-\u0020]+$/g, "")

/** Fractions are cut; a text of digits counts, an empty one is absent. */
export const integer = (reader: JsonReader, min = INT_MIN, max = INT_MAX): number | null => {
  const { token } = reader
  if (token === "null") return null
  if (token !== "int" && token !== "float" && token !== "string") return refuse(reader, "Integer")
  const text = token === "string" ? trim(reader.text()) : reader.text()
  if (token === "string" && (text === "" || text === "null")) return null
  if (token === "string" && !/^[+-]?\d+$/.test(text)) return refuse(reader, "Integer")
  const value = Number(text)
  if (!(value >= min && value <= max)) {
    throw new RecordError(400, `Numeric value (${text}) out of range of int (${min} - ${max})`)
  }
  return Math.trunc(value) + 0
}

/** Numbers and booleans are taken as they are written. */
export const string = (reader: JsonReader): string | null => {
  if (reader.token === "null") return null
  if (reader.token === "true" || reader.token === "false") return reader.token
  if (reader.token === "string" || reader.token === "int" || reader.token === "float") return reader.text()
  return refuse(reader, "String")
}

/** One of the names, or its place among them as a number or as digits. */
export const oneOf =
  <T extends string>(names: ReadonlyArray<T>) =>
  (reader: JsonReader): T | null => {
    if (reader.token === "null") return null
    if (reader.token !== "string" && reader.token !== "int") return refuse(reader, names.join(", "))
    const text = reader.token === "string" ? trim(reader.text()) : reader.text()
    const found = names.find((name) => name === text) ?? (/^-?\d+$/.test(text) ? names[Number(text)] : undefined)
    return found ?? refuse(reader, names.join(", "))
  }

/** One byte of an array of them: signed or unsigned. */
const byte = (reader: JsonReader): number => (integer(reader, -128, 255) ?? 0) & 0xff

/** Padded base64, or an array of numbers. */
export const bytes = (reader: JsonReader): Uint8Array | null => {
  if (reader.token === "null") return null
  if (reader.token === "string") return readBase64(reader)
  if (reader.token !== "[") return refuse(reader, "byte[]")
  const all: Array<number> = []
  while (reader.next() !== "]") all.push(byte(reader))
  return Uint8Array.from(all)
}

/** Numbers are seconds. */
export const instant = (reader: JsonReader): Instant | null => {
  const { token } = reader
  if (token === "null") return null
  if (token !== "int" && token !== "float" && token !== "string") return refuse(reader, "Instant")
  const text = token === "string" ? trim(reader.text()) : reader.text()
  if (text === "") return null
  const seconds = token === "int" ? BigInt(text) : 0n
  if (BigInt.asIntN(64, seconds) !== seconds) return refuse(reader, "long")
  const found = token === "string" ? ofText(text) : token === "int" ? ofSeconds(seconds) : ofDecimal(text)
  return found ?? refuse(reader, "Instant")
}

/** Marks what a property's value throws: it is the record's fault (400), whichever rule it broke. */
export const property = <A>(read: () => A): A => {
  try {
    return read()
  } catch (error) {
    if (error instanceof JsonError) throw new RecordError(400, error.message)
    throw error
  }
}
