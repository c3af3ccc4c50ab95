/**
 * The values that an event hides, sealed where it is accepted and opened where a filter, an ordering key or a sink
 * reads them.
 */
import * as Effect from "effect/Effect"
import { UnavailableError } from "../Errors.ts"
import { routeOf, type SourceId, workspaceOf } from "../Ids.ts"
import type { SecretVault } from "../secret/SecretVault.ts"
import type { Event, EventMeta } from "./Event.ts"
import * as Redaction from "./Redaction.ts"

type Vault = SecretVault["Service"]

/** By the log: the id of an old source is not the one that its newer URLs name. */
const placeOf = (source: SourceId): string => `event|${workspaceOf(source)}|${routeOf(source)}`

/**
 * The meta as it is stored: hidden values are sealed, as one text for the whole event. Without any it costs
 * nothing.
 */
export const seal = async (vault: Vault, source: SourceId, meta: EventMeta): Promise<EventMeta> => {
  const { shown, hidden } = Redaction.mask(meta)
  return hidden === undefined ? meta : { ...shown, sealed: await vault.lock(placeOf(source), hidden) }
}

const openOne = async (vault: Vault, event: Event): Promise<Event> => {
  if (event.sealed === undefined) return event
  const hidden = await vault.unlock(placeOf(event.sourceId), event.sealed)
  const { id, sourceId, seq, receivedAt, bodyKind, body, method, contentType, sourceIp, verified } = event
  const { headers, query } = Redaction.unmask(event, hidden)
  return { id, sourceId, seq, receivedAt, bodyKind, body, method, headers, query, contentType, sourceIp, verified }
}

/**
 * The events with their headers and queries as they came. Of one that does not open nothing may be decided: all are
 * asked for again.
 */
export const open =
  (vault: Vault) =>
  (events: ReadonlyArray<Event>): Effect.Effect<ReadonlyArray<Event>, UnavailableError> =>
    Effect.tryPromise({
      try: () => Promise.all(events.map((event) => openOne(vault, event))),
      catch: (cause) =>
        new UnavailableError({ message: "stored headers do not open: is their key still in HOOKSTREAM_KEYS?", cause })
    })
