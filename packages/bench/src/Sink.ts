/** The produce stub in a process of its own, as the cases ask it. */
import { type Child, start } from "./Child.ts"
import type { Seen } from "./ProduceStub.ts"

export interface Sink {
  readonly port: number
  /** What came; `query` as `ProduceStub` knows it. */
  readonly read: (query?: string) => Promise<Seen>
  /** Waits until so many records have come; throws when nothing more comes for long. */
  readonly wait: (records: number, query?: string) => Promise<Seen>
  /** Waits until nothing more comes: what is still on its way must not disturb the next measure. */
  readonly quiet: () => Promise<void>
  readonly stop: Child<unknown>["stop"]
}

const LOOK_EVERY_MS = 20
/** Nothing for so long is the end. */
const QUIET_MS = 500
/** A retry after an outage may take its time; longer is a fault. */
const STILL_MAX_MS = 20_000

export const startSink = async (
  options: { readonly traced?: boolean; readonly delayMs?: number } = {}
): Promise<Sink> => {
  const stub = await start<{ readonly port: number }>("ProduceStub.ts", options)
  const { port } = stub.first
  const read: Sink["read"] = async (query = "") =>
    (await (await fetch(`http://127.0.0.1:${port}/${query}`)).json()) as Seen
  return {
    port,
    read,
    stop: stub.stop,
    quiet: async () => {
      for (let last = -1; ; ) {
        const { records } = await read()
        if (records === last) return
        last = records
        await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
      }
    },
    wait: async (records, query) => {
      let last = { records: -1, at: 0 }
      for (;;) {
        const seen = await read(query)
        if (seen.records >= records) return seen
        const at = performance.now()
        if (seen.records !== last.records) last = { records: seen.records, at }
        else if (at - last.at > STILL_MAX_MS) throw new Error(`${seen.records} of ${records} records came`)
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      }
    }
  }
}
