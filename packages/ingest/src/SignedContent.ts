/**
 * What a signature is made over, as a pattern: text with placeholders.
 *
 * | placeholder | stands for |
 * |---|---|
 * | `{body}` | the bytes of the body |
 * | `{timestamp}` | the time, as it is written in the request |
 * | `{url}` | the URL with its query, as it was called |
 * | `{method}` | the method in upper case |
 * | `{header:<name>}` | the value of a header |
 * | `{form}` | the fields of a form, sorted by name, each as name and value; of another body nothing, for which the
 *   URL must hold its SHA-256 as `bodySHA256` (Twilio's rule) |
 *
 * Source of the last and of the forms that a URL may have: Twilio, "Webhooks security", and its library's
 * `lib/webhooks/webhooks.js`.
 */
import { joined } from "@hookstream/core/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { SignatureRejected } from "./Errors.ts"
import { isHeaderName } from "./internal/headerName.ts"
import * as Received from "./Received.ts"

type Field = "body" | "timestamp" | "url" | "method" | "form"

export type Part =
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "Header"; readonly name: string }
  | { readonly _tag: Field }

export type Pattern = ReadonlyArray<Part>

const FIELDS: ReadonlyArray<Field> = ["body", "timestamp", "url", "method", "form"]
const PIECE = /\{([^{}]*)\}|[^{}]+|[{}]/g

const KNOWN = FIELDS.map((field) => `{${field}}`).join(", ")

const partOf = (piece: string, placeholder: string | undefined): Part | string => {
  if (piece === "{" || piece === "}") return "must have { and } around placeholders only"
  if (placeholder === undefined) return { _tag: "Text", text: piece }
  const field = FIELDS.find((one) => one === placeholder)
  if (field !== undefined) return { _tag: field }
  const name = placeholder.startsWith("header:") ? placeholder.slice("header:".length) : ""
  return isHeaderName(name)
    ? { _tag: "Header", name: name.toLowerCase() }
    : `must have the placeholders ${KNOWN} and {header:<name>} only`
}

/** The pattern, or what is wrong with it. */
export const parse = (text: string): Pattern | string => {
  const parts: Array<Part> = []
  for (const [piece, placeholder] of text.matchAll(PIECE)) {
    const part = partOf(piece, placeholder)
    if (typeof part === "string") return part
    parts.push(part)
  }
  return parts
}

export const has = (pattern: Pattern, tag: Part["_tag"]): boolean => pattern.some((part) => part._tag === tag)

// ---------------------------------------------------------------------------------------------------------------------
// Forms

/** Twilio's have some kilobytes. More is not sorted for a sender that nobody knows. */
const FORM_MAX_BYTES = 256 * 1024

/** A character for each byte, so that what is no UTF-8 stays what it is. */
const toText = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")
const toBytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(text, (char) => char.charCodeAt(0))

const unescaped = (text: string): string =>
  text
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

/** Names and values of a form or query. */
const pairsOf = (text: string): ReadonlyArray<readonly [name: string, value: string]> =>
  text
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=")
      return equals === -1
        ? [unescaped(pair), ""]
        : [unescaped(pair.slice(0, equals)), unescaped(pair.slice(equals + 1))]
    })

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** A field that comes more than once stands there once for each value. */
const sortedFields = (body: Uint8Array): Uint8Array => {
  const unique = new Map(pairsOf(toText(body)).map(([name, value]) => [`${name}\n${value}`, [name, value] as const]))
  const fields = [...unique.values()].sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]))
  return toBytes(fields.map(([name, value]) => name + value).join(""))
}

const BODY_HASH = "bodySHA256"
const NOTHING = new Uint8Array()

