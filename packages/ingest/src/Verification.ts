/**
 * The `verification` of a source: how it tells that a request is its provider's. The secrets decode to `Redacted`, by
 * which `SealedConfig` finds, seals and masks them.
 */
import { secret } from "@hookstream/core/sink/Sink"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { headerName } from "./internal/headerName.ts"
import { ALGORITHMS, SECRET_FORMS, type SecretForm } from "./internal/keys.ts"
import * as SignedContent from "./SignedContent.ts"
import { type Scheme, TEMPLATE_NAMES, TEMPLATES, type TemplateName } from "./SourceTemplate.ts"

/** A rotation needs two; more make every request with a wrong signature cost more. */
const SECRETS_MAX = 5
/** Seconds: what is a day old is a replay. */
const TOLERANCE_MAX = 86_400
const DEFAULT_TOLERANCE = 300
const PATTERN_MAX = 256

type Secret = Redacted.Redacted<string>

const secretsOf = (form: SecretForm | null) => {
  const one = secret({
    title: "Secret",
    description: form === null ? "In the form of the algorithm" : `It ${SECRET_FORMS[form].must}`
  })
  return Schema.Array(
    form === null
      ? one
      : one.check(
          // The algorithm does not matter to the form.
          Schema.makeFilter((value: Secret) => SECRET_FORMS[form].read(Redacted.value(value), "token") !== undefined, {
            message: SECRET_FORMS[form].must
          })
        )
  )
    .annotate({
      title: "Secrets",
      description:
        "A request is let in when it is signed with any of them, so that they can be rotated. Sealed at rest, " +
        "masked in every answer"
    })
    .check(
      Schema.makeFilter((all: ReadonlyArray<unknown>) => all.length >= 1 && all.length <= SECRETS_MAX, {
        message: `must be 1 to ${SECRETS_MAX} secrets: leave out those that the provider signs with no more`
      })
    )
}

const tolerance = (seconds: number | null) =>
  Schema.optionalKey(
    Schema.Int.annotate({
      title: "Tolerance",
      description:
        "Seconds between the signed time and the arrival. " +
        (seconds === null ? "Default: not limited" : `Default: ${seconds}`),
      message: "must be a whole number of seconds"
    }).check(
      Schema.isBetween({ minimum: 1, maximum: TOLERANCE_MAX }, { message: `must be 1 to ${TOLERANCE_MAX} seconds` })
    )
  )

// ---------------------------------------------------------------------------------------------------------------------
// Templates

const timed = <N extends TemplateName>(name: N) =>
  Schema.Struct({
    template: Schema.Literal(name),
    secrets: secretsOf(TEMPLATES[name].scheme.secret),
    tolerance_seconds: tolerance(TEMPLATES[name].scheme.time?.tolerance ?? null)
  }).annotate({ title: TEMPLATES[name].title })

const untimed = <N extends TemplateName>(name: N) =>
  timed(name).check(
    Schema.makeFilter((value: { readonly tolerance_seconds?: number }) =>
      value.tolerance_seconds === undefined
        ? undefined
        : {
            path: ["tolerance_seconds"],
            issue: `must be left out: ${TEMPLATES[name].title} signs no time, so that only duplicates tell of a replay`
          }
    )
  )

// ---------------------------------------------------------------------------------------------------------------------
// Custom

const patternIssue = (text: string): string | undefined => {
  const pattern = SignedContent.parse(text)
  if (typeof pattern === "string") return pattern
  return SignedContent.has(pattern, "body") || SignedContent.has(pattern, "form")
    ? undefined
    : "must have {body} in it, or {form}: else anyone could send another body with the same signature"
}

