/** A run of random requests in the API over stores in memory. */
import { type Difference, makeFuzz } from "./Fuzz.ts"
import { inProcess } from "./InProcess.ts"
import { makeRandom } from "./Random.ts"

/** Requests to one API: then there is so much in it that another is cheaper. */
const LIFE = 500
/** Between two events of its life. */
const PAUSE = 10

/** Ends at the first difference, with the seed of its API. */
export const session = async (requests: number, seed: number) => {
  const seen = new Map<string, Map<number, number>>()
  for (let done = 0; done < requests; done += LIFE) {
    const own = seed + done
    const random = makeRandom(own)
    const target = await inProcess(random)
    const fuzz = makeFuzz(target)
    for (let n = 0; n < Math.min(LIFE, requests - done); n++) {
      if (n % PAUSE === 0) target.live(random)
      const difference: Difference | undefined = await fuzz.step(random)
      if (difference !== undefined) return { difference: { ...difference, seed: own, request_number: n }, seen }
    }
    for (const [operation, counts] of fuzz.seen) {
      const all = seen.get(operation) ?? new Map<number, number>()
      for (const [status, count] of counts) all.set(status, (all.get(status) ?? 0) + count)
      seen.set(operation, all)
    }
  }
  return { difference: undefined, seen }
}
