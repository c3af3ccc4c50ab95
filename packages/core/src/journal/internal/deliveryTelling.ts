/** What both stores of the delivery journal tell in the same way. */

import type * as Facts from "../../delivery/Facts.ts"
import type * as State from "../../delivery/State.ts"
import { upTo } from "../../log/Epochs.ts"
import type {
  AttemptFilter,
  AttemptPage,
  AttemptPosition,
  AttemptStatus,
  DeadPage,
  DeliveryStatus,
  Entry,
  Needs,
  ReplayProgress
} from "../DeliveryStore.ts"

const nothing = { attempt: null, latency: null, receipt: null, reason: null, detail: null, rule: null, nextAt: null }

/** The connection of a run, and its replay; `null`: the live run. */
export const partsOf = (run: Facts.RunId) => {
  const [connection, replay] = run.split(":")
  return { connection: connection!, replay: replay ?? null }
}

const entryOf = (n: number, run: Facts.RunId, at: number, one: Facts.Settlement): Entry => {
  const base = { ...nothing, ...partsOf(run), n, seq: one.seq, at }
  switch (one._tag) {
    case "Delivered":
      return { ...base, type: "delivered", attempt: one.attempt, latency: one.latency, receipt: one.receipt }
    case "Filtered":
      return { ...base, type: "filtered", rule: one.rule }
    case "Waiting":
      return { ...base, type: one.due === null ? "held" : "postponed", nextAt: one.due }
    case "Retry":
    case "Dead": {
      const { attempt, latency, reason, detail } = one
      const type = one._tag === "Dead" ? "dead" : one.restarts > 0 ? "unknown" : "failed"
      return { ...base, type, attempt, latency, reason, detail, nextAt: one._tag === "Retry" ? one.due : null }
    }
  }
}

/** A fact with its number and when it was written. */
export interface Row {
  readonly n: number
  readonly at: number
  /** The last event that it tells of and that its log still has; `null` when there is none. */
  readonly hi: number | null
  readonly fact: Facts.Fact
}

/** Whether what a window tells of an event is of another than its log has now. */
export const isGone = ({ hi }: Pick<Row, "hi">, seq: number): boolean => hi === null || seq > hi

/** Facts that do not match the query are left out. */
export type MaybeRow = Omit<Row, "fact"> & { readonly fact: Facts.Fact | undefined }

/** What a fact tells of event `seq`. `isCancelled`: what became of it with its run. */
export const entriesIn = (
  { n, at, fact }: Omit<Row, "hi">,
  seq: number,
  isCancelled: (run: Facts.RunId, seq: number) => boolean
): ReadonlyArray<Entry> => {
  switch (fact._tag) {
    case "WindowSettled":
      return fact.settled.filter((one) => one.seq === seq).map((one) => entryOf(n, fact.run, at, one))
    case "Redriven":
      return fact.seqs.includes(seq)
        ? [{ ...nothing, ...partsOf(fact.run), n, seq, at, type: "redriven", nextAt: fact.at }]
        : []
    case "RunCancelled":
      return isCancelled(fact.run, seq)
        ? [{ ...nothing, ...partsOf(fact.run), n, seq, at, type: "cancelled", detail: fact.because }]
        : []
    case "ConnectionStarted":
    case "ConnectionChanged":
    case "ReplayRequested":
    case "ReplayFinished":
    case "ReplayCancelled":
    case "LogRestored":
    case "WindowPlanned":
    case "Paused":
    case "Resumed":
    case "BreakerOpened":
    case "BreakerHalfOpened":
    case "BreakerClosed":
    case "RetriesDue":
    case "ThrottledUntil":
    case "ConfigChanged":
      return []
  }
}

const IS_TRY: { readonly [T in Entry["type"]]: T extends AttemptStatus ? true : false } = {
  delivered: true,
  failed: true,
  unknown: true,
  dead: true,
  filtered: false,
  held: false,
  postponed: false,
  redriven: false,
  cancelled: false
}

const isTry = (entry: Entry): entry is Entry & { readonly type: AttemptStatus } => IS_TRY[entry.type]

/** The events that these windows filtered out. */
export const filteredIn = (rows: ReadonlyArray<Row>): ReadonlySet<number> =>
  new Set(
    rows.flatMap(({ fact }) =>
      fact._tag === "WindowSettled" ? fact.settled.flatMap((one) => (one._tag === "Filtered" ? one.seq : [])) : []
    )
  )

/** Windows that one page of tries looks through at most. */
const ATTEMPT_SCAN = 200

