/**
 * What the proxy's codes mean: tables 6a (HTTP status) and 6b (receipt) of kafka-rest-v3. What follows from a reason is
 * decided by core's `Settle.ts`.
 */
import type { Reason } from "@hookstream/core/sink/Sink"

interface Meaning {
  readonly reason: Reason
  /** What a person can do, where there is something. */
  readonly fix?: string
}

export const CREDENTIALS = "check api_key and api_secret"
export const ACL = "grant DeveloperWrite on the topic to this API key"
const TOPIC = "check topic and cluster_id; the topic must exist"

/**
 * 6a: the request was refused before any record was read, so nothing was produced, except where the reason is Unknown.
 */
const BY_STATUS: Readonly<Record<number, Meaning>> = {
  400: { reason: "Rejected" },
  401: { reason: "Unauthorized", fix: CREDENTIALS },
  403: { reason: "Unauthorized", fix: ACL },
  404: { reason: "Misconfigured", fix: `${TOPIC}; a stand-alone proxy needs rest_endpoint` },
  405: { reason: "Misconfigured", fix: "the endpoint is no REST Proxy v3" },
  406: { reason: "Misconfigured", fix: "the endpoint is no REST Proxy v3" },
  407: { reason: "Misconfigured", fix: "a proxy in between asks for credentials" },
  408: { reason: "Unknown" },
  413: { reason: "TooLarge", fix: "raise the proxy's and the topic's message size" },
  415: { reason: "Misconfigured", fix: "the endpoint is no REST Proxy v3" },
  422: { reason: "Rejected" },
  429: { reason: "Throttled" },
  500: { reason: "Unavailable" },
  // A gateway in between may have passed the request on before it gave up.
  502: { reason: "Unknown" },
  503: { reason: "Unknown" },
  504: { reason: "Unknown" }
}

export const ofStatus = (status: number): Meaning => {
  const known = BY_STATUS[status]
  if (known !== undefined) return known
  // A redirect is never followed: it would carry the credentials elsewhere.
  if (status < 400) return { reason: "Misconfigured", fix: "the endpoint does not answer as a REST Proxy v3" }
  return { reason: status < 500 ? "Rejected" : "Unknown" }
}

/** 6b: what became of one record. */
const BY_CODE: Readonly<Record<number, Meaning>> = {
  400: {
    reason: "Malformed",
    fix: "a value_format of string or binary sends what the proxy's reader of JSON refuses"
  },
  40002: { reason: "Rejected" },
  401: { reason: "Unauthorized", fix: CREDENTIALS },
  40101: { reason: "Unauthorized", fix: CREDENTIALS },
  403: { reason: "Unauthorized", fix: ACL },
  40301: { reason: "Unauthorized", fix: ACL },
  // Missing topic, or metadata out of reach: usually configuration, and the record was not produced.
  404: { reason: "Misconfigured", fix: TOPIC },
  40401: { reason: "Misconfigured", fix: TOPIC },
  40402: { reason: "Malformed" },
  40403: { reason: "Misconfigured", fix: TOPIC },
  // "Streaming connection open for longer than allowed": the record was handed to the producer all the same.
  408: { reason: "Unknown" },
  413: { reason: "TooLarge", fix: "raise the proxy's and the topic's message size" },
  422: { reason: "Malformed", fix: "proxies before 7.5 do not know the type STRING" },
  429: { reason: "Throttled" },
  42901: { reason: "Throttled" },
  500: { reason: "Unavailable" },
  50002: { reason: "Rejected" },
  // Delivery time-out among others: the record may be in the topic.
  50003: { reason: "Unknown" },
  50302: { reason: "Unavailable" }
}

export const ofCode = (code: number): Meaning => {
  const known = BY_CODE[code]
  if (known !== undefined) return known
  // 3 digits are an HTTP status, 5 a status and two more.
  const status = code >= 10_000 ? Math.floor(code / 100) : code
  return BY_CODE[status] ?? { reason: status >= 400 && status < 500 ? "Rejected" : "Unknown" }
}

/** Characters of a message that are kept. */
const MESSAGE_MAX = 500

/** What a user reads: the code, the server's own words, and the fix. */
export const describe = (what: string, message: string, { fix }: Pick<Meaning, "fix">): string =>
  [what, message.slice(0, MESSAGE_MAX), fix].filter((part) => part !== undefined && part !== "").join(": ")
