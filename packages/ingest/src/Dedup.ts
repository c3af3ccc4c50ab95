/**
 * By what a source tells that an event has come before.
 *
 * A header is signed by few providers: of the templates only the id of Standard Webhooks and its kin is. Where it is
 * not, it tells of honest repeats, and whoever repeats a captured request can change it: the hash of the body cannot be
 * changed.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Schema from "effect/Schema"
import { headerName } from "./internal/headerName.ts"
import * as Received from "./Received.ts"
import { TEMPLATES } from "./SourceTemplate.ts"
import type { Verification } from "./Verification.ts"

const PATH_MAX = 256

export const Dedup = Schema.Union([
  Schema.Struct({ strategy: Schema.Literal("payload_hash") }).annotate({ title: "The same body" }),
  Schema.Struct({
    strategy: Schema.Literal("header_field"),
    field: headerName({ title: "Header", description: "Name of the header, such as X-Request-Id" })
  }).annotate({ title: "The same header" }),
  Schema.Struct({
    strategy: Schema.Literal("body_field"),
    field: Schema.String.annotate({
      title: "Field",
      description: "Path in the body, in dots, to a text, a whole number or a truth value",
      examples: ["data.id"]
    }).check(
      Schema.isMaxLength(PATH_MAX, { message: `must be at most ${PATH_MAX} characters` }),
      Schema.isPattern(/^[^.]+(\.[^.]+)*$/, { message: "must be names separated by dots, such as data.id" })
    )
  }).annotate({ title: "The same field of the body" }),
  Schema.Struct({ strategy: Schema.Literal("template_id") }).annotate({ title: "The provider's own id" })
]).annotate({ message: 'must have the strategy "payload_hash", "header_field", "body_field" or "template_id"' })
export type Dedup = typeof Dedup.Type

type Template = Verification["template"] | null

const ownId = (template: Template): string | null =>
  template === null || template === "custom" ? null : TEMPLATES[template].eventId

/** What a source without this template cannot ask for; `undefined` where it can. */
export const issueOf = ({ strategy }: Dedup, template: Template): string | undefined => {
  if (strategy !== "template_id" || ownId(template) !== null) return undefined
  return template === null || template === "custom"
    ? "must not be template_id: no provider's template says where its id is; take header_field or body_field"
    : `must not be template_id: ${TEMPLATES[template].title} has no id of a request; take payload_hash`
}

/** A number that is not exact in JavaScript could be taken for another one. */
const isKey = (value: unknown): value is string | number | boolean =>
  typeof value === "boolean" || Number.isSafeInteger(value) || (typeof value === "string" && value !== "")

const valueOf = (dedup: Dedup, request: Received.Received, template: Template): unknown => {
  switch (dedup.strategy) {
    case "payload_hash":
      return request.body.length === 0 ? undefined : request.body
    case "header_field":
      return Received.header(request, dedup.field.toLowerCase())
    case "body_field":
      return Received.at(request, `payload.${dedup.field}`)
    case "template_id": {
      const path = ownId(template)
      return path === null ? undefined : Received.at(request, path)
    }
  }
}

const encoder = new TextEncoder()

/**
 * The key of an event within its source, 44 characters; `undefined` where the request has not what the strategy asks
 * for: such an event is no duplicate of any other. A key says nothing of its value.
 */
export const keyOf = async (
  dedup: Dedup,
  request: Received.Received,
  template: Template
): Promise<string | undefined> => {
  const value = valueOf(dedup, request, template)
  const bytes = value instanceof Uint8Array ? value : isKey(value) ? encoder.encode(JSON.stringify(value)) : undefined
  if (bytes === undefined) return undefined
  return Base64.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)))
}
