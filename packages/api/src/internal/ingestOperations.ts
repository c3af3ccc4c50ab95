import { MAX_BODY_BYTES } from "@hookstream/core/event/Event"

const NAMES = {
  post: "sendEvent",
  get: "sendEventByGet",
  put: "sendEventByPut",
  patch: "sendEventByPatch",
  delete: "sendEventByDelete"
}
/** Those whose body is commonly sent on. */
const WITH_BODY = ["post", "put", "patch"]

export const INGEST_TAG = { name: "ingest", description: "Where webhooks are sent to" }

export const ACCEPTED = {
  type: "object",
  description: "The event is in the log",
  required: ["event_id", "source_id"],
  properties: { event_id: { type: "string" }, source_id: { type: "string" } },
  additionalProperties: false
}

const operation = (method: string, operationId: string, error: (status: number, why: string) => object) => ({
  tags: [INGEST_TAG.name],
  operationId,
  summary: `Send a webhook by ${method.toUpperCase()}`,
  description:
    `Any body up to ${MAX_BODY_BYTES / 1024 / 1024} MiB. A 200 means that the event is in the durable log. ` +
    "No API key: anyone who knows the URL, the source's `ingest_url`, can send.",
  security: [],
  parameters: [
    {
      name: "token",
      in: "path",
      required: true,
      description: "The end of the source's `ingest_url`",
      schema: { type: "string" }
    }
  ],
  ...(WITH_BODY.includes(method)
    ? {
        requestBody: {
          description: "It is stored and delivered byte for byte, whatever its type",
          content: {
            "application/json": { schema: {} },
            "*/*": { schema: { type: "string", format: "binary" } }
          }
        }
      }
    : {}),
  responses: {
    "200": {
      description: ACCEPTED.description,
      content: { "application/json": { schema: { $ref: "#/components/schemas/Accepted" } } }
    },
    "401": error(401, "The source demands a signature, and this request has none that could be verified"),
    "404": error(404, "No such source, a disabled one, or a URL that has ended"),
    "413": error(
      413,
      "The body is too large, or has more JSON values than are searched for what its source leaves out"
    ),
    "429": error(429, "Too many requests for sources that do not exist"),
    "431": error(431, "Headers and query are too large"),
    "503": error(503, "The source is paused or the log is busy: send again after `Retry-After` seconds")
  }
})

/** `ANY /v1/ingest/:token`, which the runtime answers ahead of the router. */
export const ingestOperations = (error: (status: number, why: string) => object) =>
  Object.fromEntries(Object.entries(NAMES).map(([method, name]) => [method, operation(method, name, error)]))
