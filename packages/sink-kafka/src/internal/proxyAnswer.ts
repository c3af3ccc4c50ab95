/** What is read of an HTTP answer that brings no receipts. */
import * as Effect from "effect/Effect"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"

/** Characters. An error of the proxy is smaller; of a gateway's page nothing is used. */
const BODY_MAX = 64 * 1024

export type Json = { readonly [key: string]: unknown }

/**
 * The body's JSON object; `undefined` when it is anything else, too long, or broke off: the status counts all the same.
 */
export const jsonOf = Effect.fnUntraced(function* ({ stream }: HttpClientResponse.HttpClientResponse) {
  const decoder = new TextDecoder()
  let text = ""
  yield* Stream.runForEachWhile(stream, (chunk) =>
    Effect.sync(() => {
      text += decoder.decode(chunk, { stream: true })
      return text.length <= BODY_MAX
    })
  ).pipe(Effect.ignore)
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === "object" && json !== null ? (json as Json) : undefined
  } catch {
    return undefined
  }
})

/** The server's own words in an error's body. */
export const messageOf = (json: Json | undefined): string => {
  const message = json?.["message"]
  return typeof message === "string" ? message : ""
}
