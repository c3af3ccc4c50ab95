import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Cause, Effect } from "effect"
import { afterEach, describe, expect, it, vi } from "vitest"
import { layerLogger } from "../src/internal/print.ts"

const ROOT = join(import.meta.dirname, "../../..")
/** What is part of a gateway: the rest are tools of their own. */
const sources = globSync("packages/*/src/**/*.ts", { cwd: ROOT })
  .filter((file) => !/^packages\/(bench|kafka-rest-emulator)\//.test(file))
  .map((file) => ({ file, text: readFileSync(join(ROOT, file), "utf8") }))
const where = (pattern: RegExp) => sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file)

describe("whatever is logged", () => {
  afterEach(() => vi.restoreAllMocks())

  it("goes through one module, which makes errors readable and hides what gives access", () => {
    expect(where(/\bconsole\s*[.[]/)).toEqual(["packages/runtime-worker/src/internal/print.ts"])
    expect(where(/\bEffect\.log/)).toEqual(["packages/core/src/LogLine.ts"])
  })
  it("is documented, each line", () => {
    const messages = sources.flatMap(({ text }) =>
      [...text.matchAll(/\bline\(\s*[^,)]+,\s*"([^"]+)"/g)].map(([, message]) => message!)
    )
    const docs = readFileSync(join(ROOT, "docs/logs.md"), "utf8")
    const documented = [...docs.matchAll(/^[|-] `([^`]+)` /gm)].map(([, message]) => message!)
    expect(documented.toSorted()).toEqual([...new Set(messages)].sort())
  })
  it("is one line of JSON, also what Effect logs by itself", () => {
    const out: Array<unknown> = []
    vi.spyOn(console, "error").mockImplementation((...all) => void out.push(...all))
    const logging = Effect.logError("of Effect", Cause.die(new TypeError("bug\nof two lines")))
    Effect.runSync(logging.pipe(Effect.provide(layerLogger)))
    expect(out.map((one) => [typeof one, JSON.parse(String(one))])).toEqual([
      [
        "string",
        {
          message: "of Effect",
          level: "error",
          error: { name: "TypeError", message: "bug\nof two lines", retryable: false, overloaded: false }
        }
      ]
    ])
  })
})
