/**
 * A numbered key ring as one line of text, the form in which a deployment holds its secrets:
 * `1:<base64>,2:<base64>`. The highest number is active; every number stays valid until it is taken out.
 */

import { KeyRingError } from "./Errors.ts"
import { fromBase64 } from "./internal/base64.ts"

export interface KeyRing {
  readonly active: number
  readonly keys: ReadonlyMap<number, Uint8Array<ArrayBuffer>>
}

/** A shorter key would weaken HMAC-SHA-256 and AES-256. */
export const KEY_BYTES = 32

/** Throws {@link KeyRingError}, which names the setting and never a key. */
export const parseKeyRing = (text: string, setting: string, options: { readonly maxNumber: number }): KeyRing => {
  const keys = new Map<number, Uint8Array<ArrayBuffer>>()
  for (const entry of text.split(",")) {
    const match = /^\s*(\d{1,9}):([A-Za-z0-9+/=_-]+)\s*$/.exec(entry)
    const number = Number(match?.[1])
    const bytes = match === null ? undefined : fromBase64(match[2]!)
    if (bytes?.length !== KEY_BYTES || number > options.maxNumber || keys.has(number)) {
      throw new KeyRingError({
        setting,
        message: `${setting} must be "number:base64 of ${KEY_BYTES} random bytes", several separated by commas, numbers from 0 to ${options.maxNumber}, each once`
      })
    }
    keys.set(number, bytes)
  }
  return { active: Math.max(...keys.keys()), keys }
}
