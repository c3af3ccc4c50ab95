/**
 * Rows are the bill (`npm run bench -- cost` has the platform's own count): what they may be for an event does not
 * depend on time.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Policy from "@hookstream/core/delivery/Policy"
import * as Pump from "@hookstream/core/delivery/Pump"
import { newEvent } from "@hookstream/core/event/Event"
import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import * as EventLog from "@hookstream/core/log/EventLog"
import type { Sql } from "@hookstream/core/Sql"
import { delivered } from "@hookstream/core/sink/Sink"
import { Effect, Layer } from "effect"
import { nodeSql } from "./NodeSql.ts"
import { pumpSettings } from "./PumpSettings.ts"

const EVENTS = 1000
const log = { sourceId: `src_${"0".repeat(32)}`, route: "0123abcde" }

/** Rows written since the database was opened. */
const rowsOf = (sql: Sql): number => Number(sql.exec("SELECT total_changes() AS n")[0]!["n"])

/** `alone`: each event is delivered before the next one comes. */
const rowsPerEvent = Effect.fnUntraced(function* (maxEvents: number, window: number, alone = false) {
  const [logSql, journalSql] = [nodeSql(), nodeSql()]
  const events = EventLog.makeStore(logSql, log)
  const journal = DeliveryJournal.makeStore(journalSql)
  journal.commit([{ _tag: "ConnectionStarted", connection: "conn_1", ...log, after: 0 }], 0)
  const before = rowsOf(logSql) + rowsOf(journalSql)
  const meta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
  const settings = pumpSettings({
    maxInFlight: 6,
    driver: {
      batch: { maxEvents, maxBytes: 1e6 },
      send: (batch) => Effect.succeed(batch.map(() => delivered({ offset: "1" })))
    },
    policy: {
      maxPending: 10_000,
      window: { events: window, bytes: 1e6 }
    }
  })
  const layer = Layer.mergeAll(DeliveryJournal.layer(journal), EventLog.layerStores(new Map([[log.route, events]])))
  const pass = Pump.pass(Effect.succeed(settings)).pipe(Effect.provide(layer))
  for (let seq = 1; seq <= EVENTS; seq++) {
    events.append([{ event: newEvent(meta, new Uint8Array(9)), token: "", now: 0 }])
    journal.raiseHead(log.sourceId, seq)
    if (alone) yield* pass
  }
  yield* pass
  expect(journal.summary()).toMatchObject({ pending: 0, connections: [{ delivered: EVENTS }] })
  return (rowsOf(logSql) + rowsOf(journalSql) - before) / EVENTS
})

describe("rows written for an event, accepted and delivered", () => {
  it.effect("are 1.2 at most with 100 records a request", () =>
    Effect.map(rowsPerEvent(100, 100), (rows) => expect(rows).toBeLessThanOrEqual(1.2))
  )
  it.effect("are 2.1 at most where each comes alone", () =>
    Effect.map(rowsPerEvent(1, Policy.WINDOW_EVENTS, true), (rows) => expect(rows).toBeLessThanOrEqual(2.1))
  )
  it.effect("are 1.5 at most with single records", () =>
    Effect.map(rowsPerEvent(1, Policy.WINDOW_EVENTS), (rows) => expect(rows).toBeLessThanOrEqual(1.5))
  )
})
