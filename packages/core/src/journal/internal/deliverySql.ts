/** The delivery journal over SQL: the facts, and the tables that they change. */

import type * as Facts from "../../delivery/Facts.ts"
import * as Policy from "../../delivery/Policy.ts"
import * as State from "../../delivery/State.ts"
import { MAX_SEQUENCE } from "../../Ids.ts"
import { migrate, type Sql, type SqlRow } from "../../Sql.ts"
import type { Reason } from "../../sink/Sink.ts"
import type { DeliveryStatus, DeliveryStore } from "../DeliveryStore.ts"
import { project, toDead, toPending, toRun, writeProgress } from "./deliveryProjection.ts"
import {
  attemptPage,
  deadPage,
  entriesIn,
  filteredIn,
  goesOn,
  isCancelledIn,
  isGone,
  isRaised,
  needsOf,
  progressOf,
  statusOf
} from "./deliveryTelling.ts"
import * as JournalSql from "./journalSql.ts"

const MIGRATIONS = [
  [
    `CREATE TABLE journal (
       n INTEGER PRIMARY KEY, at INTEGER NOT NULL, v INTEGER NOT NULL, type TEXT NOT NULL,
       connection TEXT, lo INTEGER, hi INTEGER, is_read INTEGER NOT NULL, fact TEXT NOT NULL)`,
    `CREATE INDEX journal_reads ON journal (connection, hi) WHERE is_read = 1`,
    `CREATE TABLE control (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL)`,
    `CREATE TABLE connections (
       id TEXT PRIMARY KEY, source_id TEXT NOT NULL, route TEXT NOT NULL, after INTEGER NOT NULL,
       cursor INTEGER NOT NULL, head INTEGER NOT NULL, enabled INTEGER NOT NULL,
       deleted INTEGER NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE pending (
       connection TEXT NOT NULL, seq INTEGER NOT NULL, key TEXT, spent INTEGER NOT NULL, due INTEGER,
       restarts INTEGER NOT NULL, since INTEGER, reason TEXT, detail TEXT NOT NULL,
       PRIMARY KEY (connection, seq)) WITHOUT ROWID`,
    `CREATE INDEX pending_due ON pending (due) WHERE due IS NOT NULL`,
    `CREATE INDEX pending_key ON pending (connection, key, seq) WHERE key IS NOT NULL`,
    `CREATE TABLE dead (
       connection TEXT NOT NULL, seq INTEGER NOT NULL, key TEXT, attempt INTEGER NOT NULL, reason TEXT NOT NULL,
       detail TEXT NOT NULL, PRIMARY KEY (connection, seq)) WITHOUT ROWID`
  ],
  // Runs instead of connections, token buckets instead of one, the journal in segments.
  [
    `CREATE TABLE runs (
       id TEXT PRIMARY KEY, connection TEXT NOT NULL, replay TEXT, source_id TEXT NOT NULL, route TEXT NOT NULL,
       after INTEGER NOT NULL, cursor INTEGER NOT NULL, head INTEGER NOT NULL, enabled INTEGER NOT NULL,
       deleted INTEGER NOT NULL, delivered INTEGER NOT NULL, filtered INTEGER NOT NULL, rate_full_at REAL NOT NULL,
       finished_at INTEGER) WITHOUT ROWID`,
    `INSERT INTO runs
     SELECT id, id, NULL, source_id, route, after, cursor, head, enabled, deleted, 0, 0, 0, NULL FROM connections`,
    `DROP TABLE connections`,
    `ALTER TABLE pending RENAME COLUMN connection TO run`,
    `ALTER TABLE dead RENAME COLUMN connection TO run`,
    `UPDATE control SET state = json_remove(
       json_set(
         state, '$.rates', json_object('requests', json_extract(state, '$.rateFullAt'), 'records', 0, 'bytes', 0)),
       '$.rateFullAt')`,
    `UPDATE control SET state = json_remove(
       json_set(state, '$.window.run', json_extract(state, '$.window.connection')), '$.window.connection')
     WHERE json_extract(state, '$.window') IS NOT NULL`,
    `ALTER TABLE journal RENAME TO journal_1`,
    `ALTER TABLE journal_1 RENAME COLUMN connection TO run`,
    `DROP INDEX journal_reads`,
    ...JournalSql.segmentIndexes(1),
    `CREATE TABLE journal_segments (n INTEGER PRIMARY KEY, first INTEGER NOT NULL, since INTEGER)`,
    `INSERT INTO journal_segments VALUES (1, 1, (SELECT min(at) FROM journal_1))`
  ],
  // Several open windows, one of each run, instead of one.
  [
    `UPDATE control SET state = json_remove(
       json_set(state, '$.windows', CASE WHEN json_extract(state, '$.window') IS NULL THEN json_array()
         ELSE json_array(json_extract(state, '$.window')) END),
       '$.window')`
  ],
  // The control and the runs may be behind the journal. `through`: the last fact that they know; null: all.
  ["ALTER TABLE control ADD COLUMN through INTEGER"],
  // What was read before logs had epochs is of none.
  [
    "ALTER TABLE runs ADD COLUMN marks TEXT NOT NULL DEFAULT '[]'",
    `UPDATE runs SET marks = '[["",0]]' WHERE replay IS NULL`
  ]
]

