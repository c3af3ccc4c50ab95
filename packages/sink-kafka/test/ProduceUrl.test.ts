import { describe, expect, it } from "@effect/vitest"
import { firstHost } from "@hookstream/sink-kafka/KafkaConfig"
import { produceUrl } from "@hookstream/sink-kafka/ProduceUrl"
import { Schema } from "effect"
import { config } from "./support.ts"

const Host = Schema.Literals(["pkc-1.us-east-1.aws.confluent.cloud", "KAFKA.example.com", "10.0.0.1", "[2001:db8::1]"])
const Port = Schema.Literals(["", ":9092", ":443", ":1"])
const Protocol = Schema.Literals(["", "SASL_SSL://", "sasl_ssl://", "PLAINTEXT://"])
const Server = Schema.Struct({ protocol: Protocol, host: Host, port: Port })
const Topic = Schema.String.check(Schema.isPattern(/^[a-zA-Z0-9._-]{1,40}$/))

describe("the produce URL", () => {
  it("is the seed's", () => {
    expect(produceUrl(config)).toBe(
      "https://pkc-xxxxx.us-east-1.aws.confluent.cloud/kafka/v3/clusters/lkc-xxxxx/topics/webhook-events/records"
    )
  })
  it.prop(
    "has the first host of any bootstrap list, by https, without its port",
    [Schema.NonEmptyArray(Server), Topic],
    ([servers, topic]) => {
      const bootstrap_servers = servers.map(({ protocol, host, port }) => `${protocol}${host}${port}`).join(", ")
      const url = produceUrl({ ...config, bootstrap_servers, topic })
      expect(url).toBe(`https://${servers[0].host}/kafka/v3/clusters/lkc-xxxxx/topics/${topic}/records`)
      expect(new URL(url).port).toBe("")
    }
  )
  it.each([
    ["http://127.0.0.1:8082", "http://127.0.0.1:8082/v3"],
    ["https://proxy.example.com/", "https://proxy.example.com/v3"],
    ["https://proxy.example.com/kafka", "https://proxy.example.com/kafka/v3"],
    ["https://proxy.example.com/kafka/v3/", "https://proxy.example.com/kafka/v3"]
  ])("of the stand-alone proxy %s begins with %s", (rest_endpoint, base) => {
    expect(produceUrl({ ...config, rest_endpoint })).toBe(`${base}/clusters/lkc-xxxxx/topics/webhook-events/records`)
  })
  it("cannot be bent by a cluster id", () => {
    expect(produceUrl({ ...config, cluster_id: "../../x?y#z" })).toContain("/clusters/..%2F..%2Fx%3Fy%23z/topics/")
  })
  it.each(["", ":9092", "://", "a b", "user@host", "host:port", "host:9092/x", "[::1", "::1"])(
    "has no host in %j",
    (text) => {
      expect(firstHost(text)).toBeUndefined()
    }
  )
})
