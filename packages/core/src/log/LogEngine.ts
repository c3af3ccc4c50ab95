/**
 * The engine of a source's log: everything that its object decides. It appends events, wakes the destinations that read
 * them, and drops what is past its retention.
 *
 * No single trigger is trusted: an append arms the alarm in its own transaction, and the alarm wakes again whoever was
 * not told. An engine that nobody has claimed stores nothing.
 */

import type { EnginePorts } from "../EnginePorts.ts"
import { NotClaimed } from "../Errors.ts"
import { type DestinationId, isSameSource, routeOf, type SourceId } from "../Ids.ts"
import { within } from "../internal/deadline.ts"
import type { Needs } from "../journal/DeliveryStore.ts"
import { line, shown } from "../LogLine.ts"
import { isClaimed, type Sql } from "../Sql.ts"
import { ID_IS_URL, type Source, type SourceStatus, takes } from "../workspace/Source.ts"
import * as Epochs from "./Epochs.ts"
import * as EventLog from "./EventLog.ts"
import * as GroupCommit from "./internal/groupCommit.ts"
import * as WakeUps from "./internal/wakeUps.ts"
import * as LogConfigStore from "./LogConfigStore.ts"
import type { AppendReply, AppendRequest, LogContract, Packed } from "./LogContract.ts"
import { unpack } from "./PackedAppends.ts"

/** The destinations as a log asks them. */
export interface LogPeers {
  /**
   * Answers the milliseconds for which the destination needs no further wake-up, 0 when it wants each. `epoch`: that of
   * event `head`.
   */
  readonly wake: (destination: DestinationId, source: SourceId, head: number, epoch: string) => Promise<number>
  /** What it still needs of the log; `null` when that is nothing. */
  readonly needs: (destination: DestinationId, source: SourceId) => Promise<Needs | null>
}

export interface LogPorts extends EnginePorts {
  readonly peers: LogPeers
  /** Bytes that the database has now. */
  readonly databaseSize: () => number
  /** Bytes above which nothing more is accepted. */
  readonly maxBytes: () => number
}

/** Milliseconds after an append at which destinations that were not reached are woken again. */
const WAKE_AGAIN = 2000
/** The longest of these pauses: they double while a destination cannot be reached. */
const WAKE_AGAIN_MAX = 60_000
const DAY = 24 * 3_600_000
/**
 * Milliseconds until events that some destination still needs, though their retention has passed, are looked at again.
 */
const EXPIRE_AGAIN = 3_600_000
/** Milliseconds in which the destinations must say what they still need. */
const ASK_DEADLINE = 30_000
/** Above this part of its room a log gives up its oldest events that nobody needs, down to that part of it. */
const PRESSED = 0.9
const RELIEVED = 0.8
/** Milliseconds until a log that is under pressure looks again at what it can give up. */
const RELIEVE_AGAIN = 10_000
/** What is given up goes by whole segments, so a log has many, of so many bytes at least. */
const SEGMENTS = 64
const SEGMENT_BYTES_MIN = 1024 * 1024

/** What a source of this status answers; `undefined`: it takes events. */
const REFUSED: Readonly<Record<SourceStatus, AppendReply | undefined>> = {
  active: undefined,
  paused: { _tag: "Paused" },
  disabled: { _tag: "NotFound" }
}

const recheck = ({ ingestVersion, redact, verification }: Source): AppendReply => ({
  _tag: "Recheck",
  version: ingestVersion,
  redact,
  verification
})

/** What an edge must do to an event first, `undefined` when it has done it by the settings that hold now. */
const unchecked = (source: Source, { checked, redacted = [] }: AppendRequest): AppendReply | undefined => {
  if (checked !== undefined) return checked === source.ingestVersion ? undefined : recheck(source)
  // An edge that verifies nothing: what it sends comes again by a newer one.
  if (source.verification !== null) return { _tag: "Paused" }
  const { redact } = source
  return redact.length === redacted.length && redact.every((path, i) => path === redacted[i])
    ? undefined
    : { _tag: "Redact", paths: redact }
}

interface Stores {
  readonly events: EventLog.SqlEventLogStore
  readonly config: LogConfigStore.LogConfigStore
  readonly wakeUps: WakeUps.WakeUps
}

export interface LogEngine extends LogContract {
  /** Call when the alarm fires. Never rejects. */
  readonly alarm: () => Promise<void>
}

const ownerOf = (sql: Sql): SourceId => sql.exec("SELECT source_id FROM owner")[0]!["source_id"] as string

