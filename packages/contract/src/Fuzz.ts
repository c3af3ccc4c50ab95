/**
 * Random requests from an OpenAPI document, and whether their answers are as it says. Most are as the document asks
 * for, others are wrong in one thing.
 */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import addFormats from "ajv-formats"
import type { Random } from "./Random.ts"
import { anyJson, type Context, type Json, type JsonSchema, type Known, spoilt, valueOf } from "./Values.ts"

interface Parameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  readonly required: boolean
  readonly schema: JsonSchema
}
interface Body {
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>
  readonly headers?: object
}
interface Operation {
  readonly operationId: string
  readonly parameters: ReadonlyArray<Parameter>
  readonly requestBody?: Body
  readonly responses: Readonly<Record<string, Body>>
  readonly security: ReadonlyArray<object>
}
export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> }
}

/** A gateway to send to. */
export interface Target {
  readonly document: Document
  readonly send: (request: Request) => Promise<Response>
  readonly origin: string
  readonly rootKey: string
  /** A key of each scope of one workspace. */
  readonly keys: { readonly all: string; readonly read: string; readonly write: string }
  readonly now: () => number
  /** What is there at first. */
  readonly ids: ReadonlyArray<string>
  /** Ids that are in no request: those of `keys`, which would be deleted. */
  readonly kept: ReadonlyArray<string>
  /** Ingest tokens; none where the target does not take webhooks. */
  readonly tokens: ReadonlyArray<string>
  /** Operations that are left out. */
  readonly without: ReadonlyArray<string>
  /** Whether a part of the gateway does not answer: only then 503 is an answer. */
  readonly isDown: () => boolean
}

/** An answer that is not as the document says. */
export interface Difference {
  readonly operationId: string
  readonly request: string
  readonly status: number
  readonly answer: string
  readonly problem: string
}

const ID = /^(src|dst|conn|evt|key|rpl|att)_[0-9a-f]+$/
/** Of each kind, as many of the last ones are used. */
const REMEMBERED = 20

const walk = (value: unknown, visit: (text: string, name: string) => void, name = ""): void => {
  if (typeof value === "string") visit(value, name)
  else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) walk(item, visit, key)
  }
}

const makeKnown = (first: ReadonlyArray<string>, kept: ReadonlyArray<string>) => {
  const ids = new Map<string, Array<string>>()
  const cursors: Array<string> = []
  const remember = (list: Array<string>, text: string) => {
    if (list.includes(text)) return
    list.push(text)
    if (list.length > REMEMBERED) list.shift()
  }
  const learn = (text: string, name: string) => {
    const prefix = ID.exec(text)?.[1]
    if (name === "cursor") remember(cursors, text)
    if (prefix === undefined || kept.includes(text)) return
    const list = ids.get(prefix) ?? []
    ids.set(prefix, list)
    remember(list, text)
  }
  for (const id of first) learn(id, "")
  return { known: { ids, cursors } satisfies Known, learn }
}

/** The value of a parameter as text; a path's ids are known by what the path names. */
const parameterOf = (context: Context, path: string, { name, in: place, schema }: Parameter): string => {
  const { random, known } = context
  if (random.chance(0.07)) return random.pick(["x", "0", "%", "null", "å", "-1", "true", "a".repeat(9000)])
  if (name === "cursor" && known.cursors.length > 0) return random.pick(known.cursors)
  if (place === "path" && path.startsWith("/v1/delivery-attempts")) {
    return valueOf(context, { type: "string", pattern: "^att_[0-9a-f]" }) as string
  }
  return String(valueOf(context, schema))
}

const encoder = new TextEncoder()

/** Bytes that are no JSON of any kind. */
const garbage = (random: Random): Uint8Array<ArrayBuffer> =>
  random.pick([
    encoder.encode("{"),
    encoder.encode("nonsense"),
    encoder.encode('{"a":1}{"b":2}'),
    new Uint8Array([0xff, 0xfe, 0x22]),
    encoder.encode("[".repeat(200)),
    encoder.encode(`{"name":"${"x".repeat(2 ** 20)}"}`)
  ])

interface Sent {
  readonly request: Request
  readonly shown: string
  /** The body, where it is JSON. */
  readonly json: Json | undefined
}

const KEYS: ReadonlyArray<"all" | "write" | "read" | "wrong" | "none"> = ["write", "read", "wrong", "none"]

export interface Fuzz {
  /** Sends one request; what is wrong with its answer, `undefined` when nothing is. */
  readonly step: (random: Random) => Promise<Difference | undefined>
  /** How often each status was answered, by operation. */
  readonly seen: ReadonlyMap<string, Map<number, number>>
}

