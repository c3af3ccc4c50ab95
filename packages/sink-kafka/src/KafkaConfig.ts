/**
 * The configuration of a Kafka destination, as users write it. The first five fields are the seed's; every other has a
 * default. Rules between fields, and with the destination's own, are in `KafkaSink.ts`.
 */
import * as EventPath from "@hookstream/core/event/EventPath"
import { type Limits, secret } from "@hookstream/core/sink/Sink"
import * as Tidy from "@hookstream/core/sink/Tidy"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as RecordKey from "./RecordKey.ts"

// A check has annotations of its own, and JSON Schema shows none of a check that it cannot write: so what forms need
// (title, description, example, default) is given to the type before its checks.

type About = Schema.Annotations.Bottom<string, readonly []>

/** A text of at most `max` characters for which `holds` is true. */
const text = (about: About, max: number, holds: (text: string) => boolean, message: string) =>
  Schema.String.annotate({ ...about, message }).check(
    Schema.isMaxLength(max, { message: `must be at most ${max} characters` }),
    Schema.makeFilter((value) => value.length > max || holds(value), { message })
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

/** A list of bootstrap servers; longer ones are no lists of hosts. */
const BOOTSTRAP_MAX = 4096
/** A cluster's id is 22 characters of base64 (Kafka), or a short name (Confluent Cloud). */
export const CLUSTER_ID_MAX = 128
/** Confluent's have 16. */
const API_KEY_MAX = 256
/** Longer URLs are refused by common servers and proxies. */
const URL_MAX = 2048
const PATH_MAX = 512

/** A protocol in front, a name or an address, a port. */
const SERVER = /^(?:[A-Za-z][A-Za-z0-9_+.-]*:\/\/)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/

/** Whether the list begins with a server, and not with the URL of a REST Proxy. */
const isBootstrap = (list: string): boolean => {
  const server = SERVER.exec(list.split(",")[0]!.trim())
  return server !== null && !/^https?:\/\//i.test(server[0]) && Number(server[1] ?? 1) <= 65_535
}

const TOPIC_MAX = 249
/** Of a topic or a cluster, which is part of the URL: as `.` or `..` it would name another resource. */
export const isName = (name: string): boolean => /^[a-zA-Z0-9._-]+$/.test(name) && name !== "." && name !== ".."

/** Whether a base URL names more than a base: `/v3` is appended. */
const isBase = (url: string): boolean => /\S/.test(url) && !/\/v3\//.test(url)

/** The base URL of a proxy as it is stored: without the `/v3` that is appended for a call. */
export const tidyEndpoint = (endpoint: string): string => {
  const url = Tidy.url(endpoint)
  return /[?]/.test(url) ? url : url.replace(/\/+$/, "").replace(/\/v3$/, "").replace(/\/+$/, "")
}

/** A config as it is stored. A header's literal value is taken as it is written. */
export const tidy = (config: unknown): unknown =>
  Tidy.member(Tidy.texts(config, ["record_headers"]), "rest_endpoint", tidyEndpoint)

const isPath = (path: string): boolean => EventPath.compile(path) !== undefined

/** Names that hookstream gives to its own headers. */
export const OWN_HEADERS = {
  eventId: "hookstream-event-id",
  destinationId: "hookstream-destination-id",
  replayId: "hookstream-replay-id"
} as const
const RESERVED: ReadonlyArray<string> = Object.values(OWN_HEADERS)

const HEADERS_MAX = 32
const HEADER_NAME = /^[\x21-\x7e]{1,255}$/
const HEADER_VALUE_MAX = 4096

/** What is wrong with a header's name; `undefined` when nothing is. */
const headerNameIssue = (name: string): string | undefined => {
  if (!HEADER_NAME.test(name)) return "must have a name of 1 to 255 visible ASCII characters without spaces"
  // Kafka tells names by case, but not every consumer does.
  return RESERVED.includes(name.toLowerCase()) ? "is a header of hookstream itself: choose another name" : undefined
}

const HeaderValue = Schema.Union([
  Schema.String.check(
    Schema.isMaxLength(HEADER_VALUE_MAX, { message: `must have at most ${HEADER_VALUE_MAX} characters` })
  ),
  Schema.Struct({
    path: text(
      { title: "Path", description: "Where in the event the value is", examples: ["payload.customer.id"] },
      PATH_MAX,
      isPath,
      `must be a path: ${EventPath.SYNTAX}`
    )
  })
]).annotate({ message: 'must be a text, or a path such as { "path": "payload.customer.id" }' })

const wholeNumber = (
  minimum: number,
  maximum: number,
  about: { readonly title: string; readonly description: string; readonly default?: number; readonly example: number }
) => {
  const { example, ...rest } = about
  const message = `must be a whole number from ${minimum} to ${maximum}`
  return Schema.optionalKey(
    Schema.Finite.annotate({ ...rest, examples: [example], message }).check(
      Schema.isInt({ message }),
      Schema.isBetween({ minimum, maximum }, { message })
    )
  )
}

const oneOf = <const L extends ReadonlyArray<string>>(
  literals: L,
  about: {
    readonly title: string
    readonly description: string
    readonly default: L[number]
    readonly example: L[number]
  }
) => {
  const { example, ...rest } = about
  const message = `must be ${literals.map((one) => `"${one}"`).join(" or ")}`
  return Schema.optionalKey(Schema.Literals(literals).annotate({ ...rest, examples: [example], message }))
}

/** What Confluent Cloud allows a cluster that is not Dedicated, for all its producers together (kafka-rest-v3 §7). */
const CONFLUENT_CLOUD_SHARED: Limits = { requestsPerSecond: 25, recordsPerSecond: 1000, bytesPerSecond: 10_000_000 }

/** The seed's contract: each request is a single record. */
export const BATCH_RECORDS_DEFAULT = 1
export const BATCH_BYTES_DEFAULT = 1024 * 1024
const BATCH_RECORDS_MAX = 500
/** Confluent Cloud's largest message (§7); how large a request may be is not published. */
const BATCH_BYTES_MAX = 8_000_000

const Batch = Schema.Struct({
  max_records: wholeNumber(1, BATCH_RECORDS_MAX, {
    title: "Records per request",
    description: `At most; a request never waits to be filled. Default: ${BATCH_RECORDS_DEFAULT}`,
    default: BATCH_RECORDS_DEFAULT,
    example: 100
  }),
  max_bytes: wholeNumber(1024, BATCH_BYTES_MAX, {
    title: "Bytes per request",
    description: `Of the bodies of its events together; a larger event goes alone. Default: ${BATCH_BYTES_DEFAULT}`,
    default: BATCH_BYTES_DEFAULT,
    example: 4_000_000
  })
})

const Rates = Schema.Struct({
  requests_per_second: wholeNumber(1, 100_000, {
    title: "Requests per second",
    description: "Requests by HTTP. Default: no limit",
    example: 25
  }),
  records_per_second: wholeNumber(1, 1_000_000, {
    title: "Records per second",
    description: "Default: no limit",
    example: 1000
  }),
  bytes_per_second: wholeNumber(1024, 10_000_000_000, {
    title: "Bytes per second",
    description: "Default: no limit",
    example: 10_000_000
  })
})

export const KafkaConfig = Schema.Struct({
  bootstrap_servers: text(
    {
      title: "Bootstrap server",
      description:
        "The REST endpoint is derived from it: the same host, by HTTPS on port 443. Of a list the first host counts.",
      examples: ["pkc-xxxxx.us-east-1.aws.confluent.cloud:9092"]
    },
    BOOTSTRAP_MAX,
    isBootstrap,
    'must start with a host, such as "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092"; the URL of a REST Proxy ' +
      "goes to rest_endpoint"
  ),
  cluster_id: text(
    {
      title: "Cluster ID",
      description: "In the Confluent Cloud console under Cluster settings",
      examples: ["lkc-xxxxx"]
    },
    CLUSTER_ID_MAX,
    isName,
    'must be a cluster id, such as "lkc-xxxxx": letters, digits, dots, underscores and hyphens'
  ),
  topic: text(
    {
      title: "Topic",
      description: "It must exist: hookstream does not create topics",
      examples: ["webhook-events"]
    },
    // Kafka's own rule: org.apache.kafka.common.internals.Topic.
    TOPIC_MAX,
    isName,
    "must be 1 to 249 letters, digits, dots, underscores or hyphens, without slashes or spaces"
  ),
  // Basic authentication ends the user name at the first colon (RFC 7617 §2).
  api_key: text(
    {
      title: "API key",
      description: "A Confluent API key with DeveloperWrite on the topic",
      examples: ["ABCDEFGHIJKLMNOP"]
    },
    API_KEY_MAX,
    (key) => /\S/.test(key) && /^[^:\p{Cc}]*$/u.test(key),
    "must not be empty, nor contain a colon or line ends"
  ),
  api_secret: secret({ title: "API secret", description: "Sealed at rest, masked in every answer" }).check(
    Schema.makeFilter((value: Redacted.Redacted<string>) => !/\p{Cc}/u.test(Redacted.value(value)), {
      message: "must not contain line ends or other control characters"
    })
  ),
  rest_endpoint: Schema.optionalKey(
    text(
      {
        title: "REST endpoint",
        description:
          "Base URL of a stand-alone REST Proxy, to which /v3 is appended. Without it the endpoint is " +
          "https://{host of bootstrap_servers}/kafka/v3",
        examples: ["https://rest-proxy.example.com:8082"]
      },
      URL_MAX,
      isBase,
      'must be the base URL of a REST Proxy, such as "https://rest-proxy.example.com:8082": /v3/clusters/… is appended'
    )
  ),
  key: Schema.optionalKey(
    text(
      {
        title: "Record key",
        description:
          "event_id, source_id, none, or a path into the event. Records of one key share a partition. An event " +
          "without a value at the path is keyed by its id. Default: event_id",
        default: "event_id",
        examples: ["payload.customer.id", "headers.x-account", "source_id"]
      },
      PATH_MAX,
      (key) => RecordKey.compile(key) !== undefined,
      `must be "event_id", "source_id", "none" or a path: ${EventPath.SYNTAX}`
    )
  ),
  key_type: oneOf(["string", "binary"], {
    title: "Key type",
    description:
      "How a request writes the key; its bytes in Kafka are the same. string needs REST Proxy 7.5, binary works " +
      "from 7.0. Default: string",
    default: "string",
    example: "binary"
  }),
  value_format: oneOf(["json", "string", "binary"], {
    title: "Value format",
    description:
      "How a request writes the body. json: JSON as JSON, other text as a string, other bytes as binary. string: " +
      "all UTF-8 text as a string, other bytes as binary. binary: always binary. Default: json",
    default: "json",
    example: "binary"
  }),
  record_headers: Schema.optionalKey(
    Schema.Record(Schema.String, HeaderValue)
      .annotate({
        title: "Record headers",
        description:
          'Further headers of each record, by name. A text is the value itself; { "path": "payload.x" } is read ' +
          "from the event, and the header is left out where the path leads nowhere. Default: none",
        default: {},
        examples: [{ environment: "production", customer: { path: "payload.customer.id" } }]
      })
      .check(
        Schema.isMaxProperties(HEADERS_MAX, { message: `must be at most ${HEADERS_MAX} headers: leave some out` }),
        Schema.makeFilter((headers) =>
          Object.keys(headers).flatMap((name) => {
            const issue = headerNameIssue(name)
            return issue === undefined ? [] : [{ path: [name], issue }]
          })
        )
      )
  ),
  timestamp: oneOf(["received", "none"], {
    title: "Record timestamp",
    description: "received: when hookstream received the event. none: left to Kafka. Default: none",
    default: "none",
    example: "received"
  }),
  limits: Schema.optionalKey(
    Schema.Union([Schema.Literal("confluent_cloud_shared"), Rates]).annotate({
      title: "Limits",
      description:
        "Rates that this destination keeps to. confluent_cloud_shared: 25 requests, 1000 records and 10,000,000 " +
        "bytes a second, which is what a cluster allows all its producers together unless it is Dedicated. " +
        "Default: no limit",
      examples: ["confluent_cloud_shared", { requests_per_second: 10 }],
      message: 'must be "confluent_cloud_shared", or rates such as { "requests_per_second": 10 }'
    })
  ),
  batch: Schema.optionalKey(
    Batch.annotate({
      title: "Batch",
      description: "How many of the events that wait anyway one request may carry. Default: one",
      default: {},
      examples: [{ max_records: 100 }],
      message: 'must be an object such as { "max_records": 100 }'
    })
  )
})
export type KafkaConfig = typeof KafkaConfig.Type

/** The rates of a configuration; `undefined` without a limit. */
export const limitsOf = ({ limits }: Pick<KafkaConfig, "limits">): Limits | undefined => {
  if (limits === undefined) return undefined
  if (limits === "confluent_cloud_shared") return CONFLUENT_CLOUD_SHARED
  const { requests_per_second: requests, records_per_second: records, bytes_per_second: bytes } = limits
  return {
    ...(requests === undefined ? {} : { requestsPerSecond: requests }),
    ...(records === undefined ? {} : { recordsPerSecond: records }),
    ...(bytes === undefined ? {} : { bytesPerSecond: bytes })
  }
}
