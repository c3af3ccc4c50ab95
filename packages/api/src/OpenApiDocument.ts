/**
 * What `GET /openapi.json` answers: the contract as `HttpApi` tells it, and what that cannot know: the configs of the
 * registered sinks, the templates of signatures, the ingest endpoint, and what is answered ahead of the router.
 */
import type { Sink } from "@hookstream/core/sink/Sink"
import { Verification } from "@hookstream/ingest/Verification"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { Api } from "./Api.ts"
import { DOCUMENTED_AS } from "./Fields.ts"
import { configSchema } from "./internal/configSchema.ts"
import { ACCEPTED, INGEST_TAG, ingestOperations } from "./internal/ingestOperations.ts"
import {
  documented,
  exampleOf,
  isObject,
  type JsonSchema,
  patchOf,
  propertiesOf,
  requiredOf,
  shape,
  tidy
} from "./internal/jsonSchemas.ts"

const SCHEMAS = "#/components/schemas/"
const ref = (name: string) => ({ $ref: `${SCHEMAS}${name}` })

type Schemas = { [name: string]: JsonSchema }

/** Effect calls an error by its id, and by what it is encoded to. */
const OPTIONS: OpenApi.FromApiOptions = {
  includeAnnotationKey: (key) => key === DOCUMENTED_AS,
  referencePolicy: ({ identifier }) => identifier?.replace(/^@hookstream\/api\/(\w+?)(Encoded)?$/, "$1")
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors

/** Errors that are answered outside of the router, by their status. */
const FURTHER_ERRORS = {
  413: ["PayloadTooLarge", "The body is too large"],
  415: ["UnsupportedMediaType", "The body must be JSON: send `Content-Type: application/json`"],
  431: ["HeadersTooLarge", "Headers and query are too large"]
} as const

const addErrors = (schemas: Schemas): void => {
  const { BadRequest = {} } = schemas
  for (const [status, [name, description]] of Object.entries(FURTHER_ERRORS)) {
    const properties = { ...propertiesOf(BadRequest), status: { type: "integer", const: Number(status) } }
    schemas[name] = { ...BadRequest, description, properties }
  }
}

const errorOf = (schemas: Schemas) => (status: number, description: string) => {
  const [name = ""] = Object.entries(schemas).find(([, schema]) => {
    const field = propertiesOf(schema)["status"]
    return isObject(field) && field["const"] === status
  })!
  return { description, content: { "application/json": { schema: ref(name) } } }
}

// ---------------------------------------------------------------------------------------------------------------------
// Destinations

const pascal = (type: string): string => type.replace(/(?:^|[^A-Za-z0-9])(\w)/g, (_, first) => first.toUpperCase())

/** The Schema of a sink's config, its own definitions among the components. */
const addConfig = (schemas: Schemas, sink: Sink): JsonSchema => {
  const name = `${pascal(sink.type)}Config`
  const own = (schema: object): JsonSchema =>
    tidy(JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', `"${SCHEMAS}${name}`)))
  const { schema, definitions } = configSchema(sink)
  for (const [key, definition] of Object.entries(definitions)) schemas[`${name}${key}`] = own(definition)
  const config = own(schema)
  const description = `The settings of ${sink.title}`
  schemas[name] = { ...shape(config), description: `${description}; secrets are masked` }
  schemas[`${name}Input`] = { ...config, description }
  schemas[`${name}Patch`] = { ...patchOf(config), description: `${description} that change` }
  return config
}

/** A component becomes one for each type, told apart by `type`. */
const addUnion = (schemas: Schemas, sinks: ReadonlyArray<Sink>, name: string, suffix: "" | "Input"): void => {
  const base = schemas[name]!
  const mapping: Record<string, string> = {}
  for (const { type } of sinks) {
    const own = `${pascal(type)}${name}`
    mapping[type] = `${SCHEMAS}${own}`
    schemas[own] = {
      ...base,
      properties: {
        ...propertiesOf(base),
        type: { type: "string", const: type },
        config: ref(`${pascal(type)}Config${suffix}`)
      },
      required: [...new Set([...requiredOf(base), "config"])]
    }
  }
  schemas[name] = {
    oneOf: Object.values(mapping).map(($ref) => ({ $ref })),
    discriminator: { propertyName: "type", mapping }
  }
}

/** An example for each type, of the fields that are required. */
const addDestinations = (schemas: Schemas, sinks: ReadonlyArray<Sink>): Readonly<Record<string, object>> => {
  if (sinks.length === 0) return {}
  const examples: Record<string, object> = {}
  for (const sink of sinks) {
    const config = exampleOf(addConfig(schemas, sink))
    if (config !== undefined) {
      examples[sink.type] = { summary: sink.title, value: { name: "Event Stream", type: sink.type, config } }
    }
  }
  addUnion(schemas, sinks, "Destination", "")
  addUnion(schemas, sinks, "DestinationInput", "Input")
  const { DestinationPatch: patch = {} } = schemas
  const config = { anyOf: sinks.map(({ type }) => ref(`${pascal(type)}ConfigPatch`)) }
  schemas["DestinationPatch"] = { ...patch, properties: { ...propertiesOf(patch), config } }
  return examples
}

// ---------------------------------------------------------------------------------------------------------------------
// Sources

/** The `verification` of a source: what is taken, shown, and changed, one of each template. */
const addVerification = (schemas: Schemas): void => {
  const { anyOf } = tidy(Schema.toJsonSchemaDocument(Verification, { onExcessProperty: "error" }).schema)
  const members = Array.isArray(anyOf) ? anyOf.filter(isObject) : []
  for (const [source, name, ofMember] of [
    ["SourceInput", "VerificationInput", (member: JsonSchema) => member],
    ["SourcePatch", "VerificationPatch", patchOf],
    ["Source", "Verification", shape]
  ] as const) {
    const base = schemas[source]!
    const { verification } = propertiesOf(base)
    const { description } = isObject(verification) ? verification : {}
    // Generators name what they make of a member by its title.
    schemas[name] = { anyOf: members.map((member) => ({ ...ofMember(member), title: `${member["title"]} ${name}` })) }
    const field = { description, anyOf: [ref(name), { type: "null" }] }
    schemas[source] = { ...base, properties: { ...propertiesOf(base), verification: field } }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Operations

const HEADERS = {
  RequestId: { description: "Names the request, in the gateway's log too", schema: { type: "string" } },
  RetryAfter: { description: "Seconds after which to try again", schema: { type: "integer", minimum: 0 } }
}
const requestId = { "X-Request-Id": { $ref: "#/components/headers/RequestId" } }
const retryAfter = { "Retry-After": { $ref: "#/components/headers/RetryAfter" } }

const SUCCESS: Readonly<Record<string, string>> = {
  200: "Done",
  201: "Created",
  202: "Stored, but not all whom it concerns could be told yet"
}

const METHODS = ["get", "post", "put", "patch", "delete"] as const

/** Whether a request without a body is taken for one with `{}`. */
const isBodyOptional = (schemas: Schemas, schema: JsonSchema): boolean => {
  const name = String(schema["$ref"]).slice(SCHEMAS.length)
  const { [name]: input = {} } = schemas
  return input["type"] === "object" && requiredOf(input).length === 0
}

const operationsOf = (paths: OpenApi.OpenAPISpecPaths) =>
  Object.values(paths).flatMap((path) => METHODS.flatMap((method) => ({ method, operation: path[method] })))

/** The document of a gateway with these sinks at this origin; of one whose origin is not known (``): at its own. */
export const make = (sinks: ReadonlyArray<Sink>, origin: string): object => {
  const spec = OpenApi.fromApi(Api, OPTIONS)
  const schemas: Schemas = Object.fromEntries(
    Object.entries(spec.components.schemas).map(([name, schema]) => [name, tidy(schema)])
  )
  addErrors(schemas)
  const error = errorOf(schemas)
  const examples = addDestinations(schemas, sinks)
  addVerification(schemas)
  schemas["Accepted"] = ACCEPTED

  for (const { method, operation } of operationsOf(spec.paths)) {
    if (operation === undefined) continue
    operation.parameters = operation.parameters.flatMap(({ schema, ...parameter }) => {
      const shown = documented({ ...schema })
      if (shown === undefined) return []
      const { description, ...own } = tidy(shown)
      return [{ ...parameter, ...(typeof description === "string" ? { description } : {}), schema: own }]
    })
    const body = operation.requestBody?.content["application/json"]
    if (operation.requestBody !== undefined && body !== undefined) {
      if (body.schema["$ref"] === ref("DestinationInput").$ref) Object.assign(body, { examples })
      if (method === "post" && isBodyOptional(schemas, body.schema)) {
        Object.assign(operation.requestBody, { required: false })
      }
      operation.responses[413] = error(413, FURTHER_ERRORS[413][1])
      operation.responses[415] = error(415, FURTHER_ERRORS[415][1])
    }
    for (const [status, response] of Object.entries(operation.responses)) {
      response.description = SUCCESS[status] ?? response.description
      for (const media of Object.values(response.content ?? {})) media.schema = tidy(media.schema)
    }
  }
  const paths = { ...spec.paths, "/v1/ingest/{token}": ingestOperations(error) } as OpenApi.OpenAPISpecPaths
  for (const { operation } of operationsOf(paths)) {
    for (const [status, response] of Object.entries(operation?.responses ?? {})) {
      const isRefused = status === "429" || status === "503"
      Object.assign(response, { headers: isRefused ? { ...requestId, ...retryAfter } : requestId })
    }
  }
  return {
    ...spec,
    servers: [{ url: origin === "" ? "/" : origin }],
    tags: [...spec.tags, INGEST_TAG],
    paths,
    components: { ...spec.components, schemas, headers: HEADERS }
  }
}
