/**
 * What of a request is never shown: the values of headers and query parameters whose names are those of credentials.
 * They are sealed before they are stored, and a source can name more that is not stored at all.
 */
import { bodyKind, type EventMeta, isJson } from "./Event.ts"
import * as EventPath from "./EventPath.ts"

const SECRET = /auth|token|key|secret|signature|hmac|passw|pwd|cookie|cert|jwt|credential|(^|[-_.])sig$/
/** They match, and are no credentials: a name for a request, and the random number of a handshake (RFC 6455 §1.3). */
const HARMLESS = new Set(["idempotency-key", "x-idempotency-key", "sec-websocket-key"])

const MASK = "****"
const REDACTED = "[redacted]"

/** Whether a header or query parameter of this name holds a credential, as far as its name tells. */
export const isSecretName = (name: string): boolean => {
  const lower = name.toLowerCase()
  return SECRET.test(lower) && !HARMLESS.has(lower)
}

/** Whether a path reads what may be masked. */
export const readsMasked = (path: string): boolean => {
  const [root, name] = EventPath.split(path)
  return (root === "headers" || root === "query") && isSecretName(name)
}

const nameOf = (parameter: string): string => {
  const name = parameter.split("=", 1)[0]!.replaceAll("+", " ")
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** The query with other values for some of its parameters. */
const withValues = (query: string, isMeant: (name: string) => boolean, value: string): string =>
  query === ""
    ? query
    : query
        .split("&")
        .map((one) => (isMeant(nameOf(one)) ? `${one.split("=", 1)[0]}=${value}` : one))
        .join("&")

/**
 * What was taken out of a request: the query as it came, `null` where nothing of it is hidden; headers by their place.
 */
type Hidden = readonly [query: string | null, headers: ReadonlyArray<readonly [place: number, value: string]>]

/** The meta as it may be shown, and what is hidden in it as one text; `undefined` when nothing is. */
export const mask = <M extends EventMeta>(meta: M): { readonly shown: M; readonly hidden: string | undefined } => {
  const { headers, query } = meta
  const places = headers.flatMap(([name, value], i) =>
    isSecretName(name) && value !== MASK ? [[i, value] as const] : []
  )
  const maskedQuery = withValues(query, isSecretName, MASK)
  if (places.length === 0 && maskedQuery === query) return { shown: meta, hidden: undefined }
  const isHidden = new Set(places.map(([i]) => i))
  const hidden: Hidden = [maskedQuery === query ? null : query, places]
  return {
    shown: {
      ...meta,
      headers: headers.map(([name, value], i) => [name, isHidden.has(i) ? MASK : value] as const),
      query: maskedQuery
    },
    hidden: JSON.stringify(hidden)
  }
}

/** The headers and the query as they came. */
export const unmask = ({ headers, query }: EventMeta, hidden: string): Pick<EventMeta, "headers" | "query"> => {
  const [whole, places]: Hidden = JSON.parse(hidden)
  const values = new Map(places)
  return { headers: headers.map(([name, value], i) => [name, values.get(i) ?? value] as const), query: whole ?? query }
}

/** What a source can have left out: `headers.<name>`, `query.<name>`, `payload.<path>`. */
export const isRedactable = (path: string): boolean =>
  EventPath.compile(path) !== undefined &&
  ["headers", "query", "payload"].includes(EventPath.split(path)[0]) &&
  EventPath.split(path)[1] !== ""

const encoder = new TextEncoder()

/** Numbers keep their digits (TC39 "JSON.parse source text access", in V8 since 11.4). */
const { rawJSON } = JSON as JSON & { readonly rawJSON: (text: string) => unknown }
const exact = (_: string, value: unknown, context?: { readonly source?: string }) =>
  typeof value === "number" && context?.source !== undefined && String(value) !== context.source
    ? rawJSON(context.source)
    : value

const isOpen = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

/** Replaces what the keys lead to; `false` when they lead nowhere. */
const replace = (value: unknown, keys: ReadonlyArray<string>): boolean => {
  const parent = keys
    .slice(0, -1)
    .reduce<unknown>((node, key) => (isOpen(node) && Object.hasOwn(node, key) ? node[key] : undefined), value)
  const last = keys.at(-1)!
  // Not the length of a list, which is no value and takes no text.
  if (!isOpen(parent) || !Object.prototype.propertyIsEnumerable.call(parent, last)) return false
  parent[last] = REDACTED
  return true
}

/**
 * The body without the values at these paths. Only of JSON: other bodies have no paths, and stay as they came. Throws
 * `PayloadTooLarge` for a body that is too large to be searched.
 */
const redactBody = (body: Uint8Array, paths: ReadonlyArray<string>): Uint8Array => {
  if (paths.length === 0 || !isJson(bodyKind(body))) return body
  const value = EventPath.parse(body, exact as (key: string, value: unknown) => unknown)
  const found = paths.filter((path) => replace(value, path.split(".")))
  return found.length === 0 ? body : encoder.encode(JSON.stringify(value))
}

/**
 * A request without what its source never stores. A body that holds any of it is serialized again: signatures
 * over it no longer verify. Throws `PayloadTooLarge` where a path into the body cannot be followed.
 */
export const redact = (
  paths: ReadonlyArray<string>,
  meta: EventMeta,
  body: Uint8Array
): { readonly meta: EventMeta; readonly body: Uint8Array } => {
  if (paths.length === 0) return { meta, body }
  const named = (root: string) => paths.map(EventPath.split).flatMap(([of, name]) => (of === root ? [name] : []))
  const headers = new Set(named("headers").map((name) => name.toLowerCase()))
  const query = new Set(named("query"))
  return {
    meta: {
      ...meta,
      headers: meta.headers.map(([name, value]) => [name, headers.has(name) ? REDACTED : value] as const),
      query: withValues(meta.query, (name) => query.has(name), encodeURIComponent(REDACTED)),
      contentType: headers.has("content-type") ? null : meta.contentType
    },
    body: redactBody(body, named("payload"))
  }
}
