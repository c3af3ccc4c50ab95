import { toHex } from "@hookstream/core/Ids"
import * as Effect from "effect/Effect"

const encoder = new TextEncoder()

/**
 * SHA-256 in lowercase hex. Secrets are compared by it: equal length, and nothing to learn from where two digests part.
 */
export const sha256 = (text: string): Effect.Effect<string> =>
  Effect.promise(async () => toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)))))
