/** The Durable Object of a destination: a shell over core's `DeliveryJournal` store and `Pump`. */
import { DurableObject } from "cloudflare:workers"
import type { RedriveFilter } from "@hookstream/core/Deliveries"
import * as Delivery from "@hookstream/core/Delivery"
import type { Fact } from "@hookstream/core/DeliveryFacts"
import * as DeliveryJournal from "@hookstream/core/DeliveryJournal"
import * as DeliveryLog from "@hookstream/core/DeliveryLog"
import { type ReplayId, routeOf, type SourceId } from "@hookstream/core/Ids"
import { line } from "@hookstream/core/Log"
import * as Pump from "@hookstream/core/Pump"
import type { DestinationConfig } from "@hookstream/core/Registry"
import * as Effect from "effect/Effect"
import type { Env } from "./Env.ts"
import { type Alarm, makeAlarm } from "./internal/alarm.ts"
import { NotClaimed } from "./internal/errors.ts"
import { print } from "./internal/print.ts"
import { makeSettings, policyOf } from "./internal/settings.ts"
import { isClaimed, sqlOf } from "./internal/sql.ts"
import { runtimeOf } from "./Layers.ts"

/** While a run goes on an alarm stands behind it, so that a killed process goes on after at most this many milliseconds. */
const SAFETY_NET = 5000
/** Milliseconds for which a log does not tell a destination that may not read of further events. */
const REST = 2000
/** Milliseconds after a run that failed unexpectedly. */
const AFTER_FAILURE = 5000

/** Dead letters that one transaction brings back. */
const REDRIVE_PAGE = 500

interface Stores {
  readonly journal: DeliveryJournal.DeliveryStore
  /** As it is stored: every window goes by it. */
  config: DestinationConfig | undefined
}

