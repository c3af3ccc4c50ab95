/**
 * What the receiver's answers mean. What follows from a reason is decided by core's `Settle.ts`.
 *
 * A reason that pauses the destination is given only where the answer cannot be about one event: else one event that
 * always gets it would hold up all others.
 */
import type { Reason } from "@hookstream/core/sink/Sink"
import type { HttpConfig } from "./HttpConfig.ts"
import type { Body } from "./ResponseBody.ts"

interface Meaning {
  readonly reason: Reason
  /** What a person can do, where there is something. */
  readonly fix?: string
}

const BY_STATUS: Readonly<Record<number, Meaning>> = {
  401: { reason: "Unauthorized", fix: "check auth and signing" },
  // Not Unauthorized: firewalls say it of one body.
  403: { reason: "Unavailable", fix: "check auth, signing, and the receiver's firewall" },
  404: { reason: "Unavailable", fix: "check url" },
  405: { reason: "Unavailable", fix: "check method and url" },
  408: { reason: "TimedOut" },
  // Standard Webhooks: the endpoint is to be disabled.
  410: { reason: "Misconfigured", fix: "the receiver is gone for good: set another url, or delete the destination" },
  413: { reason: "Unavailable", fix: "raise the body size that the receiver takes" },
  429: { reason: "Throttled" },
  // A gateway in between may have passed the request on before it gave up.
  502: { reason: "Unknown" },
  504: { reason: "TimedOut" },
  // Cloudflare's own, for an origin that broke off, or did not answer in time (52x in its list of 5xx errors).
  520: { reason: "Unknown" },
  522: { reason: "TimedOut" },
  524: { reason: "TimedOut" }
}

/** The meaning of a status that is not 2xx. `waits`: a readable `Retry-After` came with it. */
export const ofStatus = (
  status: number,
  { permanent_statuses = [] }: Pick<HttpConfig, "permanent_statuses">,
  waits: boolean
): Meaning => {
  if (permanent_statuses.some((one) => one === status)) {
    return { reason: status === 413 ? "TooLarge" : "Rejected", fix: "permanent by permanent_statuses" }
  }
  if (status === 503 && waits) return { reason: "Throttled" }
  const known = BY_STATUS[status]
  if (known !== undefined) return known
  if (status < 400) return { reason: "Unavailable", fix: "redirects are not followed: set url to the final address" }
  return { reason: "Unavailable" }
}

/** More of a body does not help a person who looks for the cause. */
const DETAIL_MAX = 500
/** The receipt of a success is kept for every event. */
const RECEIPT_MAX = 200

const oneLine = (text: string, max: number): string =>
  text
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .slice(0, max)

/** What a user reads of a failure: the status, the receiver's own words, and the fix. */
export const describe = (status: number, body: string, meaning: Meaning): string =>
  [`HTTP ${status}`, oneLine(body, DETAIL_MAX), meaning.fix]
    .filter((part) => part !== undefined && part !== "")
    .join(": ")

/**
 * The proof of a success: the status and the size of the answer; with `keep_response` also the beginning of what it
 * said.
 */
export const receipt = (
  status: number,
  { text, bytes }: Body,
  { keep_response }: Pick<HttpConfig, "keep_response">
): { readonly [name: string]: string | number } => {
  const said = keep_response === true ? oneLine(text, RECEIPT_MAX) : ""
  return said === "" ? { status, bytes } : { status, bytes, body: said }
}
