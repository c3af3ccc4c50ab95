/** What a body says in the charset and the form that its content type names. */
import * as MultipartParser from "effect/http/MultipartParser"
import { PayloadTooLarge } from "../../Errors.ts"

/** Of a form that is looked through. A body of 10 MiB may have millions, more than an isolate has room for. */
const MAX_FIELDS = 1000

const tooMany = (): PayloadTooLarge =>
  new PayloadTooLarge({
    message: `the form has more than ${MAX_FIELDS} fields, or one too large, to read a form path in it`
  })

/** Media type and parameters of a content type, in lower case but for the values of parameters. */
const partsOf = (contentType: string): { readonly type: string; readonly charset: string | undefined } => {
  const [type, ...parameters] = contentType.split(";").map((part) => part.trim())
  const charset = parameters
    .map((parameter) => /^charset="?([^"]*)"?$/i.exec(parameter)?.[1])
    .find((value) => value !== undefined)
  return { type: type!.toLowerCase(), charset }
}

/** The text of a body in the charset of its content type, UTF-8 by default; `undefined` where it is not in it. */
export const textOf = (contentType: string | null, body: Uint8Array): string | undefined => {
  const { charset = "utf-8" } = partsOf(contentType ?? "")
  try {
    return new TextDecoder(charset, { fatal: true }).decode(body)
  } catch {
    // Not in this charset, or a charset that nobody knows.
    return undefined
  }
}

/** Whether a body in another charset than UTF-8 is meant as JSON (RFC 8259 forbids it, senders do it). */
export const isJsonElsewhere = (contentType: string | null): boolean => {
  const { type, charset } = partsOf(contentType ?? "")
  return charset !== undefined && (type === "application/json" || type.endsWith("+json"))
}

export type Form = ReadonlyMap<string, string>
const NONE: Form = new Map()

/** The first value of each name. */
const firstOf = (fields: Iterable<readonly [string, string]>): Form => {
  const form = new Map<string, string>()
  for (const [name, value] of fields) if (!form.has(name)) form.set(name, value)
  return form
}

const multipart = (contentType: string, body: Uint8Array): Form => {
  const fields: Array<readonly [string, string]> = []
  let failed: MultipartParser.MultipartError | undefined
  const parser = MultipartParser.make({
    headers: { "content-type": contentType },
    maxParts: MAX_FIELDS,
    onField: (info, value) => fields.push([info.name, MultipartParser.decodeField(info, value)]),
    // Files have no text.
    onFile: () => () => {},
    onError: (error) => {
      failed ??= error
    },
    onDone: () => {}
  })
  parser.write(body)
  parser.end()
  if (failed?._tag === "ReachedLimit") throw tooMany()
  return failed === undefined ? firstOf(fields) : NONE
}

const AMPERSAND = 0x26

/**
 * The fields of a form, `application/x-www-form-urlencoded` or `multipart/form-data`; none of another body. Throws
 * `PayloadTooLarge` above {@link MAX_FIELDS}.
 */
export const formOf = (contentType: string | null, body: Uint8Array): Form => {
  const { type } = partsOf(contentType ?? "")
  if (type === "multipart/form-data") return multipart(contentType!, body)
  if (type !== "application/x-www-form-urlencoded") return NONE
  if (body.reduce((count, byte) => (byte === AMPERSAND ? count + 1 : count), 1) > MAX_FIELDS) throw tooMany()
  return firstOf(new URLSearchParams(new TextDecoder().decode(body)))
}
