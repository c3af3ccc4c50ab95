import { describe, expect, it } from "@effect/vitest"
import { type SettingName, type SettingsInput, settingsOf } from "@hookstream/runtime-worker/DeploymentSettings"
import { Schema } from "effect"
import { SettingsError } from "../src/internal/errors.ts"

const ring = (byte: number) => `1:${Buffer.alloc(32, byte).toString("base64")}`
const SECRETS: SettingsInput = {
  HOOKSTREAM_ROOT_KEY: "0123456789abcdef",
  HOOKSTREAM_ID_KEY: ring(1),
  HOOKSTREAM_KEYS: ring(2)
}

/** What is said to be wrong, by setting. */
const issuesOf = (input: SettingsInput): Readonly<Record<string, string>> => {
  try {
    settingsOf(input)
    return {}
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    for (const { path, message } of error.issues) expect(error.message).toContain(`${path} ${message}`)
    return Object.fromEntries(error.issues.map(({ path, message }) => [path, message]))
  }
}

describe("the settings of a deployment", () => {
  it("have defaults where they need not be set", () => {
    expect(settingsOf(SECRETS)).toEqual({
      ...SECRETS,
      HOOKSTREAM_PUBLIC_URL: "",
      HOOKSTREAM_ALLOW_PRIVATE_NETWORKS: false,
      HOOKSTREAM_TRUSTED_IP_HEADER: "",
      HOOKSTREAM_LOG_MAX_BYTES: 8_000_000_000
    })
  })

  it.each<[SettingName, string | number | boolean, unknown]>([
    ["HOOKSTREAM_LOG_MAX_BYTES", "1000000", 1_000_000],
    ["HOOKSTREAM_LOG_MAX_BYTES", " 1000000\n", 1_000_000],
    ["HOOKSTREAM_LOG_MAX_BYTES", 8e9, 8_000_000_000],
    ["HOOKSTREAM_LOG_MAX_BYTES", "", 8_000_000_000],
    ["HOOKSTREAM_PUBLIC_URL", "https://hooks.example.com/", "https://hooks.example.com"],
    ["HOOKSTREAM_TRUSTED_IP_HEADER", " X-Real-IP ", "X-Real-IP"],
    ["HOOKSTREAM_ALLOW_PRIVATE_NETWORKS", "true", true],
    ["HOOKSTREAM_ALLOW_PRIVATE_NETWORKS", true, true],
    ["HOOKSTREAM_ALLOW_PRIVATE_NETWORKS", "false", false],
    ["HOOKSTREAM_ALLOW_PRIVATE_NETWORKS", false, false],
    ["HOOKSTREAM_ALLOW_PRIVATE_NETWORKS", " ", false],
    ["HOOKSTREAM_ROOT_KEY", "0123456789abcdef\n", "0123456789abcdef"],
    ["HOOKSTREAM_KEYS", `${ring(1)}, 2${ring(3).slice(1)}`, `${ring(1)}, 2${ring(3).slice(1)}`]
  ])("%s may be %j", (name, given, meant) => {
    expect(settingsOf({ ...SECRETS, [name]: given })[name]).toBe(meant)
  })

  const BYTES = "must be a number of bytes in digits, from 1 to 9500000000"
  const FLAG = 'must be "true" or "false"'
  const RING = "base64 of 32 random bytes"
  it.each<[SettingName, string | number | boolean, string]>([
    ["HOOKSTREAM_LOG_MAX_BYTES", "8GB", BYTES],
    ["HOOKSTREAM_LOG_MAX_BYTES", "NaN", BYTES],
    ["HOOKSTREAM_LOG_MAX_BYTES", "-1", BYTES],
    ["HOOKSTREAM_LOG_MAX_BYTES", "0", BYTES],
    ["HOOKSTREAM_LOG_MAX_BYTES", "8e9", BYTES],
    ["HOOKSTREAM_LOG_MAX_BYTES", "9500000001", BYTES],
    ["HOOKSTREAM_LOG_MAX_BYTES", "8_000_000_000", BYTES],
    ["HOOKSTREAM_LOG_MAX_BYTES", 0.5, BYTES],
    ["HOOKSTREAM_LOG_MAX_BYTES", true, BYTES],
    ["HOOKSTREAM_ALLOW_PRIVATE_NETWORKS", "yes", FLAG],
    ["HOOKSTREAM_ALLOW_PRIVATE_NETWORKS", "1", FLAG],
    ["HOOKSTREAM_ALLOW_PRIVATE_NETWORKS", "TRUE", FLAG],
    ["HOOKSTREAM_ROOT_KEY", "two words", "without spaces"],
    ["HOOKSTREAM_ROOT_KEY", "", "is not set: it must be"],
    ["HOOKSTREAM_ID_KEY", " ", "is not set: it must be"],
    ["HOOKSTREAM_ID_KEY", "sixteen:c2hvcnQ=", RING],
    ["HOOKSTREAM_ID_KEY", `16${ring(1).slice(1)}`, "numbers from 0 to 15"],
    ["HOOKSTREAM_KEYS", "1:c2hvcnQ=", RING],
    ["HOOKSTREAM_KEYS", `${ring(1)},${ring(2)}`, "each once"],
    ["HOOKSTREAM_KEYS", `${ring(1)},`, RING]
  ])("%s must not be %j, and is named without its value", (name, given, form) => {
    const issues = issuesOf({ ...SECRETS, [name]: given })
    expect(Object.keys(issues)).toEqual([name])
    expect(issues[name]).toContain(form)
    if (String(given).trim().length > 3) expect(issues[name]).not.toContain(String(given).trim())
  })

  it("are all named at once", () => {
    const { HOOKSTREAM_KEYS: _, ...rest } = SECRETS
    const issues = issuesOf({ ...rest, HOOKSTREAM_ID_KEY: "x", HOOKSTREAM_LOG_MAX_BYTES: "8GB" })
    expect(Object.keys(issues)).toEqual(["HOOKSTREAM_ID_KEY", "HOOKSTREAM_KEYS", "HOOKSTREAM_LOG_MAX_BYTES"])
    expect(Object.keys(issuesOf({}))).toEqual(["HOOKSTREAM_ROOT_KEY", "HOOKSTREAM_ID_KEY", "HOOKSTREAM_KEYS"])
  })

  it.prop(
    "never give a bound that is none",
    [Schema.Union([Schema.String, Schema.Number, Schema.Boolean])],
    ([given]) => {
      const input = { ...SECRETS, HOOKSTREAM_LOG_MAX_BYTES: given }
      if ("HOOKSTREAM_LOG_MAX_BYTES" in issuesOf(input)) return
      const bytes = settingsOf(input).HOOKSTREAM_LOG_MAX_BYTES
      expect(Number.isInteger(bytes) && bytes >= 1 && bytes <= 9_500_000_000).toBe(true)
    }
  )
})
