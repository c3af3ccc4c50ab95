/** An error of the API as a plain Response, for what is answered outside the router. */
import type { Issue } from "./ApiError.ts"

export const errorResponse = (
  status: number,
  error: string,
  options: {
    readonly requestId: string
    readonly retryAfterSeconds?: number
    readonly issues?: ReadonlyArray<Issue>
    /** Of a 405: the methods that the path takes. */
    readonly allowed?: ReadonlyArray<string>
  }
): Response => {
  const { requestId, retryAfterSeconds, issues, allowed = [] } = options
  const headers = new Headers({ "X-Request-Id": requestId })
  if (retryAfterSeconds !== undefined) headers.set("Retry-After", String(retryAfterSeconds))
  if (allowed.length > 0) headers.set("Allow", allowed.join(", "))
  return Response.json({ error, status, request_id: requestId, issues }, { status, headers })
}
