/**
 * Checksummed texts: ingest tokens (the last part of an ingest URL) and API keys carry a keyed checksum, so that a
 * forged one is refused at the edge, before any log or workspace wakes. Of an API key the checksum is no
 * authentication: it is compared by its SHA-256 afterwards. An ingest token is made of its source and a generation, and
 * stored nowhere:
 *
 * | token | layout |
 * |---|---|
 * | `ing_` and 56 digits | `workspace 32, route 36, generation 24, key number 4, HMAC 128` |
 * | `src_` and 32, of version 1 | `workspace 32, route 36, key number 4, HMAC 56`: the id of its source |
 */

import * as Ids from "../Ids.ts"
import { digits } from "../Placement.ts"
import { ID_IS_URL } from "../workspace/Source.ts"
import { parseKeyRing } from "./KeyRing.ts"

export interface IngestTarget {
  readonly sourceId: Ids.SourceId
  readonly route: Ids.Route
  /** Which of the source's URLs it is: its log knows whether that one still works. */
  readonly generation: number
}

export interface IdKeys {
  readonly ingestToken: (source: Ids.SourceId, generation: number) => Promise<string>
  /** What an ingest token names when its checksum holds, else `undefined`. */
  readonly parseIngestToken: (text: string) => Promise<IngestTarget | undefined>
  /** A new API key: `hs_live_` and 64 digits. */
  readonly apiKey: (workspace: Ids.WorkspaceId) => Promise<string>
  /** The workspace of an API key whose checksum holds, else `undefined`. */
  readonly parseApiKey: (text: string) => Promise<Ids.WorkspaceId | undefined>
}

/** A token has one hex digit for the number of its key. */
export const MAX_KEY_NUMBER = 15

const INGEST_TOKEN = new RegExp(`^(?:ing_${digits(8)}${digits(9)}[0-9a-f]{39}|src_[0-9a-f]{32})$`)
const API_KEY = new RegExp(`^hs_(live|test)_(${digits(8)})([0-9a-f]{48})([0-9a-f]{8})$`)
const VERIFIED_MAX = 4096

const encoder = new TextEncoder()

/**
 * Reads `HOOKSTREAM_ID_KEY`: a key ring (see `KeyRing.ts`) with numbers 0 to 15. Old numbers stay valid, since ingest
 * URLs live for years. Throws `KeyRingError` when the text is no ring.
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
  // Tokens seen to be valid, so that a busy source costs one HMAC per isolate and not one per request.
  const verified = new Map<string, IngestTarget>()

  return {
    ingestToken: async (source, generation) => {
      if (generation === ID_IS_URL) return source
      const place = `${Ids.workspaceOf(source)}${Ids.routeOf(source)}`
      const body = `ing_${place}${generation.toString(16).padStart(6, "0")}${ring.active.toString(16)}`
      return `${body}${await checksum(ring.active, body, 32)}`
    },
    parseIngestToken: async (text) => {
      const known = verified.get(text)
      if (known !== undefined) return known
      if (!INGEST_TOKEN.test(text)) return undefined
      const isId = text.startsWith("src_")
      const end = isId ? 22 : 28
      const sum = text.slice(end)
      const number = Number.parseInt(text.slice(end - 1, end), 16)
      if ((await checksum(number, text.slice(0, end), sum.length)) !== sum) return undefined
      if (verified.size >= VERIFIED_MAX) verified.clear()
      const target = {
        sourceId: isId ? text : Ids.makeSourceId(Ids.workspaceOf(text), Ids.routeOf(text)),
        route: Ids.routeOf(text),
        generation: isId ? ID_IS_URL : Number.parseInt(text.slice(21, 27), 16)
      }
      verified.set(text, target)
      return target
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
