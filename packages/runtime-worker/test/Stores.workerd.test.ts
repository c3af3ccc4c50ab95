import { cases as deliveryJournal } from "@hookstream/core/testing/DeliveryJournalSuite"
import { cases as eventLog } from "@hookstream/core/testing/EventLogSuite"
import { cases as registry } from "@hookstream/core/testing/RegistrySuite"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createTestHarness } from "wrangler"
import { questions } from "../../core/test/JournalReads.ts"
import { count, prepare, runTurn, type Script, scripts, turnsOf } from "../../core/test/ObjectScript.ts"
import { objectSql } from "../../core/test/ObjectSql.ts"

const server = createTestHarness({
  workers: [{ configPath: new URL("./suite-worker/wrangler.jsonc", import.meta.url) }]
})
beforeAll(async () => {
  await server.listen()
})
afterAll(() => server.close())

describe.each(Object.entries({ EventLog: eventLog, DeliveryJournal: deliveryJournal, Registry: registry }))(
  "%s on a Durable Object's SQLite",
  (name, cases) => {
    it.each(Object.keys(cases))("%s", async (one) => {
      const response = await server.fetch(`/${name}/${encodeURIComponent(one)}`)
      expect(await response.text()).toBe("")
      expect(response.status).toBe(204)
    })
  }
)

describe("the rows that a journal reads do not grow with what it holds of other events", () => {
  const rowsFor = async (question: string, perSegment: number) => {
    const query = new URLSearchParams({ question, perSegment: String(perSegment) })
    return (await (await server.fetch(`/?${query}`)).json()) as number
  }
  it.each(Object.keys(questions))("%s", async (question) => {
    const [few, many] = [await rowsFor(question, 40), await rowsFor(question, 120)]
    expect(few).toBeGreaterThan(0)
    expect(many).toBeLessThanOrEqual(1.2 * few)
  })
})

describe("the storage that the simulation runs on", () => {
  const onFake = async (script: Script) => {
    const sql = objectSql()
    prepare(sql)
    sql.flush()
    for (const { commands, ends } of turnsOf(script)) {
      await runTurn(sql, commands, { wait: () => new Promise((resolve) => setTimeout(resolve, 5)) })
      // Whoever called the object has waited for the output gate.
      if (ends === "crash") sql.crash()
      else sql.flush()
    }
    return count(sql)
  }
  it.each(scripts.map((script) => [script.join(", "), script] as const))(
    "keeps what workerd keeps: %s",
    async (_, script) => {
      const response = await server.fetch("/", { method: "POST", body: JSON.stringify(script) })
      expect(await onFake(script)).toBe(await response.json())
    }
  )
  it("tells a crash from a commit", async () => {
    expect([await onFake(["write", "crash"]), await onFake(["write", "macrotask", "crash"])]).toEqual([0, 1])
  })
})
