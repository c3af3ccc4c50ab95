/** How several appends are packed into one call, and unpacked by the log. */
import type { BodyKind } from "../event/Event.ts"
import type { SourceId } from "../Ids.ts"
import type { AppendRequest, FirstAppend, PackedAppends } from "./LogContract.ts"

/** What the index says of an append. */
type Entry = readonly [
  sourceId: SourceId,
  generation: number,
  token: string,
  redacted: ReadonlyArray<string>,
  kind: BodyKind,
  /** In UTF-16 code units. */
  metaLength: number,
  bodyBytes: number,
  /** An edge of 0.1 and before has none, and a log of then passes it over. */
  checked?: number
]

export const pack = (requests: ReadonlyArray<FirstAppend>): PackedAppends => {
  const index: Array<Entry> = []
  let metas = ""
  let bytes = 0
  for (const { sourceId, generation, token, redacted, checked, event } of requests) {
    const { kind, meta, body } = event
    index.push([sourceId, generation, token, redacted, kind, meta.length, body.length, checked])
    metas += meta
    bytes += body.length
  }
  const bodies = new Uint8Array(bytes)
  let end = 0
  for (const { event } of requests) {
    bodies.set(event.body, end)
    end += event.body.length
  }
  return { index: JSON.stringify(index), metas, bodies }
}

export const unpack = ({ index, metas, bodies }: PackedAppends): ReadonlyArray<AppendRequest> => {
  const entries: ReadonlyArray<Entry> = JSON.parse(index)
  let [start, bodyStart] = [0, 0]
  return entries.map(([sourceId, generation, token, redacted, kind, metaLength, bodyBytes, checked]) => {
    const [end, bodyEnd] = [start + metaLength, bodyStart + bodyBytes]
    const event = { kind, meta: metas.slice(start, end), body: bodies.subarray(bodyStart, bodyEnd) }
    start = end
    bodyStart = bodyEnd
    const append = { sourceId, generation, token, redacted, event, repeated: false }
    return checked === undefined ? append : { ...append, checked }
  })
}
