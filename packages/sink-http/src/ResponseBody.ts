/**
 * The receiver's answer, for people only: the status is the outcome, and the body does not change it.
 */
import * as Effect from "effect/Effect"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"

export const MAX_BYTES = 16 * 1024
/**
 * Milliseconds, below any sensible `timeout_ms`: a body that does not end (an event stream, say) must not make the
 * outcome unknown.
 */
const MAX_WAIT = 1000

export interface Body {
  readonly text: string
  /** As far as it was read. */
  readonly bytes: number
}

/**
 * Up to {@link MAX_BYTES} of the body; the rest is cancelled. Never fails: a body that breaks off is what came of it.
 */
export const read = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
  const decoder = new TextDecoder()
  let text = ""
  let room = MAX_BYTES
  const take = (chunk: Uint8Array): boolean => {
    text += decoder.decode(chunk.subarray(0, room), { stream: true })
    room -= Math.min(chunk.length, room)
    return room === 0
  }
  yield* response.stream.pipe(Stream.takeUntil(take), Stream.runDrain, Effect.timeoutOption(MAX_WAIT), Effect.ignore)
  return { text, bytes: MAX_BYTES - room } satisfies Body
})
