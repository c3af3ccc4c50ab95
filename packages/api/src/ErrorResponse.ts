/** An error of the API as a plain Response, for what is answered outside the router. */
export const errorResponse = (
  status: number,
  error: string,
  options: { readonly requestId: string; readonly retryAfterSeconds?: number }
): Response =>
  Response.json(
    { error, status, request_id: options.requestId },
    {
      status,
      headers: {
        "X-Request-Id": options.requestId,
        ...(options.retryAfterSeconds === undefined ? {} : { "Retry-After": String(options.retryAfterSeconds) })
      }
    }
  )
