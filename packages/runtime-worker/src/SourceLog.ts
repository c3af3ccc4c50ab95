/** The Durable Object of a source's event log, named by its route: a shell over core's `EventLog` and `LogKeeper` stores. */
import { DurableObject } from "cloudflare:workers"
import type { Event, NewEvent } from "@hookstream/core/Event"
import * as EventLog from "@hookstream/core/EventLog"
import { routeOf, type SourceId } from "@hookstream/core/Ids"
import * as LogKeeper from "@hookstream/core/LogKeeper"
import type { LogConfig } from "@hookstream/core/Registry"
import type { Env } from "./Env.ts"
import { type Alarm, makeAlarm } from "./internal/alarm.ts"
import { NotClaimed } from "./internal/errors.ts"
import { isClaimed, sqlOf } from "./internal/sql.ts"

export type AppendReply =
  | { readonly _tag: "Accepted"; readonly id: string }
  | { readonly _tag: "Paused" }
  | { readonly _tag: "NotFound" }

export interface AppendRequest {
  readonly sourceId: SourceId
  readonly event: NewEvent
  readonly token: string
  readonly repeated: boolean
}

/** Milliseconds after an append at which destinations that were not reached are told again. */
const TELL_AGAIN = 2000
/** Of a destination that cannot be reached for long. */
const TELL_AGAIN_MAX = 60_000

interface Stores {
  readonly events: EventLog.EventLogStore
  readonly keeper: LogKeeper.LogKeeper
}

export class SourceLog extends DurableObject<Env> {
  #stores: Stores | undefined
  readonly #alarm: Alarm
  /** How far each destination was told by this instance; the durable watermark follows at the alarm. */
  readonly #told = new Map<string, number>()
  #telling: Promise<void> | undefined
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
  }

  append({ sourceId, event, token, repeated }: AppendRequest): AppendReply {
    const config = this.#stores?.keeper.config()
    if (this.#stores === undefined || config === undefined || config.source.id !== sourceId || config.deleted) {
      return { _tag: "NotFound" }
    }
    if (config.source.status === "disabled") return { _tag: "NotFound" }
    if (config.source.status === "paused") return { _tag: "Paused" }
    const now = Date.now()
    const { id } = this.#stores.events.append({ event, token, repeated, now })
    if (config.destinations.length > 0) {
      this.#alarm.atLatest(now + TELL_AGAIN)
      this.#tell()
    }
    return { _tag: "Accepted", id }
  }

  read(after: number, limits: EventLog.ReadLimits): EventLog.LogPage {
    return this.#require().events.read(after, limits)
  }

  get(seqs: ReadonlyArray<number>, maxBytes: number): EventLog.Found {
    return this.#stores?.events.get(seqs, maxBytes) ?? { events: [], through: 0 }
  }

  list(before: number, limit: number): ReadonlyArray<Event> {
    return this.#require().events.list(before, limit)
  }

  stats(): EventLog.LogStats {
    return this.#require().events.stats()
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
    const behind = (head: number) =>
      keeper.config()!.destinations.filter((id) => !failed.has(id) && (this.#told.get(id) ?? 0) < head)
    // The reply to the sender is not held up: it leaves with the commit, while the first round is on its way.
    for (let head = events.head(); behind(head).length > 0; head = events.head()) {
      await Promise.all(
        behind(head).map(async (id) => {
          try {
            await this.env.DESTINATION.getByName(id).wake(sourceId, head)
            this.#told.set(id, head)
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
    } catch (error) {
      console.error({ message: "the log's alarm failed", error })
    } finally {
      const done = keeper.behind(events.head()).length === 0
      this.#delay = done ? TELL_AGAIN : Math.min(this.#delay * 2, TELL_AGAIN_MAX)
      if (!done) this.#alarm.atLatest(Date.now() + this.#delay)
    }
  }
}
