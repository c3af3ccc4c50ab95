import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

let emulator: Emulator
beforeAll(async () => {
  emulator = await startEmulator({ topics: [{ name: "t", partitions: 1 }], maxBlockMs: 5 })
})
afterAll(() => emulator.close())

const post = async (body: string) => {
  const response = await fetch(`${emulator.url}/v3/clusters/c/topics/t/records:batch`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
const entry = (id: string, more = "") => `{"id":${id}${more},"value":{"type":"STRING","data":"v"}}`
const batch = (...entries: ReadonlyArray<string>) => `{"entries":[${entries.join(",")}]}`

describe("a batch", () => {
  it("is answered in one object: by id, what was produced and what was not", async () => {
    const { status, body } = await post(batch(entry('"1"'), entry('"2"', ',"partition_id":-1'), entry('"c"')))
    expect(status).toBe(207)
    expect(body).toMatchObject({
      successes: [
        { id: "1", cluster_id: "c", topic_name: "t", partition_id: 0, offset: 0, value: { type: "STRING", size: 1 } },
        { id: "c", offset: 1 }
      ],
      failures: [{ id: "2", error_code: 40402, message: expect.any(String) }]
    })
    expect((body["successes"] as ReadonlyArray<object>)[0]).not.toHaveProperty("error_code")
  })
  it.each([
    ["nothing", "", 422, 42208],
    ["no entries", batch(), 422, 42208],
    ["eleven entries", batch(...Array.from({ length: 11 }, (_, i) => entry(`"${i}"`))), 422, 42208],
    ["an id twice", batch(entry('"1"'), entry('"1"')), 422, 42208],
    ["an id that is a number", batch(entry("1")), 422, 42208],
    ["an id with a space", batch(entry('"a b"')), 422, 42208],
    ["an unknown field", batch(entry('"1"', ',"x":1')), 422, 422],
    ["broken JSON", '{"entries"', 400, 400]
  ])("of %s is refused as a whole", async (_, body, status, code) => {
    const before = emulator.records("t").length
    expect(await post(body)).toMatchObject({ status, body: { error_code: code } })
    expect(emulator.records("t")).toHaveLength(before)
  })
})
