/**
 * A string of JSON read as base64 straight from its bytes, as Jackson does for a byte array (MIME without line feeds,
 * padded).
 */
import type { JsonCursor } from "./JsonCursor.ts"
import type { JsonReader } from "./JsonReader.ts"
import { RecordError } from "./RecordError.ts"

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
const QUOTE = 0x22
const PAD = 0x3d

/** The place in the string is wrong for base64; where it stands then is where the string is read on. */
class Malformed extends Error {}

/** A place in a unit of four: its six bits, or what stands there instead. */
const place = (cursor: JsonCursor, index: number): number | "pad" | "quote" | "space" => {
  let byte = cursor.byte()
  // Before a unit white space is passed over.
  while (index === 0 && byte <= 0x20) byte = cursor.byte()
  if (byte === QUOTE) return "quote"
  const escaped = byte === 0x5c
  const char = escaped ? cursor.escape() : String.fromCharCode(byte)
  if (escaped && index === 0 && char.charCodeAt(0) <= 0x20) return "space"
  if (char === "=" && (escaped || index > 1)) return "pad"
  const bits = ALPHABET.indexOf(char)
  if (bits < 0) throw new Malformed(`Illegal character '${char}' in base64 content`)
  return bits
}

const decode = (cursor: JsonCursor): Uint8Array => {
  const out: Array<number> = []
  for (;;) {
    const unit: Array<number> = []
    let end: "pad" | "quote" | undefined
    while (unit.length < 4 && end === undefined) {
      const found = place(cursor, unit.length)
      if (typeof found === "number") unit.push(found)
      else if (found === "quote" || found === "pad") end = found
    }
    if (end === "quote") {
      if (unit.length === 0) return Uint8Array.from(out)
      // The quote of a string that ends too early is read again, but not after a single character.
      if (unit.length > 1) cursor.at--
      throw new Malformed("Unexpected end of base64-encoded String: padding is expected")
    }
    if (end === "pad" && unit.length < 2) throw new Malformed("Unexpected padding character")
    if (end === "pad" && unit.length === 2 && cursor.byte() !== PAD)
      throw new Malformed("expected padding character '='")
    const bits = unit.reduce((sum, six) => sum * 64 + six, 0) * 64 ** (4 - unit.length)
    const three = [bits >> 16, (bits >> 8) & 0xff, bits & 0xff]
    out.push(...three.slice(0, unit.length - 1))
  }
}

/** Throws {@link RecordError}, with the string read to its end. */
export const readBase64 = (reader: JsonReader): Uint8Array => {
  try {
    const bytes = decode(reader.cursor)
    reader.unread = false
    return bytes
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    reader.text()
    throw new RecordError(400, `Cannot deserialize value of type byte[]: ${error.message}`)
  }
}
