import type * as Facts from "@hookstream/core/delivery/Facts"
import { newEvent } from "@hookstream/core/event/Event"
import type * as EventLog from "@hookstream/core/log/EventLog"
import * as DeliveryMemory from "@hookstream/core/testing/DeliveryMemory"
import * as EventLogMemory from "@hookstream/core/testing/EventLogMemory"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { startApi, WORKSPACE } from "./mocks.ts"

const EVENTS = 40
const DESTINATION = `dst_${"1".repeat(32)}`
const META = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
/** Two connections from two logs. */
const sides = ["a", "b"].map((side) => ({
  connection: `conn_${side.repeat(32)}`,
  sourceId: `src_${WORKSPACE}${side.repeat(24)}`,
  route: side.repeat(9)
}))

const event = { event: newEvent(META, new Uint8Array(3)), token: "t", now: 1000 }
const dead = (seq: number): Facts.Settlement => ({
  _tag: "Dead",
  seq,
  attempt: 1,
  latency: 1,
  reason: "Rejected",
  detail: "no",
  key: null
})
const numbers = Array.from({ length: EVENTS }, (_, i) => i + 1)

/** A destination of whose two logs every event is a dead letter, and the calls that its logs get. */
const start = async () => {
  const calls: Array<string> = []
  const journal = DeliveryMemory.makeMemory()
  const logOf = ({ connection, sourceId, route }: (typeof sides)[number]) => {
    const store = EventLogMemory.makeMemory({ sourceId, route })
    store.append(numbers.map(() => event))
    journal.commit([{ _tag: "ConnectionStarted", connection, sourceId, route, after: 0 }], 1000)
    const fact = { run: connection, lo: 1, hi: EVENTS, seqs: null, at: 1000, settled: numbers.map(dead), seen: [] }
    journal.commit([{ _tag: "WindowSettled", ...fact, rates: null, rest: null }], 1000)
    const counted: EventLog.EventLogStore = {
      ...store,
      list: (before, limit) => {
        calls.push(`list ${route}`)
        return store.list(before, limit)
      },
      ids: (seqs) => {
        calls.push(`ids ${route}`)
        return store.ids(seqs)
      }
    }
    return [route, counted] as const
  }
  const stores = new Map(sides.map(logOf))
  const { call } = await startApi({
    stores,
    deliveries: {
      summary: () => Effect.succeed(journal.summary()),
      deadLetters: (_, before, limit) => Effect.succeed(journal.deadLetters(before, limit)),
      attempts: (_, filter, before, limit) => Effect.succeed(journal.attempts(filter, before, limit))
    }
  })
  return { call, calls, ids: new Set([...stores.values()].flatMap((store) => store.ids(numbers))) }
}

it.each([
  ["dead_letters", `/v1/destinations/${DESTINATION}/dlq?limit=60`],
  ["delivery_attempts", `/v1/delivery-attempts?destination_id=${DESTINATION}&limit=60`]
])("a page of %s names its events by one call of each log", async (list, path) => {
  const { call, calls, ids } = await start()
  calls.length = 0
  const answer = await call(path)
  const body = (await answer.json()) as Readonly<Record<string, ReadonlyArray<{ readonly event_id: string }>>>
  expect([answer.status, body[list]!.length]).toEqual([200, 60])
  expect(body[list]!.every(({ event_id }) => ids.has(event_id))).toBe(true)
  expect(new Set(body[list]!.map(({ event_id }) => event_id)).size).toBe(60)
  expect(calls.toSorted()).toEqual(sides.map(({ route }) => `ids ${route}`))
})
