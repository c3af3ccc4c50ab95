import { SYNTAX, viewOf } from "@hookstream/core/event/EventPath"
import type { SinkDriver, SinkUse } from "@hookstream/core/sink/Sink"
import { KafkaConfig, tidy } from "@hookstream/sink-kafka/KafkaConfig"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"
import { Effect, Result, Schema, SchemaIssue } from "effect"
import { FetchHttpClient } from "effect/http"
import { describe, expect, it } from "vitest"
import { config, event } from "./support.ts"

const issues = (input: unknown): Record<string, string> => {
  const decoded = Schema.decodeUnknownResult(KafkaConfig)(input, { errors: "all", onExcessProperty: "error" })
  if (Result.isSuccess(decoded)) return {}
  const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(decoded.failure.issue)
  return Object.fromEntries(issues.map(({ path, message }) => [path?.join("."), message]))
}

const BOOTSTRAP =
  'must start with a host, such as "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092"; the URL of a REST Proxy goes ' +
  "to rest_endpoint"
const CLUSTER = 'must be a cluster id, such as "lkc-xxxxx": letters, digits, dots, underscores and hyphens'
const BASE =
  'must be the base URL of a REST Proxy, such as "https://rest-proxy.example.com:8082": /v3/clusters/… is appended'

describe("a Kafka configuration", () => {
  it("of the seed's five fields is enough", () => {
    expect(issues(config)).toEqual({})
  })
  it("has every wrong field named at once", () => {
    expect(Object.keys(issues({ topic: "", cluster_id: 7, nonsense: true })).sort()).toEqual([
      "api_key",
      "api_secret",
      "bootstrap_servers",
      "cluster_id",
      "nonsense",
      "topic"
    ])
  })
  it.each([
    ["topic", "", "must be 1 to 249 letters, digits, dots, underscores or hyphens, without slashes or spaces"],
    ["topic", "a/b", "must be 1 to 249 letters, digits, dots, underscores or hyphens, without slashes or spaces"],
    ["topic", "..", "must be 1 to 249 letters, digits, dots, underscores or hyphens, without slashes or spaces"],
    ["topic", "t".repeat(250), "must be at most 249 characters"],
    ["topic", "a%2Fb", "must be 1 to 249 letters, digits, dots, underscores or hyphens, without slashes or spaces"],
    ...[
      "",
      ":9092",
      "SASL_SSL://:9092",
      "host/path:9092",
      "host:70000",
      "exa%6dple.com:9092",
      "a@b.example:9092",
      "one.example:9092 two.example:9092",
      "https://rest-proxy.example.com:8082",
      "http://rest-proxy.example.com",
      "HTTPS://pkc-1.confluent.cloud:443/kafka/v3"
    ].map((list) => ["bootstrap_servers", list, BOOTSTRAP]),
    ["bootstrap_servers", `${"a.example:9092,".repeat(300)}b`, "must be at most 4096 characters"],
    ["api_secret", "", "must not be empty"],
    ["api_secret", "s".repeat(4097), "must be at most 4096 characters"],
    ["api_secret", "one\ntwo", "must not contain line ends or other control characters"],
    ["api_key", " ", "must not be empty, nor contain a colon or line ends"],
    ["api_key", "user:name", "must not be empty, nor contain a colon or line ends"],
    ["api_key", "one\r\ntwo", "must not be empty, nor contain a colon or line ends"],
    ["api_key", "k".repeat(257), "must be at most 256 characters"],
    ...["", "..", ".", "lkc/x", "lkc-x?y", "lkc%2Fx", "lkc x", "lkc\nx", "#"].map((id) => ["cluster_id", id, CLUSTER]),
    ["cluster_id", "c".repeat(129), "must be at most 128 characters"],
    ["rest_endpoint", " ", BASE],
    ["rest_endpoint", "https://proxy.example.com/v3/clusters/lkc-1/topics/t/records", BASE],
    ["rest_endpoint", `https://proxy.example.com/${"x".repeat(2048)}`, "must be at most 2048 characters"],
    ["key", `payload.${"a".repeat(512)}`, "must be at most 512 characters"],
    ["record_headers.a.path", `payload.${"a".repeat(512)}`, "must be at most 512 characters"],
    ["key", "customer.id", `must be "event_id", "source_id", "none" or a path: ${SYNTAX}`],
    ["key", "payload.", `must be "event_id", "source_id", "none" or a path: ${SYNTAX}`],
    ["key", 7, `must be "event_id", "source_id", "none" or a path: ${SYNTAX}`],
    ["key_type", "json", 'must be "string" or "binary"'],
    ["value_format", "avro", 'must be "json" or "string" or "binary"'],
    ["timestamp", "now", 'must be "received" or "none"'],
    ["limits", "confluent", 'must be "confluent_cloud_shared", or rates such as { "requests_per_second": 10 }'],
    ["limits.requests_per_second", 0, "must be a whole number from 1 to 100000"],
    ["limits.records_per_second", 1.5, "must be a whole number from 1 to 1000000"],
    ["limits.bytes_per_second", 1e11, "must be a whole number from 1024 to 10000000000"],
    ["limits.bits_per_second", 1, "Expected no excess property"],
    ["batch", 100, 'must be an object such as { "max_records": 100 }'],
    ["batch.max_records", 0, "must be a whole number from 1 to 500"],
    ["batch.max_records", 501, "must be a whole number from 1 to 500"],
    ["batch.max_records", 1.5, "must be a whole number from 1 to 500"],
    ["batch.max_bytes", 1023, "must be a whole number from 1024 to 8000000"],
    ["batch.max_bytes", 8_000_001, "must be a whole number from 1024 to 8000000"],
    ["record_headers.a", 7, 'must be a text, or a path such as { "path": "payload.customer.id" }'],
    ["record_headers.a", "x".repeat(4097), "must have at most 4096 characters"],
    ["record_headers.a.path", "customer.id", `must be a path: ${SYNTAX}`],
    ["record_headers.hookstream-event-id", "x", "is a header of hookstream itself: choose another name"],
    ["record_headers.hookstream-destination-id", "x", "is a header of hookstream itself: choose another name"],
    ["record_headers.Hookstream-Replay-Id", "x", "is a header of hookstream itself: choose another name"],
    ["record_headers.a b", "x", "must have a name of 1 to 255 visible ASCII characters without spaces"],
    ["record_headers.", "x", "must have a name of 1 to 255 visible ASCII characters without spaces"],
    [
      "record_headers",
      Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`h${i}`, ""])),
      "must be at most 32 headers: leave some out"
    ]
  ] as ReadonlyArray<readonly [string, unknown, string]>)("with %s %j is refused: %s", (path, value, message) => {
    const [field, ...inner] = path.split(".")
    const nested = inner.reduceRight((inside, name) => ({ [name]: inside }), value)
    expect(issues({ ...config, [field!]: nested })).toEqual({ [path]: message })
  })
  it.each([
    { key: "payload.customer.id" },
    { key: "headers.X-Account" },
    { key: "method" },
    { key: "none", key_type: "binary", value_format: "binary", timestamp: "received" },
    { record_headers: { literal: "method", path: { path: "method" }, empty: "" } },
    { limits: "confluent_cloud_shared", batch: { max_records: 500, max_bytes: 8_000_000 } },
    { limits: { requests_per_second: 1 }, batch: {} }
  ])("with %j is good", (change) => {
    expect(issues({ ...config, ...change })).toEqual({})
  })
  it.each([
    "pkc-1.us-east-1.aws.confluent.cloud:9092",
    "SASL_SSL://pkc-1.us-east-1.aws.confluent.cloud:9092",
    "kafka_1.example.com",
    "[2001:db8::1]:9092",
    "a.example:9092, b.example:9092"
  ])("may have the bootstrap servers %s", (bootstrap_servers) => {
    expect(issues({ ...config, bootstrap_servers })).toEqual({})
  })
  it.each([
    [" https://Proxy.Example.com:443/ \n", "https://proxy.example.com"],
    ["https://proxy.example.com:8082/v3", "https://proxy.example.com:8082"],
    ["https://proxy.example.com/kafka/v3/", "https://proxy.example.com/kafka"],
    ["https://proxy.example.com/a b#c", "https://proxy.example.com/a%20b"],
    ["https://bücher.example//", "https://xn--bcher-kva.example"],
    ["https://proxy.example.com/v3?a=1", "https://proxy.example.com/v3?a=1"],
    ["proxy", "proxy"]
  ])("stores the REST endpoint %j as it is called: %s", (rest_endpoint, stored) => {
    expect(tidy({ ...config, rest_endpoint })).toEqual({ ...config, rest_endpoint: stored })
  })
  it("takes no white space away from a header's literal value", () => {
    const record_headers = { a: " x ", b: { path: "payload.a" } }
    expect(tidy({ topic: " t\u200b", record_headers })).toEqual({ topic: "t", record_headers })
  })
  it("tells a form what each field is: title, description, example, and the default of what may be left out", () => {
    const { schema } = Schema.toJsonSchemaDocument(KafkaConfig)
    for (const [name, field] of Object.entries(schema["properties"] as Record<string, Record<string, unknown>>)) {
      // Of a secret nothing is shown by this document: core marks it.
      if (name === "api_secret") continue
      expect([name, field]).toEqual([
        name,
        expect.objectContaining({
          title: expect.any(String),
          description: expect.any(String),
          examples: expect.any(Array)
        })
      ])
      if (!(name in config))
        expect([name, field["description"]]).toEqual([name, expect.stringMatching(/Default: |Without it/)])
    }
  })

  const driverOf = (change: object): Promise<SinkDriver> =>
    KafkaSink.driver(Schema.decodeUnknownSync(KafkaSink.config)({ ...config, ...change })).pipe(
      Effect.scoped,
      Effect.provide(FetchHttpClient.layer),
      Effect.runPromise
    )
  it.each([
    [{}, { maxEvents: 1, maxBytes: 1_048_576 }],
    [{ batch: {} }, { maxEvents: 1, maxBytes: 1_048_576 }],
    [{ batch: { max_records: 100 } }, { maxEvents: 100, maxBytes: 1_048_576 }],
    [{ batch: { max_records: 500, max_bytes: 5_000_000 } }, { maxEvents: 500, maxBytes: 5_000_000 }]
  ])("with %j sends at most %j at once", async (change, batch) => {
    expect((await driverOf(change)).batch).toEqual(batch)
  })
  it.each([
    [{}, undefined],
    [
      { limits: "confluent_cloud_shared" },
      { requestsPerSecond: 25, recordsPerSecond: 1000, bytesPerSecond: 10_000_000 }
    ],
    [{ limits: { records_per_second: 7 } }, { recordsPerSecond: 7 }],
    [{ limits: { requests_per_second: 1, bytes_per_second: 2048 } }, { requestsPerSecond: 1, bytesPerSecond: 2048 }]
  ])("with %j keeps to the rates %j", async (change, limits) => {
    expect((await driverOf(change)).limits).toEqual(limits)
  })
  it.each([
    [{}, undefined],
    [{ key: "source_id" }, undefined],
    [{ key: "none" }, undefined],
    [{ key: "payload.id" }, "a-1"]
  ])("with %j orders by %j", async (change, value) => {
    expect((await driverOf(change)).orderingKey?.(viewOf(event('{"id":"a-1"}')))).toBe(value)
  })

  const validate = (change: object, use: Partial<SinkUse> = {}) =>
    KafkaSink.validate(Schema.decodeUnknownSync(KafkaSink.config)({ ...config, ...change }), {
      allowPrivateNetworks: false,
      ordering: "none",
      ...use
    }).map(({ path, message }) => `${path} ${message}`)
  const byKey = (key: string, ordering: string) =>
    `key must be "source_id" or a path with ordering "${ordering}": with "${key}" records go to any partition, ` +
    "which keeps no order"
  const alone =
    'batch.max_records must be 1 with ordering "strict": a record that fails does not hold back the rest of its request'
  it.each([
    ["none", {}, []],
    ["none", { key: "none", batch: { max_records: 500 } }, []],
    ["key", {}, [byKey("event_id", "key")]],
    ["key", { key: "none" }, [byKey("none", "key")]],
    ["key", { key: "source_id" }, []],
    ["key", { key: "payload.id", batch: { max_records: 500 } }, []],
    ["strict", {}, [byKey("event_id", "strict")]],
    ["strict", { key: "source_id" }, []],
    ["strict", { key: "payload.id", batch: { max_records: 1 } }, []],
    ["strict", { key: "source_id", batch: { max_records: 2 } }, [alone]],
    ["strict", { batch: { max_records: 2 } }, [byKey("event_id", "strict"), alone]]
  ] as const)("with ordering %s and %j has the issues %j", (ordering, change, wanted) => {
    expect(validate(change, { ordering })).toEqual(wanted)
  })
  it("must not point into private networks, unless the deployment opens them", () => {
    const open = { allowPrivateNetworks: true }
    expect(validate({})).toEqual([])
    expect(validate({ bootstrap_servers: "10.0.0.1:9092" })).toEqual([expect.stringMatching(/^bootstrap_servers /)])
    expect(validate({ rest_endpoint: "http://localhost:8082" })).toEqual([expect.stringMatching(/^rest_endpoint /)])
    expect(validate({ rest_endpoint: "http://localhost:8082" }, open)).toEqual([])
    expect(validate({ rest_endpoint: "https://proxy.example.com/?a=1" })).toEqual([
      "rest_endpoint must not have a query or fragment"
    ])
  })
})
