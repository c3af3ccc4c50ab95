/** The Durable Object of a destination: a shell over core's `DeliveryJournal` store and `Pump`. */
import { DurableObject } from "cloudflare:workers"
import type { RedriveFilter } from "@hookstream/core/Deliveries"
import * as Delivery from "@hookstream/core/Delivery"
import * as Commands from "@hookstream/core/DeliveryCommands"
import type { Fact } from "@hookstream/core/DeliveryFacts"
import * as DeliveryJournal from "@hookstream/core/DeliveryJournal"
import { UnavailableError } from "@hookstream/core/Errors"
import { type ConnectionId, type ReplayId, routeOf, type SourceId, withoutTokens } from "@hookstream/core/Ids"
import * as Pump from "@hookstream/core/Pump"
import * as Redrive from "@hookstream/core/Redrive"
import type { DestinationConfig } from "@hookstream/core/Registry"
import type { ReplayJob } from "@hookstream/core/ReplayJob"
import * as Effect from "effect/Effect"
import type { Env } from "./Env.ts"
import { type Alarm, makeAlarm } from "./internal/alarm.ts"
import { NotClaimed } from "./internal/errors.ts"
import { makeSettings, policyOf } from "./internal/settings.ts"
import { isClaimed, sqlOf } from "./internal/sql.ts"
import { runtimeOf } from "./Layers.ts"

/** While a run goes on an alarm stands behind it, so that a killed process goes on after at most this many milliseconds. */
const SAFETY_NET = 5000
/** Milliseconds for which a log does not tell a destination that may not read of further events. */
const REST = 2000
/** Milliseconds after a run that failed unexpectedly. */
const AFTER_FAILURE = 5000
/** Milliseconds in which a log says how far it is. */
const HEAD_DEADLINE = 2000

interface Stores {
  readonly journal: DeliveryJournal.DeliveryStore
  /** As it is stored: every window goes by it. */
  config: DestinationConfig | undefined
}

