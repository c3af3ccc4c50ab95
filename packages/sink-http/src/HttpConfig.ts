/** The configuration of an HTTP destination, as users write it. */
import { secret } from "@hookstream/core/sink/Sink"
import * as Tidy from "@hookstream/core/sink/Tidy"
import * as Base64 from "effect/encoding/Base64"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Longer URLs are refused by common servers and proxies. */
const URL_MAX = 2048
/** Common servers take 8 KiB for all header lines of a request. */
const HEADER_VALUE_MAX = 4096
const HEADERS_MAX = 32
const PASSWORD_MAX = 1024
/** A rotation needs two; more only make every request longer. */
const SIGNING_SECRETS_MAX = 5

// ---------------------------------------------------------------------------------------------------------------------
// Headers

/** RFC 9110 §5.6.2: a token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/
/** What every runtime sends unchanged (RFC 9110 §5.5): printable ASCII, so no line break. */
const PRINTABLE = /^[\t\x20-\x7e]*$/

/**
 * They belong to one connection, not to the request (RFC 9110 §7.6.1), or say how its bytes travel: the runtime sets
 * them.
 */
const TRANSPORT = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "proxy-authenticate",
  "proxy-authorization",
  "expect",
  "host",
  "content-length"
])
/** They describe the body, which is sent as it came. */
const BODY = new Set(["content-type", "content-encoding"])
const STANDARD_WEBHOOKS = new Set(["webhook-id", "webhook-timestamp", "webhook-signature"])
/** Of this family hookstream chooses the names; those of a signature are the user's. */
const OWN = "x-hookstream-"
const OWN_SIGNATURE = "x-hookstream-signature"

/** Why a header cannot have this name, or `undefined`. */
const refusal = (name: string): string | undefined => {
  const lower = name.toLowerCase()
  if (!TOKEN.test(name)) return "must be a header name: 1 to 128 letters, digits and hyphens, without spaces or colons"
  if (TRANSPORT.has(lower)) return `must not be "${name}": it belongs to the connection and is set by the HTTP client`
  if (BODY.has(lower)) return `must not be "${name}": the body is sent with the one that it came with`
  if (STANDARD_WEBHOOKS.has(lower)) return `must not be "${name}": it is set by signing of type standard_webhooks`
  if (lower.startsWith(OWN)) return `must not be "${name}": names that begin with X-hookstream- are set by hookstream`
  return undefined
}

// What stands in forms goes on before the check: JSON Schema keeps nothing of a check that it cannot say.
type Form = Parameters<typeof Schema.String.annotate>[0]

const headerName = (form: Form) => Schema.String.annotate(form).check(Schema.makeFilter(refusal))

const signatureHeaderName = (form: Form) =>
  Schema.String.annotate(form).check(
    Schema.makeFilter((name: string) =>
      TOKEN.test(name) && name.toLowerCase().startsWith(OWN_SIGNATURE) ? undefined : refusal(name)
    )
  )

const isHeaderValue = (value: string): boolean => PRINTABLE.test(value) && value.length <= HEADER_VALUE_MAX
const HEADER_VALUE = `must be at most ${HEADER_VALUE_MAX} printable ASCII characters in one line`

const CREDENTIALS = new Set([
  "authorization",
  "cookie",
  "proxy-authorization",
  "x-api-key",
  "x-gitlab-token",
  "x-telegram-bot-api-secret-token"
])
/** Narrower than what is hidden of events: a stored config must go on to decode. */
const isCredential = (name: string): boolean => CREDENTIALS.has(name) || /signature|hmac|-token$|-secret$/.test(name)

/** Why the config cannot set this header to this value, or `undefined`. */
const headerIssue = (name: string, value: string): string | undefined => {
  const refused = refusal(name)
  if (refused !== undefined) return refused
  if (isCredential(name.toLowerCase())) {
    return (
      `must not be "${name}": these values are shown to all who can read the destination; ` +
      'put it in auth, with the type "header"'
    )
  }
  return isHeaderValue(value) ? undefined : HEADER_VALUE
}

const Headers = Schema.Record(Schema.String, Schema.String)
  .annotate({
    title: "Headers",
    description: "Sent with each request, and shown to all who can read the destination: a secret goes to auth",
    default: {},
    examples: [{ "X-Environment": "production" }]
  })
  .check(
    Schema.makeFilter((headers: { readonly [name: string]: string }) => {
      const entries = Object.entries(headers)
      if (entries.length > HEADERS_MAX) return `must be at most ${HEADERS_MAX} headers: leave some out`
      return entries.flatMap(([name, value]) => {
        const issue = headerIssue(name, value)
        return issue === undefined ? [] : [{ path: [name], issue }]
      })
    })
  )

// ---------------------------------------------------------------------------------------------------------------------
// Auth

