/** Those who lint the OpenAPI document, or read it by a common parser, find nothing. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import SwaggerParser from "@apidevtools/swagger-parser"
import { afterAll, expect, it } from "vitest"
import { document } from "../src/OpenApi.ts"
import { PACKAGE, runTool } from "../src/Tools.ts"

const dir = mkdtempSync(join(tmpdir(), "hookstream-contract-"))
const file = join(dir, "openapi.json")
writeFileSync(file, JSON.stringify(document(), null, 1))
afterAll(() => rmSync(dir, { recursive: true }))

it("Redocly, by its recommended rules, has neither errors nor warnings", async () => {
  const args = ["lint", file, "--config", join(PACKAGE, "redocly.yaml"), "--format", "json"]
  const { code, stdout, output } = await runTool(["@redocly/cli", "redocly"], args, {
    env: { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" }
  })
  expect(code, output).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ totals: { errors: 0, warnings: 0, ignored: 0 } })
})

it("Spectral, by its recommended rules, has neither errors nor warnings nor hints", async () => {
  const args = ["lint", "-r", join(PACKAGE, "spectral.yaml"), "-F", "hint", "-f", "json", "-q", file]
  const { code, stdout, output } = await runTool(["@stoplight/spectral-cli", "spectral"], args)
  expect([code, JSON.parse(stdout)], output).toEqual([0, []])
})

it("swagger-parser accepts it", async () => {
  const api = await SwaggerParser.validate(structuredClone(document()) as never)
  expect(api.info.title).toBe("hookstream")
})