export const makeFuzz = (target: Target): Fuzz => {
  const { document, keys, tokens } = target
  const components = document.components.schemas
  const { known, learn } = makeKnown(target.ids, target.kept)
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation }))
  )
  const isIngest = ({ operationId }: Operation) => operationId.startsWith("sendEvent")
  const sendable = operations.filter(
    ({ operation }) => !target.without.includes(operation.operationId) && (tokens.length > 0 || !isIngest(operation))
  )

  const ajv = new Ajv2020({ strict: false, allErrors: false })
  addFormats.default(ajv)
  ajv.addSchema({ $id: "document", components: document.components })
  const validators = new Map<JsonSchema, ValidateFunction>()
  const validatorOf = (schema: JsonSchema): ValidateFunction => {
    const made = validators.get(schema)
    if (made !== undefined) return made
    const text = JSON.stringify(schema).replaceAll('"#/', '"document#/')
    const validator = ajv.compile(JSON.parse(text))
    validators.set(schema, validator)
    return validator
  }

  const credentials = (random: Random, operation: Operation): Record<string, string> => {
    const [wanted] = operation.security
    if (wanted === undefined) return {}
    if ("rootKey" in wanted) return random.chance(0.9) ? { "X-Root-Key": target.rootKey } : { "X-Root-Key": "no" }
    const who = random.chance(0.85) ? "all" : random.pick(KEYS)
    if (who === "none") return {}
    const key = who === "wrong" ? `hs_live_${"0".repeat(64)}` : keys[who]
    return random.chance(0.8) ? { "X-API-Key": key } : { Authorization: `Bearer ${key}` }
  }

  const requestOf = (random: Random, { path, method, operation }: (typeof operations)[number]): Sent => {
    const context: Context = { random, known, components, now: target.now() }
    let url = path
    const query = new URLSearchParams()
    const headers: Record<string, string> = credentials(random, operation)
    for (const parameter of operation.parameters) {
      if (!parameter.required && !random.chance(0.3)) continue
      const isToken = parameter.name === "token"
      const value = isToken && random.chance(0.9) ? random.pick(tokens) : parameterOf(context, path, parameter)
      if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(value))
      else if (parameter.in === "query") query.set(parameter.name, value)
      else if (/^[\x20-\x7e]+$/.test(value)) headers[parameter.name] = value.slice(0, 300)
    }
    if (random.chance(0.03)) query.set("unknown", "1")
    let json: Json | undefined
    let body: Uint8Array<ArrayBuffer> | undefined
    const schema = operation.requestBody?.content?.["application/json"]?.schema
    if (schema !== undefined) {
      const asked = valueOf(context, schema)
      json = random.chance(0.3) ? spoilt(random, asked) : random.chance(0.02) ? anyJson(random) : asked
      body = encoder.encode(JSON.stringify(json))
      headers["Content-Type"] = random.chance(0.97) ? "application/json" : random.pick(["text/plain", "", "x"])
      if (random.chance(0.03)) {
        json = undefined
        body = random.chance(0.3) ? undefined : garbage(random)
      }
    }
    const text = query.size === 0 ? url : `${url}?${query}`
    const init = { method, headers, ...(body === undefined ? {} : { body }) }
    const content = body === undefined ? "" : new TextDecoder().decode(body)
    const shown = `${method} ${text} ${JSON.stringify(headers)} ${content}`
    return { request: new Request(`${target.origin}${text}`, init), shown: shown.slice(0, 4000), json }
  }

  const problemOf = (operation: Operation, { json }: Sent, response: Response, text: string): string | undefined => {
    const { status, headers } = response
    // A source that is paused answers 503 as well.
    const isExpected = status === 503 && (target.isDown() || isIngest(operation))
    if (status >= 500 && !isExpected) return "a gateway that is well answers no 5xx"
    const { [status]: documented } = operation.responses
    if (documented === undefined) return "the document has no such status"
    for (const name of Object.keys(documented.headers ?? {})) {
      if (!headers.has(name)) return `the header ${name} is missing`
    }
    const schema = documented.content?.["application/json"]?.schema
    if (schema === undefined) return text === "" ? undefined : "the document has no body"
    if (!headers.get("content-type")?.startsWith("application/json")) return "it is no JSON"
    const validate = validatorOf(schema)
    const answer: unknown = JSON.parse(text)
    if (!validate(answer)) return `the body is another: ${ajv.errorsText(validate.errors)}`
    const asked = operation.requestBody?.content?.["application/json"]?.schema
    if (status < 300 && json !== undefined && asked !== undefined) {
      const isAsked = validatorOf(asked)
      if (!isAsked(json)) return `it was taken, although the document refuses it: ${ajv.errorsText(isAsked.errors)}`
    }
    walk(answer, learn)
    return undefined
  }

  const seen = new Map<string, Map<number, number>>()
  return {
    seen,
    step: async (random) => {
      const one = random.pick(sendable)
      const { operationId } = one.operation
      const sent = requestOf(random, one)
      const response = await target.send(sent.request)
      const text = await response.text()
      const { status } = response
      const counts = seen.get(operationId) ?? new Map<number, number>()
      seen.set(operationId, counts.set(status, (counts.get(status) ?? 0) + 1))
      const problem = problemOf(one.operation, sent, response, text)
      return problem === undefined
        ? undefined
        : { operationId, request: sent.shown, status, answer: text.slice(0, 2000), problem }
    }
  }
}
