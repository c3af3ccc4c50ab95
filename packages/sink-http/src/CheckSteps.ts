/** What the answer to a HEAD request tells of a destination. It never tells what a POST would get. */
import type { CheckStep } from "@hookstream/core/sink/Sink"

/**
 * Cloudflare answers these in the place of an origin that it could not reach, or agree on TLS with (its list of 5xx
 * errors).
 */
const UNREACHED = [521, 522, 523, 530]
const TLS_FAILED = [525, 526]

const connection = (host: string, status: number | undefined): CheckStep =>
  status === undefined || UNREACHED.includes(status)
    ? {
        name: "connection",
        result: "failed",
        detail: status === undefined ? `${host} could not be reached` : `${host} could not be reached: HTTP ${status}`,
        fix: "check the host and port of url, its DNS entry, its certificate, and the receiver's firewall"
      }
    : { name: "connection", result: "ok", detail: `${host} is reachable`, fix: null }

const tls = (url: URL, status: number | undefined): CheckStep => {
  const name = "tls"
  if (url.protocol === "http:") {
    const detail = "plain http: nothing is encrypted"
    return { name, result: "unknown", detail, fix: "set url to an https address" }
  }
  if (status === undefined || UNREACHED.includes(status)) {
    return { name, result: "unknown", detail: "no connection to tell it by", fix: null }
  }
  if (TLS_FAILED.includes(status)) {
    const detail = `no TLS connection to ${url.host}: HTTP ${status}`
    return { name, result: "failed", detail, fix: "install a valid certificate for this host at the receiver" }
  }
  return { name, result: "ok", detail: "the certificate is valid", fix: null }
}

const FIXES: Readonly<Record<number, string>> = {
  401: "check auth; a receiver that asks for a signature refuses a check in this way too",
  403: "check auth and the receiver's firewall",
  404: "check url; some receivers answer so to all but the method of deliveries",
  410: "set another url: with this answer to an event the destination pauses"
}

const answer = (status: number | undefined): CheckStep => {
  const name = "answer"
  if (status === undefined) return { name, result: "unknown", detail: "there was none", fix: null }
  const detail = `HTTP ${status} to a HEAD request`
  if (status >= 200 && status < 300) return { name, result: "ok", detail, fix: null }
  const fix = status < 400 ? "redirects are not followed: set url to the final address" : (FIXES[status] ?? null)
  return { name, result: "unknown", detail: `${detail}; an event may be answered otherwise`, fix }
}

/** The steps of a check: `status` is the receiver's answer, `undefined` when none came. */
export const checkSteps = (url: string, status: number | undefined): ReadonlyArray<CheckStep> => {
  const parsed = new URL(url)
  return [connection(parsed.host, status), tls(parsed, status), answer(status)]
}
