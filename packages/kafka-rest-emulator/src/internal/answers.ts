/** Answers over HTTP in the proxy's form: `{"error_code","message"}`, or a page of the servlet container (§6). */
import { type ServerResponse, STATUS_CODES } from "node:http"

/** The proxy's words for its codes, where the caller has none that fit better. */
const MESSAGES: Readonly<Record<number, string>> = {
  400: "Bad Request: Cannot construct instance of ProduceRequest",
  40002: "The request violates a policy of the broker.",
  40101: "Unauthorized",
  40301: "Not authorized to access topics.",
  40401: "Topic not present in metadata after 60000 ms.",
  40402: "Partition is invalid.",
  40403: "This server does not host this topic-partition.",
  408: "Streaming connection open for longer than allowed: 86400000 ms. Connection will be closed.",
  413: "The request included a message larger than the maximum message size the server can accept.",
  422: "Error: 42206 : Payload error. Schema Registry must be configured when using schemas.",
  42206: "Payload error. Null input provided. Data is required.",
  429: "Request rate limit exceeded: The rate limit of requests per second has been exceeded.",
  42901: "The throttling quota has been exceeded.",
  50002: "The null record key is not allowed in a compacted topic.",
  50003: "Expiring 1 record(s): 120000 ms has passed since batch creation",
  50302: "The broker is not available."
}

export const messageOf = (code: number): string => {
  const reason = STATUS_CODES[code]
  return MESSAGES[code] ?? (reason === undefined ? `Error ${code}` : `HTTP ${code} ${reason}`)
}

export const errorOf = (code: number, message?: string) => ({ error_code: code, message: message ?? messageOf(code) })

export const json = (response: ServerResponse, status: number, body: unknown): void => {
  const text = JSON.stringify(body)
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) })
  response.end(text)
}

export const fail = (response: ServerResponse, status: number, code: number, message?: string): void =>
  json(response, status, errorOf(code, message))

/** Of what the proxy has no resource or no method for: its JSON without a `Content-Type`. */
export const refuse = (response: ServerResponse, status: number): void => {
  response.writeHead(status)
  response.end(JSON.stringify(errorOf(status)))
}

/** What Jetty itself refuses: JSON of its own for who asks for JSON, else a page. */
export const jettyError = (response: ServerResponse, status: number, url: string, accept: string | undefined): void => {
  const asJson = /application\/json/i.test(accept ?? "")
  if (asJson) json(response, status, { url, status: String(status), message: STATUS_CODES[status] })
  else jettyPage(response, status)
}

export const jettyPage = (response: ServerResponse, status: number, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { "Content-Type": "text/html;charset=iso-8859-1", ...headers })
  response.end(htmlPage(status))
}

/** The page that Jetty writes where no resource of the proxy answered. */
export const htmlPage = (status: number): string => {
  const title = `${status} ${STATUS_CODES[status] ?? ""}`.trim()
  return `<html><head><title>Error ${title}</title></head><body><h2>HTTP ERROR ${title}</h2></body></html>\n`
}

/** Jetty's filter against floods: not JSON, no `Retry-After` (§6a). */
export const tooManyRequests = (response: ServerResponse): void =>
  jettyPage(response, 429, { DoSFilter: "unavailable" })
