/** The configuration of a Kafka destination, as users write it. The first five fields are the seed's. */
import { Secret } from "@hookstream/core/Sink"
import * as Schema from "effect/Schema"

const NonEmpty = Schema.String.check(Schema.isPattern(/\S/, { message: "must not be empty" }))

/**
 * A field that is not built yet: only its default is accepted, so that nobody relies on a setting that does nothing.
 */
const onlyDefault = (description: string, ...defaults: ReadonlyArray<Schema.Json>) =>
  Schema.optionalKey(
    Schema.Unknown.check(
      Schema.makeFilter((value) => defaults.some((one) => JSON.stringify(one) === JSON.stringify(value)), {
        message: "not supported yet"
      })
    ).annotate({ description: `${description} (not supported yet)` })
  )

/** A list of `host:port`, each with an optional protocol in front; the first names the REST endpoint. */
export const BootstrapServers = Schema.String.check(
  Schema.makeFilter((text: string) => firstHost(text) !== undefined, {
    message: 'must start with a host, such as "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092"'
  })
)

/** The first host of a bootstrap list, without its protocol and port; `undefined` when there is none. */
export const firstHost = (bootstrapServers: string): string | undefined => {
  const first = bootstrapServers
    .split(",")[0]!
    .trim()
    .replace(/^[A-Za-z][A-Za-z0-9_+.-]*:\/\//, "")
  // A host is a name, an IPv4 address or an IPv6 address in brackets; whatever follows it may only be a port.
  return /^(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@[\]]+)(:\d{1,5})?$/.exec(first)?.[1]
}

/** Kafka's own rule: org.apache.kafka.common.internals.Topic. */
const Topic = Schema.String.check(
  Schema.makeFilter((topic: string) => /^[a-zA-Z0-9._-]{1,249}$/.test(topic) && topic !== "." && topic !== "..", {
    message: "must be 1 to 249 letters, digits, dots, underscores or hyphens, without slashes or spaces"
  })
)

/** Paths (`payload.…`, `headers.…`) come later. */
const Key = Schema.Literals(["event_id", "source_id", "none"]).annotate({
  message: 'must be "event_id", "source_id" or "none": paths are not supported yet'
})

export const KafkaConfig = Schema.Struct({
  bootstrap_servers: BootstrapServers.annotate({
    title: "Bootstrap server",
    description:
      "The REST endpoint is derived from it: the same host, by HTTPS on port 443. Of a list the first host counts.",
    examples: ["pkc-xxxxx.us-east-1.aws.confluent.cloud:9092"]
  }),
  cluster_id: NonEmpty.annotate({
    title: "Cluster ID",
    description: "In the Confluent Cloud console under Cluster settings",
    examples: ["lkc-xxxxx"]
  }),
  topic: Topic.annotate({
    title: "Topic",
    description: "It must exist: hookstream does not create topics",
    examples: ["webhook-events"]
  }),
  api_key: NonEmpty.annotate({
    title: "API key",
    description: "A Confluent API key with DeveloperWrite on the topic",
    examples: ["ABCDEFGHIJKLMNOP"]
  }),
  api_secret: Secret.annotate({ title: "API secret", description: "Sealed at rest, masked in every answer" }),
  rest_endpoint: Schema.optionalKey(
    NonEmpty.annotate({
      title: "REST endpoint",
      description:
        "Base URL of a stand-alone REST Proxy, to which /v3 is appended. Without it the endpoint is https://{host of bootstrap_servers}/kafka/v3",
      examples: ["https://rest-proxy.example.com:8082"]
    })
  ),
  key: Schema.optionalKey(
    Key.annotate({
      title: "Record key",
      description: "What the record's key is. Default: event_id",
      examples: ["source_id"]
    })
  ),
  value_format: onlyDefault("How the body becomes the record's value", "json"),
  key_type: onlyDefault("How the key is written", "string"),
  record_headers: onlyDefault("Further headers of each record", {}),
  timestamp: onlyDefault("The record's timestamp", "none"),
  batch: onlyDefault("Records that share one request", { max_records: 1 }, {}),
  limits: onlyDefault("Rates that the destination keeps to")
})
export type KafkaConfig = typeof KafkaConfig.Type
