/** `workerd serve` with one Worker, its objects on disk in a folder of its own: no development proxy stands between. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { type Bundle, bundle, type Made } from "@hookstream/devkit/Bundle"
import { BINARY, configText } from "@hookstream/devkit/Workerd"

const COMPATIBILITY_DATE = "2026-11-01"
export interface WorkerdOptions {
  readonly main: Bundle
  /** Class names of its Durable Objects, by binding. */
  readonly objects: Readonly<Record<string, string>>
  readonly vars?: Readonly<Record<string, string>>
  readonly inspectorPort?: number
  /** The folder in which its objects are kept; without it they are lost with the process. */
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

const configOf = ({ main, objects, vars = {} }: WorkerdOptions, dir: string, port: number): string =>
  configText({
    modules: [{ name: "worker", file: "worker.js" }, ...Object.keys(main.chunks).map((name) => ({ name, file: name }))],
    address: `127.0.0.1:${port}`,
    compatibilityDate: COMPATIBILITY_DATE,
    objects: Object.fromEntries(
      Object.entries(objects).map(([name, className]) => [name, { className, uniqueKey: className }])
    ),
    vars,
    state: join(dir, "state")
  })

const READY_MS = 20_000

export const serve = async (options: WorkerdOptions): Promise<Workerd> => {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "hookstream-bench-"))
  mkdirSync(join(dir, "state"), { recursive: true })
  copyFileSync(options.main.file, join(dir, "worker.js"))
  for (const [name, file] of Object.entries(options.main.chunks)) copyFileSync(file, join(dir, name))
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
    url,
    pid: child.pid!,
    startMillis: performance.now() - startedAt,
    stop: async () => {
      child.kill("SIGKILL")
      await exited
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true })
    }
  }
}

/** A Worker of `workers/` that has to be bundled. */
export const bundledWorker = (name: string): Made =>
  bundle(join(import.meta.dirname, "../workers", `${name}.ts`), { minify: true })

/** KiB after gzip. */
export const gzipOf = (files: ReadonlyArray<string>): number =>
  files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length / 1024, 0)

/** One of the bare Workers in `workers/`. */
export const bareWorker = (name: string): Bundle => ({
  file: join(import.meta.dirname, "../workers", `${name}.js`),
  chunks: {}
})

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
