/**
 * The delivery journal of a destination: its append-only list of facts, and the projections that they change (control,
 * runs, pending, dead letters), written in the same transaction. Facts are kept for `JOURNAL_DAYS`; the projections
 * stay.
 *
 * `DeliveryStore` is the synchronous store over SQL; `DeliveryJournal` is the service that the pump writes to.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Facts from "../delivery/Facts.ts"
import type * as Plan from "../delivery/Plan.ts"
import type * as State from "../delivery/State.ts"
import type { Sql } from "../Sql.ts"
import type { DeliveryStore } from "./DeliveryStore.ts"
import { makeStore as makeSqlStore } from "./internal/deliverySql.ts"

export * from "./DeliveryStore.ts"

export class DeliveryJournal extends Context.Service<
  DeliveryJournal,
  {
    readonly commit: (facts: ReadonlyArray<Facts.Fact>) => Effect.Effect<void>
    readonly control: Effect.Effect<State.Control>
    /** `away`: see `DeliveryStore`. */
    readonly view: (away: ReadonlySet<Facts.RunId>) => Effect.Effect<Plan.View>
    readonly pendingAmong: (
      run: Facts.RunId,
      seqs: ReadonlyArray<number>
    ) => Effect.Effect<ReadonlyArray<State.Pending>>
    readonly blockedKeys: (run: Facts.RunId, keys: ReadonlyArray<string>) => Effect.Effect<ReadonlySet<string>>
  }
>()("@hookstream/core/DeliveryJournal") {}

/** The service over one store. */
export const make = (store: DeliveryStore): DeliveryJournal["Service"] => ({
  commit: (facts) =>
    Effect.clockWith((clock) => Effect.sync(() => store.commit(facts, clock.currentTimeMillisUnsafe()))),
  control: Effect.sync(store.control),
  view: (away) => Effect.clockWith((clock) => Effect.sync(() => store.view(clock.currentTimeMillisUnsafe(), away))),
  pendingAmong: (run, seqs) => Effect.sync(() => store.pendingAmong(run, seqs)),
  blockedKeys: (run, keys) => Effect.sync(() => store.blockedKeys(run, keys))
})

export const layer = (store: DeliveryStore): Layer.Layer<DeliveryJournal> => Layer.succeed(DeliveryJournal, make(store))

/** Opens the journal in `sql`, making its tables when they are missing. */
export const makeStore: (sql: Sql) => DeliveryStore = makeSqlStore
