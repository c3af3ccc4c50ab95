/** What the check makes of a proxy's answers, whoever gives them. */
import * as KafkaCheck from "@hookstream/sink-kafka/KafkaCheck"
import { KafkaConfig } from "@hookstream/sink-kafka/KafkaConfig"
import { Effect, Schema } from "effect"
import { describe, expect, it } from "vitest"
import { config } from "./support.ts"

type Reply = readonly [status: number, json?: Readonly<Record<string, unknown>>]
const none: Reply = [404, { error_code: 404, message: "none" }]
const found: Reply = [200, { kind: "KafkaCluster" }]
const topic: Reply = [200, { partitions_count: 3 }]
const value = (text: unknown): Reply => [200, { value: text }]
const refused: Reply = [403, { error_code: 40301, message: "not yours" }]

const OWN = "https://proxy.example.com/v3/clusters"
/** A proxy of one's own that stands before the cluster `real`, with the topic's settings. */
const own = (
  change: Readonly<Record<string, Reply | undefined>> = {}
): Readonly<Record<string, Reply | undefined>> => ({
  [`${OWN}/lkc-xxxxx`]: none,
  [OWN]: [200, { data: [{ cluster_id: "real" }] }],
  [`${OWN}/real/topics/webhook-events`]: topic,
  [`${OWN}/real/topics/webhook-events/configs/max.message.bytes`]: value("20000000"),
  [`${OWN}/real/topics/webhook-events/configs/cleanup.policy`]: value("delete"),
  ...change
})

const ownConfig = { ...config, rest_endpoint: "https://proxy.example.com" }
const check = async (
  replies: Readonly<Record<string, Reply | undefined>>,
  change: object = {},
  base: object = ownConfig
) => {
  const asked: Array<string> = []
  const steps = await KafkaCheck.check(Schema.decodeUnknownSync(KafkaConfig)({ ...base, ...change }), (url) =>
    Effect.sync(() => {
      asked.push(url)
      const reply = replies[url]
      return reply === undefined
        ? undefined
        : { status: reply[0], json: reply[1], words: String(reply[1]?.["message"] ?? "") }
    })
  ).pipe(Effect.runPromise)
  const step = (name: string) => steps.find((one) => one.name === name)
  return { asked, step, results: Object.fromEntries(steps.map(({ name, result }) => [name, result])) }
}
const WELL = { endpoint: "ok", credentials: "ok", cluster: "ok", topic: "ok", size: "ok", key: "ok" }

describe("the cluster's id", () => {
  it("that a proxy of one's own does not know is no failure: the topic is looked for in the one it has", async () => {
    const { results, step } = await check(own())
    expect(results).toEqual({ ...WELL, cluster: "unknown" })
    expect(step("cluster")).toMatchObject({
      detail: expect.stringMatching(
        /^HTTP 404: none; a stand-alone REST Proxy does not look at .* may arrive all the same$/
      ),
      fix: "set cluster_id to real"
    })
    expect(step("topic")!.detail).toBe("found, with 3 partitions")
  })
  it.each([
    ["shows no clusters", { [OWN]: refused }],
    ["breaks off", { [OWN]: undefined }],
    ["has several", { [OWN]: [200, { data: [{ cluster_id: "a" }, { cluster_id: "b" }] }] as Reply }],
    ["names one that is no name", { [OWN]: [200, { data: [{ cluster_id: ".." }] }] as Reply }],
    ["names one without end", { [OWN]: [200, { data: [{ cluster_id: "x".repeat(129) }] }] as Reply }],
    ["has a list of nothing", { [OWN]: [200, { data: [null] }] as Reply }]
  ])("of a proxy that %s leaves the topic unknown too", async (_, change) => {
    const { results, step } = await check(own(change))
    expect(results).toEqual({ ...WELL, cluster: "unknown", topic: "unknown", size: "unknown", key: "unknown" })
    expect(step("cluster")!.fix).toBe("check cluster_id")
  })
  it("a missing topic of the proxy's cluster is found out all the same", async () => {
    const { results } = await check(own({ [`${OWN}/real/topics/webhook-events`]: none }))
    expect(results).toMatchObject({ cluster: "unknown", topic: "failed" })
  })
  it.each([
    ["Confluent Cloud", {}, "https://pkc-xxxxx.us-east-1.aws.confluent.cloud/kafka/v3/clusters/lkc-xxxxx"],
    [
      "Confluent Server",
      { rest_endpoint: "https://s.example:8090/kafka" },
      "https://s.example:8090/kafka/v3/clusters/lkc-xxxxx"
    ]
  ])("is looked at by %s: there it fails", async (_, change, url) => {
    const { asked, results, step } = await check({ [url]: none }, change, config)
    expect(results).toMatchObject({ cluster: "failed", topic: "unknown" })
    expect(step("cluster")!.fix).toBe("check cluster_id")
    expect(asked).toEqual([url])
  })
})

