/** An error of the API as a plain Response, for what is answered outside the router. */
export const errorResponse = (
  status: number,
  error: string,
  options: {
    readonly requestId: string
    readonly retryAfterSeconds?: number
    /** Of a 405: the methods that the path takes. */
    readonly allowed?: ReadonlyArray<string>
  }
): Response => {
  const { requestId, retryAfterSeconds, allowed = [] } = options
  const headers = new Headers({ "X-Request-Id": requestId })
  if (retryAfterSeconds !== undefined) headers.set("Retry-After", String(retryAfterSeconds))
  if (allowed.length > 0) headers.set("Allow", allowed.join(", "))
  return Response.json({ error, status, request_id: requestId }, { status, headers })
}
