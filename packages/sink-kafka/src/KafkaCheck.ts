/**
 * Whether a Kafka destination would work, step by step and without producing anything: a few GETs of the proxy's admin
 * API. Where a step failed, those after it are not looked at; one that is `ok` and has something to fix is a warning.
 */
import { MAX_BODY_BYTES } from "@hookstream/core/event/Event"
import type { CheckStep } from "@hookstream/core/sink/Sink"
import * as Effect from "effect/Effect"
import * as ErrorMapping from "./ErrorMapping.ts"
import type { Json } from "./internal/proxyAnswer.ts"
import { BATCH_BYTES_DEFAULT, CLUSTER_ID_MAX, isName, type KafkaConfig } from "./KafkaConfig.ts"
import { clusterUrl, restBase, topicUrl } from "./ProduceUrl.ts"

/** What came back, as far as the steps look at it; `undefined` when nothing did. */
export type Answer =
  | {
      readonly status: number
      readonly json: Json | undefined
      /** The server's own words, safe to show. */
      readonly words: string
    }
  | undefined

type Finding = Omit<CheckStep, "name">

const ok = (detail: string): Finding => ({ result: "ok", detail, fix: null })
const failed = (detail: string, fix: string): Finding => ({ result: "failed", detail, fix })
const unknown = (detail: string, fix: string | null = null): Finding => ({ result: "unknown", detail, fix })

const ENDPOINT = "check bootstrap_servers; a stand-alone REST Proxy needs rest_endpoint"

const said = (answer: NonNullable<Answer>): string => ErrorMapping.describe(`HTTP ${answer.status}`, answer.words, {})

/**
 * An error of the proxy itself, not of a gateway or a web server before it: it has an `error_code` (kafka-rest-v3 §6).
 */
const ofProxy = ({ json }: NonNullable<Answer>): boolean => typeof json?.["error_code"] === "number"

const cannotTell = (answer: NonNullable<Answer>): Finding =>
  unknown(`cannot tell: ${said(answer)}`, answer.status === 404 ? ENDPOINT : null)

/** DNS, TLS and HTTP: that anything answers which may be the proxy. */
const endpoint = (host: string, answer: Answer): Finding => {
  if (answer === undefined) {
    const fix = `${ENDPOINT}; the host must resolve, be reachable, and have a valid certificate`
    return failed(`${host} could not be reached`, fix)
  }
  const { status } = answer
  if (status >= 300 && status < 400) {
    return failed(
      `HTTP ${status}: a redirect, which is not followed: it would carry the credentials elsewhere`,
      ENDPOINT
    )
  }
  if (status >= 502 && status <= 504) return failed(said(answer), "see whether the REST Proxy runs, and try again")
  if (status === 200 && answer.json === undefined) {
    return failed(`${host} answers, but not as a REST Proxy v3`, ENDPOINT)
  }
  return ok(`${host} answers`)
}

const credentials = (answer: NonNullable<Answer>): Finding => {
  if (answer.status === 401) return failed(said(answer), ErrorMapping.CREDENTIALS)
  if (answer.status === 403) return failed(said(answer), ErrorMapping.ACL)
  const accepted = answer.status === 200 || (answer.status === 404 && ofProxy(answer))
  return accepted ? ok("not refused") : cannotTell(answer)
}

/** The one cluster of a proxy that stands before one. It is shown, and looked at: so it must be a name. */
const onlyCluster = (answer: Answer): string | undefined => {
  const data = answer?.json?.["data"]
  if (!Array.isArray(data) || data.length !== 1) return undefined
  const id: unknown = data[0]?.cluster_id
  return typeof id === "string" && id.length <= CLUSTER_ID_MAX && isName(id) ? id : undefined
}

const cluster = (answer: NonNullable<Answer>, isChecked: boolean, only: string | undefined): Finding => {
  if (answer.status === 200) return ok("found")
  if (answer.status !== 404 || !ofProxy(answer)) return cannotTell(answer)
  if (isChecked) return failed(said(answer), "check cluster_id")
  const detail =
    `${said(answer)}; a stand-alone REST Proxy does not look at the cluster's id when it produces, so records ` +
    "may arrive all the same"
  return unknown(detail, only === undefined ? "check cluster_id" : `set cluster_id to ${only}`)
}

const topic = (answer: Answer): Finding => {
  if (answer === undefined) return unknown("cannot tell: the connection broke")
  const { status, json } = answer
  if (status === 200 && json !== undefined) {
    const partitions = json["partitions_count"]
    return ok(typeof partitions === "number" ? `found, with ${partitions} partitions` : "found")
  }
  if (status === 401) return failed(said(answer), ErrorMapping.CREDENTIALS)
  if (status === 403) return failed(said(answer), ErrorMapping.ACL)
  // Some proxies do not offer it: they say 404 with a page, 405 or 501.
  return status === 404 && ofProxy(answer)
    ? failed(said(answer), "create the topic, or check its name: hookstream does not create topics")
    : cannotTell(answer)
}

