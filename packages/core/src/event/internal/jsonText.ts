/**
 * Checks bytes for being one JSON text (RFC 8259) in UTF-8, without making anything of them: `JSON.parse` of ten
 * million bytes takes twenty times as much memory, where an isolate has 128 MB.
 */

/** Deeper JSON is text: recursive parsers downstream would not survive it. */
export const MAX_JSON_DEPTH = 500
/**
 * Jackson reads no longer number, in characters, and no name of more than 50,000 bytes (`StreamReadConstraints`). Its
 * limit of 20,000,000 characters for a string is above that of a body.
 */
export const MAX_JSON_NUMBER = 1000
/** Bytes of a name as written, with its escapes. */
export const MAX_JSON_NAME = 48_000

/**
 * What each open bracket is, from 1: a JSON text is checked in one synchronous step, so that one list serves them all.
 */
const isObject = new Uint8Array(MAX_JSON_DEPTH + 1)

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const MINUS = 0x2d

/**
 * The position behind a character outside of ASCII that begins at `i`; -1 where the bytes are no UTF-8 (Unicode 3.9,
 * table 3-7).
 */
const afterCharacter = (bytes: Uint8Array, i: number): number => {
  const first = bytes[i]!
  const second = bytes[i + 1]!
  if (first < 0xc2 || first > 0xf4) return -1
  if (first < 0xe0) return second >> 6 === 2 ? i + 2 : -1
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  if (!(second >= lowest && second <= highest) || bytes[i + 2]! >> 6 !== 2) return -1
  if (first < 0xf0) return i + 3
  return bytes[i + 3]! >> 6 === 2 ? i + 4 : -1
}

/** Whether the bytes are UTF-8, as a fatal `TextDecoder` has it. */
export const isUtf8 = (bytes: Uint8Array): boolean => {
  for (let i = 0; i < bytes.length; ) {
    if (bytes[i]! < 0x80) i++
    else {
      i = afterCharacter(bytes, i)
      if (i === -1) return false
    }
  }
  return true
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39
const isHex = (byte: number): boolean => isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66)

const afterSpace = (bytes: Uint8Array, from: number): number => {
  const end = bytes.length
  let i = from
  while (
    i < end &&
    bytes[i]! <= 0x20 &&
    (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09)
  )
    i++
  return i
}

/** The position behind an escape whose backslash is at `i`. */
const afterEscape = (bytes: Uint8Array, i: number): number => {
  switch (bytes[i + 1]) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return i + 2
    case 0x75: // u
      return isHex(bytes[i + 2]!) && isHex(bytes[i + 3]!) && isHex(bytes[i + 4]!) && isHex(bytes[i + 5]!) ? i + 6 : -1
    default:
      return -1
  }
}

/** 1: a byte that stands for itself in a string. */
const isPlain = new Uint8Array(256).fill(1, 0x20, 0x80)
isPlain[QUOTE] = 0
isPlain[BACKSLASH] = 0

/** The position behind a string whose quote is at `from`. */
const afterString = (bytes: Uint8Array, from: number): number => {
  const end = bytes.length
  for (let i = from + 1; i < end; ) {
    const byte = bytes[i]!
    if (isPlain[byte] === 1) i++
    else if (byte === QUOTE) return i + 1
    else {
      i = byte === BACKSLASH ? afterEscape(bytes, i) : byte < 0x80 ? -1 : afterCharacter(bytes, i)
      if (i === -1) return -1
    }
  }
  return -1
}

const afterDigits = (bytes: Uint8Array, from: number): number => {
  let i = from
  while (isDigit(bytes[i])) i++
  return i === from ? -1 : i
}

/** The position behind a number that begins at `from`. */
const afterNumber = (bytes: Uint8Array, from: number): number => {
  const first = bytes[from] === MINUS ? from + 1 : from
  let i = bytes[first] === 0x30 ? first + 1 : afterDigits(bytes, first)
  if (i !== -1 && bytes[i] === 0x2e) i = afterDigits(bytes, i + 1)
  if (i === -1 || (bytes[i]! | 0x20) !== 0x65) return i
  const sign = bytes[i + 1]
  return afterDigits(bytes, sign === 0x2b || sign === MINUS ? i + 2 : i + 1)
}

const LITERALS = ["true", "false", "null"].map((word) => [...word].map((letter) => letter.charCodeAt(0)))

const afterLiteral = (bytes: Uint8Array, i: number): number => {
  const word = LITERALS.find(([first]) => first === bytes[i])
  return word?.every((byte, at) => bytes[i + at] === byte) ? i + word.length : -1
}

/** What a JSON text is made of. */
export interface JsonShape {
  /** Objects and lists, and all that is in them. */
  readonly values: number
  /** A number is longer than {@link MAX_JSON_NUMBER}, or a name than {@link MAX_JSON_NAME}. */
  readonly isLong: boolean
}

/** Set where a number or a name is long: like the open brackets, it serves one check at a time. */
let isLong = false

/** The position of the value of the member whose name begins at `from`, or after white space. */
const afterName = (bytes: Uint8Array, from: number): number => {
  const start = afterSpace(bytes, from)
  const end = bytes[start] === QUOTE ? afterString(bytes, start) : -1
  if (end === -1) return -1
  if (end - start - 2 > MAX_JSON_NAME) isLong = true
  const colon = afterSpace(bytes, end)
  return bytes[colon] === COLON ? colon + 1 : -1
}

/**
 * The shape of a JSON text; `undefined` when the bytes are none, or nest deeper than {@link MAX_JSON_DEPTH}. It takes
 * what `JSON.parse` takes of the decoded text.
 */
export const scan = (bytes: Uint8Array): JsonShape | undefined => {
  isLong = false
  let i = 0
  let depth = 0
  let values = 0
  while (i !== -1) {
    // A value begins here.
    i = afterSpace(bytes, i)
    const byte = bytes[i]
    values++
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (++depth > MAX_JSON_DEPTH) return undefined
      isObject[depth] = byte === OPEN_OBJECT ? 1 : 0
      const next = afterSpace(bytes, i + 1)
      // Brackets close two above the one that they open.
      if (bytes[next] !== byte + 2) {
        i = byte === OPEN_OBJECT ? afterName(bytes, next) : next
        continue
      }
      i = next
    } else if (byte === QUOTE) i = afterString(bytes, i)
    else if (byte === MINUS || isDigit(byte)) {
      const start = i
      i = afterNumber(bytes, i)
      if (i - start > MAX_JSON_NUMBER) isLong = true
    } else i = afterLiteral(bytes, i)
    if (i === -1) return undefined
    // It ends here, and what closes behind it.
    for (; depth > 0; i++) {
      i = afterSpace(bytes, i)
      if (bytes[i] !== (isObject[depth] === 1 ? CLOSE_OBJECT : CLOSE_ARRAY)) break
      depth--
    }
    if (depth === 0) return afterSpace(bytes, i) === bytes.length ? { values, isLong } : undefined
    if (bytes[i] !== COMMA) return undefined
    i = isObject[depth] === 1 ? afterName(bytes, i + 1) : i + 1
  }
  return undefined
}
