import * as SealedConfig from "@hookstream/core/secret/SealedConfig"
import { type SealedSecret, SecretVault } from "@hookstream/core/secret/SecretVault"
import { HttpConfig } from "@hookstream/sink-http/HttpConfig"
import { HttpSink } from "@hookstream/sink-http/HttpSink"
import { Effect, Redacted, Result, Schema, SchemaIssue } from "effect"
import { describe, expect, it } from "vitest"
import { WHSEC, WHSEC_NEXT } from "./support.ts"

const config = { url: "https://hooks.example.com/orders" }
const hmac = (change: object = {}) => ({ type: "hmac", secret: "topsecret", ...change })

const issues = (input: unknown): Record<string, string> => {
  const decoded = Schema.decodeUnknownResult(HttpConfig)(input, { errors: "all", onExcessProperty: "error" })
  if (Result.isSuccess(decoded)) return {}
  const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(decoded.failure.issue)
  return Object.fromEntries(issues.map(({ path, message }) => [path?.join("."), message]))
}
const validate = (change: object, allowPrivateNetworks = false) =>
  HttpSink.validate(Schema.decodeUnknownSync(HttpSink.config)({ ...config, ...change }), {
    allowPrivateNetworks,
    ordering: "none"
  })

describe("an HTTP configuration", () => {
  it("is a URL", () => {
    expect(issues(config)).toEqual({})
    expect(issues({})).toEqual({ url: "Missing key" })
  })
  it.each([
    ["auth", { type: "none" }],
    ["auth", { type: "bearer", token: "t" }],
    ["auth", { type: "basic", username: "", password: "pass:word é" }],
    ["auth", { type: "header", name: "Authorization", value: "ApiKey abc" }],
    ["signing", { type: "standard_webhooks", secrets: [WHSEC, WHSEC_NEXT] }],
    ["signing", hmac()],
    ["signing", hmac({ algorithm: "sha512", prefix: "", include_timestamp: true, timestamp_header: "X-Time" })],
    ["signing", hmac({ header: "X-hookstream-Signature" })],
    ["headers", { "X-Environment": "production", "User-Agent": "shop/1.0", Accept: "" }],
    ["permanent_statuses", [400, 404, 405, 413, 415, 422]]
  ])("may have %s %j", (field, value) => {
    expect(issues({ ...config, [field]: value })).toEqual({})
    expect(validate({ [field]: value })).toEqual([])
  })

  const name = "must be a header name: 1 to 128 letters, digits and hyphens, without spaces or colons"
  const value = "must be at most 4096 printable ASCII characters in one line"
  const whsec = 'must be "whsec_" and 24 to 64 random bytes in base64, as `openssl rand -base64 32` writes them'
  it.each([
    [
      "url",
      `https://a.example/${"x".repeat(2048)}`,
      "url",
      "must be at most 2048 characters: put what is long into headers"
    ],
    [
      "permanent_statuses",
      [400, 400, 400, 400, 400, 400, 400],
      "permanent_statuses",
      "must be at most 6, each of them once"
    ],
    ["signing", hmac({ secret: "s".repeat(4097) }), "signing.secret", "must be at most 4096 characters"],
    ["method", "GET", "method", 'Expected "POST" | "PUT" | "PATCH"'],
    ["headers", { "X Y": "" }, "headers.X Y", name],
    ["headers", { "X:Y": "" }, "headers.X:Y", name],
    ["headers", { "": "" }, "headers.", name],
    ["headers", { [`X-${"y".repeat(127)}`]: "" }, `headers.X-${"y".repeat(127)}`, name],
    ["headers", { "X-Y": "a\r\nInjected: b" }, "headers.X-Y", value],
    ["headers", { "X-Y": "é" }, "headers.X-Y", value],
    ["headers", { "X-Y": "y".repeat(4097) }, "headers.X-Y", value],
    [
      "headers",
      Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`X-${i}`, ""])),
      "headers",
      "must be at most 32 headers: leave some out"
    ],
    ["auth", { type: "oauth2" }, "auth", 'must have the type "none", "bearer", "basic" or "header"'],
    ["auth", { type: "bearer", token: "" }, "auth.token", "must not be empty"],
    ["auth", { type: "bearer", token: "a\nb" }, "auth.token", value],
    [
      "auth",
      { type: "basic", username: "a:b", password: "x" },
      "auth.username",
      "must be at most 256 characters without a colon or control characters"
    ],
    [
      "auth",
      { type: "basic", username: "a", password: "x".repeat(1025) },
      "auth.password",
      "must be at most 1024 characters"
    ],
    ["auth", { type: "header", name: "a b", value: "x" }, "auth.name", name],
    ["signing", { type: "ed25519" }, "signing", 'must have the type "standard_webhooks" or "hmac"'],
    [
      "signing",
      { type: "standard_webhooks", secrets: [] },
      "signing.secrets",
      "must be 1 to 5 secrets: leave out those that no receiver verifies with any more"
    ],
    [
      "signing",
      { type: "standard_webhooks", secrets: Array.from({ length: 6 }, () => WHSEC) },
      "signing.secrets",
      "must be 1 to 5 secrets: leave out those that no receiver verifies with any more"
    ],
    ["signing", { type: "standard_webhooks", secrets: [WHSEC, "whsec_dG9vc2hvcnQ="] }, "signing.secrets.1", whsec],
    ["signing", { type: "standard_webhooks", secrets: [WHSEC.slice(6)] }, "signing.secrets.0", whsec],
    ["signing", { type: "standard_webhooks", secrets: [`${WHSEC}!`] }, "signing.secrets.0", whsec],
    ["signing", hmac({ secret: "" }), "signing.secret", "must not be empty"],
    ["signing", hmac({ algorithm: "md5" }), "signing.algorithm", 'Expected "sha256" | "sha1" | "sha512"'],
    ["signing", hmac({ prefix: "a\nb" }), "signing.prefix", "must be at most 32 printable ASCII characters"],
    ["signing", hmac({ header: "X Y" }), "signing.header", name],
    [
      "signing",
      hmac({ header: "X-hookstream-Event-Id" }),
      "signing.header",
      'must not be "X-hookstream-Event-Id": names that begin with X-hookstream- are set by hookstream'
    ],
    [
      "permanent_statuses",
      [410],
      "permanent_statuses.0",
      "must be one of 400, 404, 405, 413, 415, 422: what other statuses lead to is fixed"
    ]
  ])("with %s %j is refused at %s: %s", (field, input, path, message) => {
    expect(issues({ ...config, [field]: input })).toEqual({ [path]: message })
  })

  it.each([
    ["Host", "it belongs to the connection and is set by the HTTP client"],
    ["Content-Length", "it belongs to the connection and is set by the HTTP client"],
    ["Transfer-Encoding", "it belongs to the connection and is set by the HTTP client"],
    ["Connection", "it belongs to the connection and is set by the HTTP client"],
    ["Proxy-Authorization", "it belongs to the connection and is set by the HTTP client"],
    ["Content-Type", "the body is sent with the one that it came with"],
    ["content-encoding", "the body is sent with the one that it came with"],
    ["webhook-signature", "it is set by signing of type standard_webhooks"],
    ["X-HookStream-Event-Id", "names that begin with X-hookstream- are set by hookstream"],
    ["x-hookstream-anything", "names that begin with X-hookstream- are set by hookstream"]
  ])("cannot set the header %s, neither among the headers nor as a credential", (name, why) => {
    const message = `must not be "${name}": ${why}`
    expect(issues({ ...config, headers: { [name]: "x" } })).toEqual({ [`headers.${name}`]: message })
    expect(issues({ ...config, auth: { type: "header", name, value: "x" } })).toEqual({ "auth.name": message })
  })
  it.each(["Authorization", "Cookie", "X-API-Key", "X-Shop-Token", "X-Shop-Secret", "X-Shop-Signature"])(
    "has no place for the secret header %s among those that are shown",
    (name) => {
      expect(issues({ ...config, headers: { [name]: "x" } })).toEqual({
        [`headers.${name}`]:
          `must not be "${name}": these values are shown to all who can read the destination; put it in auth, ` +
          'with the type "header"'
      })
      expect(issues({ ...config, auth: { type: "header", name, value: "x" } })).toEqual({})
    }
  )

  it.each([
    ["auth.name", { headers: { "X-Tenant": "a" }, auth: { type: "header", name: "x-tenant", value: "b" } }],
    ["headers.x-tenant", { headers: { "X-Tenant": "a", "x-tenant": "b" } }],
    ["signing.header", { headers: { "X-Sig": "a" }, signing: hmac({ header: "X-SIG" }) }],
    ["signing.header", { auth: { type: "bearer", token: "t" }, signing: hmac({ header: "Authorization" }) }],
    [
      "signing.timestamp_header",
      { signing: hmac({ header: "X-Sig", include_timestamp: true, timestamp_header: "x-sig" }) }
    ]
  ])("that sets a header twice is refused at %s", (path, change) => {
    expect(validate(change)).toEqual([
      { path, message: expect.stringMatching(/^must not set ".*" again: another field of this config sets it$/) }
    ])
  })
  it("with a time header that nothing sends is refused", () => {
    expect(validate({ signing: hmac({ timestamp_header: "X-Time" }) })).toEqual([
      { path: "signing.timestamp_header", message: "needs include_timestamp: true" }
    ])
  })

  it.each([
    ["http://hooks.example.com", "must start with https://"],
    ["https://user:pass@hooks.example.com", "must not contain a user name or password"],
    ["https://localhost", expect.stringContaining("not on the public internet")],
    ["https://10.0.0.1/x", "must not be a private or reserved address"],
    ["https://0x7f.1/", "must not be a private or reserved address"],
    ["https://[::1]/", "must not be a private or reserved address"],
    ["nonsense", 'must be a URL such as "https://host.example.com"']
  ])("with the URL %s is refused, unless the deployment opens private networks", (url, message) => {
    expect(validate({ url })).toEqual([{ path: "url", message }])
  })
  it("may be plain http on a private network where the deployment allows it", () => {
    for (const url of ["http://localhost:8080/x", "http://10.0.0.1"]) expect(validate({ url }, true)).toEqual([])
    expect(validate({ url: "ftp://10.0.0.1" }, true)).toMatchObject([{ path: "url" }])
  })
})