export class Destination extends DurableObject<Env> {
  #stores: Stores | undefined
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
    const journal = DeliveryJournal.makeStore(sql)
    sql.exec(
      "CREATE TABLE IF NOT EXISTS destination_config (one INTEGER PRIMARY KEY CHECK (one = 1), config TEXT NOT NULL)"
    )
    const row = sql.exec("SELECT config FROM destination_config")[0]
    return { journal, config: row === undefined ? undefined : JSON.parse(row["config"] as string) }
  }

  /** When there is something to do, in milliseconds since 1970: now or later, `null` when nothing is known of. */
  #nextDue(): number | null {
    const now = Date.now()
    const config = this.#stores!.config
    if (config === undefined || config.deleted) return null
    const step = Delivery.plan(this.#stores!.journal.view(now), now, policyOf(config.destination))
    return step._tag === "Wait" ? step.until : now
  }

  /** Works by this config from now on. An object that has this version already changes nothing. */
  async configure(config: DestinationConfig): Promise<void> {
    const wanted = Commands.wantedOf(config)
    const heads = await this.#headsFor(wanted)
    // Others came meanwhile: what follows is decided by what is there now.
    this.#stores ??= this.#open()
    const { journal, config: before } = this.#stores
    const change = Commands.changeOf(before?.destination, config.destination)
    const now = Date.now()
    const facts = Commands.configure(journal.control(), journal.runs(), { ...wanted, change }, heads, now)
    if (facts.length === 0) return
    this.ctx.storage.transactionSync(() => {
      this.ctx.storage.sql.exec("INSERT OR REPLACE INTO destination_config VALUES (1, ?)", JSON.stringify(config))
      journal.commit(facts, now)
    })
    this.#stores.config = config
    this.#heads = undefined
    this.#start()
  }

  /** How far the logs are where connections begin or end. A connection does not begin without it. */
  async #headsFor({ version, connections }: Pick<Commands.Wanted, "version" | "connections">) {
    const heads = new Map<SourceId, number>()
    const journal = this.#stores?.journal
    if (journal !== undefined && version <= journal.control().configVersion) return heads
    const ask = async (id: SourceId) => heads.set(id, await this.#headOf(id))
    const { starts, ends } = Commands.headsNeeded(journal?.runs() ?? [], connections)
    await Promise.all([...starts.map(ask), Promise.allSettled(ends.map(ask))])
    return heads
  }

  /** Starts and cancels replays. Those that it knows change nothing. */
  command(jobs: ReadonlyArray<ReplayJob>): void {
    if (this.#stores === undefined) throw new NotClaimed({ object: "Destination" })
    const { journal } = this.#stores
    const now = Date.now()
    this.#commit(Commands.command(journal.runs(), jobs, now), now)
  }

  /** The last sequence of a log, when it says so in time. */
  async #headOf(id: SourceId): Promise<number> {
    const late = scheduler.wait(HEAD_DEADLINE).then(() => {
      throw new UnavailableError({
        message: `the log of ${withoutTokens(id)} did not answer within ${HEAD_DEADLINE} ms`
      })
    })
    return (await Promise.race([this.env.SOURCE_LOG.getByName(routeOf(id)).stats(), late])).count
  }

  #commit(facts: ReadonlyArray<Fact>, now: number): void {
    if (facts.length === 0) return
    this.#stores!.journal.commit(facts, now)
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
    await this.#tryHeads()
    return this.#stores.journal.summary()
  }

  /** `false`: a log did not say how far it is. */
  async #tryHeads(): Promise<boolean> {
    try {
      await this.#refreshHeads()
      return true
    } catch (error) {
      console.warn({ message: "a log did not say how far it is", error })
      return false
    }
  }

  deadLetters(before: DeliveryJournal.DeadPage["next"], limit: number): DeliveryJournal.DeadPage {
    return this.#stores?.journal.deadLetters(before, limit) ?? { letters: [], next: null }
  }

  redrive(filter: RedriveFilter): number {
    return this.#ask((journal) => Redrive.redrive(journal, filter, Date.now()))
  }

  retryWaiting(filter: RedriveFilter): number {
    return this.#ask((journal) => Redrive.retryWaiting(journal, filter, Date.now()))
  }

  retry(sourceId: SourceId, seq: number): number {
    return this.#ask((journal) => Redrive.retryEvent(journal, sourceId, seq, Date.now()))
  }

  /** What somebody wants tried again: where there is any, it goes on at once. */
  #ask(ask: (journal: DeliveryJournal.DeliveryStore) => number): number {
    if (this.#stores === undefined) return 0
    const count = ask(this.#stores.journal)
    if (count > 0) this.#start()
    return count
  }

  /** Deliveries that are not done with, with the logs as they are now, as far as they can be reached. */
  async waiting(connections: ReadonlyArray<ConnectionId>): Promise<number> {
    if (this.#stores === undefined) return 0
    this.#heads = undefined
    await this.#tryHeads()
    return Commands.waiting(this.#stores.journal.view(Date.now()).runs, connections)
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
    const answer = Redrive.retryDelivery(journal, run, position.seq, Date.now())
    if (answer === "retried") this.#start()
    return answer
  }

  replay(id: ReplayId): DeliveryJournal.ReplayProgress | null {
    return this.#stores?.journal.replay(id) ?? null
  }

  /** Events of this log up to here are needed no more; `null` when none is. */
  lowWatermark(sourceId: SourceId): number | null {
    return this.#stores?.journal.lowWatermark(sourceId) ?? null
  }

  /** Closes the circuit by hand: what waits is tried at once. */
  resetCircuit(): Promise<DeliveryJournal.Summary> {
    const now = Date.now()
    if (this.#stores !== undefined) this.#commit(Commands.resetCircuit(this.#stores.journal.control(), now), now)
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
        const isKnown = await this.#tryHeads()
        next = await this.#pump()
        // A log that did not answer holds up no other; it is asked again.
        if (!isKnown) next = Math.min(next ?? Number.POSITIVE_INFINITY, Date.now() + AFTER_FAILURE)
      } catch (error) {
        console.error({ message: "a delivery run failed; it is tried again", error })
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
    const asked = await Promise.allSettled(
      [...new Set(live.map(({ sourceId }) => sourceId))].map(async (sourceId) =>
        journal.raiseHead(sourceId, await this.#headOf(sourceId))
      )
    )
    for (const one of asked) if (one.status === "rejected") throw one.reason
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
      console.error({ message: "the destination's alarm failed; it rings again", error })
      this.#alarm.atLatest(Date.now() + AFTER_FAILURE)
    }
    await this.#run()
  }
}