const CustomFields = Schema.Struct({
  template: Schema.Literal("custom"),
  secrets: secretsOf(null),
  header: headerName({ title: "Header", description: "Name of the header that holds the signature" }),
  algorithm: Schema.Literals(ALGORITHMS).annotate({
    title: "Algorithm",
    description: "token: the header holds the secret itself, and nothing is signed",
    message: `must be one of ${ALGORITHMS.join(", ")}`
  }),
  encoding: Schema.optionalKey(
    Schema.Literals(["hex", "base64"]).annotate({
      title: "Encoding",
      description: "Of the signature. Default: hex",
      default: "hex",
      message: 'must be "hex" or "base64"'
    })
  ),
  prefix: Schema.optionalKey(
    Schema.String.annotate({ title: "Prefix", description: "Stands before the signature, as sha256=" }).check(
      Schema.isPattern(/^[\x20-\x7e]{0,32}$/, { message: "must be at most 32 printable ASCII characters" })
    )
  ),
  signed_payload: Schema.optionalKey(
    Schema.String.annotate({
      title: "Signed payload",
      description: "What is signed, with {body}, {timestamp}, {url}, {method}, {header:<name>} and {form}",
      default: "{body}",
      examples: ["{timestamp}.{body}"]
    }).check(
      Schema.isMaxLength(PATTERN_MAX, { message: `must be at most ${PATTERN_MAX} characters` }),
      Schema.makeFilter(patternIssue)
    )
  ),
  timestamp_header: Schema.optionalKey(
    headerName({
      title: "Time header",
      description: "Name of the header that holds the signed seconds (or milliseconds) since 1970"
    })
  ),
  tolerance_seconds: tolerance(DEFAULT_TOLERANCE)
}).annotate({ title: "Custom" })
type CustomFields = typeof CustomFields.Type

const secretFormOf = ({ algorithm }: CustomFields): SecretForm => {
  switch (algorithm) {
    case "ecdsa_p256_sha256":
      return "p256"
    case "ed25519":
      return "ed25519"
    case "hmac_sha256":
    case "hmac_sha1":
    case "hmac_sha512":
    case "token":
      return "utf8"
  }
}

/** What of a signature a token has not. */
const OF_SIGNATURES = ["encoding", "signed_payload", "timestamp_header", "tolerance_seconds"] as const

/** Rules between fields. */
const conflicts = (fields: CustomFields) => {
  const { algorithm, secrets, signed_payload: signed = "{body}", timestamp_header, tolerance_seconds } = fields
  const form = SECRET_FORMS[secretFormOf(fields)]
  const issues = secrets.flatMap((one, i) =>
    form.read(Redacted.value(one), algorithm) === undefined ? [{ path: ["secrets", i], issue: form.must }] : []
  )
  if (algorithm === "token") {
    return issues.concat(
      OF_SIGNATURES.filter((name) => fields[name] !== undefined).map((name) => ({
        path: [name],
        issue: "must be left out: a token signs nothing"
      }))
    )
  }
  const signsTime = signed.includes("{timestamp}")
  if (timestamp_header !== undefined && !signsTime) {
    const issue = "must have {timestamp} in it: a time that is not signed can be changed"
    issues.push({ path: ["signed_payload"], issue })
  }
  if (timestamp_header === undefined && (signsTime || tolerance_seconds !== undefined)) {
    issues.push({ path: ["timestamp_header"], issue: "must say which header holds the signed time" })
  }
  return issues
}

const Custom = CustomFields.check(Schema.makeFilter(conflicts))

// ---------------------------------------------------------------------------------------------------------------------
// Both

const templated = (name: TemplateName) => (TEMPLATES[name].scheme.time === null ? untimed(name) : timed(name))

export const Verification = Schema.Union([...TEMPLATE_NAMES.map(templated), Custom]).annotate({
  message: `must have a template: ${TEMPLATE_NAMES.join(", ")} or custom`
})
export type Verification = typeof Verification.Type

const customScheme = (fields: CustomFields): Scheme => {
  const { header, algorithm, encoding = "hex", prefix = "", signed_payload = "{body}", timestamp_header } = fields
  const signed = SignedContent.parse(signed_payload)
  return {
    header: header.toLowerCase(),
    separator: null,
    forms: [{ prefix, algorithm, encoding: algorithm === "token" ? "text" : encoding }],
    signed: typeof signed === "string" || algorithm === "token" ? [] : signed,
    time:
      timestamp_header === undefined
        ? null
        : {
            place: { _tag: "Header", name: timestamp_header.toLowerCase() },
            tolerance: DEFAULT_TOLERANCE,
            ahead: true
          },
    secret: secretFormOf(fields)
  }
}

/** How this source's requests are signed. */
export const schemeOf = (verification: Verification): Scheme => {
  const scheme =
    verification.template === "custom" ? customScheme(verification) : TEMPLATES[verification.template].scheme
  const { tolerance_seconds } = verification
  if (scheme.time === null || tolerance_seconds === undefined) return scheme
  return { ...scheme, time: { ...scheme.time, tolerance: tolerance_seconds } }
}
