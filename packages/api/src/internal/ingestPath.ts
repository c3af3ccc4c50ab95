import { MAX_BODY_BYTES } from "@hookstream/core/Event"

const METHODS = ["get", "post", "put", "patch", "delete"]

const operation = (method: string) => ({
  tags: ["ingest"],
  operationId: `ingest.${method}`,
  summary: "Accept a webhook",
  description: `Any body up to ${MAX_BODY_BYTES / 1024 / 1024} MiB. A 200 means that the event is in the durable log. No API key: the URL is the address.`,
  security: [],
  parameters: [{ name: "source_id", in: "path", required: true, schema: { type: "string" } }],
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
    "404": { description: "No such source, or a disabled one" },
    "413": { description: "The body is too large" },
    "503": { description: "The source is paused or the log is busy: send again after `Retry-After` seconds" }
  }
})

/** Adds `ANY /v1/ingest/:source_id`, which the runtime answers ahead of the router, to the OpenAPI document. */
export const describeIngest = (document: Record<string, unknown>): Record<string, unknown> => ({
  ...document,
  paths: {
    ...(document["paths"] as object),
    "/v1/ingest/{source_id}": Object.fromEntries(METHODS.map((method) => [method, operation(method)]))
  }
})
