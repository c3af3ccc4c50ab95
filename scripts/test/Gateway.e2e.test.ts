import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { connect } from "node:net"
import { networkInterfaces, tmpdir } from "node:os"
import { join } from "node:path"
import { newWorkspace } from "@hookstream/devkit/ApiClient"
import { FolderInUse } from "@hookstream/devkit/Errors"
import { claimFolder, startGateway } from "@hookstream/devkit/Gateway"
import { startEmulator } from "@hookstream/kafka-rest-emulator/Emulator"
import { afterEach, beforeEach, expect, it } from "vitest"
import { prepareDemo } from "../Demo.ts"
import { wranglerDev } from "./wranglerDev.ts"

const ROOT = join(import.meta.dirname, "../..")
let dir: string
let endings: Array<() => unknown>
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hookstream-gateway-"))
  endings = []
})
afterEach(async () => {
  for (const end of endings.reverse()) await end()
  rmSync(dir, { recursive: true, force: true })
})
const started = async () => {
  const gateway = await startGateway({ dir, port: 0 })
  endings.push(() => gateway.stop("SIGKILL"))
  return gateway
}

it("serves nothing of the development server: no way to run SQL on its objects", async () => {
  const { url } = await started()
  const wrangler = createRequire(realpathSync(join(ROOT, "node_modules/wrangler/package.json")))
  const { CorePaths } = wrangler("miniflare") as { readonly CorePaths: Readonly<Record<string, string>> }
  expect(CorePaths["EXPLORER"]).toMatch(/^\/cdn-cgi\//)
  const paths = [...Object.values(CorePaths), `${CorePaths["EXPLORER"]}/api/workers/durable_objects/namespaces`]
  for (const path of paths) {
    const response = await fetch(url + path)
    expect(await response.json(), path).toMatchObject({ status: 404, request_id: expect.stringMatching(/^req_/) })
  }
})

it("listens on loopback only", async () => {
  const { url } = await started()
  const reaches = (host: string) =>
    new Promise<boolean>((resolve) => {
      const socket = connect(Number(new URL(url).port), host)
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
      socket.once("close", () => socket.destroy())
      endings.push(() => socket.destroy())
    })
  expect(await reaches("127.0.0.1")).toBe(true)
  const others = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ internal, family }) => !internal && family === "IPv4")
    .map(({ address }) => address)
  // Linux answers on all of 127/8 when a server listens on every address.
  if (process.platform === "linux") others.push("127.0.0.2")
  for (const address of others) expect(await reaches(address), address).toBe(false)
})

it("tells an event's sender, as Cloudflare does", async () => {
  const { url, rootKey } = await started()
  const { client } = await newWorkspace(url, rootKey)
  const { source } = await client.need("POST", "/v1/sources", { name: "S" })
  const { event_id } = (await (await fetch(source.ingest_url, { method: "POST", body: "{}" })).json()) as {
    readonly event_id: string
  }
  expect((await client.need("GET", `/v1/events/${event_id}`)).event.source_ip).toBe("127.0.0.1")
})

it("holds its folder until its last process has ended", async () => {
  const gateway = await started()
  await expect(claimFolder(dir)).rejects.toThrow(FolderInUse)
  await gateway.stop("SIGKILL")
  const claim = await claimFolder(dir)
  claim.keeper.stdin!.end()
})

it("opens what `wrangler dev` left in a folder, and takes nothing of it for the demo's", async () => {
  const emulator = await startEmulator({ topics: [{ name: "webhook-events" }] })
  endings.push(() => emulator.close())
  const rootKey = "0".repeat(64)
  const ring = `1:${Buffer.alloc(32, 7).toString("base64")}`
  const secrets = join(dir, "secrets.env")
  writeFileSync(secrets, `HOOKSTREAM_ROOT_KEY=${rootKey}\nHOOKSTREAM_ID_KEY=${ring}\nHOOKSTREAM_KEYS=${ring}\n`)
  mkdirSync(join(dir, "state"))
  const dev = await wranglerDev(join(ROOT, "packages/runtime-worker"), [
    "--env=",
    "--persist-to",
    join(dir, "state"),
    "--env-file",
    secrets,
    "--var",
    "HOOKSTREAM_ALLOW_PRIVATE_NETWORKS:true"
  ])
  endings.push(dev.kill)
  await dev.answers()
  const old = dev.url
  const { key, client } = await newWorkspace(old, rootKey)
  const { source } = await client.need("POST", "/v1/sources", { name: "Local webhooks" })
  const { destination } = await client.need("POST", "/v1/destinations", {
    name: "Event Stream",
    type: "kafka",
    config: {
      bootstrap_servers: "localhost:9092",
      cluster_id: "lkc-local",
      topic: "webhook-events",
      api_key: "local",
      api_secret: "local-api-secret",
      rest_endpoint: "http://127.0.0.1:8082"
    },
    status: "paused"
  })
  await client.need("POST", "/v1/connections", { source_id: source.id, destination_id: destination.id })
  const { event_id } = (await (await fetch(source.ingest_url, { method: "POST", body: '"old"' })).json()) as {
    readonly event_id: string
  }
  await dev.kill()
  const file = join(dir, "dev.json")
  const addresses = { gateway: old, kafka_rest: "http://127.0.0.1:8082" }
  writeFileSync(file, JSON.stringify({ ...addresses, api_key: key, ingest_url: source.ingest_url }))

  const gateway = await started()
  const demo = await prepareDemo(file, gateway, emulator)
  expect(demo.dev.api_key).toBe(key)
  const { event } = await demo.client.need("GET", `/v1/events/${event_id}`)
  expect(event).toMatchObject({ id: event_id, source_id: source.id })
  const after = await demo.client.need("GET", `/v1/destinations/${destination.id}`)
  expect(after.destination.config.rest_endpoint).toBe("http://127.0.0.1:8082")
  expect(demo.destination).not.toBe(destination.id)
})
