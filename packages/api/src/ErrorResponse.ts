/** An error of the API as a plain Response, for what is answered outside the router. */
import type { Issue } from "./ApiError.ts"

export const errorResponse = (
  status: number,
  error: string,
  options: {
    readonly requestId: string
    readonly retryAfterSeconds?: number
    readonly issues?: ReadonlyArray<Issue>
  }
): Response =>
  Response.json(
    { error, status, request_id: options.requestId, issues: options.issues },
    {
      status,
      headers: {
        "X-Request-Id": options.requestId,
        ...(options.retryAfterSeconds === undefined ? {} : { "Retry-After": String(options.retryAfterSeconds) })
      }
    }
  )
