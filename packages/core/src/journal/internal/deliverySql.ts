/** The delivery journal over SQL: the facts, and the tables that they change. */

import type * as Facts from "../../delivery/Facts.ts"
import * as Policy from "../../delivery/Policy.ts"
import * as State from "../../delivery/State.ts"
import { MAX_SEQUENCE } from "../../Ids.ts"
import { migrate, type Sql } from "../../Sql.ts"
import type { Reason } from "../../sink/Sink.ts"
import type { DeliveryStatus, DeliveryStore } from "../DeliveryStore.ts"
import { project, toDead, toPending, toRun } from "./deliveryProjection.ts"
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
  // What was read before logs had epochs is of none.
  [
    "ALTER TABLE runs ADD COLUMN marks TEXT NOT NULL DEFAULT '[]'",
    `UPDATE runs SET marks = '[["",0]]' WHERE replay IS NULL`
  ]
]

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

  const readControl = (): State.Control => {
    const row = sql.exec("SELECT state FROM control")[0]
    // An older version wrote fewer fields.
    return row === undefined ? State.initialControl : { ...State.initialControl, ...JSON.parse(row["state"] as string) }
  }
  // Read once for each instance: every step needs it, and nobody else writes it.
  let state = readControl()
  const control = () => state
  /** How far each log is, as far as this instance was told: to write it down would be a commit for each time. */
  const heads = new Map<string, number>()
  const raised = (run: State.Run): State.Run =>
    isRaised(run) ? { ...run, head: Math.max(run.head, heads.get(run.sourceId) ?? 0) } : run
  const runs = () => sql.exec("SELECT * FROM runs ORDER BY id").map(toRun).map(raised)
  const live = () => runs().filter(({ replay }) => replay === null)
  const countOf = (table: "pending" | "dead", run: Facts.RunId) =>
    Number(sql.exec(`SELECT count(*) AS n FROM ${table} WHERE run = ?`, run)[0]!["n"])
  const has = (table: "pending" | "dead", run: Facts.RunId, seq: number) =>
    sql.exec(`SELECT 1 FROM ${table} WHERE run = ? AND seq = ?`, run, seq).length > 0
  const runById = (id: Facts.RunId) => sql.exec("SELECT * FROM runs WHERE id = ?", id).map(toRun).map(raised)[0]
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
        .map(toRun)
        .map((run) => [run.id, run])
    )
    const known = unfinished
    // A replay that has finished has something pending when a dead letter of it was brought back.
    const others = [...withPending].filter((id) => !known.has(id)).flatMap((id) => runById(id) ?? [])
    const all = [...known.values()].map(raised)
    const open = others.filter(({ deleted }) => !deleted)
    return open.length === 0 ? all : [...all, ...open].sort((a, b) => (a.id < b.id ? -1 : 1))
  }
  const follow = (fact: Facts.Fact): void => {
    if (CHANGES[fact._tag] === "any") unfinished = undefined
    if (fact._tag !== "WindowSettled" || unfinished?.has(fact.run) !== true) return
    unfinished.set(fact.run, sql.exec("SELECT * FROM runs WHERE id = ?", fact.run).map(toRun)[0]!)
  }
  const numberOrNull = (value: unknown) => (value === null || value === undefined ? null : Number(value))

  const journal = JournalSql.open(sql)

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

  return {
    control,
    commit: (facts, now) => {
      try {
        state = sql.transaction(() => {
          journal.rotate(now)
          let after = state
          for (const fact of facts) {
            journal.append(fact, now)
            project(sql, fact, after)
            after = State.evolveControl(after, fact)
          }
          if (after !== state) {
            sql.exec("INSERT OR REPLACE INTO control VALUES (1, ?)", JSON.stringify(after))
          }
          return after
        })
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
