/**
 * Clients that are generated from `/openapi.json` of a running gateway compile, and do what the README does by curl.
 * HOOKSTREAM_TEST_CLIENTS says which: `typescript`, as CI does, or `all`, with Python (`npm run test:clients`), which
 * installs its generator.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { newWorkspace } from "@hookstream/devkit/ApiClient"
import { type Gateway, startGateway } from "@hookstream/devkit/Gateway"
import { type Emulator, startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeFuzz } from "../src/Fuzz.ts"
import { makeRandom } from "../src/Random.ts"
import { PACKAGE, type Ran, run, runTool } from "../src/Tools.ts"

const wanted = process.env["HOOKSTREAM_TEST_CLIENTS"]
/** Random ones, ingest among them, against workerd; more go to the API in memory (`Fuzz.test.ts`). */
const REQUESTS = 300
const GENERATOR = "openapi-python-client==0.29.1"
const TSC = join(PACKAGE, "../../node_modules/typescript/bin/tsc")
/** Generators and compilers compute, and Python's is installed first. */
const LIMIT_MS = 300_000

const succeeded = ({ code, output, stdout }: Ran): string => {
  expect(code, output).toBe(0)
  return stdout
}

describe.skipIf(wanted === undefined)("a generated client", () => {
  let emulator: Emulator
  let gateway: Gateway
  let env: Record<string, string>
  const state = mkdtempSync(join(tmpdir(), "hookstream-"))
  const work = join(PACKAGE, "build/clients")
  const document = join(work, "openapi.json")

  beforeAll(async () => {
    rmSync(work, { recursive: true, force: true })
    mkdirSync(work, { recursive: true })
    emulator = await startEmulator({ topics: [{ name: "webhook-events" }], clusterId: "lkc-xxxxx", maxBlockMs: 5 })
    gateway = await startGateway({ dir: state, port: 0 })
    writeFileSync(document, await (await fetch(`${gateway.url}/openapi.json`)).text())
    env = {
      GATEWAY: gateway.url,
      ROOT_KEY: gateway.rootKey,
      KAFKA_CONFIG: JSON.stringify({
        bootstrap_servers: "pkc-xxxxx.us-east-1.aws.confluent.cloud:9092",
        cluster_id: "lkc-xxxxx",
        topic: "webhook-events",
        api_key: "ABCDEFGHIJKLMNOP",
        api_secret: "ABCdef1234567890",
        rest_endpoint: emulator.url
      })
    }
  })
  afterAll(async () => {
    await Promise.all([gateway.stop(), emulator.close()])
    rmSync(state, { recursive: true, force: true })
  })

  /** A folder with the program, beside which the client is generated. */
  const folderOf = (program: string): string => {
    const folder = join(work, program.replace(/\.\w+$/, ""))
    mkdirSync(folder)
    cpSync(join(PACKAGE, "clients", program), join(folder, program))
    return folder
  }
  /** Compiles a program with the client beside it, without leaving out what the client declares, and runs it. */
  const compileAndRun = async (folder: string, program: string): Promise<string> => {
    writeFileSync(join(folder, "package.json"), '{"type":"commonjs"}')
    const lib = ["es2023", "dom", "dom.iterable"]
    const compilerOptions = { strict: true, module: "nodenext", target: "es2022", types: ["node"], lib }
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [program] }))
    succeeded(await run(process.execPath, [TSC, "-p", folder]))
    return succeeded(await run(process.execPath, [program.replace(/ts$/, "js")], { cwd: folder, env }))
  }
  const saw = (stdout: string) => {
    expect(JSON.parse(stdout)).toEqual({
      secret: "****7890",
      isWell: true,
      body: expect.stringMatching(/^\{"type": ?"invoice.paid"\}$/),
      types: ["accepted", "delivered"],
      tries: [["delivered", expect.any(Number)]],
      replayed: 1
    })
  }

  it("that sends whatever the document allows, and more, is answered as it says", { timeout: LIMIT_MS }, async () => {
    const { client, key } = await newWorkspace(gateway.url, gateway.rootKey)
    const { api_keys } = await client.need("GET", "/v1/auth/api-keys")
    const { source } = await client.need("POST", "/v1/sources", { name: "Random" })
    const fuzz = makeFuzz({
      document: JSON.parse(readFileSync(document, "utf8")),
      send: (request) => fetch(request),
      origin: gateway.url,
      rootKey: gateway.rootKey,
      keys: { all: key, read: key, write: key },
      now: Date.now,
      ids: [source.id],
      kept: api_keys.map(({ id }: { readonly id: string }) => id),
      tokens: [source.ingest_url.split("/").at(-1)],
      // It would reach for hosts outside of this machine.
      without: ["testDestination"],
      isDown: () => false
    })
    const random = makeRandom(1)
    for (let n = 0; n < REQUESTS; n++) expect(await fuzz.step(random)).toBeUndefined()
  })

  it("by openapi-typescript for openapi-fetch", { timeout: LIMIT_MS }, async () => {
    const folder = folderOf("openapiFetch.ts")
    const args = [document, "-o", join(folder, "schema.d.ts")]
    succeeded(await runTool(["openapi-typescript", "openapi-typescript"], args))
    saw(await compileAndRun(folder, "openapiFetch.ts"))
  })

  it("by @hey-api/openapi-ts", { timeout: LIMIT_MS }, async () => {
    const folder = folderOf("heyApi.ts")
    const args = ["-i", document, "-o", join(folder, "generated"), "-c", "@hey-api/client-fetch", "--no-log-file"]
    succeeded(await runTool(["@hey-api/openapi-ts", "openapi-ts"], args))
    saw(await compileAndRun(folder, "heyApi.ts"))
  })

  it.skipIf(wanted !== "all")(
    "by openapi-python-client",
    async () => {
      const folder = folderOf("python.py")
      // Kept beside the other installed packages.
      // It knows no union that leads to itself, as groups of filter rules do; docs/clients.md says so.
      const changed = JSON.parse(readFileSync(document, "utf8"))
      const { schemas } = changed.components
      schemas.FilterRule = schemas.FilterRule.anyOf[0]
      const flat = join(work, "openapi-flat.json")
      writeFileSync(flat, JSON.stringify(changed))
      const venv = join(PACKAGE, "node_modules/.cache/python")
      const python = join(venv, "bin/python")
      succeeded(await run("python3", ["-m", "venv", venv]))
      succeeded(await run(python, ["-m", "pip", "install", "--quiet", GENERATOR, "ruff"]))
      const args = ["generate", "--path", flat, "--output-path", join(folder, "generated"), "--meta", "none"]
      const path = `${join(venv, "bin")}:${process.env["PATH"]}`
      succeeded(await run(join(venv, "bin/openapi-python-client"), args, { env: { PATH: path } }))
      saw(succeeded(await run(python, ["python.py"], { cwd: folder, env })))
    },
    LIMIT_MS
  )
})
