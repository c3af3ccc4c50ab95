/** A request as the edge has received it, before anything is decided about it. */
import type { EventMeta } from "@hookstream/core/event/Event"
import * as EventPath from "@hookstream/core/event/EventPath"

/** The parts that checks look at. */
export interface Received extends Pick<EventMeta, "method" | "headers"> {
  /** As its sender called it, so with the public host, its scheme and the query. */
  readonly url: string
  /** The bytes as they came: not decompressed, nothing left out. */
  readonly body: Uint8Array
  /** The body as JSON, parsed at most once; `undefined` where it is none, or has too many values to be read. */
  readonly payload: () => unknown
}

const parsed = (body: Uint8Array): unknown => {
  try {
    return EventPath.parse(body)
  } catch {
    return undefined
  }
}

export const make = (request: Omit<Received, "payload">): Received => {
  let read: { readonly value: unknown } | undefined
  return {
    ...request,
    payload: () => {
      read ??= { value: parsed(request.body) }
      return read.value
    }
  }
}

/** The value of a header, named in lower case; `undefined` where it is missing or empty. */
export const header = ({ headers }: Received, name: string): string | undefined =>
  headers.find(([one]) => one === name)?.[1].trim() || undefined

/** A template's own path: `headers.<name>` in lower case, or `payload.<path>`. */
export const at = (request: Received, path: string): unknown => {
  const [root, rest] = EventPath.split(path)
  return root === "headers" ? header(request, rest) : EventPath.follow(request.payload(), rest.split("."))
}
