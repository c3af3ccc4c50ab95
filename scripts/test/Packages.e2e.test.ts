import { execFileSync } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { newWorkspace } from "@hookstream/devkit/ApiClient"
import { newSecrets } from "@hookstream/devkit/Secrets"
import { startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { publint } from "publint"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { eventually, started } from "./npmStart.ts"
import { entryPoints, errorsOf, node, type Outside, packed, ROOT, readmeExamples } from "./outside.ts"
import { wranglerDev } from "./wranglerDev.ts"

const NAMES = ["api", "core", "ingest", "kafka-rest-emulator", "runtime-worker", "sink-http", "sink-kafka"]
/** `npm run test:packages` looks at all that can be imported; each `npm test` at what the examples import. */
const ALL = process.env["HOOKSTREAM_TEST_PACKAGES"] === "all"
/** They run in Node; the other is a Worker. */
const IN_NODE = NAMES.filter((name) => name !== "runtime-worker")

let outside: Outside
/** A folder with all packages. */
let consumer: string
beforeAll(() => {
  outside = packed()
  consumer = join(outside.dir, "consumer")
  mkdirSync(consumer)
  const dependencies = Object.fromEntries([...outside.tarballs.keys()].map((name) => [name, "0.1.0"]))
  const others = { effect: "4.1.0", "@types/node": "24.13.6", "@cloudflare/workers-types": "5.20261117.1" }
  const manifest = { private: true, type: "module", dependencies: { ...dependencies, ...others } }
  writeFileSync(join(consumer, "package.json"), JSON.stringify(manifest))
  outside.install(consumer)
}, 120_000)
afterAll(() => outside.remove())

let endings: Array<() => unknown> = []
afterEach(async () => {
  for (const end of endings.reverse()) await end()
  endings = []
})

const folderOf = (name: string) => join(consumer, "node_modules/@hookstream", name)
const importsOf = (name: string) =>
  entryPoints(folderOf(name)).map((path, i) => `export * as m${i} from "@hookstream/${name}${path.slice(1)}"\n`)

it("all that is published is packed", () => {
  expect([...outside.tarballs.keys()].sort()).toEqual(NAMES.map((name) => `@hookstream/${name}`))
})

describe.each(NAMES)("the package %s", (name) => {
  it("is well formed, and each of its modules has types", async () => {
    const bytes = new Uint8Array(readFileSync(outside.tarballs.get(`@hookstream/${name}`)!))
    const { messages } = await publint({ pack: { tarball: bytes.buffer }, strict: true })
    expect(messages).toEqual([])
    const tarball = createPackageFromTarballData(bytes)
    const files = tarball.listFiles().map((file) => file.slice(`/node_modules/@hookstream/${name}/`.length))
    expect(files).toEqual(expect.arrayContaining(["LICENSE", "README.md", "package.json"]))
    expect(files.filter((file) => /test\/|\.test\.|tsbuildinfo|tsconfig/.test(file))).toEqual([])
    const entrypoints = [...entryPoints(folderOf(name))]
    expect(entrypoints.length).toBeGreaterThan(0)
    if (!ALL) return
    const result = await checkPackage(tarball, { entrypoints, excludeEntrypoints: [] })
    if (result.types === false) return expect.unreachable("it has no types")
    // ES modules alone: older resolutions and CommonJS are not served.
    const served = result.problems.filter(
      (problem) => !("resolutionKind" in problem && /node10|cjs/.test(problem.resolutionKind))
    )
    expect(served).toEqual([])
  })
})

it.each(IN_NODE)("the README of %s prints what it says", async (name) => {
  const examples = readmeExamples(name)
  expect(examples).toHaveLength(1)
  for (const { code, prints } of examples) {
    const file = join(consumer, `${name}.ts`)
    writeFileSync(file, code)
    expect(await node(consumer, file)).toBe(prints)
  }
})

it.each(["README.md", "packages/runtime-worker/README.md"])("%s shows the example", (file) => {
  const readme = readFileSync(join(ROOT, file), "utf8")
  expect(readme).toContain(readFileSync(join(ROOT, "examples/compose/src/Worker.ts"), "utf8"))
})

it.runIf(ALL).each([
  ["Node", "nodenext", ["node"], ["ES2024", "DOM", "DOM.Iterable"], IN_NODE],
  ["a Worker", "nodenext", ["@cloudflare/workers-types"], ["ES2024"], ["runtime-worker"]],
  ["a Worker that is bundled", "esnext", ["@cloudflare/workers-types"], ["ES2024"], ["runtime-worker"]]
])("a strict compiler has nothing against what %s imports (%s)", async (_, module, types, lib, names) => {
  const folder = join(consumer, `${names.length}-${module}`)
  mkdirSync(folder)
  for (const name of names) {
    writeFileSync(join(folder, `${name}.ts`), importsOf(name).join(""))
    for (const { code } of readmeExamples(name)) writeFileSync(join(folder, `${name}-readme.ts`), code)
  }
  const compilerOptions = {
    module,
    moduleResolution: module === "esnext" ? "bundler" : module,
    target: "es2024",
    lib,
    types,
    strict: true,
    skipLibCheck: false,
    noEmit: true
  }
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions }))
  expect(await errorsOf(consumer, "-p", folder)).toEqual([])
})

