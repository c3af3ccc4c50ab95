/** A log in memory. */
import { type Event, readMeta } from "../src/event/Event.ts"
import type { LogOwner } from "../src/event/PackedEvents.ts"
import { makeEventId } from "../src/Ids.ts"
import type { Append, Appended, EventLogStore } from "../src/log/EventLogStore.ts"
import { takeBytes } from "../src/log/internal/takeBytes.ts"

export const makeMemory = (log: LogOwner): EventLogStore => {
  const rows: Array<{ readonly event: Event; readonly token: string; readonly size: number }> = []
  /** Events up to here are dropped. */
  let dropped = 0
  const firstAt = (at: number): number => {
    const i = rows.findIndex(({ event }, i) => i >= dropped && event.receivedAt >= at)
    return i === -1 ? rows.length + 1 : i + 1
  }
  const withoutBody = ({ event }: { readonly event: Event }): Event => ({ ...event, body: new Uint8Array() })
  const append = ({ event, token, repeated, now }: Append): Appended => {
    const known = repeated ? rows.find((row) => row.token === token) : undefined
    if (known !== undefined) return known.event
    const seq = rows.length + 1
    const receivedAt = Math.max(rows.at(-1)?.event.receivedAt ?? 0, now)
    const id = makeEventId({ receivedAt, seq, route: log.route })
    const { kind, meta, body } = event
    rows.push({
      event: { ...readMeta(meta), id, sourceId: log.sourceId, seq, receivedAt, bodyKind: kind, body },
      token,
      size: new TextEncoder().encode(meta).length + body.length
    })
    return { id, seq, receivedAt }
  }
  return {
    head: () => rows.length,
    append: (appends) => appends.map(append),
    read: (after, { maxEvents, maxBytes }) => {
      const events: Array<Event> = []
      let bytes = 0
      const from = Math.max(after, dropped)
      for (const { event, size } of rows.slice(from, from + maxEvents)) {
        if (events.length > 0 && bytes + size > maxBytes) break
        bytes += size
        events.push(event)
      }
      return { events, bytes, head: rows.length }
    },
    get: (seqs, maxBytes) => {
      const find = (seq: number) => (seq > dropped ? rows[seq - 1] : undefined)
      const { events, ...rest } = takeBytes(seqs, maxBytes, find, ({ size }) => size)
      return { events: events.map(({ event }) => event), ...rest }
    },
    ids: (seqs) => seqs.flatMap((seq) => (seq > dropped ? (rows[seq - 1]?.event.id ?? []) : [])),
    list: (before, limit) =>
      rows
        .slice(dropped, Math.max(dropped, before - 1))
        .reverse()
        .slice(0, limit)
        .map(withoutBody),
    stats: () => ({
      sourceId: log.sourceId,
      count: rows.length,
      first: dropped + 1,
      firstAt: rows[dropped]?.event.receivedAt ?? null,
      lastAt: rows.at(-1)?.event.receivedAt ?? null
    }),
    range: (from, to) => ({ after: firstAt(from) - 1, through: firstAt(to) - 1 }),
    // Event by event, where SQL goes segment by segment.
    drop: (before, through) => {
      while (dropped < Math.min(through, rows.length) && rows[dropped]!.event.receivedAt < before) dropped++
    },
    dropOldest: (through) => {
      const isGone = dropped < Math.min(through, rows.length)
      if (isGone) dropped++
      return isGone
    },
    oldest: () => rows[dropped]?.event.receivedAt ?? null
  }
}
