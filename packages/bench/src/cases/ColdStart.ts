/** From the start of the process to the first answer, beside a bare Worker. */
import { startGateway } from "../Gateway.ts"
import type { Result } from "../Result.ts"
import { ratios, sampleOf } from "../Stats.ts"
import { bareWorker, serve } from "../Workerd.ts"

const ROUNDS = 7

export const run = async (): Promise<Result> => {
  const [ours, bare]: [Array<number>, Array<number>] = [[], []]
  for (let round = -1; round < ROUNDS; round++) {
    const other = await serve({ main: bareWorker("noop"), objects: { TARGET: "Target" } })
    await other.stop()
    const gateway = await startGateway()
    await gateway.stop()
    if (round < 0) continue
    ours.push(gateway.startMillis)
    bare.push(other.startMillis)
  }
  return {
    figures: [
      { name: "first answer (the API's health, router built) / bare Worker", value: ratios(ours, bare), unit: "x" },
      { name: "more than the bare Worker takes", value: sampleOf(ours.map((value, i) => value - bare[i]!)), unit: "ms" }
    ]
  }
}
