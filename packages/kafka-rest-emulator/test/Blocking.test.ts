import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { afterEach, describe, expect, it } from "vitest"

const BLOCK_MS = 60
let emulator: Emulator | undefined
afterEach(() => emulator?.close())

const start = async (maxBlockMs?: number) => {
  emulator = await startEmulator({
    topics: [{ name: "one", partitions: 1 }],
    ...(maxBlockMs === undefined ? {} : { maxBlockMs })
  })
  return emulator
}
const record = (data: string, partition?: number) =>
  `{${partition === undefined ? "" : `"partition_id":${partition},`}"value":{"type":"STRING","data":"${data}"}}`
const post = ({ url }: Emulator, topic: string, body: string, signal?: AbortSignal) =>
  fetch(`${url}/v3/clusters/c/topics/${topic}/records`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
    ...(signal === undefined ? {} : { signal })
  })
const codes = (text: string) => [...text.matchAll(/"error_code":(\d+)/g)].map(([, code]) => Number(code))

describe("a topic that is not there", () => {
  it("blocks for each record, one after another: of many the receipts take many times as long", async () => {
    const server = await start(BLOCK_MS)
    const begun = performance.now()
    const response = await post(server, "nope", record("a").repeat(4))
    const head = performance.now() - begun
    const arrivals: Array<number> = []
    let text = ""
    for await (const chunk of response.body!) {
      arrivals.push(performance.now() - begun)
      text += Buffer.from(chunk).toString("utf8")
    }
    expect(codes(text)).toEqual([40401, 40401, 40401, 40401])
    expect(text).toContain(`Topic nope not present in metadata after ${BLOCK_MS} ms.`)
    // The head comes at once, each receipt when its time is over. A timer may be early by a millisecond.
    expect(head).toBeLessThan(arrivals[0]!)
    expect(arrivals.at(-1)).toBeGreaterThan(4 * (BLOCK_MS - 1))
    expect(arrivals[0]).toBeLessThan(arrivals.at(-1)! / 2)
  })
  it("holds up what follows it in the request, which is then produced", async () => {
    const server = await start(BLOCK_MS)
    const sent = post(server, "one", record("a") + record("b", 99) + record("c"))
    await server.waitForRecords("one", 1, 5000)
    expect(server.records("one").map(({ value }) => value?.text)).toEqual(["a"])
    expect(codes(await (await sent).text())).toEqual([200, 40401, 200])
    expect(server.records("one").map(({ value }) => value?.text)).toEqual(["a", "c"])
  })
  it("whose name Kafka refuses does not block", async () => {
    const server = await start(60_000)
    expect(codes(await (await post(server, "a%20b", record("a").repeat(3))).text())).toEqual([40002, 40002, 40002])
  })
  it("blocks for a minute unless said otherwise, and does not hold up the end of the emulator", async () => {
    const server = await start()
    const response = await post(server, "nope", record("a"))
    const broken = expect(response.text()).rejects.toThrow()
    await server.close()
    await broken
  })
})

describe("the records of a request", () => {
  it("are produced although the client has left before their receipts", async () => {
    const server = await start(BLOCK_MS)
    const response = await post(server, "one", record("a", 99).repeat(2) + record("b"))
    await response.body?.cancel()
    expect(server.records("one")).toHaveLength(0)
    expect(await server.waitForRecords("one", 1, 5000)).toHaveLength(1)
  })
  it("are produced however slowly their receipts are taken", async () => {
    const server = await start()
    server.setFault({ _tag: "Stream", betweenMs: BLOCK_MS })
    const response = await post(server, "one", record("a").repeat(10))
    const reader = response.body!.getReader()
    await reader.read()
    expect(server.records("one")).toHaveLength(10)
    await reader.cancel()
  })
})
