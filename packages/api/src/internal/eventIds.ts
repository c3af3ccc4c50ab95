import * as Ids from "@hookstream/core/Ids"
import { EventLog } from "@hookstream/core/log/EventLog"
import * as Effect from "effect/Effect"

/** An event by its place in a log. */
interface Place {
  readonly route: Ids.Route
  readonly seq: number
}

/** Names events by their places, each log asked once; `null` for an event that is no longer stored. */
export const eventIdsOf = Effect.fnUntraced(function* (places: ReadonlyArray<Place>) {
  const log = yield* EventLog
  const found = yield* Effect.forEach(
    Map.groupBy(places, ({ route }) => route),
    ([route, own]) => log.ids(route, [...new Set(own.map(({ seq }) => seq))]),
    { concurrency: 8 }
  )
  const key = ({ route, seq }: Place) => `${route}/${seq}`
  const ids = new Map(found.flat().map((id) => [key(Ids.parseEventId(id)!), id]))
  return (place: Place): Ids.EventId | null => ids.get(key(place)) ?? null
})