/** So many facts, or characters of them, the tables are behind the journal at most: who opens it reads them again. */
const AHEAD_FACTS = 64
const AHEAD_CHARS = 256 * 1024

/** Whether a fact changes the control and how far its run is, and nothing else. */
const isLight = (fact: Facts.Fact): boolean =>
  fact._tag === "WindowPlanned" ||
  (fact._tag === "WindowSettled" &&
    fact.seqs === null &&
    fact.settled.every(({ _tag }) => _tag === "Delivered" || _tag === "Filtered"))

/** Which of the runs a fact changes. */
const CHANGES: Readonly<Record<Facts.Fact["_tag"], "none" | "its own" | "any">> = {
  ConnectionStarted: "any",
  ConnectionChanged: "any",
  ReplayRequested: "any",
  ReplayFinished: "any",
  ReplayCancelled: "any",
  RunCancelled: "any",
  LogRestored: "any",
  WindowPlanned: "none",
  WindowSettled: "its own",
  Paused: "none",
  Resumed: "none",
  BreakerOpened: "none",
  BreakerHalfOpened: "none",
  BreakerClosed: "none",
  ThrottledUntil: "none",
  ConfigChanged: "none",
  RetriesDue: "none",
  Redriven: "none"
}

const LIVE = "SELECT id FROM runs WHERE deleted = 0"
/** Its parameter: the runs that are away, as JSON. */
const ENABLED = "SELECT id FROM runs WHERE enabled = 1 AND deleted = 0 AND id NOT IN (SELECT value FROM json_each(?))"

