/** Bodies are read up to a limit, and what could hold up everybody is refused before anything walks it. */

/** The body, or `undefined` when it is larger than `max` bytes: then it is not read on. */
export const read = async (request: Request, max: number): Promise<Uint8Array<ArrayBuffer> | undefined> => {
  const length = request.headers.get("content-length")
  if (Number(length) > max) return undefined
  // A stream is slow, and only needed when the length of the body is not known.
  if (length !== null) return new Uint8Array(await request.arrayBuffer())
  if (request.body === null) return new Uint8Array()
  const chunks: Array<Uint8Array> = []
  let size = 0
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader()
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    size += chunk.value.length
    if (size > max) return undefined
    chunks.push(chunk.value)
  }
  const body = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return body
}

/** A request of the API is at most 1 MiB. */
export const MAX_BYTES = 1024 * 1024
/** Parsers and Schemas are recursive. */
export const MAX_DEPTH = 100
/** Each wrong one may become an issue of the answer. */
export const MAX_VALUES = 20_000

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const BACKSLASH = 0x5c
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** Whether the body is UTF-8, as JSON must be (RFC 8259, 8.1): other bytes would be replaced without a word. */
const isUtf8 = (body: Uint8Array): boolean => {
  try {
    utf8.decode(body)
    return true
  } catch {
    return false
  }
}

/** Why a body is not parsed, `undefined` when it may be. Of a body that is no JSON it says nothing: the parser will. */
export const refusal = (body: Uint8Array): string | undefined => {
  if (!isUtf8(body)) return "the body must be UTF-8"
  let depth = 0
  let values = 0
  let inString = false
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]!
    if (inString) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (++depth > MAX_DEPTH) return `the body is nested deeper than ${MAX_DEPTH} levels`
      values++
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--
    else if (byte === COMMA) values++
    if (values > MAX_VALUES) return `the body has more than ${MAX_VALUES} values`
  }
  return undefined
}
