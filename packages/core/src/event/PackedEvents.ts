/**
 * Events on their way from a log to its reader: few values, however many events. Between objects each value is
 * copied by itself, and hundreds of events are thousands of values.
 */

import { type EventId, makeEventId, type Route, type SourceId } from "../Ids.ts"
import { BODY_KINDS, type BodyKind, type Event, type EventMeta, readMeta } from "./Event.ts"
import { EMPTY, type HeaderDictionary } from "./HeaderDictionary.ts"

/** Which log a store is of. */
export interface LogOwner {
  readonly sourceId: SourceId
  readonly route: Route
}

/** Some events in a row. */
export interface Piece {
  /**
   * JSON: of each event its sequence, when it was accepted, the place of its kind in `BODY_KINDS`, the bytes of its
   * meta and those of its body.
   */
  readonly index: string
  /** As the log holds them, in UTF-8, one after another. */
  readonly metas: Uint8Array
  readonly bodies: Uint8Array
  /** JSON: the `HeaderDictionary` of the metas; absent where they are whole. */
  readonly headers?: string
}

export type PackedEvents = ReadonlyArray<Piece>

/** Bytes of metas and bodies. */
export const bytesOf = (packed: PackedEvents): number =>
  packed.reduce((sum, { metas, bodies }) => sum + metas.length + bodies.length, 0)

/** Reads the dictionary of a piece on first use. */
const dictionaryOf = ({ headers }: Piece): (() => HeaderDictionary) => {
  let dictionary = headers === undefined ? EMPTY : undefined
  return () => {
    dictionary ??= JSON.parse(headers!) as HeaderDictionary
    return dictionary
  }
}

/** Numbers of each event in the index. */
export const NUMBERS = 5

const decoder = new TextDecoder()

/**
 * An event whose meta is parsed on first use: most deliveries need none. Some fields are getters: do not spread it.
 */
class StoredEvent implements Event {
  readonly id: EventId
  readonly sourceId: SourceId
  readonly seq: number
  readonly receivedAt: number
  readonly bodyKind: BodyKind
  readonly body: Uint8Array
  // Views are expensive, so the metadata view is created lazily.
  readonly #metas: Uint8Array
  readonly #metaStart: number
  readonly #metaEnd: number
  readonly #dictionary: () => HeaderDictionary
  #meta: EventMeta | undefined
  constructor(
    { sourceId, route }: LogOwner,
    { seq, at, kind }: { readonly seq: number; readonly at: number; readonly kind: number },
    meta: {
      readonly bytes: Uint8Array
      readonly start: number
      readonly end: number
      readonly dictionary: () => HeaderDictionary
    },
    body: Uint8Array
  ) {
    this.id = makeEventId({ receivedAt: at, seq, route })
    this.sourceId = sourceId
    this.seq = seq
    this.receivedAt = at
    this.bodyKind = BODY_KINDS[kind]!
    this.body = body
    this.#metas = meta.bytes
    this.#metaStart = meta.start
    this.#metaEnd = meta.end
    this.#dictionary = meta.dictionary
  }
  get method() {
    return this.#all().method
  }
  get headers() {
    return this.#all().headers
  }
  get query() {
    return this.#all().query
  }
  get contentType() {
    return this.#all().contentType
  }
  get sourceIp() {
    return this.#all().sourceIp
  }
  get sealed() {
    return this.#all().sealed
  }
  get verified() {
    return this.#all().verified
  }
  #all(): EventMeta {
    const text = () => decoder.decode(this.#metas.subarray(this.#metaStart, this.#metaEnd))
    this.#meta ??= readMeta(text(), this.#dictionary())
    return this.#meta
  }
}

export const unpack = (packed: PackedEvents, log: LogOwner): ReadonlyArray<Event> => {
  const events: Array<Event> = []
  for (const piece of packed) {
    const { index, metas, bodies } = piece
    const dictionary = dictionaryOf(piece)
    const numbers: ReadonlyArray<number> = JSON.parse(index)
    let [start, bodyStart] = [0, 0]
    for (let i = 0; i < numbers.length; i += NUMBERS) {
      const [seq, at, kind] = [numbers[i]!, numbers[i + 1]!, numbers[i + 2]!]
      const [end, bodyEnd] = [start + numbers[i + 3]!, bodyStart + numbers[i + 4]!]
      const body = bodies.subarray(bodyStart, bodyEnd)
      events.push(new StoredEvent(log, { seq, at, kind }, { bytes: metas, start, end, dictionary }, body))
      start = end
      bodyStart = bodyEnd
    }
  }
  return events
}