/** Opens the journal in `sql`, making its tables when they are missing. */
export const makeStore = (sql: Sql): DeliveryStore => {
  migrate(sql, "DeliveryJournal", MIGRATIONS)

  const journal = JournalSql.open(sql)
  const stored = sql.exec("SELECT state, through FROM control")[0]
  // Read once for each instance: every step needs it, and nobody else writes it. An older version wrote fewer fields.
  let state: State.Control =
    stored === undefined ? State.initialControl : { ...State.initialControl, ...JSON.parse(stored["state"] as string) }
  const control = () => state

  /**
   * What the journal holds, and the tables do not yet: a window costs one row where all goes well. Written down every
   * so many facts, and before any fact that changes more.
   */
  const ahead = {
    facts: 0,
    chars: 0,
    runs: new Map<Facts.RunId, { readonly run: State.Run; readonly first: number }>()
  }
  const known = (row: SqlRow): State.Run => ahead.runs.get(row["id"] as string)?.run ?? toRun(row)
  const knownRun = (id: Facts.RunId) => sql.exec("SELECT * FROM runs WHERE id = ?", id).map(known)[0]
  /** A light fact, number `n` of the journal, is in it. */
  const advance = (fact: Facts.Fact, n: number, chars: number): void => {
    ahead.facts++
    ahead.chars += chars
    state = State.evolveControl(state, fact)
    if (fact._tag !== "WindowSettled") return
    const run = knownRun(fact.run)
    if (run === undefined) return
    const first = ahead.runs.get(run.id)?.first ?? n
    ahead.runs.set(run.id, { run: State.afterWindow(run, fact), first })
  }
  const writeAhead = (): void => {
    for (const { run, first } of ahead.runs.values()) {
      writeProgress(sql, run)
      journal.mark(run.id, run.cursor, first)
    }
  }
  const through = stored?.["through"]
  if (through !== null) for (const { n, fact } of journal.after(Number(through ?? 0))) advance(fact, n, 0)

  /** How far each log is, as far as this instance was told: to write it down would be a commit for each time. */
  const heads = new Map<string, number>()
  const raised = (run: State.Run): State.Run =>
    isRaised(run) ? { ...run, head: Math.max(run.head, heads.get(run.sourceId) ?? 0) } : run
  const runs = () => sql.exec("SELECT * FROM runs ORDER BY id").map(known).map(raised)
  const live = () => runs().filter(({ replay }) => replay === null)
  const countOf = (table: "pending" | "dead", run: Facts.RunId) =>
    Number(sql.exec(`SELECT count(*) AS n FROM ${table} WHERE run = ?`, run)[0]!["n"])
  const has = (table: "pending" | "dead", run: Facts.RunId, seq: number) =>
    sql.exec(`SELECT 1 FROM ${table} WHERE run = ? AND seq = ?`, run, seq).length > 0
  const runById = (id: Facts.RunId) => {
    const run = knownRun(id)
    return run && raised(run)
  }
  const isCancelled = (id: Facts.RunId, seq: number) => {
    const run = runById(id)
    return run !== undefined && isCancelledIn(run, seq, () => has("pending", id, seq))
  }
  // Every step looks at them: read once, and again what a fact has changed.
  let unfinished: Map<Facts.RunId, State.Run> | undefined
  const runsToView = (withPending: ReadonlySet<Facts.RunId>): ReadonlyArray<State.Run> => {
    unfinished ??= new Map(
      sql
        .exec("SELECT * FROM runs WHERE deleted = 0 AND finished_at IS NULL ORDER BY id")
        .map(known)
        .map((run) => [run.id, run])
    )
    const goingOn = unfinished
    // A replay that has finished has something pending when a dead letter of it was brought back.
    const others = [...withPending].filter((id) => !goingOn.has(id)).flatMap((id) => runById(id) ?? [])
    const all = [...goingOn.values()].map(raised)
    const open = others.filter(({ deleted }) => !deleted)
    return open.length === 0 ? all : [...all, ...open].sort((a, b) => (a.id < b.id ? -1 : 1))
  }
  const follow = (fact: Facts.Fact): void => {
    if (CHANGES[fact._tag] === "any") unfinished = undefined
    if (fact._tag !== "WindowSettled" || unfinished?.has(fact.run) !== true) return
    unfinished.set(fact.run, knownRun(fact.run)!)
  }
  const numberOrNull = (value: unknown) => (value === null || value === undefined ? null : Number(value))

  /** Due events, each followed by those that wait behind its key, as far as none of the key is due later. */
  const due = (now: number, away: string): ReadonlyArray<State.Pending> => {
    const limit = Policy.WINDOW_EVENTS
    const heads = sql
      .exec(
        `SELECT * FROM pending WHERE due <= ? AND run IN (${ENABLED}) ORDER BY due, run, seq LIMIT ?`,
        now,
        away,
        limit
      )
      .map(toPending)
    const out = [...heads]
    for (const { run, key } of heads) {
      if (key === null || out.length >= limit) continue
      out.push(
        ...sql
          .exec(
            `SELECT * FROM pending WHERE run = ?1 AND key = ?2 AND due IS NULL
             AND seq < coalesce((SELECT min(seq) FROM pending WHERE run = ?1 AND key = ?2 AND due > ?3), ?4)
             ORDER BY seq LIMIT ?5`,
            run,
            key,
            now,
            MAX_SEQUENCE,
            limit - out.length
          )
          .map(toPending)
          .filter((one) => !out.some((other) => other.run === one.run && other.seq === one.seq))
      )
    }
    return out
  }

  /** Light facts: the tables learn of them later. */
  const appendOnly = (facts: ReadonlyArray<Facts.Fact>, now: number): void => {
    const from = journal.last() + 1
    const append = () => facts.map((fact) => journal.append(fact, now))
    // One row is written or not: it needs no transaction of its own.
    const chars = facts.length === 1 ? append() : sql.transaction(append)
    for (const [i, fact] of facts.entries()) advance(fact, from + i, chars[i]!)
  }
  const writeAll = (facts: ReadonlyArray<Facts.Fact>, now: number): void => {
    state = sql.transaction(() => {
      writeAhead()
      journal.rotate(now)
      let after = state
      for (const fact of facts) {
        journal.append(fact, now)
        project(sql, fact, after)
        if (fact._tag === "WindowSettled" && fact.seqs === null) journal.mark(fact.run, fact.hi, journal.last())
        after = State.evolveControl(after, fact)
      }
      // What neither changes it nor counts is read again in vain.
      if (after !== state || ahead.facts > 0) {
        const json = JSON.stringify(after)
        sql.exec("INSERT OR REPLACE INTO control (one, state, through) VALUES (1, ?, ?)", json, journal.last())
      }
      return after
    })
    ahead.facts = 0
    ahead.chars = 0
    ahead.runs.clear()
  }

  return {
    control,
    commit: (facts, now) => {
      const isBehind = ahead.facts + facts.length > AHEAD_FACTS || ahead.chars > AHEAD_CHARS
      try {
        if (!isBehind && facts.every(isLight) && !journal.isOver(now)) appendOnly(facts, now)
        else writeAll(facts, now)
        facts.forEach(follow)
      } catch (error) {
        unfinished = undefined
        journal.reread()
        throw error
      }
    },
    headIs: (sourceId, head) => {
      heads.set(sourceId, head)
    },
    openAbove: (run, seq) =>
      Number(
        sql.exec(
          `SELECT (SELECT count(*) FROM pending WHERE run = ?1 AND seq > ?2)
             + (SELECT count(*) FROM dead WHERE run = ?1 AND seq > ?2) AS n`,
          run,
          seq
        )[0]!["n"]
      ),
    raiseHead: (sourceId, head) => {
      heads.set(sourceId, Math.max(head, heads.get(sourceId) ?? 0))
    },
    view: (now, runsAway = new Set()) => {
      const away = JSON.stringify([...runsAway])
      const countBy = (table: "pending" | "dead", where = "") =>
        new Map(
          sql
            .exec(`SELECT run, count(*) AS n FROM ${table} ${where} GROUP BY run`)
            .map((row) => [row["run"] as string, Number(row["n"])])
        )
      const pendingOf = countBy("pending")
      const all = runsToView(new Set(pendingOf.keys()))
      // Only replays with a limit ask for it.
      const limited = all.filter(({ replay }) => replay?.maxEvents != null)
      const deadOf = new Map(limited.map(({ id }) => [id, countOf("dead", id)]))
      // While all goes well nothing is pending, and none of it is looked for.
      const isCalm = pendingOf.size === 0
      const later = isCalm
        ? undefined
        : sql.exec(`SELECT min(due) AS due FROM pending WHERE due > ? AND run IN (${ENABLED})`, now, away)[0]
      const shown = all.map((run) => ({ ...run, pending: pendingOf.get(run.id) ?? 0, dead: deadOf.get(run.id) ?? 0 }))
      return {
        control: state,
        runs: shown.filter((run) => goesOn(run, run.pending)),
        due: isCalm ? [] : due(now, away),
        oldest:
          isCalm || state.breaker.state === "closed"
            ? []
            : sql
                .exec(
                  `SELECT * FROM pending WHERE due IS NOT NULL AND run IN (${ENABLED}) ORDER BY seq, run LIMIT ?`,
                  away,
                  Policy.WINDOW_EVENTS
                )
                .map(toPending),
        nextDue: numberOrNull(later?.["due"]),
        pendingCount: shown.reduce((sum, { pending }) => sum + pending, 0)
      }
    },
    pendingAmong: (run, seqs) =>
      sql
        .exec(
          "SELECT * FROM pending WHERE run = ? AND seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
          run,
          JSON.stringify(seqs)
        )
        .map(toPending),
    blockedKeys: (run, keys) =>
      new Set(
        sql
          .exec(
            "SELECT DISTINCT key FROM pending WHERE run = ? AND key IN (SELECT value FROM json_each(?))",
            run,
            JSON.stringify(keys)
          )
          .map(({ key }) => key as string)
      ),
    pendingAfter: (from, limit) =>
      sql
        .exec(
          `SELECT * FROM pending WHERE (run, seq) > (?, ?) AND run IN (${LIVE}) ORDER BY run, seq LIMIT ?`,
          from?.run ?? "",
          from?.seq ?? 0,
          limit
        )
        .map(toPending),
    runs,
    timeline: (sourceId, seq) =>
      runs()
        .filter((run) => run.sourceId === sourceId && run.after < seq && (run.replay === null || seq <= run.head))
        .flatMap(({ id }) => journal.ofEvent(id, seq))
        .sort((a, b) => a.n - b.n)
        .flatMap((row) => entriesIn(row, seq, isCancelled)),
    statuses: (sourceId, seqs) =>
      live()
        .filter((run) => run.sourceId === sourceId)
        .flatMap((run) => {
          const { id, after, cursor } = run
          const own = seqs.filter((seq) => seq > after)
          const among = (table: "pending" | "dead") =>
            new Set(
              sql
                .exec(
                  `SELECT seq FROM ${table} WHERE run = ? AND seq IN (SELECT value FROM json_each(?))`,
                  id,
                  JSON.stringify(own)
                )
                .map(({ seq }) => Number(seq))
            )
          const open = { pending: among("pending"), dead: among("dead") }
          const done = own.filter((seq) => seq <= cursor && !open.pending.has(seq) && !open.dead.has(seq))
          const filtered = filteredIn(journal.windowsOf(id, done))
          return own.flatMap((seq): ReadonlyArray<DeliveryStatus> => {
            const status = statusOf(
              run,
              seq,
              (table) => open[table].has(seq),
              () => filtered.has(seq)
            )
            return status === undefined ? [] : [{ connection: id, seq, status }]
          })
        }),
    deadLetters: (before, limit) => {
      const rows = sql.exec(
        `SELECT * FROM dead WHERE (run, seq) < (?, ?) ORDER BY run DESC, seq DESC LIMIT ?`,
        before?.run ?? "~",
        before?.seq ?? 0,
        limit + 1
      )
      return deadPage(rows.map(toDead), limit)
    },
    summary: () => {
      const last = sql.exec(
        `SELECT reason, detail FROM pending WHERE reason IS NOT NULL AND run IN (${LIVE}) ORDER BY due DESC LIMIT 1`
      )[0]
      const waits = sql.exec(`SELECT count(*) AS n, min(due) AS due FROM pending WHERE run IN (${LIVE})`)[0]!
      return {
        control: control(),
        connections: live(),
        pending: Number(waits["n"]),
        dead: Number(sql.exec("SELECT count(*) AS n FROM dead")[0]!["n"]),
        nextDue: numberOrNull(waits["due"]),
        lastError: last === undefined ? null : { reason: last["reason"] as Reason, detail: last["detail"] as string }
      }
    },
    attempts: (filter, before, limit) => attemptPage(journal.settled(before, filter.connection), filter, before, limit),
    runOfAttempt: ({ n, seq }) => {
      const row = journal.row(n)
      const isOfIt = row?.fact._tag === "WindowSettled" && row.fact.settled.some((one) => one.seq === seq)
      return isOfIt && !isGone(row, seq) ? row.fact.run : undefined
    },
    isOpen: (run, seq) => runById(run)?.deleted === false && (has("pending", run, seq) || has("dead", run, seq)),
    replay: (replay) =>
      progressOf(
        runs().filter((run) => run.replay?.id === replay),
        (run) => ({ pending: countOf("pending", run), dead: countOf("dead", run) })
      ),
    needs: (sourceId) =>
      needsOf(
        runs().filter((run) => run.sourceId === sourceId && goesOn(run, countOf("pending", run.id))),
        (id) => numberOrNull(sql.exec("SELECT min(seq) AS seq FROM pending WHERE run = ?", id)[0]?.["seq"])
      ),
    facts: journal.all,
    state: () => ({
      control: control(),
      runs: new Map(runs().map((run) => [run.id, run])),
      pending: byEvent(sql.exec("SELECT * FROM pending").map(toPending)),
      dead: byEvent(sql.exec("SELECT * FROM dead").map(toDead))
    })
  }
}

const byEvent = <A extends { readonly run: Facts.RunId; readonly seq: number }>(
  all: ReadonlyArray<A>
): ReadonlyMap<string, A> => new Map(all.map((one) => [State.eventKey(one.run, one.seq), one]))