it("the stand-in of a REST Proxy runs by npx", async () => {
  const tarball = outside.tarballs.get("@hookstream/kafka-rest-emulator")!
  const cache = { npm_config_cache: join(outside.dir, ".npm") }
  const npx = started("npx", ["--yes", `file:${tarball}`, "--topic", "webhooks", "--port", "0"], cache, outside.dir)
  endings.push(npx.kill)
  await npx.shows("REST Proxy v3 emulator on http://127.0.0.1:")
})

describe("a sink from outside", () => {
  it("keeps the contract by the suite of core, is packed, and delivers in a gateway composed with it", async () => {
    const sink = outside.example("sink-ntfy")
    expect(await errorsOf(sink)).toEqual([])
    expect(await node(sink, "--test", "test/Conformance.test.ts")).toMatch(/ fail 0$/m)
    execFileSync("npm", ["pack", "--pack-destination", outside.dir], { cwd: sink, stdio: "ignore" })
    outside.tarballs.set("@example/sink-ntfy", join(outside.dir, "example-sink-ntfy-0.1.0.tgz"))

    const messages: Array<string> = []
    const ntfy = createServer(async (request, response) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      messages.push(`${request.url} ${Buffer.concat(chunks)}`)
      response.end(JSON.stringify({ id: `message-${messages.length}` }))
    }).listen(0, "127.0.0.1")
    await once(ntfy, "listening")
    endings.push(() => ntfy.close())
    const { port } = ntfy.address() as AddressInfo

    const folder = outside.example("compose")
    expect(await errorsOf(folder)).toEqual([])
    const secrets = newSecrets()
    const lines = Object.entries(secrets).map(([key, value]) => `${key}=${value}\n`)
    writeFileSync(join(folder, ".dev.vars"), lines.join(""))
    const dev = await wranglerDev(folder, ["--var", "HOOKSTREAM_ALLOW_PRIVATE_NETWORKS:true"])
    endings.push(dev.kill)
    await dev.answers()
    const { client } = await newWorkspace(dev.url, secrets["HOOKSTREAM_ROOT_KEY"]!)
    const { source } = await client.need("POST", "/v1/sources", { name: "Outside" })
    const { destination } = await client.need("POST", "/v1/destinations", {
      name: "Phone",
      type: "ntfy",
      config: { url: `http://127.0.0.1:${port}`, topic: "webhooks", token: "tk_secret" }
    })
    await client.need("POST", "/v1/connections", { source_id: source.id, destination_id: destination.id })
    await fetch(source.ingest_url, { method: "POST", body: '{"n":1}' })
    const message = await eventually(
      () => messages[0],
      () => "no message came"
    )
    expect(message).toBe('/webhooks {"n":1}')
    const { destination_types } = await client.need("GET", "/v1/destination-types")
    expect(destination_types.map(({ type }: { readonly type: string }) => type)).toEqual(["http", "kafka", "ntfy"])
  }, 120_000)
})

it("core and a sink alone send in a plain Worker, and answer with the receipt", async () => {
  const proxy = await startEmulator({ topics: [{ name: "webhooks", partitions: 1 }], clusterId: "lkc-1" })
  endings.push(proxy.close)
  const folder = outside.example("core-only")
  expect(await errorsOf(folder)).toEqual([])
  const config = {
    bootstrap_servers: "pkc-1.us-east-1.aws.confluent.cloud:9092",
    cluster_id: "lkc-1",
    topic: "webhooks",
    api_key: "key",
    api_secret: "a-secret-of-the-cluster",
    rest_endpoint: proxy.url
  }
  writeFileSync(join(folder, ".dev.vars"), `KAFKA='${JSON.stringify(config)}'\n`)
  const dev = await wranglerDev(folder)
  endings.push(dev.kill)
  await dev.answers()
  const response = await fetch(dev.url, { method: "POST", body: '{"amount":12.50}' })
  expect(await response.json()).toMatchObject({
    outcome: { _tag: "Delivered", receipt: { partition: 0, offset: "0" } }
  })
  expect(proxy.records("webhooks")[0]?.raw_value_data).toBe('{"amount":12.50}')
})
