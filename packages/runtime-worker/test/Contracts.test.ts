/** What must not compile: `tsc -b` fails where one of the lines below is no error. */
import { type Contract, flag, list, number, record, type Shape, text } from "@hookstream/core/Contract"
import type { DeliveryContract } from "@hookstream/core/delivery/DeliveryContract"
import type { DeliveryEngine } from "@hookstream/core/delivery/DeliveryEngine"
import * as Log from "@hookstream/core/log/LogContract"
import type { LogPeers } from "@hookstream/core/log/LogEngine"
import { expect, it } from "vitest"
import type { Env } from "../src/Env.ts"
import { destinationOf, logOf } from "../src/Peers.ts"

const never = () => {
  throw new RangeError("only its types are looked at")
}
const env = {
  SOURCE_LOG: { getByName: never },
  DESTINATION: { getByName: never }
} as object as Env

it("an object cannot be asked one thing for another", async () => {
  const peers: LogPeers = {
    wake: (id, source, head, epoch) => destinationOf(env, id).wakeUnder(source, head, epoch),
    // @ts-expect-error: a summary is not what is needed
    needs: (id) => destinationOf(env, id).summary()
  }
  // @ts-expect-error: the head of a log is a number, and comes after its source
  const turned: LogPeers["wake"] = (id, source, head) => destinationOf(env, id).wake(head, source)
  // @ts-expect-error: an argument is missing
  const short: LogPeers["wake"] = (id, source) => destinationOf(env, id).wake(source)
  // @ts-expect-error: where the log has stopped is no list of events
  const page = async (): Promise<Log.Page> => await logOf(env, "0123abcde").range(1, 2)
  for (const one of [peers.wake, peers.needs, turned, short]) expect(() => one("dst_1", "src_1", 1, "")).toThrow()
  await expect(page()).rejects.toThrow()
})

it("an engine and its contract have the same methods, and answers are known by what they are", () => {
  const methods: Contract<Log.LogContract>["methods"] = Log.contract.methods
  const { claim: _, ...without } = methods
  // @ts-expect-error: a method is missing
  const short: typeof methods = without
  // @ts-expect-error: it takes two
  const read: (typeof methods)["read"] = { args: 1, answer: methods.read.answer }
  // @ts-expect-error: it may be null
  const mark: Shape<Awaited<ReturnType<DeliveryContract["lowWatermark"]>>> = number
  // @ts-expect-error: how the head is known is not said
  const page = record<Log.Page>({ packed: list, sourceId: text })
  // @ts-expect-error: a head is no truth value
  const head = record<Log.Page>({ packed: list, sourceId: text, head: flag })
  // @ts-expect-error: the alarm is nobody's to ring
  const ask: keyof DeliveryContract = "alarm" satisfies keyof DeliveryEngine
  for (const one of [short, read, mark, page, head, ask]) expect(one).toBeDefined()
})
