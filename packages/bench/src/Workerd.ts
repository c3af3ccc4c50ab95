/** `workerd serve` with one Worker, its objects on disk in a folder of its own: no development proxy stands between. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { gzipSync } from "node:zlib"

const COMPATIBILITY_DATE = "2026-11-01"
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
  /** Where its objects are kept, by whoever asks for it; without it they go with the process. */
  readonly dir?: string
  /** The request that it must answer to be ready. Default: `GET /v1/health`. */
  readonly first?: { readonly method: string; readonly path: string }
}

export interface Workerd {
  readonly url: string
  readonly pid: number
  /** Milliseconds from the start of the process to its first answer. */
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
  compatibilityDate = ${text(COMPATIBILITY_DATE)},
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
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "hookstream-bench-"))
  mkdirSync(join(dir, "state"), { recursive: true })
  copyFileSync(options.main, join(dir, "worker.js"))
  const port = await freePort()
  writeFileSync(join(dir, "config.capnp"), configOf(options, dir, port))
  const startedAt = performance.now()
  const inspector = options.inspectorPort === undefined ? [] : [`--inspector-addr=127.0.0.1:${options.inspectorPort}`]
  const child = spawn(BINARY, ["serve", "--experimental", ...inspector, join(dir, "config.capnp")], {
    stdio: ["ignore", "ignore", "inherit"]
  })
  const exited = once(child, "exit")
  // Also when a case throws before it could stop it.
  process.once("exit", () => child.kill("SIGKILL"))
  const url = `http://127.0.0.1:${port}`
  const { method, path } = options.first ?? { method: "GET", path: "/v1/health" }
  let status = 0
  while (status === 0) {
    try {
      const response = await fetch(url + path, { method, ...(method === "POST" ? { body: "{}" } : {}) })
      await response.text()
      status = response.status
    } catch {
      if (performance.now() - startedAt > READY_MS || child.exitCode !== null) throw new Error("workerd did not start")
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  if (status !== 200) {
    child.kill("SIGKILL")
    throw new Error(`${method} ${path}: ${status}`)
  }
  return {
    ...{ url, pid: child.pid!, startMillis: performance.now() - startedAt },
    stop: async () => {
      child.kill("SIGKILL")
      await exited
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true })
    }
  }
}

export interface Bundle {
  readonly file: string
  /** Bytes of the bundle that come from each source file. */
  readonly sources: Readonly<Record<string, number>>
}

const bundles = new Map<string, Bundle>()
const bundle = (args: ReadonlyArray<string>): Bundle => {
  const known = bundles.get(args.join(" "))
  if (known !== undefined) return known
  const outdir = mkdtempSync(join(tmpdir(), "hookstream-bundle-"))
  process.once("exit", () => rmSync(outdir, { recursive: true, force: true }))
  const wranglerBin = join(ROOT, "node_modules/wrangler/bin/wrangler.js")
  execFileSync(process.execPath, [wranglerBin, "deploy", ...args, "--dry-run", "--outdir", outdir, "--metafile"], {
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
    stdio: "ignore"
  })
  const { outputs } = JSON.parse(readFileSync(join(outdir, "bundle-meta.json"), "utf8")) as {
    readonly outputs: Record<string, { readonly inputs: Record<string, { readonly bytesInOutput: number }> }>
  }
  const [name, { inputs }] = Object.entries(outputs).find(([path]) => path.endsWith(".js"))!
  const made = {
    file: join(outdir, basename(name)),
    sources: Object.fromEntries(Object.entries(inputs).map(([path, { bytesInOutput }]) => [path, bytesInOutput]))
  }
  bundles.set(args.join(" "), made)
  return made
}

/** The production bundle, as it is deployed. */
export const productionBundle = (minify: boolean): Bundle =>
  bundle(["--cwd", join(ROOT, "packages/runtime-worker"), ...(minify ? ["--minify"] : [])])

/** A Worker of `workers/` that has to be bundled. */
export const bundledWorker = (name: string): Bundle =>
  bundle([
    ...[`workers/${name}.ts`, "--cwd", join(ROOT, "packages/bench"), "--name", "bench", "--minify"],
    ...["--compatibility-date", COMPATIBILITY_DATE]
  ])

/** KiB after gzip, as `wrangler deploy` prints it. */
export const gzipOf = ({ file }: Bundle): number => gzipSync(readFileSync(file)).length / 1024

/** One of the bare Workers in `workers/`. */
export const bareWorker = (name: string): string => join(import.meta.dirname, "../workers", `${name}.js`)

/** Milliseconds of CPU that a process has used. */
export const cpuOf = (pid: number): number => {
  const [, , , , , , , , , , , user, system] = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/\(.*\)/, "")
    .split(/ +/)
  return (Number(user) + Number(system)) * MILLIS_PER_TICK
}
/** Linux counts CPU time in hundredths of a second for every architecture that Node runs on. */
const MILLIS_PER_TICK = 10

/** Resident memory of a process in MiB. */
export const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024
