/**
 * The tokens of a JSON text in their order, as Jackson gives them: with its nesting, its commas, and its state after
 * an error.
 */
import { JsonCursor, JsonError } from "./JsonCursor.ts"

export type Token = "{" | "}" | "[" | "]" | "name" | "string" | "int" | "float" | "true" | "false" | "null"

/** Of arrays and objects within each other (`StreamReadConstraints`). */
const DEPTH_MAX = 1000

interface Context {
  readonly kind: "root" | "[" | "{"
  /** Values begun, less one; it counts on through errors. */
  index: number
}

export class JsonReader {
  readonly cursor: JsonCursor
  /** The present token; `undefined` before the first, at the end and after {@link clear}. */
  token: Token | undefined
  /** Where the present value begins. */
  start = 0
  /** The last name. */
  name = ""
  /** A string is read only when it is asked for or passed over. */
  unread = false
  #contexts: Array<Context> = [{ kind: "root", index: -1 }]
  /** A name is read together with the beginning of its value. */
  #next: Token | undefined
  #text = ""

  constructor(bytes: Buffer) {
    this.cursor = new JsonCursor(bytes)
  }

  /** Arrays and objects that are open. */
  get depth(): number {
    return this.#contexts.length - 1
  }

  /** Forgets the token, not the place. */
  clear(): void {
    this.token = undefined
  }

  /** Throws {@link JsonError}. */
  next(): Token | undefined {
    if (this.token === "name") {
      const token = this.#next
      this.#next = undefined
      this.token = token
      if (token === "{" || token === "[") this.#open(token)
      return token
    }
    if (this.unread) this.text()
    const first = this.cursor.skipSpace()
    if (first === undefined) {
      if (this.depth > 0) throw new JsonError("Unexpected end-of-input: expected close marker")
      this.token = undefined
      return undefined
    }
    if (first === 0x5d || first === 0x7d) return this.#close(first)

    const context = this.#contexts.at(-1)!
    const byte = this.#afterComma(context, first)
    if (context.kind !== "{") {
      const token = this.#value(byte)
      this.token = token
      if (token === "{" || token === "[") this.#open(token)
      return token
    }
    if (byte !== 0x22) this.cursor.unexpected(this.cursor.rest(byte), "was expecting double-quote to start field name")
    this.name = this.cursor.name()
    this.token = "name"
    const colon = this.cursor.skipSpace()
    if (colon === undefined) throw new JsonError("Unexpected end-of-input within/between Object entries")
    if (colon !== 0x3a) this.cursor.unexpected(colon, "was expecting a colon to separate field name and value")
    const begin = this.cursor.skipSpace()
    if (begin === undefined) throw new JsonError("Unexpected end-of-input within/between Object entries")
    this.#next = this.#value(begin)
    return "name"
  }

  /** The text of a string or a name, a number as it is written. */
  text(): string {
    if (this.unread) {
      this.unread = false
      this.#text = this.cursor.string()
    }
    return this.token === "name" ? this.name : this.#text
  }

  /** To the end of the present array or object. */
  skip(): void {
    if (this.token !== "{" && this.token !== "[") return
    for (let open = 1; open > 0; ) {
      const token = this.next()
      if (token === "{" || token === "[") open++
      else if (token === "}" || token === "]") open--
    }
  }

  #afterComma(context: Context, first: number): number {
    if (++context.index === 0 || context.kind === "root") return first
    if (first !== 0x2c) this.cursor.unexpected(first, "was expecting comma to separate entries")
    const byte = this.cursor.skipSpace()
    if (byte === undefined) throw new JsonError("Unexpected end-of-input within/between entries")
    return byte
  }

  #open(kind: "{" | "["): void {
    this.#contexts.push({ kind, index: -1 })
    if (this.depth > DEPTH_MAX) throw new JsonError(`Document nesting depth (${this.depth}) exceeds ${DEPTH_MAX}`, true)
  }

  #close(byte: number): Token {
    const kind = byte === 0x5d ? "[" : "{"
    if (this.#contexts.at(-1)!.kind !== kind) this.cursor.unexpected(byte, "mismatched end marker")
    this.#contexts.pop()
    this.token = kind === "[" ? "]" : "}"
    return this.token
  }

  /** The token of the value that begins with this byte. */
  #value(byte: number): Token {
    this.start = this.cursor.at - 1
    if (byte === 0x22) {
      this.unread = true
      return "string"
    }
    if (byte === 0x7b) return "{"
    if (byte === 0x5b) return "["
    if (byte === 0x2c || byte === 0x7d || byte === 0x5d) this.cursor.unexpected(byte, "expected a value")
    const scalar = this.cursor.scalar(byte, this.depth === 0)
    if (typeof scalar === "string") return scalar
    this.#text = scalar.text
    return scalar.whole ? "int" : "float"
  }
}
