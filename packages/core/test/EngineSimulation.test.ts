/**
 * The workspace, the logs and the destinations together, in virtual time, under generated commands and faults: calls
 * that are lost, doubled, late or hang, alarms that are lost, late, doubled or deleted, processes that end at any step
 * or are replaced while they go on, sinks that misbehave, and a user who makes, changes and deletes all the while. Then
 * the faults stop, and the oracle's own record is held against the promises. A failure prints a replay token.
 *
 * `HOOKSTREAM_ENGINE_RUNS` sets the number of generated histories (`npm run sim -- --seeds 2000`).
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { History } from "./world/History.ts"
import { simulate } from "./world/Simulate.ts"

const RUNS = Number(process.env["HOOKSTREAM_ENGINE_RUNS"] ?? 300)

const sums: Record<string, number> = {}
const live = async (history: History): Promise<void> => {
  for (const [name, count] of Object.entries(await simulate(history))) sums[name] = (sums[name] ?? 0) + count
}

describe("a workspace, its logs and its destinations under faults", () => {
  it.effect.prop("keep their promises", [History], ([history]) => Effect.promise(() => live(history)), {
    arbitrary: { runs: RUNS },
    timeout: 900_000
  })
  it("are kept where a log was restored and could not say at once what it has", async () => {
    const destination = { ordering: "strict", batch: 1, isLimited: false } as const
    const act = { source: 0, count: 20, commands: [], ms: 400_000 } as const
    await simulate({
      sources: 2,
      destinations: [destination],
      calls: [],
      alarms: [],
      acts: [act, { ...act, count: 4 }, { ...act, commands: [{ _tag: "Restore", source: 0, acts: 2 }], ms: 1 }],
      ending: { connection: 0, count: 4, isCut: true, steps: 0 }
    })
  })
  it("were tried", () => {
    console.log({ ...sums, hours: Math.round(sums["hours"]!) })
    expect(sums["histories"]).toBeGreaterThanOrEqual(RUNS)
  })
})
