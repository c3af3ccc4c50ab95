/** What generators of code and of documentation need of `/openapi.json`. */
import { describe, expect, it } from "@effect/vitest"
import { TEMPLATE_NAMES } from "@hookstream/ingest/SourceTemplate"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"
import { Schema } from "effect"
import { startApi } from "./support.ts"

const api = startApi({ publicUrl: "https://hooks.example.com" })
const { body: document, text } = await api.caller({})("GET", "/openapi.json")

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly tags: ReadonlyArray<string>
  readonly security: ReadonlyArray<object>
  readonly parameters: ReadonlyArray<{ readonly name: string; readonly description?: string; readonly schema: object }>
  // biome-ignore lint/suspicious/noExplicitAny: JSON Schemas
  readonly requestBody?: any
  // biome-ignore lint/suspicious/noExplicitAny: JSON Schemas
  readonly responses: Readonly<Record<string, any>>
}
const operations = Object.entries<Record<string, Operation>>(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation }))
)
const components = document.components.schemas
const jsonOf = ({ content }: { readonly content: Record<string, { readonly schema: object }> }) =>
  content["application/json"]?.schema as Readonly<Record<string, unknown>>
const resolved = (schema: Readonly<Record<string, unknown>>) =>
  "$ref" in schema ? components[String(schema["$ref"]).replace("#/components/schemas/", "")] : schema

it("tells of each template of signatures how it is taken, shown and changed, under names of their own", () => {
  const uses = { SourceInput: "VerificationInput", Source: "Verification", SourcePatch: "VerificationPatch" }
  const titles = Object.entries(uses).flatMap(([source, name]) => {
    const { anyOf } = components[source].properties.verification
    expect(anyOf).toEqual([{ $ref: `#/components/schemas/${name}` }, { type: "null" }])
    return components[name].anyOf.map(({ title }: { readonly title: string }) => title)
  })
  // And one that is custom.
  expect(new Set(titles).size).toBe(3 * (TEMPLATE_NAMES.length + 1))
})

describe("each operation", () => {
  it("has a name for a function, a line, a text and a tag that is explained", () => {
    const tags = document.tags.map(({ name, description }: { readonly name: string; readonly description: string }) => {
      expect(description, name).toMatch(/\S/)
      return name
    })
    for (const { operationId, summary, description, tags: own } of operations) {
      expect(operationId).toMatch(/^[a-z]+([A-Z][a-z]+)+$/)
      expect([summary, description], operationId).toEqual([expect.stringMatching(/\S/), expect.stringMatching(/\S/)])
      expect(own, operationId).toHaveLength(1)
      expect(tags).toContain(own[0])
    }
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
    expect(operations.map(({ operationId }) => operationId)).toEqual(
      expect.arrayContaining(["createSource", "listSources", "getEvent", "listDeliveryAttempts", "sendEvent"])
    )
  })
  it("takes a body and refuses by components with names", () => {
    for (const { operationId, requestBody, responses } of operations) {
      if (requestBody !== undefined && !operationId.startsWith("sendEvent")) {
        expect(jsonOf(requestBody), operationId).toEqual({ $ref: expect.stringMatching(/\/[A-Z]\w+Input|Patch$/) })
      }
      for (const [status, response] of Object.entries(responses)) {
        expect(response.headers, `${operationId} ${status}`).toHaveProperty("X-Request-Id")
        if (Number(status) < 400) continue
        expect(resolved(jsonOf(response))?.properties.status, `${operationId} ${status}`).toEqual({
          type: "integer",
          const: Number(status)
        })
      }
    }
  })
  it("names the key that it needs", () => {
    const keys = (id: string) => operations.find(({ operationId }) => operationId === id)!.security
    expect(document.components.securitySchemes).toMatchObject({
      apiKey: { type: "apiKey", in: "header", name: "X-API-Key", description: expect.stringContaining("workspace") },
      bearer: { type: "http", description: expect.stringContaining("bearer") },
      rootKey: { type: "apiKey", in: "header", name: "X-Root-Key", description: expect.stringContaining("deployment") }
    })
    expect(keys("createWorkspace")).toEqual([{ rootKey: [] }])
    expect(keys("listSources")).toEqual([{ apiKey: [] }, { bearer: [] }])
    expect(keys("sendEvent")).toEqual([])
  })
  it("that lists something does so in pages, as all do", () => {
    const lists = operations.filter(({ operationId }) => /^list|Timeline$/.test(operationId))
    expect(lists).toHaveLength(11)
    for (const { operationId, parameters, responses } of lists) {
      expect(
        parameters.map(({ name }) => name),
        operationId
      ).toEqual(expect.arrayContaining(["cursor", "limit"]))
      const page = jsonOf(responses["200"]) as { readonly properties: object; readonly required: object }
      expect(page.properties, operationId).toMatchObject({ has_more: { type: "boolean" }, cursor: expect.anything() })
    }
    // And whatever has pages is such a list.
    const paged = operations.filter(({ parameters }) => parameters.some(({ name }) => name === "cursor"))
    expect(paged.map(({ operationId }) => operationId)).toEqual(lists.map(({ operationId }) => operationId))
  })
})

describe("a destination", () => {
  it("is one of a type for each registered sink, told apart by `type`", () => {
    for (const [name, suffix] of [
      ["Destination", ""],
      ["DestinationInput", "Input"]
    ]) {
      expect(components[name!]).toEqual({
        oneOf: [{ $ref: `#/components/schemas/Kafka${name}` }, { $ref: `#/components/schemas/Mirror${name}` }],
        discriminator: {
          propertyName: "type",
          mapping: {
            kafka: `#/components/schemas/Kafka${name}`,
            mirror: `#/components/schemas/Mirror${name}`
          }
        }
      })
      expect(components[`Kafka${name}`]).toMatchObject({
        properties: {
          type: { type: "string", const: "kafka" },
          config: { $ref: `#/components/schemas/KafkaConfig${suffix}` }
        },
        required: expect.arrayContaining(["type", "config"])
      })
    }
    expect(components.KafkaConfigInput.properties.api_secret).toMatchObject({ writeOnly: true, minLength: 1 })
    // What is shown is a mask, and what was stored before a check was made stricter.
    expect(components.KafkaConfig.properties.api_secret).not.toHaveProperty("writeOnly")
    expect(components.KafkaConfig.properties.topic).not.toHaveProperty("maxLength")
    expect(components.KafkaConfigPatch).not.toHaveProperty("required")
  })
  it("has an example that its sink takes", () => {
    const create = operations.find(({ operationId }) => operationId === "createDestination")!
    const { kafka } = create.requestBody.content["application/json"].examples
    expect(kafka.value.type).toBe("kafka")
    expect(() => Schema.decodeUnknownSync(KafkaSink.config)(kafka.value.config)).not.toThrow()
  })
})

it("the document says where the gateway is", () => {
  expect(document.servers).toEqual([{ url: "https://hooks.example.com" }])
})

it("numbers and fields have no noise: no bounds of doubles, nothing that is not built", () => {
  expect(text).not.toContain(String(Number.MAX_SAFE_INTEGER))
  expect(text).not.toMatch(/verification_secret|transform_expression|dedup_|provider_config|"search"|x-documented-as/)
  // What no value is: `Never`. The groups of filter rules have a field of this name.
  expect(text).not.toContain('"not":{}')
})

it("every component is used, and every reference leads to one", () => {
  const named = new Set(Object.keys(components))
  const used = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name!))
  expect([...used].filter((name) => !named.has(name))).toEqual([])
  expect([...named].filter((name) => !used.has(name))).toEqual([])
})
