/**
 * The bytes of a JSON text, read as Jackson's parser of UTF-8 reads them. What it accepts matters, and
 * also where it stands after a refusal, because the proxy goes on from there (§4). Rules and limits are those of
 * jackson-core 2.16.
 */

/** Bytes of a member's name (`StreamReadConstraints`), and where its buffer is full. */
const NAME_MAX = 50_000
const NAME_BUFFER = 65_536
/** Digits of a number, those of fraction and exponent included. */
const NUMBER_MAX = 1000
/** What of a word is read on for an error's text. */
const WORD_MAX = 256

/** The text cannot be read on as JSON, or goes beyond a limit of the reader. */
export class JsonError extends Error {
  /** A limit was passed: not a mistake of syntax. */
  readonly limit: boolean
  constructor(message: string, limit = false) {
    super(message)
    this.limit = limit
  }
}

export interface NumberToken {
  readonly text: string
  readonly whole: boolean
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  '"': '"',
  "/": "/",
  "\\": "\\"
}
const QUOTE = 0x22
const BACKSLASH = 0x5c
const ZERO = 0x30
const NINE = 0x39

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE
const shown = (byte: number): string => `('${String.fromCharCode(byte)}' (code ${byte}))`

/** What may stand in a Java identifier: a misspelt word is read to its end. */
const isWordPart = (code: number): boolean =>
  code <= 8 ||
  (code >= 0x0e && code <= 0x1b) ||
  (code >= 0x7f && code <= 0x9f) ||
  /[\p{L}\p{Nl}\p{Sc}\p{Pc}\p{Nd}\p{Mc}\p{Mn}\p{Cf}]/u.test(String.fromCharCode(code))
const isWordStart = (byte: number): boolean => /[\p{L}\p{Nl}\p{Sc}\p{Pc}]/u.test(String.fromCharCode(byte))

/** Bytes of the character that begins with this one, 0 where none does. */
const lengthOf = (byte: number): number => {
  if (byte < 0x80) return 1
  if ((byte & 0xe0) === 0xc0) return 2
  if ((byte & 0xf0) === 0xe0) return 3
  return (byte & 0xf8) === 0xf0 ? 4 : 0
}

/** A code unit in UTF-8, half a surrogate pair too. */
const utf8Of = (unit: string): ReadonlyArray<number> => {
  const code = unit.charCodeAt(0)
  const last = 0x80 | (code & 0x3f)
  if (code < 0x80) return [code]
  if (code < 0x800) return [0xc0 | (code >> 6), last]
  return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), last]
}

export class JsonCursor {
  readonly bytes: Buffer
  /** Where the next byte is read. */
  at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** The next byte, which must be there. */
  byte(): number {
    if (this.at >= this.bytes.length) throw new JsonError("Unexpected end-of-input")
    return this.bytes[this.at++]!
  }