export const make = (ports: LogPorts): LogEngine => {
  const { sql, alarm, timer, peers } = ports

  const open = (): Stores => {
    const sourceId = ownerOf(sql)
    const events = EventLog.makeStore(sql, { sourceId, route: routeOf(sourceId) }, () =>
      Math.max(ports.maxBytes() / SEGMENTS, SEGMENT_BYTES_MIN)
    )
    return {
      events,
      config: LogConfigStore.makeStore(sql),
      wakeUps: WakeUps.make({
        ports,
        head: events.head,
        source: shown(sourceId),
        wake: (destination, head) => peers.wake(destination, sourceId, head, events.epoch())
      })
    }
  }
  let stores = isClaimed(sql) ? open() : undefined
  /** Bytes that may come before the size of the database is looked at. */
  let room = 0
  let pause = WAKE_AGAIN
  /** Whether this instance has set the alarm for its oldest event; a new instance does not know of one already set. */
  let isExpirySet = false
  /** When this instance last looked at what it can give up. */
  let relievedAt = Number.NEGATIVE_INFINITY

  const need = (): Stores => {
    if (stores === undefined) throw new NotClaimed({ object: "SourceLog" })
    return stores
  }
  /** Who may not have been told of the head. Whom this instance has told is not noted: that would be a row for each. */
  const behind = ({ config, events, wakeUps }: Stores): ReadonlyArray<DestinationId> => {
    const head = events.head()
    return config.behind(head).filter((id) => wakeUps.told(id) < head)
  }
  if (stores !== undefined && behind(stores).length > 0) alarm.atLatest(timer.now() + WAKE_AGAIN)

  const isAbove = (part: number): boolean => ports.databaseSize() > part * ports.maxBytes()
  /** Whether there is no room left. Asking for the size costs as much as an append: once for each half of the room. */
  const isFull = (now: number): boolean => {
    if (room > 0) return false
    room = (ports.maxBytes() - ports.databaseSize()) / 2
    if (isAbove(PRESSED)) alarm.atLatest(Math.max(now, relievedAt + RELIEVE_AGAIN))
    return room <= 0
  }
  /** Why nothing is taken by this URL, `undefined` when it is. */
  const closed = (sourceId: SourceId, generation: number, now: number): AppendReply | undefined => {
    const config = stores?.config.config()
    if (config === undefined || config.deleted) return { _tag: "NotFound" }
    const { source } = config
    if (!isSameSource(sourceId, source.id) || !takes(source, generation, now)) return { _tag: "NotFound" }
    return REFUSED[source.status]
  }
  /** Why an event is not accepted, `undefined` when it is. */
  const refusal = (request: AppendRequest, now: number, full: boolean): AppendReply | undefined => {
    const { sourceId, generation = ID_IS_URL, token, repeated } = request
    // Whatever has changed since: it is stored, and refused it would come again as another event.
    if (repeated && stores?.events.holds(token) === true) return undefined
    const refused = closed(sourceId, generation, now) ?? unchecked(need().config.config()!.source, request)
    if (refused !== undefined) return refused
    return full ? { _tag: "Full" } : undefined
  }
  /** When events have to be dropped, in milliseconds since 1970; `null` when there are none. */
  const expiry = (): number | null => {
    const { events, config } = need()
    const oldest = events.oldest()
    const days = config.config()?.source.retentionDays
    return oldest === null || days === undefined ? null : oldest + days * DAY
  }
  const write = (requests: ReadonlyArray<AppendRequest>): ReadonlyArray<AppendReply> => {
    const now = timer.now()
    const full = isFull(now)
    const refusals = requests.map((request) => refusal(request, now, full))
    const accepted = requests.filter((_, i) => refusals[i] === undefined)
    if (accepted.length === 0) return refusals.flatMap((reply) => reply ?? [])
    const { events, config, wakeUps } = need()
    const written = events.append(accepted.map(({ event, token, repeated }) => ({ event, token, repeated, now })))
    for (const { event } of accepted) room -= event.body.length + event.meta.length
    const { destinations, source } = config.config()!
    if (destinations.length > 0) alarm.atLatest(now + WAKE_AGAIN)
    else {
      alarm.atLatest(isExpirySet ? now + source.retentionDays * DAY : expiry()!)
      isExpirySet = true
    }
    wakeUps.start(destinations)
    const ids = written.values()
    return refusals.map((reply) => reply ?? { _tag: "Accepted", id: ids.next().value!.id })
  }
  const group = GroupCommit.make({
    timer,
    write,
    bytesOf: ({ event }: AppendRequest) => event.body.length
  })

  /** Gives up the oldest events that nobody needs, until there is room again. */
  const relieve = (events: EventLog.EventLogStore, through: number): void => {
    while (isAbove(RELIEVED)) {
      if (events.dropOldest(through)) continue
      if (isAbove(PRESSED)) {
        const fields = { source: shown(ownerOf(sql)), needed_from: through + 1 }
        ports.log(line("warn", "a log is nearly full, and its destinations still need what it holds", fields))
      }
      return
    }
  }
  /**
   * Drops what is past its retention, under pressure the oldest, and nothing that a destination still needs. Answers
   * when to look again.
   */
  const expire = async (): Promise<number | null> => {
    const due = expiry()
    const now = timer.now()
    const isPressed = isAbove(PRESSED)
    if (isPressed) relievedAt = now
    if (due === null || (due > now && !isPressed)) return due
    const { events, config } = need()
    const { source, destinations } = config.config()!
    const head = events.head()
    const asked = Promise.all(destinations.map((id) => peers.needs(id, source.id)))
    const needs = await within(timer, ASK_DEADLINE, asked)
    if (needs === undefined) return now + EXPIRE_AGAIN
    const history = events.history()
    // What a destination has read that is not in the log says nothing of what is: the log was restored.
    // Of events that came meanwhile nobody was asked.
    const through = Math.min(
      head,
      ...needs.map((one) => (one === null ? head : one.read.every((mark) => Epochs.has(history, mark)) ? one.after : 0))
    )
    events.drop(now - source.retentionDays * DAY, through)
    if (isPressed) relieve(events, through)
    const next = expiry()
    return next === null ? null : Math.max(next, now + EXPIRE_AGAIN)
  }
  const expireByAlarm = async (): Promise<void> => {
    try {
      const next = await expire()
      if (next !== null) alarm.atLatest(next)
    } catch (error) {
      const source = shown(ownerOf(sql))
      ports.log(line("error", "old events could not be dropped; the alarm tries again", { source }, error))
      alarm.atLatest(timer.now() + EXPIRE_AGAIN)
    }
  }
  const wakeByAlarm = async (all: Stores): Promise<void> => {
    const { config, wakeUps } = all
    let isDone = false
    try {
      const missing = behind(all)
      await wakeUps.once(missing)
      for (const id of missing) config.notified(id, wakeUps.told(id))
      isDone = behind(all).length === 0
    } catch (error) {
      const source = shown(ownerOf(sql))
      ports.log(line("error", "wake-ups could not be noted; the alarm tries again", { source }, error))
    }
    pause = isDone ? WAKE_AGAIN : Math.min(pause * 2, WAKE_AGAIN_MAX)
    if (!isDone) alarm.atLatest(timer.now() + pause)
  }

  const ofOwner = <A>(read: (events: EventLog.SqlEventLogStore) => A): A & Pick<Packed, "sourceId"> => {
    const { events, config } = need()
    // A log that was claimed may not have been told of its source yet.
    return { ...read(events), sourceId: config.config()?.source.id ?? ownerOf(sql) }
  }

  return {
    claim: (sourceId) => {
      if (stores === undefined) {
        sql.transaction(() => {
          sql.exec("CREATE TABLE owner (source_id TEXT NOT NULL)")
          sql.exec("INSERT INTO owner VALUES (?)", sourceId)
        })
        stores = open()
      }
      return ownerOf(sql) === sourceId
    },
    configure: (config) => {
      need().config.configure(config)
      // A shorter retention may be over already.
      const due = expiry()
      if (due !== null) alarm.atLatest(Math.max(due, timer.now() + WAKE_AGAIN))
      // A log that was restored may have known fewer destinations.
      if (behind(need()).length > 0) alarm.atLatest(timer.now() + WAKE_AGAIN)
    },
    append: group.add,
    settings: (sourceId, generation) =>
      closed(sourceId, generation, timer.now()) ?? recheck(need().config.config()!.source),
    appendAll: (appends) => group.addAll(unpack(appends)),
    read: (after, { dictionaries, ...limits }) =>
      ofOwner(({ readPacked, readWhole }) => (dictionaries === true ? readPacked : readWhole)(after, limits)),
    get: (seqs, maxBytes) => (stores === undefined ? undefined : ofOwner(({ getPacked }) => getPacked(seqs, maxBytes))),
    list: (before, limit) => ofOwner(({ listPacked }) => listPacked(before, limit)),
    ids: (seqs) => need().events.ids(seqs),
    stats: () => {
      const { events } = need()
      return { ...events.stats(), epochs: events.recent() }
    },
    agree: (readers) => {
      const history = need().events.history()
      return { head: history.head, common: readers.map((marks) => Epochs.common(history, marks)) }
    },
    range: (from, to) => need().events.range(from, to),
    nudge: () => {
      if (stores === undefined) return
      const due = behind(stores).length > 0 ? timer.now() : expiry()
      if (due !== null) alarm.atLatest(Math.max(due, timer.now() + WAKE_AGAIN))
    },
    alarm: async () => {
      alarm.fired()
      if (stores === undefined) return
      await Promise.all([expireByAlarm(), wakeByAlarm(stores)])
    }
  }
}
