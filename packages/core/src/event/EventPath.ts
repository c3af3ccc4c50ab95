/**
 * Paths into an event: `payload.a.b.0`, `form.<name>`, `headers.<name>` (any case), `query.<name>`, `method`,
 * `content_type`, `source_ip`. A path that leads nowhere is `undefined`.
 */
import { PayloadTooLarge } from "../Errors.ts"
import { bodyKind, type Event, isJson } from "./Event.ts"
import { type Form, formOf, isJsonElsewhere, textOf } from "./internal/bodyText.ts"
import { scan } from "./internal/jsonText.ts"

/** An event whose body is parsed at most once, and only when a path needs it. */
export interface EventView {
  readonly event: Event
  /** `undefined` where the body is no JSON. Throws `PayloadTooLarge` above {@link MAX_PAYLOAD_VALUES}. */
  readonly payload: () => unknown
  /** The first value of each field; none where the body is no form. */
  readonly form: () => Form
}

/**
 * A body is parsed for a path when it has at most so many JSON values: each costs some 60 bytes however short it is,
 * and an isolate has 128 MB. A text of 10 MiB may have five million.
 */
export const MAX_PAYLOAD_VALUES = 200_000

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Parses a body of JSON in UTF-8, as `JSON.parse` does. Throws `PayloadTooLarge` above {@link MAX_PAYLOAD_VALUES}. */
export const parse = (body: Uint8Array, reviver?: (key: string, value: unknown) => unknown): unknown => {
  // A value takes a byte, and another to part it from the next.
  if (body.length >= 2 * MAX_PAYLOAD_VALUES && (scan(body)?.values ?? 0) > MAX_PAYLOAD_VALUES) {
    throw new PayloadTooLarge({
      message: `the body has more than ${MAX_PAYLOAD_VALUES} JSON values, too many to read a payload path in it`
    })
  }
  return JSON.parse(decoder.decode(body), reviver)
}

/** JSON in UTF-8, or in the charset that the content type names; `undefined` of another body. */
const payloadOf = ({ bodyKind: kind, contentType, body }: Event): unknown => {
  if (isJson(kind)) return parse(body)
  if (!isJsonElsewhere(contentType)) return undefined
  const recoded = encoder.encode(textOf(contentType, body) ?? "")
  return isJson(bodyKind(recoded)) ? parse(recoded) : undefined
}

export const viewOf = (event: Event): EventView => {
  let parsed: { readonly value: unknown } | undefined
  let form: Form | undefined
  return {
    event,
    payload: () => {
      parsed ??= { value: payloadOf(event) }
      return parsed.value
    },
    form: () => {
      form ??= formOf(event.contentType, event.body)
      return form
    }
  }
}

export type Read = (view: EventView) => unknown

const own = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? (value as { readonly [key: string]: unknown })[key]
    : undefined

const FIELDS: Readonly<Record<string, Read>> = {
  payload: ({ payload }) => payload(),
  method: ({ event }) => event.method,
  content_type: ({ event }) => event.contentType ?? undefined,
  source_ip: ({ event }) => event.sourceIp ?? undefined
}

/** What a path must look like. */
export const SYNTAX = "payload.<path>, form.<name>, headers.<name>, query.<name>, method, content_type or source_ip"

/** The root of a path and what comes after its first dot, empty where there is none. */
export const split = (path: string): readonly [root: string, rest: string] => {
  const dot = path.indexOf(".")
  return dot === -1 ? [path, ""] : [path.slice(0, dot), path.slice(dot + 1)]
}

/** Makes the reader of a path; `undefined` when the text is no path. */
export const compile = (path: string): Read | undefined => {
  const field = Object.hasOwn(FIELDS, path) ? FIELDS[path] : undefined
  if (field !== undefined) return field
  const [root, rest] = split(path)
  if (rest === "") return undefined
  if (root === "headers") {
    const name = rest.toLowerCase()
    return ({ event }) => event.headers.find(([key]) => key === name)?.[1]
  }
  if (root === "query") return ({ event }) => new URLSearchParams(event.query).get(rest) ?? undefined
  if (root === "form") return ({ form }) => form().get(rest)
  if (root !== "payload") return undefined
  const keys = rest.split(".")
  return keys.includes("") ? undefined : ({ payload }) => keys.reduce(own, payload())
}