/** The tries in `rows` (newest first) below a position. No more rows are taken than the page needs. */
export const attemptPage = (
  rows: Iterable<MaybeRow>,
  filter: AttemptFilter,
  before: AttemptPosition | null,
  limit: number
): AttemptPage => {
  const entries: Array<Entry> = []
  let [scanned, last] = [0, 0]
  for (const row of rows) {
    const { n, at, fact } = row
    // Of the last window nothing is left.
    if (++scanned > ATTEMPT_SCAN) return { entries, next: { n: last, seq: 0 } }
    last = n
    if (fact?._tag !== "WindowSettled") continue
    for (const one of fact.settled.toSorted((a, b) => b.seq - a.seq)) {
      if (before !== null && before.n === n && one.seq >= before.seq) continue
      const entry = entryOf(n, fact.run, at, one)
      if (!isTry(entry)) continue
      if (filter.connection !== undefined && entry.connection !== filter.connection) continue
      if (filter.status !== undefined && entry.type !== filter.status) continue
      if (entries.length === limit) {
        const { n, seq } = entries.at(-1)!
        return { entries, next: { n, seq } }
      }
      entries.push(isGone(row, one.seq) ? { ...entry, isGone: true } : entry)
    }
  }
  return { entries, next: null }
}

/** How far a replay is, from its runs. `counts`: pending events and dead letters of a run. */
export const progressOf = (
  runs: ReadonlyArray<State.Run>,
  counts: (run: Facts.RunId) => { readonly pending: number; readonly dead: number }
): ReplayProgress | undefined => {
  if (runs.length === 0) return undefined
  const sum = (of: (run: State.Run) => number) => runs.reduce((total, run) => total + of(run), 0)
  const isOpen = ({ deleted, finishedAt }: State.Run) => !deleted && finishedAt === null
  return {
    status: runs.some(isOpen)
      ? "running"
      : runs.every(({ finishedAt }) => finishedAt !== null)
        ? "finished"
        : "cancelled",
    total: sum(({ head, after }) => head - after),
    processed: sum(({ id, cursor, after }) => cursor - after - counts(id).pending),
    delivered: sum(({ delivered }) => delivered),
    filtered: sum(({ filtered }) => filtered),
    dead: sum(({ id }) => counts(id).dead),
    pending: sum(({ id, deleted }) => (deleted ? 0 : counts(id).pending))
  }
}

/** Whether a run's head follows its log: that of a replay and of a deleted connection stays where it ends. */
export const isRaised = ({ replay, deleted }: State.Run): boolean => replay === null && !deleted

/** Whether a run needs its log: it goes on, or has events that are not done with. */
export const goesOn = ({ deleted, finishedAt }: State.Run, pending: number): boolean =>
  !deleted && (finishedAt === null || pending > 0)

/** What these runs, which go on, need of their log. `oldest`: the first pending event of a run. */
export const needsOf = (runs: ReadonlyArray<State.Run>, oldest: (run: Facts.RunId) => number | null): Needs | null => {
  if (runs.length === 0) return null
  const after = runs.map(({ id, cursor }) => Math.min(cursor, (oldest(id) ?? Number.POSITIVE_INFINITY) - 1))
  return { after: Math.min(...after), read: runs.flatMap(({ marks, cursor }) => upTo(marks, cursor).slice(-1)) }
}

/** Whether an event will not be sent because its run has ended: it was pending, or not read yet. */
export const isCancelledIn = ({ deleted, cursor, head }: State.Run, seq: number, isPending: () => boolean): boolean =>
  deleted && (seq > cursor ? seq <= head : isPending())

/** Where an event stands in a live run; `undefined` of one that came before the run or after its end. */
export const statusOf = (
  run: State.Run,
  seq: number,
  has: (table: "pending" | "dead") => boolean,
  isFiltered: () => boolean
): DeliveryStatus["status"] | undefined => {
  if (seq <= run.after) return undefined
  if (has("dead")) return "dead"
  if (isCancelledIn(run, seq, () => has("pending"))) return "cancelled"
  if (has("pending")) return "retrying"
  if (seq > run.cursor) return run.deleted ? undefined : "waiting"
  return isFiltered() ? "filtered" : "delivered"
}

export const deadPage = (letters: ReadonlyArray<State.DeadLetter>, limit: number): DeadPage => {
  const shown = letters.slice(0, limit).map((letter) => ({ ...letter, ...partsOf(letter.run) }))
  const last = shown.at(-1)
  const more = letters.length > limit && last !== undefined
  return { letters: shown, next: more ? { run: last.run, seq: last.seq } : null }
}