export class Destination extends DurableObject<Env> {
  #stores: Stores | undefined
  /** For what is logged; known with the first config. */
  #id = ""
  readonly #alarm: Alarm
  #running: Promise<void> | undefined
  /** Something came while a run was ending: it runs once more. */
  #again = false
  /** The logs were asked for their heads, since this instance began or anything may have been missed; else `undefined`. */
  #heads: Promise<void> | undefined
  #settings: { readonly version: number; readonly settings: Promise<Pump.Settings> } | undefined

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#alarm = makeAlarm(ctx.storage)
    if (!isClaimed(ctx.storage)) return
    this.#stores = this.#open()
    // Whatever was in flight when the last instance ended goes on, even if its alarm was lost.
    const due = this.#nextDue()
    if (due !== null) this.#alarm.atLatest(Math.max(due, Date.now() + SAFETY_NET))
  }

  #open(): Stores {
    const sql = sqlOf(this.ctx.storage)
    const journal = DeliveryLog.logged(DeliveryJournal.makeStore(sql), () => this.#id, print)
    sql.exec(
      "CREATE TABLE IF NOT EXISTS destination_config (one INTEGER PRIMARY KEY CHECK (one = 1), config TEXT NOT NULL)"
    )
    const row = sql.exec("SELECT config FROM destination_config")[0]
    const config: DestinationConfig | undefined = row === undefined ? undefined : JSON.parse(row["config"] as string)
    this.#id = config?.destination.id ?? ""
    return { journal, config }
  }

  /** When there is something to do, in milliseconds since 1970: now or later, `null` when nothing is known of. */
  #nextDue(): number | null {
    const now = Date.now()
    const config = this.#stores!.config
    if (config === undefined || config.deleted) return null
    const step = Delivery.plan(this.#stores!.journal.view(now), now, policyOf(config.destination))
    return step._tag === "Wait" ? step.until : now
  }

  /**
   * Works by this config from now on. `heads` are the logs' last sequences now: a new connection starts there. An object that
   * has this version already changes nothing.
   */
  configure(config: DestinationConfig, heads: Readonly<Record<SourceId, number>>): void {
    this.#stores ??= this.#open()
    this.#id = config.destination.id
    const { journal } = this.#stores
    const facts = Delivery.configure(journal.control(), journal.runs(), {
      version: config.version,
      paused: config.destination.status === "paused",
      connections: config.connections.map(({ connection, deleted }) => ({
        ...{ id: connection.id, sourceId: connection.sourceId, route: routeOf(connection.sourceId) },
        ...{ enabled: connection.enabled, deleted, head: heads[connection.sourceId] ?? 0 }
      })),
      replays: config.replays.map(({ id, filterRules, ratePerSecond, maxEvents, cancelled, parts }) => ({
        ...{ replay: { id, filterRules, ratePerSecond, maxEvents }, cancelled, parts }
      }))
    })
    if (facts.length === 0) return
    this.ctx.storage.transactionSync(() => {
      this.ctx.storage.sql.exec("INSERT OR REPLACE INTO destination_config VALUES (1, ?)", JSON.stringify(config))
      journal.commit(facts, Date.now())
    })
    this.#stores.config = config
    this.#heads = undefined
    this.#start()
  }

  /**
   * The log of this source has events up to `head`. Answers at once, for the run goes on by itself, with the milliseconds for which it
   * needs not be told again: while it may not read, a busy log is spared the telling, and the logs are asked before the next run.
   */
  wake(sourceId: SourceId, head: number): number {
    if (this.#stores === undefined) return 0
    const { journal } = this.#stores
    journal.raiseHead(sourceId, head)
    const { pause, breaker } = journal.control()
    if (pause !== null || breaker.state === "open") {
      this.#heads = undefined
      return REST
    }
    this.#start()
    return 0
  }

  timeline(sourceId: SourceId, seq: number): ReadonlyArray<DeliveryJournal.Entry> {
    return this.#stores?.journal.timeline(sourceId, seq) ?? []
  }

  statuses(sourceId: SourceId, seqs: ReadonlyArray<number>): ReadonlyArray<DeliveryJournal.DeliveryStatus> {
    return this.#stores?.journal.statuses(sourceId, seqs) ?? []
  }

  /** With the logs as they are now, as far as they can be reached. */
  async summary(): Promise<DeliveryJournal.Summary> {
    if (this.#stores === undefined) throw new NotClaimed({ object: "Destination" })
    try {
      await this.#refreshHeads()
    } catch (error) {
      print(line("warn", "a log did not say how far it is", { destination: this.#id }, error))
    }
    return this.#stores.journal.summary()
  }

  deadLetters(before: DeliveryJournal.DeadPage["next"], limit: number): DeliveryJournal.DeadPage {
    return this.#stores?.journal.deadLetters(before, limit) ?? { letters: [], next: null }
  }

  /** Brings dead letters back, page by page, each page in one transaction. */
  redrive({ connection, reason }: RedriveFilter): number {
    if (this.#stores === undefined) return 0
    const { journal } = this.#stores
    let count = 0
    for (let before: DeliveryJournal.DeadPage["next"] = null; ; ) {
      const page = journal.deadLetters(before, REDRIVE_PAGE)
      const wanted = page.letters.filter(
        (letter) =>
          (connection === undefined || letter.connection === connection) &&
          (reason === undefined || letter.reason === reason)
      )
      const at = Date.now()
      const facts = [...Map.groupBy(wanted, ({ run }) => run)].map(([run, letters]): Fact => {
        return { _tag: "Redriven", run, seqs: letters.map(({ seq }) => seq), at }
      })
      if (facts.length > 0) journal.commit(facts, at)
      count += wanted.length
      if (page.next === null) break
      before = page.next
    }
    if (count > 0) this.#start()
    return count
  }

  /** Tries an event again now on each connection where it is dead or waits for its retry; answers on how many. */
  retry(sourceId: SourceId, seq: number): number {
    if (this.#stores === undefined) return 0
    const { journal } = this.#stores
    const at = Date.now()
    const facts = journal
      .statuses(sourceId, [seq])
      .filter(({ status }) => status === "dead" || status === "retrying")
      .map(({ connection }): Fact => ({ _tag: "Redriven", run: connection, seqs: [seq], at }))
    if (facts.length > 0) {
      journal.commit(facts, at)
      this.#start()
    }
    return facts.length
  }

  attempts(
    filter: DeliveryJournal.AttemptFilter,
    before: DeliveryJournal.AttemptPosition | null,
    limit: number
  ): DeliveryJournal.AttemptPage {
    return this.#stores?.journal.attempts(filter, before, limit) ?? { entries: [], next: null }
  }

  /** Tries the delivery of this attempt again now. */
  retryAttempt(position: DeliveryJournal.AttemptPosition): "retried" | "settled" | "unknown" {
    const journal = this.#stores?.journal
    const run = journal?.runOfAttempt(position)
    if (journal === undefined || run === undefined) return "unknown"
    if (!journal.isOpen(run, position.seq)) return "settled"
    const at = Date.now()
    journal.commit([{ _tag: "Redriven", run, seqs: [position.seq], at }], at)
    this.#start()
    return "retried"
  }

  replay(id: ReplayId): DeliveryJournal.ReplayProgress | null {
    return this.#stores?.journal.replay(id) ?? null
  }

  /** Events of this log up to here are needed no more; `null` when none is. */
  lowWatermark(sourceId: SourceId): number | null {
    return this.#stores?.journal.lowWatermark(sourceId) ?? null
  }

  /** Closes the circuit by hand: what waits is tried at once. */
  async resetCircuit(): Promise<DeliveryJournal.Summary> {
    const summary = await this.summary()
    if (summary.control.breaker.state === "closed") return summary
    const at = Date.now()
    this.#stores!.journal.commit([{ _tag: "BreakerClosed", at }], at)
    this.#start()
    return this.summary()
  }

  #start(): void {
    this.#again = true
    this.#alarm.atLatest(Date.now() + SAFETY_NET)
    this.ctx.waitUntil(this.#run())
  }

  /** One run at a time. Never rejects. */
  #run(): Promise<void> {
    this.#running ??= this.#runUntilDone().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #runUntilDone(): Promise<void> {
    let next: number | null = null
    do {
      this.#again = false
      try {
        await this.#refreshHeads()
        next = await this.#pump()
      } catch (error) {
        print(line("error", "a delivery run failed; it is tried again", { destination: this.#id }, error))
        next = Date.now() + AFTER_FAILURE
      }
      // What the logs did not tell while nothing could be read is asked for once the rest is done.
    } while (this.#again ? next === null || next > Date.now() : next === null && this.#heads === undefined)
    if (next !== null) this.#alarm.atLatest(next)
  }

  #pump(): Promise<number | null> {
    const run = Pump.run(Effect.promise(() => this.#current()))
    const journal = DeliveryJournal.make(this.#stores!.journal)
    return runtimeOf(this.env).runPromise(Effect.provideService(run, DeliveryJournal.DeliveryJournal, journal))
  }

  /** What the pump works by: made once for each version of the config. */
  async #current(): Promise<Pump.Settings | undefined> {
    const config = this.#stores!.config
    if (config === undefined || config.deleted) return undefined
    if (this.#settings?.version !== config.version) {
      const settings = makeSettings(this.env, config)
      this.#settings = { version: config.version, settings }
      // A failure is not remembered: the next run tries again.
      settings.catch(() => {
        this.#settings = undefined
      })
    }
    return await this.#settings.settings
  }

  /** Asks the logs how far they are: a wake-up may have been lost with the last instance, or come before its connection. */
  #refreshHeads(): Promise<void> {
    this.#heads ??= this.#askHeads().catch((error) => {
      this.#heads = undefined
      throw error
    })
    return this.#heads
  }

  async #askHeads(): Promise<void> {
    const { journal } = this.#stores!
    const live = journal.summary().connections.filter(({ deleted }) => !deleted)
    const sources = new Map(live.map(({ sourceId, route }) => [sourceId, route]))
    await Promise.all(
      [...sources].map(async ([sourceId, route]) => {
        const { count } = await this.env.SOURCE_LOG.getByName(route).stats()
        journal.raiseHead(sourceId, count)
      })
    )
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang()
    if (this.#stores === undefined) return
    try {
      const due = this.#nextDue()
      // While the run goes on another alarm stands behind it. What the logs have is not known yet to an instance that has just begun.
      if (this.#heads === undefined || (due !== null && due <= Date.now()))
        this.#alarm.atLatest(Date.now() + SAFETY_NET)
    } catch (error) {
      // An alarm that fails six times is deleted for good: nothing is thrown out of here.
      print(line("error", "a destination's alarm failed; it rings again", { destination: this.#id }, error))
      this.#alarm.atLatest(Date.now() + AFTER_FAILURE)
    }
    await this.#run()
  }
}
