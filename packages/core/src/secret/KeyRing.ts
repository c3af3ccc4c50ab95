/**
 * A numbered key ring as one line of text, the form in which a deployment holds its secrets:
 * `1:<base64>,2:<base64>`. The highest number is active; every number stays valid until it is taken out.
 */

import { KeyRingError } from "../Errors.ts"
import { fromBase64 } from "../internal/base64.ts"

export interface KeyRing {
  readonly active: number
  readonly keys: ReadonlyMap<number, Uint8Array<ArrayBuffer>>
}

/** A shorter key would weaken HMAC-SHA-256 and AES-256. */
export const KEY_BYTES = 32

interface RingOptions {
  readonly maxNumber: number
}

/** What the text of a ring must be, for people. */
export const formOf = ({ maxNumber }: RingOptions): string =>
  `"number:base64 of ${KEY_BYTES} random bytes", several separated by commas, numbers from 0 to ${maxNumber}, each once`

const ringOf = (text: string, { maxNumber }: RingOptions): KeyRing | undefined => {
  const keys = new Map<number, Uint8Array<ArrayBuffer>>()
  for (const entry of text.split(",")) {
    const match = /^\s*(\d{1,9}):([A-Za-z0-9+/=_-]+)\s*$/.exec(entry)
    const number = Number(match?.[1])
    const bytes = match === null ? undefined : fromBase64(match[2]!)
    if (bytes?.length !== KEY_BYTES || number > maxNumber || keys.has(number)) return undefined
    keys.set(number, bytes)
  }
  return { active: Math.max(...keys.keys()), keys }
}

export const isKeyRing = (text: string, options: RingOptions): boolean => ringOf(text, options) !== undefined

/** Throws {@link KeyRingError}, which names the setting and never a key. */
export const parseKeyRing = (text: string, setting: string, options: RingOptions): KeyRing => {
  const ring = ringOf(text, options)
  if (ring !== undefined) return ring
  throw new KeyRingError({ setting, message: `${setting} must be ${formOf(options)}` })
}
