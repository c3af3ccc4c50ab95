/**
 * What the person who runs the gateway has set, decoded in one place. A further setting is a line of {@link SETTINGS}.
 * While one is missing or wrong the gateway answers nothing but what is wrong with it: a bound that is not what was
 * meant must not be gone by.
 */
import * as IdKeys from "@hookstream/core/secret/IdKeys"
import * as KeyRing from "@hookstream/core/secret/KeyRing"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { SettingsError } from "./internal/errors.ts"

interface Setting<A> {
  readonly schema: Schema.Codec<A, string>
  /** What it must be, for people. Values are never repeated: some are secrets. */
  readonly form: string
  /** Without one the setting is required. */
  readonly fallback?: A
}

const ring = (maxNumber: number): Setting<string> => ({
  schema: Schema.String.check(Schema.makeFilter((text: string) => KeyRing.isKeyRing(text, { maxNumber }))),
  form: KeyRing.formOf({ maxNumber })
})

const decoded = <A extends string, B>(from: Schema.Codec<A, string>, to: Schema.Codec<B>, decode: (text: A) => B) =>
  from.pipe(
    Schema.decodeTo(to, { decode: SchemaGetter.transform(decode), encode: SchemaGetter.forbidden(() => "never") })
  )

const isOrigin = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href
}

/** Of the 10 GB that an object holds some are needed to go on. */
const LOG_BYTES_MAX = 9_500_000_000

const SETTINGS = {
  /** Makes workspaces and their first keys. */
  HOOKSTREAM_ROOT_KEY: {
    schema: Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/)),
    form: "letters, digits and signs without spaces, as `openssl rand -hex 32` makes them"
  } satisfies Setting<string>,
  /** Key ring of the checksums of ids and API keys. */
  HOOKSTREAM_ID_KEY: ring(IdKeys.MAX_KEY_NUMBER),
  /** Key ring that seals stored secrets. */
  HOOKSTREAM_KEYS: ring(SecretVault.MAX_KEY_NUMBER),
  /**
   * Scheme and host at which senders reach the gateway; it serves from the root. Without it: see `originOf` of the API.
   */
  HOOKSTREAM_PUBLIC_URL: {
    schema: decoded(Schema.String.check(Schema.makeFilter(isOrigin)), Schema.String, (text) => new URL(text).origin),
    form: "a URL of scheme and host: https://hooks.example.com",
    fallback: ""
  } satisfies Setting<string>,
  /** Opens destinations on private networks and by plain http. */
  HOOKSTREAM_ALLOW_PRIVATE_NETWORKS: {
    schema: decoded(Schema.Literals(["true", "false"]), Schema.Boolean, (text) => text === "true"),
    form: '"true" or "false"',
    fallback: false
  } satisfies Setting<boolean>,
  /**
   * The header in which whoever stands before the gateway names the sender's address: `CF-Connecting-IP` on Cloudflare,
   * which sets it itself. Without it no address is believed.
   */
  HOOKSTREAM_TRUSTED_IP_HEADER: {
    schema: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9-]{1,100}$/)),
    form: "the name of a header, such as CF-Connecting-IP",
    fallback: ""
  } satisfies Setting<string>,
  /** Bytes of one source's log above which it accepts nothing more. */
  HOOKSTREAM_LOG_MAX_BYTES: {
    schema: decoded(
      Schema.String.check(Schema.isPattern(/^\d{1,10}$/)),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: LOG_BYTES_MAX })),
      Number
    ),
    form: `a number of bytes in digits, from 1 to ${LOG_BYTES_MAX}`,
    fallback: 8_000_000_000
  } satisfies Setting<number>
}

export type SettingName = keyof typeof SETTINGS

export type DeploymentSettings = {
  readonly [N in SettingName]: (typeof SETTINGS)[N] extends Setting<infer A> ? A : never
}

/** As Cloudflare hands them over: a variable of `wrangler.jsonc` may be a number or a truth value. */
export type SettingsInput = { readonly [N in SettingName]?: string | number | boolean }

const read = (input: SettingsInput): DeploymentSettings => {
  const settings: Record<string, unknown> = {}
  const issues: Array<{ readonly path: string; readonly message: string }> = []
  for (const [path, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const { schema, form, fallback } = setting
    const text = String(input[path as SettingName] ?? "").trim()
    if (text === "" && fallback !== undefined) {
      settings[path] = fallback
      continue
    }
    const value = Schema.decodeResult(schema)(text)
    if (Result.isSuccess(value)) settings[path] = value.success
    else issues.push({ path, message: `${text === "" ? "is not set: it must be" : "must be"} ${form}` })
  }
  if (issues.length > 0) throw new SettingsError({ issues })
  return settings as DeploymentSettings
}

const known = new WeakMap<SettingsInput, DeploymentSettings>()

/**
 * The settings of this env. An empty one counts as not set. Throws `SettingsError`, which names all that are missing or
 * wrong.
 */
export const settingsOf = (env: SettingsInput): DeploymentSettings => {
  let settings = known.get(env)
  if (settings === undefined) {
    settings = read(env)
    known.set(env, settings)
  }
  return settings
}
