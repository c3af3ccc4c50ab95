import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createTestHarness } from "wrangler"
import { cases as deliveryJournal } from "../../core/test/suites/DeliveryJournalCases.ts"
import { cases as eventLog } from "../../core/test/suites/EventLogCases.ts"
import { cases as registry } from "../../core/test/suites/RegistryCases.ts"

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
