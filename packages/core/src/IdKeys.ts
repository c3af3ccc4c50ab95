/**
 * Checksummed ids: source ids and API keys carry a keyed checksum, so that a forged one is refused at the edge, before
 * any log or workspace wakes. The checksum is no authentication: an API key is compared by its SHA-256 afterwards.
 */

import * as Ids from "./Ids.ts"
import { parseKeyRing } from "./KeyRing.ts"

export interface SourceIdParts {
  readonly workspace: Ids.WorkspaceId
  readonly route: Ids.Route
}

export interface IdKeys {
  readonly sourceId: (parts: SourceIdParts) => Promise<Ids.SourceId>
  /** The parts of a source id whose checksum holds, else `undefined`. */
  readonly parseSourceId: (text: string) => Promise<SourceIdParts | undefined>
  /** A new API key: `hs_live_` and 64 hex digits. */
  readonly apiKey: (workspace: Ids.WorkspaceId) => Promise<string>
  /** The workspace of an API key whose checksum holds, else `undefined`. */
  readonly parseApiKey: (text: string) => Promise<Ids.WorkspaceId | undefined>
}

/** A source id has one hex digit for the number of its key. */
export const MAX_KEY_NUMBER = 15

const SOURCE_ID = /^src_[0-9a-f]{32}$/
const API_KEY = /^hs_(live|test)_([0-9a-f]{8})([0-9a-f]{48})([0-9a-f]{8})$/
const VERIFIED_MAX = 4096

const encoder = new TextEncoder()

/**
 * Reads `HOOKSTREAM_ID_KEY`: a key ring (see `KeyRing.ts`) with numbers 0 to 15. Old numbers stay valid, since ingest URLs
 * live for years. Throws `KeyRingError` when the text is no ring.
 */
export const make = (ringText: string): IdKeys => {
  const ring = parseKeyRing(ringText, "HOOKSTREAM_ID_KEY", { maxNumber: MAX_KEY_NUMBER })
  const imported = new Map<number, Promise<CryptoKey>>()
  const keyOf = (number: number): Promise<CryptoKey> | undefined => {
    const bytes = ring.keys.get(number)
    if (bytes === undefined) return undefined
    const known = imported.get(number)
    if (known !== undefined) return known
    const key = crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"])
    imported.set(number, key)
    return key
  }
  const checksum = async (number: number, text: string, digits: number): Promise<string | undefined> => {
    const key = await keyOf(number)
    if (key === undefined) return undefined
    const mac = await crypto.subtle.sign("HMAC", key, encoder.encode(text))
    return Ids.toHex(new Uint8Array(mac, 0, digits / 2))
  }
  // Ids seen to be valid, so that a busy source costs one HMAC per isolate and not one per request.
  const verified = new Map<string, SourceIdParts>()

  return {
    sourceId: async ({ workspace, route }) => {
      const body = `${workspace}${route}${ring.active.toString(16)}`
      return `src_${body}${await checksum(ring.active, `src_${body}`, 14)}`
    },
    parseSourceId: async (text) => {
      const known = verified.get(text)
      if (known !== undefined) return known
      if (!SOURCE_ID.test(text)) return undefined
      const number = Number.parseInt(text.slice(21, 22), 16)
      if ((await checksum(number, text.slice(0, 22), 14)) !== text.slice(22)) return undefined
      if (verified.size >= VERIFIED_MAX) verified.clear()
      const parts = { workspace: Ids.workspaceOf(text), route: Ids.routeOf(text) }
      verified.set(text, parts)
      return parts
    },
    apiKey: async (workspace) => {
      const body = `hs_live_${workspace}${Ids.randomHex(48)}`
      return `${body}${await checksum(ring.active, body, 8)}`
    },
    parseApiKey: async (text) => {
      const match = API_KEY.exec(text)
      if (match === null) return undefined
      const body = text.slice(0, -8)
      // A key does not name its ring number (its layout has no room): every number of the ring is tried.
      for (const number of ring.keys.keys()) {
        if ((await checksum(number, body, 8)) === text.slice(-8)) return match[2]
      }
      return undefined
    }
  }
}
