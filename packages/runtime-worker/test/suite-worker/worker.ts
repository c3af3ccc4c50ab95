/**
 * Runs core's contract cases on a Durable Object's own SQLite: `GET /<suite>/<case>` answers 204, or 500 with what
 * failed.
 */
import { DurableObject } from "cloudflare:workers"
import * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import * as EventLog from "@hookstream/core/log/EventLog"
import type { Sql } from "@hookstream/core/Sql"
import * as DeliveryJournalCases from "@hookstream/core/testing/DeliveryJournalSuite"
import * as EventLogCases from "@hookstream/core/testing/EventLogSuite"
import * as RegistryCases from "@hookstream/core/testing/RegistrySuite"
import * as Registry from "@hookstream/core/workspace/Registry"
import { fill, questions } from "../../../core/test/JournalReads.ts"
import { count, prepare, runTurn, type Script, turnsOf } from "../../../core/test/ObjectScript.ts"
import { sqlOf } from "../../src/internal/sql.ts"

const suite = <Store>(cases: Readonly<Record<string, (store: Store) => void>>, make: (sql: Sql) => Store) =>
  Object.fromEntries(Object.entries(cases).map(([name, run]) => [name, (sql: Sql) => run(make(sql))]))

const suites: Readonly<Record<string, Readonly<Record<string, (sql: Sql) => void>>>> = {
  EventLog: suite(EventLogCases.cases, (sql) => EventLog.makeStore(sql, EventLogCases.log)),
  DeliveryJournal: suite(DeliveryJournalCases.cases, DeliveryJournal.makeStore),
  Registry: suite(RegistryCases.cases, Registry.makeStore)
}

export class Suites extends DurableObject {
  run(name: string, one: string): string | null {
    try {
      suites[name]![one]!(sqlOf(this.ctx.storage))
      return null
    } catch (error) {
      return error instanceof Error ? `${error.message}\n${error.stack}` : String(error)
    }
  }

  /** Rows that SQLite reads to answer a question of a journal with `perSegment` windows in each segment. */
  rowsRead(question: string, perSegment: number): number {
    const own = sqlOf(this.ctx.storage)
    const last = fill(own, perSegment)
    let rows = 0
    const store = DeliveryJournal.makeStore({
      ...own,
      exec: (query, ...params) => {
        const cursor = this.ctx.storage.sql.exec(query, ...params)
        const answer = cursor.toArray() as ReturnType<Sql["exec"]>
        rows += cursor.rowsRead
        return answer
      }
    })
    rows = 0
    questions[question]!(store, last)
    return rows
  }

  prepare(): void {
    prepare(sqlOf(this.ctx.storage))
  }

  async turn(commands: Script, ends: "throw" | "crash" | "well"): Promise<void> {
    await runTurn(sqlOf(this.ctx.storage), commands, { wait: () => scheduler.wait(5) })
    if (ends === "crash") this.ctx.abort("crash")
    if (ends === "throw") throw new RangeError("as asked")
  }

  count(): number {
    return count(sqlOf(this.ctx.storage))
  }
}

export default {
  async fetch(request, env): Promise<Response> {
    if (request.method === "POST") {
      const script: Script = await request.json()
      const name = crypto.randomUUID()
      await env.SUITES.getByName(name).prepare()
      for (const { commands, ends } of turnsOf(script)) {
        // A turn that throws or crashes fails its call; a new stub reaches the object again.
        await env.SUITES.getByName(name)
          .turn(commands, ends)
          .catch(() => undefined)
      }
      return Response.json(await env.SUITES.getByName(name).count())
    }
    const reads = new URL(request.url).searchParams
    if (reads.has("question")) {
      const [question, perSegment] = [reads.get("question")!, Number(reads.get("perSegment"))]
      return Response.json(await env.SUITES.getByName(`${question} ${perSegment}`).rowsRead(question, perSegment))
    }
    const [, name, one] = new URL(request.url).pathname.split("/").map(decodeURIComponent)
    // An object of its own for each case.
    const failure = await env.SUITES.getByName(`${name}/${one}`).run(name!, one!)
    return failure === null ? new Response(null, { status: 204 }) : new Response(failure, { status: 500 })
  }
} satisfies ExportedHandler<{ readonly SUITES: DurableObjectNamespace<Suites> }>
