/** The Durable Object of a source's event log, named by its route: a shell over core's `EventLog` and `LogKeeper` stores. */
import { DurableObject } from "cloudflare:workers"
import type { NewEvent } from "@hookstream/core/Event"
import * as EventLog from "@hookstream/core/EventLog"
import { isSameSource, routeOf, type SourceId } from "@hookstream/core/Ids"
import * as LogKeeper from "@hookstream/core/LogKeeper"
import type { PackedEvents } from "@hookstream/core/PackedEvents"
import type { LogConfig } from "@hookstream/core/Registry"
import { ID_IS_URL, takes } from "@hookstream/core/Source"
import type { Env } from "./Env.ts"
import { type Alarm, makeAlarm } from "./internal/alarm.ts"
import { NotClaimed } from "./internal/errors.ts"
import { isClaimed, sqlOf } from "./internal/sql.ts"

export type AppendReply =
  | { readonly _tag: "Accepted"; readonly id: string }
  | { readonly _tag: "Paused" }
  /** The log has no room left. */
  | { readonly _tag: "Full" }
  | { readonly _tag: "NotFound" }

export interface AppendRequest {
  readonly sourceId: SourceId
  /** Which of the source's URLs it came by. An edge of version 1, which a deployment replaces last, knows ids only. */
  readonly generation?: number
  readonly event: NewEvent
  readonly token: string
  readonly repeated: boolean
}

/** Milliseconds after an append at which destinations that were not reached are told again. */
const TELL_AGAIN = 2000
/** Of a destination that cannot be reached for long. */
const TELL_AGAIN_MAX = 60_000

const DAY = 24 * 3_600_000
/** Milliseconds until events that some destination still needs, though their retention has passed, are looked at again. */
const EXPIRE_AGAIN = 3_600_000
/** An object holds 10 GB; what is left is room for what the log must still write. */
const STORAGE_MAX = 8e9

/** A group of events is written when it has so many, or so many bytes; else at the next turn. One that comes alone waits for none. */
const GROUP_EVENTS = 256
const GROUP_BYTES = 1024 * 1024

interface Waiting {
  readonly request: AppendRequest
  readonly resolve: (reply: AppendReply) => void
  readonly reject: (error: unknown) => void
}

/** Events as they leave the log, and whose they are. */
export interface Packed {
  readonly packed: PackedEvents
  readonly sourceId: SourceId
}

interface Stores {
  readonly events: EventLog.SqlEventLogStore
  readonly keeper: LogKeeper.LogKeeper
}

