import { KafkaConfig } from "@hookstream/sink-kafka/KafkaConfig"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"
import { Result, Schema, SchemaIssue } from "effect"
import { describe, expect, it } from "vitest"
import { config } from "./support.ts"

const issues = (input: unknown): Record<string, string> => {
  const decoded = Schema.decodeUnknownResult(KafkaConfig)(input, { errors: "all", onExcessProperty: "error" })
  if (Result.isSuccess(decoded)) return {}
  const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(decoded.failure.issue)
  return Object.fromEntries(issues.map(({ path, message }) => [path?.join("."), message]))
}

describe("a Kafka configuration", () => {
  it("of the seed's five fields is enough", () => {
    expect(issues(config)).toEqual({})
  })
  it("has every wrong field named at once", () => {
    expect(Object.keys(issues({ topic: "", cluster_id: 7, nonsense: true })).sort()).toEqual([
      ...["api_key", "api_secret", "bootstrap_servers", "cluster_id", "nonsense", "topic"]
    ])
  })
  it.each([
    ["topic", "", "must be 1 to 249 letters, digits, dots, underscores or hyphens, without slashes or spaces"],
    ["topic", "a/b", "must be 1 to 249 letters, digits, dots, underscores or hyphens, without slashes or spaces"],
    ["topic", "..", "must be 1 to 249 letters, digits, dots, underscores or hyphens, without slashes or spaces"],
    [
      "topic",
      "t".repeat(250),
      "must be 1 to 249 letters, digits, dots, underscores or hyphens, without slashes or spaces"
    ],
    ["bootstrap_servers", "", 'must start with a host, such as "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092"'],
    ["bootstrap_servers", ":9092", 'must start with a host, such as "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092"'],
    [
      "bootstrap_servers",
      "SASL_SSL://:9092",
      'must start with a host, such as "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092"'
    ],
    [
      "bootstrap_servers",
      "host/path:9092",
      'must start with a host, such as "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092"'
    ],
    ["api_secret", "", "must not be empty"],
    ["key", "payload.id", 'must be "event_id", "source_id" or "none": paths are not supported yet'],
    ["value_format", "binary", "not supported yet"],
    ["batch", { max_records: 100 }, "not supported yet"],
    ["limits", "confluent_cloud_shared", "not supported yet"],
    ["record_headers", { a: "b" }, "not supported yet"],
    ["timestamp", "received", "not supported yet"]
  ])("with %s %j is refused: %s", (field, value, message) => {
    expect(issues({ ...config, [field]: value })).toEqual({ [field]: message })
  })
  it("may spell out the defaults of what is not built yet", () => {
    expect(
      issues({ ...config, value_format: "json", key_type: "string", batch: { max_records: 1 }, key: "event_id" })
    ).toEqual({})
  })

  const validate = (change: object, allowPrivateNetworks = false) =>
    KafkaSink.validate(Schema.decodeUnknownSync(KafkaSink.config)({ ...config, ...change }), {
      allowPrivateNetworks,
      ordering: "none"
    })
  it("must not point into private networks, unless the deployment opens them", () => {
    expect(validate({})).toEqual([])
    expect(validate({ bootstrap_servers: "10.0.0.1:9092" })[0]).toMatchObject({ path: "bootstrap_servers" })
    expect(validate({ rest_endpoint: "http://localhost:8082" })[0]).toMatchObject({ path: "rest_endpoint" })
    expect(validate({ rest_endpoint: "http://localhost:8082" }, true)).toEqual([])
    expect(validate({ rest_endpoint: "https://proxy.example.com/?a=1" })[0]).toMatchObject({ path: "rest_endpoint" })
  })
})
