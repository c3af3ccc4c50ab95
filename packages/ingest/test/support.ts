import { createHmac } from "node:crypto"
import * as Received from "@hookstream/ingest/Received"
import * as Signature from "@hookstream/ingest/Signature"
import { TEMPLATES, type TemplateName } from "@hookstream/ingest/SourceTemplate"
import { Verification } from "@hookstream/ingest/Verification"
import { Effect, Result, Schema, SchemaIssue } from "effect"

export const WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
export const WHSEC_NEXT = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

const encoder = new TextEncoder()
export const bytes = (text: string): Uint8Array => encoder.encode(text)

export const hmac = (
  hash: "sha1" | "sha256" | "sha512",
  key: string | Uint8Array,
  encoding: "hex" | "base64",
  ...parts: ReadonlyArray<string | Uint8Array>
): string => parts.reduce((mac, part) => mac.update(part), createHmac(hash, key)).digest(encoding)

/** Seconds at which the requests of these tests are signed, unless a library takes the machine's clock. */
export const SIGNED_AT = 1_700_000_000

/** A request as its provider sends it; header names in lower case. */
export interface Sent {
  readonly method?: string
  readonly url?: string
  readonly headers: { readonly [name: string]: string }
  readonly body: Uint8Array
}

export const received = ({ method = "POST", url = "https://in.example/v1/ingest/tok_1", headers, body }: Sent) =>
  Received.make({ method, url, headers: Object.entries(headers), body })

export const settings = (input: unknown): Verification => Schema.decodeUnknownSync(Verification)(input)

/** Verifies at the second at which it was signed, or `late` seconds after. */
export const verify = (input: unknown, sent: Sent, late = 0) =>
  Signature.verify(settings(input), received(sent), (SIGNED_AT + late) * 1000)

/** `ok`, or the reason of the refusal. */
export const outcome = (input: unknown, sent: Sent, late = 0): Effect.Effect<string> =>
  verify(input, sent, late).pipe(Effect.match({ onSuccess: () => "ok", onFailure: ({ reason }) => reason }))

/** Messages for what a Schema refuses, by the path of their field. */
export const issuesOf =
  (schema: Schema.Codec<unknown, unknown>) =>
  (input: unknown): Record<string, string> => {
    const decoded = Schema.decodeUnknownResult(schema)(input, { errors: "all", onExcessProperty: "error" })
    if (Result.isSuccess(decoded)) return {}
    const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(decoded.failure.issue)
    return Object.fromEntries(issues.map(({ path, message }) => [path?.join(".") ?? "", message]))
  }

/** All headers that a template needs. */
export const headersOf = (name: TemplateName): ReadonlyArray<string> => {
  const { header, time, signed } = TEMPLATES[name].scheme
  return [
    header,
    ...(time?.place._tag === "Header" ? [time.place.name] : []),
    ...signed.flatMap((part) => (part._tag === "Header" ? [part.name] : []))
  ]
}