const formOf = Effect.fnUntraced(function* (request: Received.Received) {
  const { body, url } = request
  const hash = new URL(url).searchParams.get(BODY_HASH)
  if (hash !== null) {
    const actual = yield* Effect.promise(() => crypto.subtle.digest("SHA-256", body as Uint8Array<ArrayBuffer>))
    if (hash.toLowerCase() === Hex.encode(new Uint8Array(actual))) return NOTHING
    return yield* new SignatureRejected({
      reason: "unsigned_body",
      message: `the body is not the one whose SHA-256 stands in the URL as ${BODY_HASH}`
    })
  }
  if (body.length === 0) return NOTHING
  if (!/^application\/x-www-form-urlencoded\b/i.test(Received.header(request, "content-type") ?? "")) {
    return yield* new SignatureRejected({
      reason: "unsigned_body",
      message: `the body is no form, and the URL holds no ${BODY_HASH} of it, so that nothing signs it`
    })
  }
  if (body.length > FORM_MAX_BYTES) {
    return yield* new SignatureRejected({
      reason: "form_too_large",
      message: `a form of more than ${FORM_MAX_BYTES / 1024} KiB is not verified`
    })
  }
  return sortedFields(body)
})

// ---------------------------------------------------------------------------------------------------------------------
// URLs

const STANDARD_PORT: Readonly<Record<string, string>> = { "https:": ":443", "http:": ":80" }
const AUTHORITY = /^([a-z]+:)\/\/([^/?#]*?)(:\d+)?(?=[/?#]|$)/i

/** As older parts of Twilio escape a query. */
const withEscapedQuery = (url: string): string => {
  const mark = url.indexOf("?")
  if (mark === -1) return url
  const escape = (text: string) => encodeURIComponent(new TextDecoder().decode(toBytes(text)))
  const query = pairsOf(url.slice(mark + 1)).map(([name, value]) => `${escape(name)}=${escape(value)}`)
  return `${url.slice(0, mark)}?${query.join("&")}`
}

/** The forms in which a URL may have been signed: with its standard port or without, its query escaped or not. */
const urlForms = (url: string): ReadonlyArray<string> => {
  const { href } = new URL(url)
  const all = [url, href, withEscapedQuery(href)].flatMap((one) => [
    one.replace(AUTHORITY, "$1//$2"),
    one.replace(AUTHORITY, (_, scheme: string, host: string, port?: string) => {
      return `${scheme}//${host}${port ?? STANDARD_PORT[scheme.toLowerCase()] ?? ""}`
    })
  ])
  return [...new Set(all)]
}

// ---------------------------------------------------------------------------------------------------------------------
// Content

const encoder = new TextEncoder()

/** A large body is not copied where nothing stands beside it. */
const bytesOf = (pieces: ReadonlyArray<string | Uint8Array>): Uint8Array =>
  joined(pieces.map((piece) => (typeof piece === "string" ? encoder.encode(piece) : piece)))

/**
 * A header's value must not hold what parts it from the next one: else the same text could be read as other values
 * (Standard Webhooks: neither id nor time may have a `.` in it).
 */
const headerOf = (request: Received.Received, name: string, next: Part | undefined) => {
  const value = Received.header(request, name)
  if (value === undefined) {
    return new SignatureRejected({ reason: "missing_header", message: `the header ${name} did not come` })
  }
  return next?._tag === "Text" && value.includes(next.text)
    ? new SignatureRejected({
        reason: "malformed_header",
        message: `the header ${name} has a ${JSON.stringify(next.text)} in it, which parts it from what follows`
      })
    : Effect.succeed(value)
}

/** What may have been signed: the sender made its signature over one of these. */
export const of = Effect.fnUntraced(function* (pattern: Pattern, request: Received.Received, timestamp: string) {
  const pieces: Array<string | Uint8Array> = []
  for (const [i, part] of pattern.entries()) {
    switch (part._tag) {
      case "Text":
        pieces.push(part.text)
        break
      case "Header":
        pieces.push(yield* headerOf(request, part.name, pattern[i + 1]))
        break
      case "body":
        pieces.push(request.body)
        break
      case "timestamp":
        pieces.push(timestamp)
        break
      case "method":
        pieces.push(request.method.toUpperCase())
        break
      case "url":
        pieces.push(request.url)
        break
      case "form":
        pieces.push(yield* formOf(request))
        break
    }
  }
  if (!has(pattern, "url")) return [bytesOf(pieces)]
  return urlForms(request.url).map((url) =>
    bytesOf(pieces.map((piece, i) => (pattern[i]!._tag === "url" ? url : piece)))
  )
})
