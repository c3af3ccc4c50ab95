/** `workerd serve` with one Worker, its objects on disk in a folder of its own: no development proxy stands between. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const ROOT = join(import.meta.dirname, "../../..")
const wrangler = createRequire(realpathSync(join(ROOT, "node_modules/wrangler/package.json")))
export const BINARY = join(dirname(wrangler.resolve("workerd/package.json")), "bin/workerd")

export interface WorkerdOptions {
  /** File of the bundle, one module. */
  readonly main: string
  /** Class names of its Durable Objects, by binding. */
  readonly objects: Readonly<Record<string, string>>
  readonly vars?: Readonly<Record<string, string>>
  readonly inspectorPort?: number
}

export interface Workerd {
  readonly url: string
  readonly pid: number
  /** Milliseconds from the start of the process to the first connection that it took. */
  readonly startMillis: number
  readonly stop: () => Promise<void>
}

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  return typeof address === "object" && address !== null ? address.port : 0
}

const text = (value: string) => JSON.stringify(value)
const list = (items: ReadonlyArray<string>) => `[${items.join(", ")}]`

const configOf = ({ objects, vars = {} }: WorkerdOptions, dir: string, port: number): string => `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
    (name = "disk", disk = (path = ${text(join(dir, "state"))}, writable = true))
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
  bindings = ${list([
    ...Object.entries(objects).map(
      ([name, className]) => `(name = ${text(name)}, durableObjectNamespace = ${text(className)})`
    ),
    ...Object.entries(vars).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`)
  ])},
  durableObjectNamespaces = ${list(
    Object.values(objects).map((name) => `(className = ${text(name)}, uniqueKey = ${text(name)}, enableSql = true)`)
  )},
  durableObjectStorage = (localDisk = "disk"),
  globalOutbound = "internet"
);
`

const READY_MS = 20_000

export const serve = async (options: WorkerdOptions): Promise<Workerd> => {
  const dir = mkdtempSync(join(tmpdir(), "hookstream-bench-"))
  mkdirSync(join(dir, "state"))
  copyFileSync(options.main, join(dir, "worker.js"))
  const port = await freePort()
  writeFileSync(join(dir, "config.capnp"), configOf(options, dir, port))
  const startedAt = performance.now()
  const inspector = options.inspectorPort === undefined ? [] : [`--inspector-addr=127.0.0.1:${options.inspectorPort}`]
  const child = spawn(BINARY, ["serve", "--experimental", ...inspector, join(dir, "config.capnp")], {
    stdio: ["ignore", "ignore", "inherit"]
  })
  const exited = once(child, "exit")
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    try {
      await (await fetch(`${url}/v1/health`)).text()
      break
    } catch {
      if (performance.now() - startedAt > READY_MS || child.exitCode !== null) throw new Error("workerd did not start")
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  return {
    ...{ url, pid: child.pid!, startMillis: performance.now() - startedAt },
    stop: async () => {
      child.kill("SIGKILL")
      await exited
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

const bundles = new Map<boolean, string>()
/** The production bundle, as it is deployed. */
export const productionBundle = (minify: boolean): string => {
  const known = bundles.get(minify)
  if (known !== undefined) return known
  const outdir = mkdtempSync(join(tmpdir(), "hookstream-bundle-"))
  execFileSync(
    process.execPath,
    [
      ...[join(ROOT, "node_modules/wrangler/bin/wrangler.js"), "deploy", "--dry-run", ...(minify ? ["--minify"] : [])],
      ...["--outdir", outdir],
      ...["--cwd", join(ROOT, "packages/runtime-worker")]
    ],
    { env: { ...process.env, WRANGLER_SEND_METRICS: "false" }, stdio: "ignore" }
  )
  const bundle = join(outdir, "Worker.js")
  bundles.set(minify, bundle)
  process.once("exit", () => rmSync(outdir, { recursive: true, force: true }))
  return bundle
}

/** One of the bare Workers in `workers/`. */
export const bareWorker = (name: string): string => join(import.meta.dirname, "../workers", `${name}.js`)

/** Resident memory of a process in MiB. */
export const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024
