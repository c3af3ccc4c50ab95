import { MAX_BODY_BYTES } from "@hookstream/core/event/Event"

const METHODS = ["get", "post", "put", "patch", "delete"]

const operation = (method: string) => ({
  tags: ["ingest"],
  operationId: `ingest.${method}`,
  summary: "Accept a webhook",
  description:
    `Any body up to ${MAX_BODY_BYTES / 1024 / 1024} MiB. A 200 means that the event is in the durable log. ` +
    "No API key: anyone who knows the URL, the source's `ingest_url`, can send.",
  security: [],
  parameters: [{ name: "token", in: "path", required: true, schema: { type: "string" } }],
  responses: {
    "200": {
      description: "The event is in the log",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["event_id", "source_id"],
            properties: { event_id: { type: "string" }, source_id: { type: "string" } }
          }
        }
      }
    },
    "404": { description: "No such source, a disabled one, or a URL that has ended" },
    "413": {
      description: "The body is too large, or has more JSON values than are looked into for what its source leaves out"
    },
    "503": { description: "The source is paused or the log is busy: send again after `Retry-After` seconds" }
  }
})

/** Adds `ANY /v1/ingest/:token`, which the runtime answers ahead of the router, to the OpenAPI document. */
export const describeIngest = (document: Record<string, unknown>): Record<string, unknown> => ({
  ...document,
  paths: {
    ...(document["paths"] as object),
    "/v1/ingest/{token}": Object.fromEntries(METHODS.map((method) => [method, operation(method)]))
  }
})