/** A secret text that must satisfy `isValid`. */
const secretText = (
  form: { readonly title: string; readonly description: string },
  isValid: (secret: string) => boolean,
  message: string
) =>
  secret(form).check(
    Schema.makeFilter((value: Redacted.Redacted<string>) => isValid(Redacted.value(value)), { message })
  )

const Auth = Schema.Union([
  Schema.Struct({ type: Schema.Literal("none") }).annotate({ title: "None" }),
  Schema.Struct({
    type: Schema.Literal("bearer"),
    token: secretText(
      {
        title: "Token",
        description: "Sent as Authorization: Bearer {token}. Sealed at rest, masked in every answer"
      },
      isHeaderValue,
      HEADER_VALUE
    )
  }).annotate({ title: "Bearer token" }),
  Schema.Struct({
    type: Schema.Literal("basic"),
    username: Schema.String.check(
      Schema.isPattern(/^[^:\p{Cc}]{0,256}$/u, {
        // RFC 7617 §2: what follows the first colon is the password.
        message: "must be at most 256 characters without a colon or control characters"
      })
    ).annotate({ title: "User name", description: "It may be empty", examples: ["hookstream"] }),
    password: secretText(
      { title: "Password", description: "Sealed at rest, masked in every answer" },
      (password) => password.length <= PASSWORD_MAX,
      `must be at most ${PASSWORD_MAX} characters`
    )
  }).annotate({ title: "Basic" }),
  Schema.Struct({
    type: Schema.Literal("header"),
    name: headerName({
      title: "Header",
      description: "Name of the header that holds the credential",
      examples: ["X-API-Key"]
    }),
    value: secretText(
      { title: "Value", description: "Sealed at rest, masked in every answer" },
      isHeaderValue,
      HEADER_VALUE
    )
  }).annotate({ title: "Secret header" })
]).annotate({ message: 'must have the type "none", "bearer", "basic" or "header"' })
export type Auth = typeof Auth.Type

// ---------------------------------------------------------------------------------------------------------------------
// Signing

const SECRET_PREFIX = "whsec_"

/**
 * The key of a Standard Webhooks secret; `undefined` when it is none (Standard Webhooks: 24 to 64 bytes, in base64).
 */
export const standardWebhooksKey = (secret: string): Uint8Array | undefined => {
  if (!secret.startsWith(SECRET_PREFIX)) return undefined
  const key = Base64.decode(secret.slice(SECRET_PREFIX.length))
  return Result.isSuccess(key) && key.success.length >= 24 && key.success.length <= 64 ? key.success : undefined
}

const StandardWebhooksSecret = secretText(
  { title: "Secret", description: "Such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" },
  (secret) => standardWebhooksKey(secret) !== undefined,
  `must be "${SECRET_PREFIX}" and 24 to 64 random bytes in base64, as \`openssl rand -base64 32\` writes them`
)

const Signing = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("standard_webhooks"),
    secrets: Schema.Array(StandardWebhooksSecret)
      .annotate({
        title: "Secrets",
        description:
          "Every request is signed with each of them, so that they can be rotated. Sealed at rest, masked in " +
          "every answer"
      })
      .check(
        Schema.makeFilter(
          (secrets: ReadonlyArray<unknown>) => secrets.length >= 1 && secrets.length <= SIGNING_SECRETS_MAX,
          {
            message:
              `must be 1 to ${SIGNING_SECRETS_MAX} secrets: ` +
              "leave out those that no receiver verifies with any more"
          }
        )
      )
  }).annotate({ title: "Standard Webhooks" }),
  Schema.Struct({
    type: Schema.Literal("hmac"),
    secret: secret({
      title: "Secret",
      description: "The key, as UTF-8. Sealed at rest, masked in every answer"
    }),
    algorithm: Schema.optionalKey(
      Schema.Literals(["sha256", "sha1", "sha512"]).annotate({
        title: "Algorithm",
        description: "Hash of the HMAC. sha1 only where the receiver knows nothing else",
        default: "sha256",
        examples: ["sha512"]
      })
    ),
    header: Schema.optionalKey(
      signatureHeaderName({
        title: "Signature header",
        description: "Name of the header that holds the prefix and the signature in lower-case hex",
        default: "X-hookstream-Signature",
        examples: ["X-Hub-Signature-256"]
      })
    ),
    prefix: Schema.optionalKey(
      Schema.String.check(
        Schema.isPattern(/^[\x20-\x7e]{0,32}$/u, { message: "must be at most 32 printable ASCII characters" })
      ).annotate({
        title: "Prefix",
        description: "Stands before the signature. Default: the algorithm and an equals sign, such as sha256=",
        default: "sha256=",
        examples: ["v0="]
      })
    ),
    include_timestamp: Schema.optionalKey(
      Schema.Boolean.annotate({
        title: "Sign the time",
        description:
          "Signs {seconds since 1970}.{body}, so that the receiver can refuse old requests, instead of the body alone",
        default: false,
        examples: [true]
      })
    ),
    timestamp_header: Schema.optionalKey(
      signatureHeaderName({
        title: "Time header",
        description: "Name of the header that holds the signed seconds",
        default: "X-hookstream-Signature-Timestamp",
        examples: ["X-Request-Timestamp"]
      })
    )
  }).annotate({ title: "HMAC" })
]).annotate({ message: 'must have the type "standard_webhooks" or "hmac"' })
export type Signing = typeof Signing.Type

