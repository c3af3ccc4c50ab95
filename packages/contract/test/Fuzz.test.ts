/** What the API answers is what its document says: `npm run test:fuzz -- --requests 20000` asks longer. */
import { expect, it } from "vitest"
import { session } from "../src/Session.ts"

it("300 random requests have no answer with 5xx, and none that differs from the document", async () => {
  const { difference, seen } = await session(300, 1)
  expect(difference).toBeUndefined()
  const statuses = new Set([...seen.values()].flatMap((counts) => [...counts.keys()]))
  expect([...statuses]).toEqual(expect.arrayContaining([200, 201, 400, 401, 403, 404, 503]))
})
