/**
 * Deliveries that a person wants tried again: dead letters, and what waits for its retry. Plain functions over a store,
 * which is gone through page by page, each page in one transaction. Nothing of a deleted connection or a cancelled
 * replay is tried again.
 */

import type { SourceId } from "../Ids.ts"
import type { DeliveryStore } from "../journal/DeliveryJournal.ts"
import { probeNow } from "./Commands.ts"
import type { RedriveFilter } from "./DeliveryContract.ts"
import type { Fact, RunId } from "./Facts.ts"

/** Deliveries that one transaction brings back. */
const PAGE = 500

interface Position {
  readonly run: RunId
  readonly seq: number
}

/** Notes that somebody asked for these deliveries, as far as the filter wants them; answers how many. */
const ask = (
  store: DeliveryStore,
  { connection, reason }: RedriveFilter,
  at: number,
  page: (from: Position | null) => ReadonlyArray<Position & { readonly reason: string | null }>
): number => {
  const runs = new Map(store.runs().map((run) => [run.id, run]))
  let count = 0
  for (let found = page(null); found.length > 0; found = page(found.at(-1)!)) {
    const wanted = found.filter((one) => {
      const run = runs.get(one.run)
      return (
        run?.deleted === false &&
        (connection === undefined || run.connection === connection) &&
        (reason === undefined || one.reason === reason)
      )
    })
    const facts = [...Map.groupBy(wanted, ({ run }) => run)].map(
      ([run, all]): Fact => ({ _tag: "Redriven", run, seqs: all.map(({ seq }) => seq), at })
    )
    if (facts.length > 0) store.commit(facts, at)
    count += wanted.length
  }
  return count
}

/** Brings dead letters back with all their tries; answers how many. */
export const redrive = (store: DeliveryStore, filter: RedriveFilter, at: number): number =>
  ask(store, filter, at, (from) => store.deadLetters(from, PAGE).letters)

/** Makes what waits due now, an open circuit asks at once; answers how many. The tries that were spent stay spent. */
export const retryWaiting = (store: DeliveryStore, filter: RedriveFilter, at: number): number => {
  const count = ask(store, filter, at, (from) => store.pendingAfter(from, PAGE))
  const facts = count === 0 ? [] : probeNow(store.control(), at)
  if (facts.length > 0) store.commit(facts, at)
  return count
}

/** Tries an event again now on each connection where it is dead or waits for its retry; answers on how many. */
export const retryEvent = (store: DeliveryStore, sourceId: SourceId, seq: number, at: number): number => {
  const facts = store
    .statuses(sourceId, [seq])
    .filter(({ connection }) => store.isOpen(connection, seq))
    .map(({ connection }): Fact => ({ _tag: "Redriven", run: connection, seqs: [seq], at }))
  if (facts.length > 0) store.commit(facts, at)
  return facts.length
}

/** Tries one delivery again now; `settled`: it is neither dead nor waiting, or nothing of its run is sent any more. */
export const retryDelivery = (store: DeliveryStore, run: RunId, seq: number, at: number): "retried" | "settled" => {
  if (!store.isOpen(run, seq)) return "settled"
  store.commit([{ _tag: "Redriven", run, seqs: [seq], at }], at)
  return "retried"
}
