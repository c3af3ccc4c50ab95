/**
 * Bytes of a request, written one after another into one buffer: an encoder of many records makes no object for each of
 * them. The buffer is made once at the length that its user expects, and grows only where that was too short.
 */
const encoder = new TextEncoder()

const QUOTE = 0x22
const BACKSLASH = 0x5c
const PAD = 0x3d
const ASCII_MAX = 0x7f
/** UTF-8 of one UTF-16 unit takes at most three bytes. */
const UTF8_MAX = 3
const HEX = encoder.encode("0123456789abcdef")
const BASE64 = encoder.encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
/**
 * By how much a byte grows inside a JSON string: a control character becomes \u00XX, a quote and a backslash are
 * escaped.
 */
const GROWTH = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 ? 5 : byte === QUOTE || byte === BACKSLASH ? 1 : 0
)

/** The length of bytes in base64 with padding. */
export const base64Length = (length: number): number => Math.ceil(length / 3) * 4

/** The length of UTF-8 text inside a JSON string, without its quotes. */
export const jsonStringLength = (text: Uint8Array): number => {
  let length = text.length
  for (let i = 0; i < text.length; i++) length += GROWTH[text[i]!]!
  return length
}

export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #length = 0
  #scratch = new Uint8Array(256)

  constructor(expectedLength: number) {
    this.#bytes = new Uint8Array(expectedLength)
  }

  /** What has been written. Nothing may be written after it. */
  result(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length)
  }

  #room(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.#bytes)
    this.#bytes = larger
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  byte(byte: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = byte
  }

  /** Text as the inside of a JSON string; a lone surrogate becomes U+FFFD. */
  jsonText(text: string): void {
    this.#room(text.length)
    const out = this.#bytes
    let at = this.#length
    // Ids and times are short and plain ASCII: a loop over them is faster than a call into the engine.
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > ASCII_MAX || GROWTH[code] !== 0) {
        const bytes = encoder.encode(text)
        this.jsonString(bytes, jsonStringLength(bytes))
        return
      }
      out[at++] = code
    }
    this.#length = at
  }

  /** UTF-8 text as the inside of a JSON string of that length: what need not be escaped stays the bytes that came. */
  jsonString(text: Uint8Array, length: number): void {
    if (length === text.length) {
      this.raw(text)
      return
    }
    this.#room(length)
    const out = this.#bytes
    let at = this.#length
    for (let i = 0; i < text.length; i++) {
      const byte = text[i]!
      const growth = GROWTH[byte]!
      if (growth === 5) {
        out[at++] = BACKSLASH
        out[at++] = 0x75 // u
        out[at++] = 0x30 // 0
        out[at++] = 0x30
        out[at++] = HEX[byte >> 4]!
        out[at++] = HEX[byte & 15]!
      } else {
        if (growth === 1) out[at++] = BACKSLASH
        out[at++] = byte
      }
    }
    this.#length = at
  }

  /** Base64 of text as UTF-8. */
  base64Text(text: string): void {
    if (text.length * UTF8_MAX > this.#scratch.length) this.#scratch = new Uint8Array(text.length * UTF8_MAX)
    const scratch = this.#scratch
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > ASCII_MAX) {
        this.base64(scratch, encoder.encodeInto(text, scratch).written)
        return
      }
      scratch[i] = code
    }
    this.base64(scratch, text.length)
  }

  /** Standard base64 with padding of the first `length` bytes. */
  base64(input: Uint8Array, length: number): void {
    this.#room(base64Length(length))
    const out = this.#bytes
    let at = this.#length
    let i = 0
    for (; i + 2 < length; i += 3) {
      const three = (input[i]! << 16) | (input[i + 1]! << 8) | input[i + 2]!
      out[at++] = BASE64[three >> 18]!
      out[at++] = BASE64[(three >> 12) & 63]!
      out[at++] = BASE64[(three >> 6) & 63]!
      out[at++] = BASE64[three & 63]!
    }
    if (i < length) {
      const two = (input[i]! << 8) | (i + 1 < length ? input[i + 1]! : 0)
      out[at++] = BASE64[two >> 10]!
      out[at++] = BASE64[(two >> 4) & 63]!
      out[at++] = i + 1 < length ? BASE64[(two << 2) & 63]! : PAD
      out[at++] = PAD
    }
    this.#length = at
  }
}