export class SourceLog extends DurableObject<Env> {
  #stores: Stores | undefined
  readonly #alarm: Alarm
  /** How far each destination was told by this instance; the durable watermark follows at the alarm. */
  readonly #told = new Map<string, number>()
  /** Until when a destination that may not read is not told of more. */
  readonly #resting = new Map<string, number>()
  #telling: Promise<void> | undefined
  /** Events that came since the last turn, and their bytes. */
  #waiting: Array<Waiting> = []
  #waitingBytes = 0
  /** Something was written in this turn or the one before. */
  #isBusy = false
  /** Bytes that may come before the size of the database is looked at. */
  #room = 0
  #delay = TELL_AGAIN

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#alarm = makeAlarm(ctx.storage)
    if (!isClaimed(ctx.storage)) return
    this.#stores = this.#open()
    const { events, keeper } = this.#stores
    if (keeper.behind(events.head()).length > 0) this.#alarm.atLatest(Date.now() + TELL_AGAIN)
  }

  #open(owner?: SourceId): Stores {
    const sql = sqlOf(this.ctx.storage)
    if (owner !== undefined) {
      sql.transaction(() => {
        sql.exec("CREATE TABLE owner (source_id TEXT NOT NULL)")
        sql.exec("INSERT INTO owner VALUES (?)", owner)
      })
    }
    const sourceId = sql.exec("SELECT source_id FROM owner")[0]!["source_id"] as string
    const events = EventLog.makeStore(sql, { sourceId, route: routeOf(sourceId) })
    return { events, keeper: LogKeeper.makeStore(sql) }
  }

  #require(): Stores {
    if (this.#stores === undefined) throw new NotClaimed({ object: "SourceLog" })
    return this.#stores
  }

  /** Takes the log for a source; `false` when another source owns it. */
  claim(sourceId: SourceId): boolean {
    this.#stores ??= this.#open(sourceId)
    const owner = this.ctx.storage.sql.exec<{ source_id: string }>("SELECT source_id FROM owner").one()
    return owner.source_id === sourceId
  }

  /** Works by this config from now on. */
  configure(config: LogConfig): void {
    this.#require().keeper.configure(config)
    // A shorter retention may be over already.
    const expiry = this.#expiry()
    if (expiry !== null) this.#alarm.atLatest(Math.max(expiry, Date.now() + TELL_AGAIN))
  }

  /** Answers once the event is written: at once when it comes alone, else with those that come close to it, in one transaction. */
  append(request: AppendRequest): AppendReply | Promise<AppendReply> {
    if (!this.#isBusy) {
      void this.#gather()
      return this.#write([request])[0]!
    }
    const { promise, resolve, reject } = Promise.withResolvers<AppendReply>()
    this.#waiting.push({ request, resolve, reject })
    this.#waitingBytes += request.event.body.length
    if (this.#waiting.length >= GROUP_EVENTS || this.#waitingBytes >= GROUP_BYTES) this.#flush()
    return promise
  }

  /** Until a turn has gone by in which nothing came, what comes is written at the next turn. */
  async #gather(): Promise<void> {
    this.#isBusy = true
    do {
      await scheduler.wait(0)
      if (this.#waiting.length === 0) this.#isBusy = false
      else this.#flush()
    } while (this.#isBusy)
  }

  /** Writes what waits. */
  #flush(): void {
    const group = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    try {
      const replies = this.#write(group.map(({ request }) => request))
      for (const [i, { resolve }] of group.entries()) resolve(replies[i]!)
    } catch (error) {
      // None of the group is written: each asks again with its token.
      for (const { reject } of group) reject(error)
    }
  }

  /** All that may be written, or none, in one transaction. */
  #write(requests: ReadonlyArray<AppendRequest>): ReadonlyArray<AppendReply> {
    const now = Date.now()
    const isFull = this.#isFull()
    const refusals = requests.map((request) => this.#refusal(request, now, isFull))
    const accepted = requests.filter((_, i) => refusals[i] === undefined)
    if (accepted.length === 0) return refusals.flatMap((refusal) => refusal ?? [])
    const { events, keeper } = this.#require()
    const written = events.append(accepted.map(({ event, token, repeated }) => ({ event, token, repeated, now })))
    for (const { event } of accepted) this.#room -= event.body.length + event.meta.length
    const { destinations, source } = keeper.config()!
    this.#alarm.atLatest(now + (destinations.length > 0 ? TELL_AGAIN : source.retentionDays * DAY))
    if (destinations.length > 0) this.#tell()
    const ids = written.values()
    return refusals.map((refusal) => refusal ?? { _tag: "Accepted", id: ids.next().value!.id })
  }

  /** Whether there is no room left. The size is asked for, which is as dear as an append, when half of the room may be used up. */
  #isFull(): boolean {
    if (this.#room > 0) return false
    const limit = Number(this.env.HOOKSTREAM_LOG_MAX_BYTES ?? STORAGE_MAX)
    this.#room = (limit - this.ctx.storage.sql.databaseSize) / 2
    return this.#room <= 0
  }

  /** Why an event is not taken, `undefined` when it is. */
  #refusal(
    { sourceId, generation = ID_IS_URL }: AppendRequest,
    now: number,
    isFull: boolean
  ): Exclude<AppendReply, { readonly _tag: "Accepted" }> | undefined {
    const config = this.#stores?.keeper.config()
    if (config === undefined || config.deleted || config.source.status === "disabled") return { _tag: "NotFound" }
    const { source } = config
    if (!isSameSource(sourceId, source.id) || !takes(source, generation, now)) return { _tag: "NotFound" }
    if (source.status === "paused") return { _tag: "Paused" }
    return isFull ? { _tag: "Full" } : undefined
  }

  read(after: number, limits: EventLog.ReadLimits): Packed & { readonly head: number } {
    return this.#ofOwner(({ readPacked }) => readPacked(after, limits))
  }

  /** `undefined`: this is nobody's log. */
  get(seqs: ReadonlyArray<number>, maxBytes: number): (Packed & { readonly through: number }) | undefined {
    if (this.#stores === undefined) return undefined
    return this.#ofOwner(({ getPacked }) => getPacked(seqs, maxBytes))
  }

  list(before: number, limit: number): Packed {
    return this.#ofOwner(({ listPacked }) => listPacked(before, limit))
  }

  #ofOwner<A>(read: (events: EventLog.SqlEventLogStore) => A): A & Pick<Packed, "sourceId"> {
    const { events, keeper } = this.#require()
    return { ...read(events), sourceId: keeper.config()!.source.id }
  }

  stats(): EventLog.LogStats {
    return this.#require().events.stats()
  }

  range(from: number, to: number): EventLog.LogRange {
    return this.#require().events.range(from, to)
  }

  /** When events have to be dropped, in milliseconds since 1970; `null` when there are none. */
  #expiry(): number | null {
    const { events, keeper } = this.#require()
    const oldest = events.oldest()
    const days = keeper.config()?.source.retentionDays
    return oldest === null || days === undefined ? null : oldest + days * DAY
  }

  /** Drops what is past its retention and what no destination needs; answers when to look again. */
  async #expire(): Promise<number | null> {
    const due = this.#expiry()
    const now = Date.now()
    if (due === null || due > now) return due
    const { events, keeper } = this.#require()
    const { source, destinations } = keeper.config()!
    const marks = await Promise.all(
      destinations.map((id) => this.env.DESTINATION.getByName(id).lowWatermark(source.id))
    )
    // Events that came meanwhile are newer than `before`, whatever the marks say of them.
    events.drop(now - source.retentionDays * DAY, Math.min(...marks.map((mark) => mark ?? Number.POSITIVE_INFINITY)))
    const next = this.#expiry()
    return next === null ? null : Math.max(next, now + EXPIRE_AGAIN)
  }

  /** Tells every destination below the head, one round at a time: appends that come meanwhile share the next round. */
  #tell(): void {
    if (this.#telling !== undefined) return
    this.#telling = this.#tellAll().finally(() => {
      this.#telling = undefined
    })
    this.ctx.waitUntil(this.#telling)
  }

  async #tellAll(): Promise<void> {
    const { events, keeper } = this.#require()
    const sourceId = keeper.config()!.source.id
    const failed = new Set<string>()
    const isResting = (id: string) => (this.#resting.get(id) ?? 0) > Date.now()
    const behind = (head: number) =>
      keeper
        .config()!
        .destinations.filter((id) => !failed.has(id) && !isResting(id) && (this.#told.get(id) ?? 0) < head)
    // The reply to the sender is not held up: it leaves with the commit, while the first round is on its way.
    for (let head = events.head(); behind(head).length > 0; head = events.head()) {
      await Promise.all(
        behind(head).map(async (id) => {
          try {
            const rest = await this.env.DESTINATION.getByName(id).wake(sourceId, head)
            this.#told.set(id, head)
            if (rest > 0) this.#resting.set(id, Date.now() + rest)
          } catch (error) {
            failed.add(id)
            console.warn({ message: "a destination could not be woken; the alarm tries again", destination: id, error })
          }
        })
      )
    }
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang()
    if (this.#stores === undefined) return
    const { events, keeper } = this.#stores
    try {
      const behind = keeper.behind(events.head())
      for (const id of behind) if (!this.#told.has(id)) this.#told.set(id, 0)
      this.#tell()
      await this.#telling
      for (const id of behind) keeper.notified(id, this.#told.get(id) ?? 0)
      const expiry = await this.#expire()
      if (expiry !== null) this.#alarm.atLatest(expiry)
    } catch (error) {
      console.error({ message: "the log's alarm failed", error })
      this.#alarm.atLatest(Date.now() + EXPIRE_AGAIN)
    } finally {
      const done = keeper.behind(events.head()).length === 0
      this.#delay = done ? TELL_AGAIN : Math.min(this.#delay * 2, TELL_AGAIN_MAX)
      if (!done) this.#alarm.atLatest(Date.now() + this.#delay)
    }
  }
}