/** The value of a topic's setting; `undefined` when it cannot be told. */
const setting = (answer: Answer): string | undefined => {
  const value = answer?.status === 200 ? answer.json?.["value"] : undefined
  return typeof value === "string" ? value : undefined
}

const noSetting = (answer: Answer): Finding => {
  if (answer === undefined) return unknown("cannot tell: the connection broke")
  const fix = "to have it looked at, grant DescribeConfigs on the topic to this API key"
  return unknown(`cannot tell: ${said(answer)}`, answer.status === 401 || answer.status === 403 ? fix : null)
}

/** Whether the topic takes what may come. Where it does not, the rest arrives: so it is well, with something to fix. */
const size = (answer: Answer, batchBytes: number): Finding => {
  const most = Number(setting(answer) ?? Number.NaN)
  if (!Number.isSafeInteger(most)) return noSetting(answer)
  const takes = `the topic takes messages of up to ${most} bytes (max.message.bytes)`
  if (most >= MAX_BODY_BYTES) return ok(takes)
  const request = batchBytes > most ? `, a request up to ${batchBytes} (batch.max_bytes)` : ""
  return {
    result: "ok",
    detail:
      `${takes}; an event may have up to ${MAX_BODY_BYTES}${request}: one that is larger than the topic takes ` +
      "ends as a dead letter (413)",
    fix: "if such events come, raise max.message.bytes of the topic, and max.request.size of a proxy of your own"
  }
}

const key = (answer: Answer, isKeyed: boolean): Finding => {
  const policy = setting(answer)
  if (policy === undefined) return noSetting(answer)
  const compacted = policy.split(",").some((one) => one.trim() === "compact")
  if (!compacted || isKeyed)
    return ok(compacted ? "the topic is compacted, and records have a key" : "the topic needs none")
  return failed(
    'the topic is compacted: with key "none" it refuses every record (50002)',
    'set key to "event_id", "source_id" or a path, or cleanup.policy of the topic to delete'
  )
}

/**
 * The steps `endpoint`, `credentials`, `cluster`, `topic`, `size` and `key`. `get` answers a GET of that URL with the
 * destination's credentials; how long it may take is the caller's to bound.
 */
export const check = Effect.fnUntraced(function* (config: KafkaConfig, get: (url: string) => Effect.Effect<Answer>) {
  const steps: Array<CheckStep> = []
  let failedStep: string | undefined
  const look = (name: string, find: () => Finding): void => {
    const finding = failedStep === undefined ? find() : unknown(`not looked at: ${failedStep} failed`)
    if (finding.result === "failed") failedStep = name
    steps.push({ name, ...finding })
  }

  const base = restBase(config)
  const answer = yield* get(clusterUrl(config))
  look("endpoint", () => endpoint(new URL(base).host, answer))
  // Past the endpoint's step there is an answer.
  look("credentials", () => credentials(answer!))
  // Confluent Cloud and Confluent Server know their cluster: theirs is the prefix /kafka (kafka-rest-v3 §1).
  const isChecked = base.endsWith("/kafka/v3")
  const isUnknown = failedStep === undefined && answer!.status === 404 && ofProxy(answer!) && !isChecked
  const only = isUnknown ? onlyCluster(yield* get(`${base}/clusters`)) : undefined
  look("cluster", () => cluster(answer!, isChecked, only))

  const url = topicUrl({ ...config, cluster_id: only ?? config.cluster_id })
  const isLost = isUnknown && only === undefined
  const topicAnswer = failedStep === undefined && !isLost ? yield* get(url) : undefined
  look("topic", () => (isLost ? unknown("cannot tell: it is not known in which cluster to look") : topic(topicAnswer)))
  const isFound = failedStep === undefined && topicAnswer?.status === 200 && topicAnswer.json !== undefined
  const [bytes, policy] = isFound
    ? yield* Effect.all([get(`${url}/configs/max.message.bytes`), get(`${url}/configs/cleanup.policy`)], {
        concurrency: 2
      })
    : []
  const ofTopic = (finding: Finding) => (isFound ? finding : unknown("not looked at: the topic could not be seen"))
  look("size", () => ofTopic(size(bytes, config.batch?.max_bytes ?? BATCH_BYTES_DEFAULT)))
  look("key", () => ofTopic(key(policy, config.key !== "none")))
  return steps
})
