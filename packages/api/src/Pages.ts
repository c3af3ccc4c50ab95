/** `GET /` and `GET /docs`: for people who come by with a browser, and what need not be guessed by others. */
import * as Effect from "effect/Effect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { RequestInfo } from "./ApiError.ts"

/**
 * `HttpApiScalar.layerCdn` has an inline script, no integrity, and the contract without the sinks. This is the file of
 * the package as it was published: jsDelivr makes no `.min.js` of its own whose bytes may change.
 */
export const SCALAR = "https://cdn.jsdelivr.net/npm/@scalar/api-reference@1.72.1/dist/browser/standalone.js"
const INTEGRITY = "sha384-U11tb2XnKvmwt8RlTvnwUnYgrN+ur4Xyh9htLhjajWNR/Oyl5AX5DEz00qRmlrmK"

/** Nothing but that one script runs; requests to try go to this host alone; nothing is told to anybody. */
const CONFIGURATION = JSON.stringify({ telemetry: false, withDefaultFonts: false })
const POLICY = [
  "default-src 'none'",
  `script-src ${SCALAR}`,
  // Scalar writes its styles into the page.
  "style-src 'unsafe-inline'",
  "img-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const html = (body: string) =>
  HttpServerResponse.text(
    `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>hookstream</title><meta name="viewport" content="width=device-width"></head>
<body>${body}</body>
</html>
`,
    {
      contentType: "text/html; charset=utf-8",
      headers: {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        Vary: "Accept"
      }
    }
  )

export const docs = Effect.succeed(
  html(
    `<noscript>This page needs JavaScript; <a href="/openapi.json">/openapi.json</a> does not.</noscript>
<div id="api-reference" data-url="/openapi.json" data-configuration='${CONFIGURATION}'></div>
<script src="${SCALAR}" integrity="${INTEGRITY}" crossorigin="anonymous"></script>`
  )
)

const WHAT = "A webhook gateway: it stores each webhook in a durable log before it answers, and delivers it to sinks."
const PLACES = [
  ["docs", "/docs", "the API, to read and to try"],
  ["openapi", "/openapi.json", "the same for tools, as OpenAPI 3.1"],
  ["health", "/v1/health", "how the gateway is"],
  ["ingest", "/v1/ingest/{token}", "where webhooks are sent to: the ingest_url of a source"]
] as const

const list = PLACES.map(([, path, what]) => {
  const place = path.includes("{") ? `<code>${path}</code>` : `<a href="${path}">${path}</a>`
  return `<li>${place}: ${what}</li>`
}).join("\n")

/** What this is, and where to go from here: as a page for browsers, as JSON for others. */
export const root = Effect.gen(function* () {
  const { headers } = yield* HttpServerRequest
  if (headers["accept"]?.includes("text/html") === true) {
    return html(`<h1>hookstream</h1>\n<p>${WHAT}</p>\n<ul>\n${list}\n</ul>`)
  }
  const { origin } = yield* RequestInfo
  const places = Object.fromEntries(PLACES.map(([name, path]) => [name, `${origin}${path}`]))
  return HttpServerResponse.jsonUnsafe(
    { name: "hookstream", description: WHAT, ...places },
    { headers: { Vary: "Accept" } }
  )
})