// ---------------------------------------------------------------------------------------------------------------------
// Config

/**
 * The 4xx that may be called a verdict on the event. Of the others 401, 410 and 429 have a meaning, the rest is
 * retried.
 */
export const PERMANENT = [400, 404, 405, 413, 415, 422] as const

export const HttpConfig = Schema.Struct({
  url: Schema.String.check(
    Schema.isMaxLength(URL_MAX, {
      message: `must be at most ${URL_MAX} characters: put what is long into headers`
    })
  ).annotate({
    title: "URL",
    description: "Where events are sent, by https. It is shown to all who can read the destination",
    examples: ["https://hooks.example.com/orders"]
  }),
  method: Schema.optionalKey(
    Schema.Literals(["POST", "PUT", "PATCH"]).annotate({
      title: "Method",
      description: "Method of each request",
      default: "POST",
      examples: ["PUT"]
    })
  ),
  headers: Schema.optionalKey(Headers),
  auth: Schema.optionalKey(
    Auth.annotate({
      title: "Authentication",
      description: "How hookstream authenticates to the receiver",
      default: { type: "none" },
      examples: [{ type: "none" }]
    })
  ),
  signing: Schema.optionalKey(
    Signing.annotate({
      title: "Signing",
      description: "How the receiver can tell that a request is hookstream's and unchanged. Default: not signed"
    })
  ),
  permanent_statuses: Schema.optionalKey(
    Schema.Array(
      Schema.Literals(PERMANENT).annotate({
        message: `must be one of ${PERMANENT.join(", ")}: what other statuses lead to is fixed`
      })
    )
      .annotate({
        title: "Permanent statuses",
        description: "Answers that make an event a dead letter at once. Default: none, they are retried",
        default: [],
        examples: [[400, 413, 422]]
      })
      .check(
        Schema.isMaxLength(PERMANENT.length, { message: `must be at most ${PERMANENT.length}, each of them once` })
      )
  ),
  keep_response: Schema.optionalKey(
    Schema.Boolean.annotate({
      title: "Keep the response",
      description:
        "Keep the first 200 characters of what the receiver says to a delivered event, for all who can read " +
        "events. Default: only its status and size",
      default: false,
      examples: [true]
    })
  )
})
export type HttpConfig = typeof HttpConfig.Type

/** A config as it is stored. The end of a prefix may be a space. */
export const tidy = (config: unknown): unknown => Tidy.member(Tidy.texts(config, ["signing.prefix"]), "url", Tidy.url)

/** Where the headers that a config sets are named: dotted path and name. */
const namedHeaders = ({ headers = {}, auth, signing }: HttpConfig): ReadonlyArray<readonly [string, string]> => [
  ...Object.keys(headers).map((name) => [`headers.${name}`, name] as const),
  ...(auth?.type === "header" ? [["auth.name", auth.name] as const] : []),
  ...(auth?.type === "bearer" || auth?.type === "basic" ? [["auth.type", "Authorization"] as const] : []),
  ...(signing?.type === "hmac" ? [["signing.header", signatureHeader(signing)] as const] : []),
  ...(signing?.type === "hmac" && signing.include_timestamp
    ? [["signing.timestamp_header", timestampHeader(signing)] as const]
    : [])
]

type Hmac = Extract<Signing, { readonly type: "hmac" }>
export const signatureHeader = ({ header = "X-hookstream-Signature" }: Hmac): string => header
export const timestampHeader = ({ timestamp_header = "X-hookstream-Signature-Timestamp" }: Hmac): string =>
  timestamp_header

/** Rules between fields: a header has one origin, and no setting is without effect. */
export const conflicts = (config: HttpConfig): ReadonlyArray<{ readonly path: string; readonly message: string }> => {
  const seen = new Set<string>()
  const twice = namedHeaders(config).flatMap(([path, name]) => {
    const lower = name.toLowerCase()
    if (!seen.has(lower)) {
      seen.add(lower)
      return []
    }
    return [{ path, message: `must not set "${name}" again: another field of this config sets it` }]
  })
  const { signing } = config
  const idle =
    signing?.type === "hmac" && signing.timestamp_header !== undefined && signing.include_timestamp !== true
      ? [{ path: "signing.timestamp_header", message: "needs include_timestamp: true" }]
      : []
  return [...twice, ...idle]
}
