/** Requests by which a provider asks whether an endpoint is its user's: they are answered, and are no events. */
import * as Received from "./Received.ts"
import { type Handshake, TEMPLATES } from "./SourceTemplate.ts"
import type { Verification } from "./Verification.ts"

/** A challenge is shorter; what is longer is not sent back. */
const ECHO_MAX = 1024

const isAsked = ({ when }: Handshake, request: Received.Received): boolean =>
  when._tag === "Method" ? request.method === when.method : Received.at(request, when.path) === when.is

/**
 * The text to answer with, as `text/plain` and 200; `undefined` where the request is none. It is asked twice: before
 * the signature is verified for what comes without one, and after it (`isVerified`) for the rest.
 */
export const answer = (
  { template }: Verification,
  request: Received.Received,
  isVerified: boolean
): string | undefined => {
  if (template === "custom") return undefined
  const asked = TEMPLATES[template].handshakes.find((one) => one.isSigned === isVerified && isAsked(one, request))
  if (asked === undefined) return undefined
  if (asked.echo === null) return ""
  const echo = Received.at(request, asked.echo)
  return typeof echo === "string" && echo.length <= ECHO_MAX ? echo : undefined
}
