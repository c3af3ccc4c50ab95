/**
 * The errors of the API: `{ error, status, request_id, issues? }`. `error` says what is wrong and what to do; `issues`
 * names every wrong field at once, by its dotted path.
 */

import type { ConflictError, NotFoundError, UnavailableError } from "@hookstream/core/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"

export const Issue = Schema.Struct({
  path: Schema.String.annotate({ description: "Dotted path of the field", examples: ["config.topic"] }),
  message: Schema.String
})
export type Issue = typeof Issue.Type

const fields = <const Status extends number>(status: Status) => ({
  error: Schema.String,
  status: Schema.Literal(status),
  request_id: Schema.String,
  issues: Schema.optionalKey(Schema.Array(Issue))
})

/** Something in the request is not as it should be. */
export class BadRequest extends Schema.Error<BadRequest>("@hookstream/api/BadRequest")(fields(400), {
  httpApiStatus: 400
}) {}
/** No API key, or one that does not exist. */
export class Unauthorized extends Schema.Error<Unauthorized>("@hookstream/api/Unauthorized")(fields(401), {
  httpApiStatus: 401
}) {}
/** The API key's scopes do not allow this. */
export class Forbidden extends Schema.Error<Forbidden>("@hookstream/api/Forbidden")(fields(403), {
  httpApiStatus: 403
}) {}
/** Absent, or another workspace's. */
export class NotFound extends Schema.Error<NotFound>("@hookstream/api/NotFound")(fields(404), { httpApiStatus: 404 }) {}
/** The request contradicts what is there. */
export class Conflict extends Schema.Error<Conflict>("@hookstream/api/Conflict")(fields(409), { httpApiStatus: 409 }) {}
/** It was there once: its retention has passed. */
export class Gone extends Schema.Error<Gone>("@hookstream/api/Gone")(fields(410), { httpApiStatus: 410 }) {}
/** Too often in a short time: `Retry-After` says when to try again. */
export class TooManyRequests extends Schema.Error<TooManyRequests>("@hookstream/api/TooManyRequests")(fields(429), {
  httpApiStatus: 429
}) {}
/** A part of the gateway did not answer: try again. */
export class ServiceUnavailable extends Schema.Error<ServiceUnavailable>("@hookstream/api/ServiceUnavailable")(
  fields(503),
  { httpApiStatus: 503 }
) {}

/** The request that is being answered. */
export interface RequestInfo {
  /** `req_…`, also in the header `X-Request-Id`. */
  readonly requestId: string
  /** Scheme and host of ingest URLs, without a slash; empty when they are not known. */
  readonly origin: string
}
export const RequestInfo = Context.Reference<RequestInfo>("@hookstream/api/RequestInfo", {
  defaultValue: () => ({ requestId: "req_unknown", origin: "" })
})

export const badRequest = Effect.fnUntraced(function* (error: string, issues?: ReadonlyArray<Issue>) {
  const { requestId: request_id } = yield* RequestInfo
  return yield* new BadRequest({ error, status: 400, request_id, ...(issues === undefined ? {} : { issues }) })
})
export const unauthorized = Effect.fnUntraced(function* (error: string) {
  const { requestId: request_id } = yield* RequestInfo
  return yield* new Unauthorized({ error, status: 401, request_id })
})
export const forbidden = Effect.fnUntraced(function* (error: string) {
  const { requestId: request_id } = yield* RequestInfo
  return yield* new Forbidden({ error, status: 403, request_id })
})
export const notFound = Effect.fnUntraced(function* (error: string) {
  const { requestId: request_id } = yield* RequestInfo
  return yield* new NotFound({ error, status: 404, request_id })
})
export const conflict = Effect.fnUntraced(function* (error: string, issues?: ReadonlyArray<Issue>) {
  const { requestId: request_id } = yield* RequestInfo
  return yield* new Conflict({ error, status: 409, request_id, ...(issues === undefined ? {} : { issues }) })
})
export const gone = Effect.fnUntraced(function* (error: string) {
  const { requestId: request_id } = yield* RequestInfo
  return yield* new Gone({ error, status: 410, request_id })
})

export const tooManyRequests = Effect.fnUntraced(function* (error: string) {
  const { requestId: request_id } = yield* RequestInfo
  return yield* new TooManyRequests({ error, status: 429, request_id })
})

const onUnavailable = Effect.fnUntraced(function* (error: UnavailableError) {
  const { requestId: request_id } = yield* RequestInfo
  return yield* new ServiceUnavailable({ error: error.message, status: 503, request_id })
})
const onNotFound = (error: NotFoundError) => notFound(error.message)
const onConflict = (error: ConflictError) => conflict(error.message)

/** Core's errors as the API's, for `Effect.catchTags`: those of a list, of a read, of a change. */
export const ofList = { UnavailableError: onUnavailable }
export const ofRead = { ...ofList, NotFoundError: onNotFound }
export const ofChange = { ...ofRead, ConflictError: onConflict }

const MISSING = "is required"
const UNKNOWN = "is not a field"

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return MISSING
    if (issue._tag === "UnexpectedKey") return UNKNOWN
    return SchemaIssue.defaultLeafHook(issue)
  }
})

const isMissing = (issue: SchemaIssue.Issue): boolean => issue._tag === "Pointer" && issue.issue._tag === "MissingKey"

/** How many of the fields that a member of a union needs a value has. */
const likeness = (issue: SchemaIssue.Issue): number =>
  issue._tag === "Composite" && issue.ast._tag === "Objects"
    ? issue.ast.propertySignatures.filter(({ type }) => !SchemaAST.isOptional(type)).length -
      issue.issues.filter(isMissing).length
    : 0

/** Of the members of each union that refused a value, the one that it is most like: what the others want is noise. */
const nearest = (issue: SchemaIssue.Issue): SchemaIssue.Issue => {
  if (issue._tag === "Pointer") return new SchemaIssue.Pointer(issue.path, nearest(issue.issue))
  if (issue._tag === "Composite") {
    const [first, ...rest] = issue.issues
    return new SchemaIssue.Composite(issue.ast, [nearest(first), ...rest.map(nearest)])
  }
  if (issue._tag !== "AnyOf" || issue.issues.length === 0) return issue
  return nearest(issue.issues.reduce((best, one) => (likeness(one) > likeness(best) ? one : best)))
}

/** More are of no use to anybody who fixes them one after another. */
const ISSUES_MAX = 100

/**
 * Every wrong field, up to {@link ISSUES_MAX}, of a Schema's refusal, with the first of what is wrong with it: mostly
 * the rest follows from that. Values are not repeated: they may be secrets.
 */
export const issuesOf = (error: Schema.SchemaError): ReadonlyArray<Issue> => {
  const found = new Map<string, Issue>()
  for (const { path: parts = [], message } of format(nearest(error.issue)).issues) {
    const path = parts.map((part) => String(typeof part === "object" ? part.key : part)).join(".")
    if (!found.has(path)) found.set(path, { path, message })
    if (found.size === ISSUES_MAX) break
  }
  return [...found.values()]
}

/** The sentence above a list of issues. */
export const summaryOf = (issues: ReadonlyArray<Issue>): string =>
  issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; ")