  /** The first byte that is no white space; `undefined` at the end. */
  skipSpace(): number | undefined {
    while (this.at < this.bytes.length) {
      const byte = this.bytes[this.at++]!
      if (byte === 0x2f) return this.unexpected(byte, "maybe a (non-standard) comment?")
      if (byte > 0x20) return byte
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
        throw new JsonError(`Illegal character ((CTRL-CHAR, code ${byte})): only regular white space is allowed`)
      }
    }
    return undefined
  }

  unexpected(byte: number, expected: string): never {
    throw new JsonError(`Unexpected character ${shown(byte)}: ${expected}`)
  }

  /** The rest of a character of several bytes. Surrogates and overlong forms pass, as they do there. */
  #character(first: number): string {
    const length = lengthOf(first)
    if (length === 0) throw new JsonError(`Invalid UTF-8 start byte 0x${first.toString(16)}`)
    let code = first & (0xff >> (length + 1))
    for (let i = 1; i < length; i++) {
      const next = this.byte()
      if ((next & 0xc0) !== 0x80) throw new JsonError(`Invalid UTF-8 middle byte 0x${next.toString(16)}`)
      code = (code << 6) | (next & 0x3f)
    }
    if (length < 4) return String.fromCharCode(code)
    code -= 0x10000
    return String.fromCharCode(0xd800 | (code >> 10), 0xdc00 | (code & 0x3ff))
  }

  /** What follows a backslash. */
  escape(): string {
    const char = String.fromCharCode(this.byte())
    const simple = ESCAPES[char]
    if (simple !== undefined) return simple
    if (char !== "u") {
      this.rest(char.charCodeAt(0))
      throw new JsonError(`Unrecognized character escape '${char}'`)
    }
    let code = 0
    for (let i = 0; i < 4; i++) {
      const byte = this.byte()
      const digit = Number.parseInt(String.fromCharCode(byte), 16)
      if (Number.isNaN(digit)) this.unexpected(byte, "expected a hex-digit for character escape sequence")
      code = code * 16 + digit
    }
    return String.fromCharCode(code)
  }

  /** The rest of a string, whose opening quote has been read. */
  string(): string {
    let text = ""
    for (;;) {
      const start = this.at
      let byte = this.byte()
      while (byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH) {
        if (this.at >= this.bytes.length) throw new JsonError("Unexpected end-of-input in VALUE_STRING")
        byte = this.bytes[this.at++]!
      }
      text += this.bytes.toString("latin1", start, this.at - 1)
      if (byte === QUOTE) return text
      if (byte === BACKSLASH) text += this.escape()
      else if (byte >= 0x80) text += this.#character(byte)
      else throw new JsonError(`Illegal unquoted character ((CTRL-CHAR, code ${byte}))`)
    }
  }

  /** The rest of a member's name. Its characters are looked at after its closing quote has been read. */
  name(): string {
    const plain = this.#plainName()
    if (plain !== undefined) return plain
    const bytes: Array<number> = []
    for (let byte = this.byte(); byte !== QUOTE; byte = this.byte()) {
      if (byte === BACKSLASH) bytes.push(...utf8Of(this.escape()))
      else if (byte < 0x20) throw new JsonError(`Illegal unquoted character ((CTRL-CHAR, code ${byte}))`)
      else bytes.push(byte)
      if (bytes.length > NAME_BUFFER) throw new JsonError(`Name length (${NAME_BUFFER}) exceeds ${NAME_MAX}`, true)
    }
    if (bytes.length > NAME_MAX) throw new JsonError(`Name length (${bytes.length}) exceeds ${NAME_MAX}`, true)
    const inner = new JsonCursor(Buffer.from(bytes))
    let name = ""
    while (inner.at < bytes.length) {
      const byte = inner.byte()
      name += byte < 0x80 ? String.fromCharCode(byte) : inner.#character(byte)
    }
    return name
  }

  /** A name of printable ASCII without escapes, as nearly all are. */
  #plainName(): string | undefined {
    const end = this.bytes.indexOf(QUOTE, this.at)
    if (end < 0 || end - this.at > NAME_MAX) return undefined
    const name = this.bytes.toString("latin1", this.at, end)
    if (!/^[ !#-[\]-~]*$/.test(name)) return undefined
    this.at = end + 1
    return name
  }

  /** Reads the rest of a character that does not belong here; its first code unit. */
  rest(first: number): number {
    return first < 0x80 ? first : this.#character(first).charCodeAt(0)
  }

  /** A word that is none: read to its end and one character beyond. */
  #badWord(begun: string): never {
    let word = begun
    while (this.at < this.bytes.length && word.length < WORD_MAX) {
      const code = this.rest(this.bytes[this.at++]!)
      if (!isWordPart(code)) break
      word += String.fromCharCode(code)
    }
    throw new JsonError(`Unrecognized token '${word}': was expecting (JSON String, Number, Array, Object or token)`)
  }

  /** The rest of a word of which `from` characters have been read. */
  #word(word: string, from = 1): void {
    for (let i = from; i < word.length; i++) {
      if (this.bytes[this.at] !== word.charCodeAt(i)) this.#badWord(word.slice(0, i))
      this.at++
    }
    const next = this.bytes[this.at]
    if (next === undefined || next < ZERO || next === 0x5d || next === 0x7d) return
    // A character of several bytes is misread here: its first byte is taken for its second.
    if (next >= 0x80) {
      if (lengthOf(next) > 0) this.at++
      throw new JsonError(`Invalid UTF-8 byte 0x${next.toString(16)}`)
    }
    if (isWordPart(next)) this.#badWord(word)
  }

  /** `true`, `false`, `null` or a number, of which the first byte has been read. */
  scalar(first: number, atRoot: boolean): "true" | "false" | "null" | NumberToken {
    const char = String.fromCharCode(first)
    if (char === "t" || char === "f" || char === "n") {
      const word = char === "t" ? "true" : char === "f" ? "false" : "null"
      this.#word(word)
      return word
    }
    if (char === "-" || isDigit(first)) return this.#number(first, atRoot)
    if (char === "+") this.#badNumber(this.byte(), "+")
    if (char === "N") {
      this.#word("NaN")
      throw new JsonError("Non-standard token 'NaN'")
    }
    if (char === "I") {
      this.#word("Infinity")
      throw new JsonError("Non-standard token 'Infinity'")
    }
    if (isWordStart(first)) this.#badWord(char)
    return this.unexpected(first, "expected a valid value (JSON String, Number, Array, Object or token)")
  }

  #badNumber(byte: number, sign: "+" | "-"): never {
    if (byte === 0x49) {
      const next = this.byte()
      if (next === 0x4e || next === 0x6e) {
        this.#word(next === 0x4e ? `${sign}INF` : `${sign}Infinity`, 3)
        throw new JsonError(`Non-standard token '${sign}Infinity'`)
      }
    }
    return this.unexpected(byte, "expected digit (0-9) for valid numeric value")
  }

  #digits(): number {
    const start = this.at
    while (this.at < this.bytes.length && isDigit(this.bytes[this.at]!)) this.at++
    return this.at - start
  }

  #number(first: number, atRoot: boolean): NumberToken {
    const start = this.at - 1
    let lead = first
    if (first === 0x2d) {
      lead = this.byte()
      if (lead === 0x2e) this.unexpected(lead, "expected a valid value")
      if (!isDigit(lead)) this.#badNumber(lead, "-")
    }
    if (lead === ZERO && isDigit(this.bytes[this.at] ?? 0)) {
      throw new JsonError("Invalid numeric value: Leading zeroes not allowed")
    }
    let digits = 1 + this.#digits()
    let whole = true
    if (this.bytes[this.at] === 0x2e) {
      whole = false
      this.at++
      const fraction = this.#digits()
      if (fraction === 0) this.unexpected(this.byte(), "Decimal point not followed by a digit")
      digits += fraction
    }
    const mark = this.bytes[this.at]
    if (mark === 0x65 || mark === 0x45) {
      whole = false
      this.at++
      const sign = this.byte()
      if (sign !== 0x2b && sign !== 0x2d) this.at--
      const exponent = this.#digits()
      if (exponent === 0) this.unexpected(this.byte(), "Exponent indicator not followed by a digit")
      digits += exponent
    }
    const end = this.at
    if (atRoot && end < this.bytes.length) {
      const next = this.bytes[end]!
      if (next !== 0x0d) this.at++
      if (next !== 0x20 && next !== 0x09 && next !== 0x0a && next !== 0x0d) {
        this.unexpected(next, "Expected space separating root-level values")
      }
    }
    if (digits > NUMBER_MAX) throw new JsonError(`Number value length (${digits}) exceeds ${NUMBER_MAX}`, true)
    return { text: this.bytes.toString("latin1", start, end), whole }
  }
}