describe("what a user pastes into an HTTP configuration", () => {
  it.each([
    ["\n https://Hooks.Example.com:443 \t", "https://hooks.example.com/"],
    ["https://hooks.example.com/a/../b c?x=1#fragment", "https://hooks.example.com/b%20c?x=1"],
    ["https://bücher.example/", "https://xn--bcher-kva.example/"],
    ["nowhere", "nowhere"]
  ])("the URL %j is stored as it is called: %s", (url, stored) => {
    expect(HttpSink.tidy({ url })).toEqual({ url: stored })
  })
  it("loses the white space around it, but for a prefix, of which it may be a part", () => {
    expect(
      HttpSink.tidy({
        headers: { "X-A": " b " },
        auth: { type: "bearer", token: "token\r\n" },
        signing: { type: "hmac", secret: " s ", prefix: "v0 " }
      })
    ).toEqual({
      headers: { "X-A": "b" },
      auth: { type: "bearer", token: "token" },
      signing: { type: "hmac", secret: "s", prefix: "v0 " }
    })
  })
})

describe("the secrets of an HTTP configuration", () => {
  const secret = "do-not-show-this"
  it.each([
    [{ auth: secret }],
    [{ auth: { type: secret } }],
    [{ auth: { type: "bearer", tokne: secret } }],
    [{ auth: { type: "bearer", token: `${secret}\n` } }],
    [{ auth: { type: "bearer", token: [secret] } }],
    [{ auth: { type: "basic", username: "u", password: secret.repeat(100) } }],
    [{ signing: { type: "standard_webhooks", secrets: [secret] } }],
    [{ signing: { type: "standard_webhooks", secrets: secret } }],
    [{ signing: { type: "hmac", secret: { secret } } }],
    [{ headers: { Authorization: secret } }],
    [{ url: `https://${secret}@example.com/${secret}` }]
  ])("are in no message about a wrong config: %j", (change) => {
    const told = JSON.stringify(issues({ ...config, ...change }))
    expect(told === "{}" ? JSON.stringify(validate(change)) : told).not.toContain(secret)
  })

  // Seals by remembering, so that the test sees where each secret went.
  const vault = () => {
    const sealed = new Map<string, string>()
    return SecretVault.of({
      seal: ({ field }, text) =>
        Effect.sync(() => {
          sealed.set(field, Redacted.value(text))
          return { v: 1, key: 1, wrapped: field, data: "" } satisfies SealedSecret
        }),
      open: ({ field }) => Effect.succeed(Redacted.make(sealed.get(field)!)),
      lock: async (_, text) => text,
      unlock: async (_, locked) => locked
    })
  }
  it("are sealed one by one, also in lists and in whichever form was chosen, and opened again", async () => {
    const owner = { workspace: "ws", object: "dst" }
    const input = {
      ...config,
      auth: { type: "header", name: "X-Shop-Token", value: "token-0123456789" },
      signing: { type: "standard_webhooks", secrets: [WHSEC, WHSEC_NEXT] }
    }
    const [stored, opened] = await Effect.gen(function* () {
      const stored = yield* SealedConfig.seal(owner, input, Schema.decodeUnknownSync(HttpSink.config)(input))
      return [stored, yield* SealedConfig.open(owner, stored)] as const
    }).pipe(Effect.provideService(SecretVault, vault()), Effect.runPromise)
    expect(JSON.stringify(stored)).not.toMatch(/token-0123456789|MfKQ9r8GKYqrTwj|C2FVsBQIhrscChlQ/)
    expect(opened).toEqual(input)
    expect(SealedConfig.masked(stored)).toEqual({
      ...input,
      auth: { type: "header", name: "X-Shop-Token", value: "****6789" },
      signing: { type: "standard_webhooks", secrets: ["****LaSw", "****b7oD"] }
    })
  })
  it("rotate: the old one masked and a new one behind it keeps both", () => {
    const opened = { ...config, signing: { type: "standard_webhooks", secrets: [WHSEC] } }
    const signing = { type: "standard_webhooks", secrets: [SealedConfig.mask(WHSEC), WHSEC_NEXT] }
    expect(SealedConfig.patch(opened, { signing })).toEqual({
      ...config,
      signing: { type: "standard_webhooks", secrets: [WHSEC, WHSEC_NEXT] }
    })
  })
  it("rotate: a masked one may move up, and one that masks nothing stored is refused", () => {
    const opened = { ...config, signing: { type: "standard_webhooks", secrets: [WHSEC, WHSEC_NEXT] } }
    const signing = { type: "standard_webhooks", secrets: [SealedConfig.mask(WHSEC_NEXT)] }
    expect(SealedConfig.patch(opened, { signing })).toEqual({
      ...config,
      signing: { ...signing, secrets: [WHSEC_NEXT] }
    })
    const unknown = { type: "standard_webhooks", secrets: ["****zzzz"] }
    expect(Object.keys(issues(SealedConfig.patch(opened, { signing: unknown })))).toEqual(["signing.secrets.0"])
  })
})

describe("the form of an HTTP configuration", () => {
  it("has a title and a description for every field, and a default for every optional one", () => {
    const { schema } = Schema.toJsonSchemaDocument(HttpSink.config, { onExcessProperty: "error" })
    const properties = schema["properties"] as Record<string, Record<string, unknown>>
    expect(Object.keys(properties)).toEqual([
      "url",
      "method",
      "headers",
      "auth",
      "signing",
      "permanent_statuses",
      "keep_response"
    ])
    for (const [field, form] of Object.entries(properties)) {
      expect(form, field).toMatchObject({ title: expect.any(String), description: expect.any(String) })
      if (field !== "url" && field !== "signing") expect(form, field).toHaveProperty("default")
      if (field !== "signing") expect(form, field).toHaveProperty("examples")
    }
  })
})
