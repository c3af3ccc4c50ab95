import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

let emulator: Emulator
beforeAll(async () => {
  emulator = await startEmulator({ topics: [{ name: "orders", partitions: 12 }, { name: "t" }], clusterId: "lkc-1" })
})
afterAll(() => emulator.close())

const get = async (path: string) => {
  const response = await fetch(emulator.url + path)
  return { status: response.status, body: (await response.json()) as unknown }
}

describe.each(["/v3", "/kafka/v3"])("GET below %s", (prefix) => {
  const cluster = () => `${emulator.url}${prefix}/clusters/lkc-1`
  const one = () => ({
    kind: "KafkaCluster",
    metadata: { self: cluster(), resource_name: "crn:///kafka=lkc-1" },
    cluster_id: "lkc-1",
    topics: { related: `${cluster()}/topics` }
  })
  it("shows the cluster, alone and as a list", async () => {
    expect(await get(`${prefix}/clusters/lkc-1`)).toEqual({ status: 200, body: one() })
    expect(await get(`${prefix}/clusters`)).toEqual({
      status: 200,
      body: {
        kind: "KafkaClusterList",
        metadata: { self: `${emulator.url}${prefix}/clusters`, next: null },
        data: [one()]
      }
    })
  })
  it("shows a topic with its partitions, alone and in a list", async () => {
    const { status, body } = await get(`${prefix}/clusters/lkc-1/topics/orders`)
    expect(status).toBe(200)
    expect(body).toEqual({
      kind: "KafkaTopic",
      metadata: { self: `${cluster()}/topics/orders`, resource_name: "crn:///kafka=lkc-1/topic=orders" },
      cluster_id: "lkc-1",
      topic_name: "orders",
      is_internal: false,
      replication_factor: 3,
      partitions_count: 12,
      authorized_operations: [],
      partitions: { related: `${cluster()}/topics/orders/partitions` },
      configs: { related: `${cluster()}/topics/orders/configs` },
      partition_reassignments: { related: `${cluster()}/topics/orders/partitions/-/reassignment` }
    })
    expect(await get(`${prefix}/clusters/lkc-1/topics`)).toMatchObject({
      body: { kind: "KafkaTopicList", data: [body, { topic_name: "t" }] }
    })
  })
  it("says of a missing topic that it is the topic which is missing", async () => {
    expect(await get(`${prefix}/clusters/lkc-1/topics/nope`)).toEqual({
      status: 404,
      body: { error_code: 40403, message: "This server does not host this topic-partition." }
    })
  })
  it("has no other method", async () => {
    const response = await fetch(`${emulator.url}${prefix}/clusters/lkc-1`, { method: "DELETE" })
    expect(response.status).toBe(405)
  })
})

it("an unknown cluster is refused: a destination with a mistyped cluster_id must not pass its check", async () => {
  const refused = { status: 404, body: { error_code: 404, message: "Cluster lkc-2 cannot be found." } }
  expect(await get("/kafka/v3/clusters/lkc-2")).toEqual(refused)
  expect(await get("/kafka/v3/clusters/lkc-2/topics/t")).toEqual(refused)
  expect(await get("/v3/clusters/lkc-2")).toEqual(refused)
  expect(await get("/v3/clusters/lkc-2/topics/t")).toEqual(refused)
})
