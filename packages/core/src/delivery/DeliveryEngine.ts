/**
 * The engine of a destination: everything that its object decides. It takes its configuration and commands, hears
 * wake-ups, and lets the pump work until nothing is due.
 *
 * No single trigger is trusted: an alarm stands behind every pass, a new instance looks for work, and it asks the logs
 * how far they are, because a wake-up may have been lost with the instance before it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { HttpClient } from "effect/http/HttpClient"
import * as Scope from "effect/Scope"
import type { EnginePorts } from "../EnginePorts.ts"
import { NotClaimed, type UnavailableError } from "../Errors.ts"
import type { SourceId } from "../Ids.ts"
import { within } from "../internal/deadline.ts"
import * as DeliveryJournal from "../journal/DeliveryJournal.ts"
import { partsOf } from "../journal/internal/deliveryTelling.ts"
import { line } from "../LogLine.ts"
import * as Epochs from "../log/Epochs.ts"
import type { EventLog } from "../log/EventLog.ts"
import type { Agreed } from "../log/LogContract.ts"
import { isClaimed } from "../Sql.ts"
import { SecretVault } from "../secret/SecretVault.ts"
import * as DestinationDriver from "../sink/DestinationDriver.ts"
import type { SinkRegistry } from "../sink/SinkRegistry.ts"
import type { DestinationConfig } from "../workspace/Registry.ts"
import * as Commands from "./Commands.ts"
import type { DeliveryContract } from "./DeliveryContract.ts"
import * as DeliveryLoop from "./DeliveryLoop.ts"
import * as DestinationConfigStore from "./DestinationConfigStore.ts"
import { policyOf, type Settings, settingsOf } from "./DestinationSettings.ts"
import * as FactLines from "./FactLines.ts"
import type { Fact, RunId } from "./Facts.ts"
import * as Heads from "./internal/heads.ts"
import * as Restores from "./internal/restores.ts"
import * as Plan from "./Plan.ts"
import * as Pump from "./Pump.ts"
import * as Redrive from "./Redrive.ts"
import type { Run } from "./State.ts"

/** What a destination asks of the logs that it reads, beside their events. */
export interface DeliveryPeers {
  /** How far the log is. */
  readonly told: (source: SourceId) => Promise<Epochs.Told>
  /** What of it each of these readers has read; see `LogContract`. */
  readonly agree: (source: SourceId, readers: ReadonlyArray<ReadonlyArray<Epochs.Mark>>) => Promise<Agreed>
}

/** What the pump needs of the deployment. */
export type PumpServices = EventLog | SinkRegistry | SecretVault | HttpClient

export interface DeliveryPorts extends EnginePorts {
  readonly peers: DeliveryPeers
  /** Runs an effect with the services of the deployment. */
  readonly execute: <A>(effect: Effect.Effect<A, never, PumpServices>) => Promise<A>
}

/**
 * Milliseconds after which a killed process goes on at the latest: while a pass goes on, an alarm stands behind it.
 */
const SAFETY_NET = 5000
/** How long a log withholds wake-ups from a destination that may not read, in milliseconds. */
const REST = 2000
/** Milliseconds after a pass that failed unexpectedly. */
const AFTER_FAILURE = 5000
/** Milliseconds that a pass waits for logs to say how far they are. */
const LOGS_WAIT = 500
/** Milliseconds that an alarm waits for the passes that it has begun: its time is limited, and theirs is not. */
const ALARM_WAIT = 60_000

interface Stores {
  readonly journal: DeliveryJournal.DeliveryStore
  readonly configs: DestinationConfigStore.DestinationConfigStore
  /** As it is stored: every window goes by it. */
  config: DestinationConfig | undefined
}

/** A driver for one version of the config. */
interface Driven {
  readonly version: number
  readonly settings: Settings
  readonly scope: Scope.Closeable
}

export interface DeliveryEngine extends DeliveryContract {
  /** Call when the alarm fires. Never rejects. */
  readonly alarm: () => Promise<void>
}