describe("the topic's settings", () => {
  const at = `${OWN}/lkc-xxxxx`
  const of = (bytes: Reply | undefined, policy: Reply | undefined) => ({
    [at]: found,
    [`${at}/topics/webhook-events`]: topic,
    [`${at}/topics/webhook-events/configs/max.message.bytes`]: bytes,
    [`${at}/topics/webhook-events/configs/cleanup.policy`]: policy
  })
  it("that take everything need nothing", async () => {
    const { results, step } = await check(of(value("10485760"), value("delete")), { key: "none" })
    expect(results).toEqual(WELL)
    expect([step("size")!.fix, step("key")!.fix]).toEqual([null, null])
  })
  it.each(["compact", "compact,delete", "delete, compact"])(
    "%s refuses records without a key, and only those",
    async (policy) => {
      const replies = of(value("20000000"), value(policy))
      const without = await check(replies, { key: "none" })
      expect(without.results).toEqual({ ...WELL, key: "failed" })
      expect(without.step("key")).toMatchObject({
        detail: expect.stringContaining("50002"),
        fix: expect.stringMatching(/^set key to "event_id"/)
      })
      for (const key of [undefined, "source_id", "payload.id"]) {
        expect((await check(replies, key === undefined ? {} : { key })).results).toEqual(WELL)
      }
    }
  )
  it("with smaller messages than may come are well, with a warning that names the sizes", async () => {
    const { results, step } = await check(of(value("1048588"), value("delete")))
    expect(results).toEqual(WELL)
    expect(step("size")).toMatchObject({
      detail: expect.stringMatching(/up to 1048588 bytes .* up to 10485760: .* \(413\)$/),
      fix: expect.stringContaining("max.message.bytes")
    })
    expect(step("size")!.detail).not.toContain("batch.max_bytes")
    const large = await check(of(value("1048588"), value("delete")), { batch: { max_bytes: 4_000_000 } })
    expect(large.step("size")!.detail).toContain("a request up to 4000000 (batch.max_bytes)")
  })
  it.each([
    ["that the key may not read", refused, /^cannot tell: HTTP 403: not yours$/, /grant DescribeConfigs/],
    ["that the proxy does not show", none, /^cannot tell: HTTP 404: none$/, null],
    ["behind a connection that breaks", undefined, /^cannot tell: the connection broke$/, null],
    ["without a value", value(null), /^cannot tell: HTTP 200$/, null]
  ] as const)("%s are unknown, with the reason", async (_, reply, detail, fix) => {
    const { results, step } = await check(of(reply, reply), { key: "none" })
    expect(results).toEqual({ ...WELL, size: "unknown", key: "unknown" })
    for (const name of ["size", "key"]) {
      expect(step(name)).toMatchObject({
        detail: expect.stringMatching(detail),
        fix: fix === null ? null : expect.stringMatching(fix)
      })
    }
  })
  it("are not asked for where the topic cannot be seen", async () => {
    const { asked, results } = await check({ [at]: found, [`${at}/topics/webhook-events`]: [405] })
    expect(results).toEqual({ ...WELL, topic: "unknown", size: "unknown", key: "unknown" })
    expect(asked).toHaveLength(2)
  })
})
