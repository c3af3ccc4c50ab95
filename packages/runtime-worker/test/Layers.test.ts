import { Deployment } from "@hookstream/api/Deployment"
import { Registry } from "@hookstream/core/workspace/Registry"
import type { Env } from "@hookstream/runtime-worker/Env"
import { runtimesOf } from "@hookstream/runtime-worker/Layers"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { SettingsError } from "../src/internal/errors.ts"

const runtimeOf = runtimesOf([])
const ring = `1:${Buffer.alloc(32).toString("base64")}`

/** An env that counts how often its settings are read: each build of the layers reads each of them once. */
const countedEnv = () => {
  let reads = 0
  const env = {
    HOOKSTREAM_ROOT_KEY: "root",
    HOOKSTREAM_ID_KEY: ring,
    get HOOKSTREAM_KEYS() {
      reads++
      return ring
    }
  } as Env
  return { env, reads: () => reads }
}

describe("the runtime of an isolate", () => {
  it("is built once, and at once: a request that came second would hang on the first one's build", async () => {
    const { env, reads } = countedEnv()
    expect(runtimeOf(env).runSync(Effect.as(Registry, true))).toBe(true)
    await Promise.all([1, 2, 3].map(() => runtimeOf(env).runPromise(Effect.as(Registry, true))))
    expect(reads()).toBe(1)
  })

  it("does not remember that a setting was missing", () => {
    const { env } = countedEnv()
    const settings: { HOOKSTREAM_ID_KEY?: string | number | boolean } = env
    delete settings.HOOKSTREAM_ID_KEY
    expect(() => runtimeOf(env)).toThrow(SettingsError)
    settings.HOOKSTREAM_ID_KEY = ring
    expect(runtimeOf(env).runSync(Effect.as(Registry, true))).toBe(true)
  })

  it("knows what is missing and need not be there, and the version that answers", () => {
    const { version, notices } = runtimeOf({ ...countedEnv().env, HOOKSTREAM_PUBLIC_URL: " " }).runSync(Deployment)
    expect(version).toBe(null)
    expect(notices.map(({ path }) => path)).toEqual([
      "HOOKSTREAM_PUBLIC_URL",
      "HOOKSTREAM_TRUSTED_IP_HEADER",
      "FAILURES"
    ])
    const whole: Env = {
      ...countedEnv().env,
      HOOKSTREAM_PUBLIC_URL: "https://hooks.example.com",
      HOOKSTREAM_TRUSTED_IP_HEADER: "CF-Connecting-IP",
      FAILURES: { limit: async () => ({ success: true }) },
      VERSION: { id: "f3b5b2d2", tag: "", timestamp: "" }
    }
    expect(runtimeOf(whole).runSync(Deployment)).toMatchObject({ version: "f3b5b2d2", notices: [] })
  })

  it.each([
    [undefined, undefined],
    ["", undefined],
    ["https://hooks.example.com", "https://hooks.example.com"],
    ["http://127.0.0.1:8787/", "http://127.0.0.1:8787"]
  ])("takes %j as the address of the gateway", (HOOKSTREAM_PUBLIC_URL, publicUrl) => {
    const env: Env = { ...countedEnv().env, ...(HOOKSTREAM_PUBLIC_URL === undefined ? {} : { HOOKSTREAM_PUBLIC_URL }) }
    expect(runtimeOf(env).runSync(Deployment).publicUrl).toBe(publicUrl)
  })
  it.each([
    "hooks.example.com",
    "ftp://a.example",
    "https://a.example/path",
    "https://u:p@a.example",
    "https://a.example?"
  ])("refuses %s as the address of the gateway by the name of its setting", (HOOKSTREAM_PUBLIC_URL) => {
    const env: Env = { ...countedEnv().env, HOOKSTREAM_PUBLIC_URL }
    expect(() => runtimeOf(env)).toThrow(/^HOOKSTREAM_PUBLIC_URL must be/)
  })
})
