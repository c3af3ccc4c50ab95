/**
 * Whether a Kafka destination would work, step by step and without producing anything: two GETs of the proxy's admin API. Where a
 * step failed, those after it are not looked at.
 */
import type { CheckStep } from "@hookstream/core/Sink"
import * as Effect from "effect/Effect"
import * as ErrorMapping from "./ErrorMapping.ts"
import type { Json } from "./internal/proxyAnswer.ts"

/** What came back, as far as the steps look at it; `undefined` when nothing did. */
export type Answer =
  | {
      readonly status: number
      readonly json: Json | undefined
      /** The server's own, fit to be shown. */
      readonly words: string
    }
  | undefined

type Finding = Omit<CheckStep, "name">

const ok = (detail: string): Finding => ({ result: "ok", detail, mend: null })
const failed = (detail: string, mend: string): Finding => ({ result: "failed", detail, mend })
const unknown = (detail: string, mend: string | null = null): Finding => ({ result: "unknown", detail, mend })

const ENDPOINT = "check bootstrap_servers; a stand-alone REST Proxy needs rest_endpoint"

const said = (answer: NonNullable<Answer>): string => ErrorMapping.describe(`HTTP ${answer.status}`, answer.words, {})

/** An error of the proxy itself, not of a gateway or a web server before it: it has an `error_code` (kafka-rest-v3 §6). */
const ofProxy = ({ json }: NonNullable<Answer>): boolean => typeof json?.["error_code"] === "number"

const cannotTell = (answer: NonNullable<Answer>): Finding =>
  unknown(`cannot tell: ${said(answer)}`, answer.status === 404 ? ENDPOINT : null)

/** DNS, TLS and HTTP: that anything answers which may be the proxy. */
const endpoint = (host: string, answer: Answer): Finding => {
  if (answer === undefined) {
    const mend = `${ENDPOINT}; the host must resolve, be reachable, and have a valid certificate`
    return failed(`${host} could not be reached`, mend)
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

const cluster = (answer: NonNullable<Answer>): Finding => {
  if (answer.status === 200) return ok("found")
  return answer.status === 404 && ofProxy(answer) ? failed(said(answer), "check cluster_id") : cannotTell(answer)
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

/**
 * The steps `endpoint`, `credentials`, `cluster` and `topic`. `get` answers a GET of that URL with the destination's credentials;
 * how long it may take is the caller's to bound.
 */
export const check = Effect.fnUntraced(function* (
  urls: { readonly cluster: string; readonly topic: string },
  get: (url: string) => Effect.Effect<Answer>
) {
  const steps: Array<CheckStep> = []
  let failedStep: string | undefined
  const look = (name: string, find: () => Finding): void => {
    const finding = failedStep === undefined ? find() : unknown(`not looked at: ${failedStep} failed`)
    if (finding.result === "failed") failedStep = name
    steps.push({ name, ...finding })
  }

  const answer = yield* get(urls.cluster)
  look("endpoint", () => endpoint(new URL(urls.cluster).host, answer))
  // Past the endpoint's step there is an answer.
  look("credentials", () => credentials(answer!))
  look("cluster", () => cluster(answer!))
  const topicAnswer = failedStep === undefined ? yield* get(urls.topic) : undefined
  look("topic", () => topic(topicAnswer))
  return steps
})