export const make = (ports: DeliveryPorts): DeliveryEngine => {
  const { sql, alarm, timer, peers } = ports

  /** For what is logged: known with the first config. */
  const id = (): string => stores?.config?.destination.id ?? ""

  const open = (): Stores => {
    const journal = FactLines.logged(DeliveryJournal.makeStore(sql), id, ports.log)
    const configs = DestinationConfigStore.makeStore(sql)
    return { journal, configs, config: configs.config() }
  }
  let stores = isClaimed(sql) ? open() : undefined
  let loop = DeliveryLoop.initial
  let running: Promise<void> = Promise.resolve()
  let driven: Driven | undefined
  /**
   * An alarm stands behind every pass. Where one is due, the instance before may have ended in the midst of one: in its
   * pass, or while it slept.
   */
  let isAfterEnd =
    stores &&
    alarm.standing().then(
      (at) => at !== null && at <= timer.now() + SAFETY_NET,
      () => true
    )
  let turn = Pump.newTurn()
  /** Runs whose log the last pass could not read, and why. */
  const unread = new Map<RunId, string>()

  // -------------------------------------------------------------------------------------------------------------------
  // How far the logs are

  // Every pass asks for them, and only another config has others.
  let connected: ReadonlyArray<SourceId> | undefined
  const sources = (): ReadonlyArray<SourceId> => {
    const live = connected === undefined ? (stores?.journal.runs() ?? []) : []
    connected ??= [
      ...new Set(live.filter(({ replay, deleted }) => replay === null && !deleted).map(({ sourceId }) => sourceId))
    ]
    return connected
  }
  const liveRuns = (): ReadonlyArray<Run> =>
    (stores?.journal.runs() ?? []).filter(({ replay, deleted }) => replay === null && !deleted)
  /** The last epoch under which each log has woken this instance. */
  const heardUnder = new Map<SourceId, string>()
  const restores = Restores.make({ ports, destination: id, agree: peers.agree })
  /** A pass waits for the logs before the pump begins. */
  let isWaitingForLogs = false
  const heads = Heads.make({
    ports,
    destination: id,
    sources,
    head: peers.told,
    runs: liveRuns,
    said: (source, told, runs) => {
      if (!runs.every(({ marks, cursor }) => Epochs.continues(told, marks, cursor))) restores.suspect(source)
      stores?.journal.raiseHead(source, told.head)
      // The pass that goes on may not see it any more.
      if (!isWaitingForLogs && stores !== undefined) request(stores)
    },
    failed: (again) => alarm.atLatest(again)
  })

  /** How far the logs are where connections begin or end. A connection does not begin without it. */
  const headsFor = async ({ version, connections }: Pick<Commands.Wanted, "version" | "connections">) => {
    const journal = stores?.journal
    if (journal !== undefined && version <= journal.control().configVersion) return new Map<SourceId, Epochs.Told>()
    const { starts, ends } = Commands.headsNeeded(journal?.runs() ?? [], connections)
    const [begun, ended] = await Promise.all([
      heads.of(starts),
      Promise.all(ends.map((source) => heads.of([source]).catch(() => new Map<SourceId, Epochs.Told>())))
    ])
    return new Map([...begun, ...ended.flatMap((one) => [...one])])
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Passes of the pump

  /** When there is something to do, in milliseconds since 1970: now or later, `null` when nothing is known of. */
  const nextDue = ({ journal, config }: Stores): number | null => {
    if (config === undefined || config.deleted) return null
    const now = timer.now()
    const step = Plan.plan(journal.view(now), now, policyOf(config.destination))
    return step._tag === "Wait" ? step.until : now
  }
  const closeDriver = Effect.suspend(() => {
    const ended = driven
    driven = undefined
    return ended === undefined ? Effect.void : Scope.close(ended.scope, Exit.void)
  })
  /** What the pump works by: made once for each version of the config, and closed with it. */
  const current = Effect.gen(function* () {
    const config = stores?.config
    if (driven !== undefined && driven.version === config?.version && !config.deleted) return driven.settings
    yield* closeDriver
    if (config === undefined || config.deleted) return undefined
    const scope = yield* Scope.make()
    const driver = yield* DestinationDriver.make(config.destination).pipe(
      Effect.provideService(Scope.Scope, scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    driven = {
      version: config.version,
      settings: settingsOf(config, driver, yield* SecretVault),
      scope
    }
    return driven.settings
  })
  /** What the logs say in time, the pump sees; what they say later asks for another pass. */
  const waitForLogs = async (): Promise<void> => {
    // A pass waits for a slow log once.
    const isAsking = heads.isAsking()
    const asked = heads.ask()
    if (isAsking) return
    isWaitingForLogs = true
    try {
      await within(timer, LOGS_WAIT, asked)
    } finally {
      isWaitingForLogs = false
    }
  }
  const unreadable = (run: RunId, error: UnavailableError | undefined): void => {
    if (error !== undefined) unread.set(run, error.message)
    else for (const { id, sourceId } of stores?.journal.runs() ?? []) if (id === run) restores.suspect(sourceId)
  }
  /** One pass of the pump. Never rejects. */
  const pass = async (all: Stores): Promise<DeliveryLoop.Ended> => {
    try {
      await waitForLogs()
      if (isAfterEnd !== undefined) turn = Pump.newTurn(await isAfterEnd)
      isAfterEnd = undefined
      const settled = await restores.settle(all.journal)
      // What they told meanwhile is asked again.
      settled.forEach(heads.forget)
      if (settled.length > 0) await waitForLogs()
      unread.clear()
      const journal = DeliveryJournal.make(all.journal)
      const pump = Pump.pass(current, unreadable, turn)
      const next = await ports.execute(Effect.provideService(pump, DeliveryJournal.DeliveryJournal, journal))
      const again = restores.askAgainAt()
      return {
        next: again === null ? next : Math.min(again, next ?? again),
        now: timer.now(),
        headsKnown: !heads.canAsk()
      }
    } catch (error) {
      ports.log(line("error", "a delivery run failed; it is tried again", { destination: id() }, error))
      const now = timer.now()
      return {
        next: now + AFTER_FAILURE,
        now,
        headsKnown: true
      }
    }
  }
  const passUntilRest = async (all: Stores): Promise<void> => {
    for (;;) {
      const step = DeliveryLoop.ended(loop, await pass(all))
      loop = step.state
      if (step.alarmAt !== null) alarm.atLatest(step.alarmAt)
      if (!step.pass) return
    }
  }
  /** There may be something to do: a pass of the pump, or one more after that which goes on. */
  const start = (all: Stores): void => {
    const step = DeliveryLoop.requested(loop)
    loop = step.state
    if (step.pass) running = passUntilRest(all)
  }
  /** There is something to do. It is done even when this process ends: the alarm stands behind it. */
  const request = (all: Stores): void => {
    alarm.atLatest(timer.now() + SAFETY_NET)
    start(all)
    ports.background(running)
  }

  // Whatever was in flight when the last instance ended goes on, even if its alarm was lost.
  if (stores !== undefined) {
    const due = nextDue(stores)
    if (due !== null) alarm.atLatest(Math.max(due, timer.now() + SAFETY_NET))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What is asked of it

  const need = (): Stores => {
    if (stores === undefined) throw new NotClaimed({ object: "Destination" })
    return stores
  }
  const commit = (all: Stores, facts: ReadonlyArray<Fact>, now: number): void => {
    if (facts.length === 0) return
    all.journal.commit(facts, now)
    request(all)
  }
  /** What somebody wants tried again: where there is any, it goes on at once. */
  const ask = (of: (journal: DeliveryJournal.DeliveryStore, now: number) => number): number => {
    if (stores === undefined) return 0
    const count = of(stores.journal, timer.now())
    if (count > 0) request(stores)
    return count
  }
  const wake = (sourceId: SourceId, head: number): number => {
    if (stores === undefined) return 0
    const { journal } = stores
    journal.raiseHead(sourceId, head)
    const { pause, breaker } = journal.control()
    if (pause !== null || breaker.state === "open") {
      heads.forget(sourceId)
      // The alarm of its probe may have been lost.
      const probeAt = pause !== null ? pause.probeAt : breaker.state === "open" ? breaker.until : null
      if (probeAt !== null && probeAt <= timer.now()) request(stores)
      else if (probeAt !== null) alarm.atLatest(probeAt)
      return REST
    }
    request(stores)
    return 0
  }
  const summary = async (): Promise<DeliveryJournal.Summary> => {
    const { journal } = need()
    await heads.ask()
    const told = journal.summary()
    const [run] = unread
    if (told.lastError !== null || run === undefined) return told
    const { connection } = partsOf(run[0])
    return {
      ...told,
      lastError: { reason: "Unavailable", detail: `the log of connection ${connection} could not be read: ${run[1]}` }
    }
  }

  return {
    configure: async (config) => {
      const wanted = Commands.wantedOf(config)
      // What was deleted is a fact of the journal. Here it would only grow, in one row of 2 MB.
      const kept = { ...config, connections: config.connections.filter(({ deleted }) => !deleted) }
      const known = await headsFor(wanted)
      // Others came meanwhile: what follows is decided by what is there now.
      stores ??= open()
      const all = stores
      const change = Commands.changeOf(all.config?.destination, config.destination)
      const now = timer.now()
      const facts = Commands.configure(all.journal.control(), all.journal.runs(), { ...wanted, change }, known, now)
      if (facts.length === 0) return
      sql.transaction(() => {
        all.configs.configure(kept)
        all.journal.commit(facts, now)
      })
      all.config = kept
      connected = undefined
      heads.forget()
      request(all)
    },
    command: (jobs) => {
      const all = need()
      const now = timer.now()
      commit(all, Commands.command(all.journal.runs(), jobs, now), now)
    },
    wake,
    wakeUnder: (sourceId, head, epoch) => {
      if (heardUnder.get(sourceId) !== epoch) {
        heardUnder.set(sourceId, epoch)
        // More was read: the call is late, or the log has given out these sequences again.
        const isOdd = ({ marks, cursor }: Run) => cursor >= head && marks.at(-1)?.epoch !== epoch
        if (liveRuns().some((run) => run.sourceId === sourceId && isOdd(run))) restores.suspect(sourceId)
      }
      return wake(sourceId, head)
    },
    timeline: (sourceId, seq) => stores?.journal.timeline(sourceId, seq) ?? [],
    statuses: (sourceId, seqs) => stores?.journal.statuses(sourceId, seqs) ?? [],
    summary,
    deadLetters: (before, limit) => stores?.journal.deadLetters(before, limit) ?? { letters: [], next: null },
    redrive: (filter) => ask((journal, now) => Redrive.redrive(journal, filter, now)),
    retryWaiting: (filter) => ask((journal, now) => Redrive.retryWaiting(journal, filter, now)),
    retry: (sourceId, seq) => ask((journal, now) => Redrive.retryEvent(journal, sourceId, seq, now)),
    retryAttempt: (position) => {
      const run = stores?.journal.runOfAttempt(position)
      if (stores === undefined || run === undefined) return "unknown"
      const answer = Redrive.retryDelivery(stores.journal, run, position.seq, timer.now())
      if (answer === "retried") request(stores)
      return answer
    },
    attempts: (filter, before, limit) => stores?.journal.attempts(filter, before, limit) ?? { entries: [], next: null },
    waiting: async (connections) => {
      if (stores === undefined) return 0
      // Answers that are on their way may be older than this question.
      while (heads.isAsking()) await heads.ask()
      heads.forget()
      await heads.ask()
      return Commands.waiting(stores.journal.view(timer.now()).runs, connections)
    },
    replay: (id) => stores?.journal.replay(id) ?? null,
    needs: (sourceId) => stores?.journal.needs(sourceId) ?? null,
    lowWatermark: (sourceId) => stores?.journal.needs(sourceId)?.after ?? null,
    resetCircuit: () => {
      const all = need()
      const now = timer.now()
      commit(all, Commands.resetCircuit(all.journal.control(), now), now)
      return summary()
    },
    nudge: () => {
      if (stores === undefined) return
      const now = timer.now()
      // What a log told may have been lost with the instance that heard it: only the log knows whether there is more.
      const due = heads.areKnown() ? nextDue(stores) : now
      if (due !== null) alarm.atLatest(Math.max(due, now + SAFETY_NET))
    },
    alarm: async () => {
      alarm.fired()
      if (stores === undefined) return
      // It was set by the instance before.
      if (isAfterEnd !== undefined) isAfterEnd = Promise.resolve(true)
      try {
        const due = nextDue(stores)
        // While the pass goes on another alarm stands behind it. A new instance does not know yet what the logs have.
        if (!heads.areKnown() || (due !== null && due <= timer.now())) alarm.atLatest(timer.now() + SAFETY_NET)
      } catch (error) {
        // An alarm that fails six times is deleted for good: nothing is thrown out of here.
        ports.log(line("error", "a destination's alarm failed; it rings again", { destination: id() }, error))
        alarm.atLatest(timer.now() + AFTER_FAILURE)
      }
      if (loop._tag === "Resting") start(stores)
      await within(timer, ALARM_WAIT, running)
      if (loop._tag === "Running") alarm.atLatest(timer.now() + SAFETY_NET)
    }
  }
}
