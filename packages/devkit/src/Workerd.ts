/** `workerd serve` with one Worker and its objects on disk: its binary, its bundle and its configuration. */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { UnknownFields } from "./Errors.ts"

const ROOT = join(import.meta.dirname, "../../..")
const WORKER = join(ROOT, "packages/runtime-worker")
const wrangler = createRequire(realpathSync(join(ROOT, "node_modules/wrangler/package.json")))

export const BINARY = join(dirname(wrangler.resolve("workerd/package.json")), "bin/workerd")

export interface Module {
  readonly name: string
  /** A file beside the configuration. */
  readonly file: string
}

export interface WorkerdConfig {
  /** The first is the entry point. */
  readonly modules: ReadonlyArray<Module>
  /** `host:port`; port 0 is any free one. */
  readonly address: string
  readonly compatibilityDate: string
  readonly compatibilityFlags?: ReadonlyArray<string>
  /** Its Durable Objects, by binding. */
  readonly objects: Readonly<Record<string, { readonly className: string; readonly uniqueKey: string }>>
  readonly vars: Readonly<Record<string, string>>
  /** Folder of the objects; it exists. */
  readonly state: string
  /** PEM of each further certificate authority that outbound requests trust. */
  readonly authorities?: ReadonlyArray<string>
}

const text = (value: string) => JSON.stringify(value)
const list = (items: ReadonlyArray<string>) => `[${items.join(", ")}]`

export const configText = (config: WorkerdConfig): string => {
  const modules = config.modules.map(({ name, file }) => `(name = ${text(name)}, esModule = embed ${text(file)})`)
  const objects = Object.entries(config.objects)
  const bindings = [
    ...objects.map(([name, { className }]) => `(name = ${text(name)}, durableObjectNamespace = ${text(className)})`),
    ...Object.entries(config.vars).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`)
  ]
  const namespaces = objects.map(
    ([, { className, uniqueKey }]) =>
      `(className = ${text(className)}, uniqueKey = ${text(uniqueKey)}, enableSql = true)`
  )
  const tls = `(trustBrowserCas = true, trustedCertificates = ${list((config.authorities ?? []).map(text))})`
  return `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = ${tls})),
    (name = "disk", disk = (path = ${text(config.state)}, writable = true))
  ],
  sockets = [(name = "http", address = ${text(config.address)}, http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = ${list(modules)},
  compatibilityDate = ${text(config.compatibilityDate)},
  compatibilityFlags = ${list((config.compatibilityFlags ?? []).map(text))},
  bindings = ${list(bindings)},
  durableObjectNamespaces = ${list(namespaces)},
  durableObjectStorage = (localDisk = "disk"),
  globalOutbound = "internet"
);
`
}

export interface Bundle {
  readonly file: string
  /** Bytes of the bundle that come from each source file. */
  readonly sources: Readonly<Record<string, number>>
}

const CACHE = join(ROOT, "node_modules/.cache/hookstream")
const META = "bundle-meta.json"
const KEY = "key"

interface Meta {
  readonly outputs: Readonly<
    Record<string, { readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>> }>
  >
}
const bundled = (dir: string) => {
  const { outputs } = JSON.parse(readFileSync(join(dir, META), "utf8")) as Meta
  const [name, { inputs }] = Object.entries(outputs).find(([path]) => path.endsWith(".js"))!
  return { name: basename(name), inputs }
}

/** Changes with the arguments, a source of the bundle, the Worker's configuration, and what says where imports lead. */
const keyOf = (dir: string, cwd: string, args: ReadonlyArray<string>): string => {
  const hash = createHash("sha256").update(JSON.stringify([cwd, args]))
  const packages = readdirSync(join(ROOT, "packages")).map((name) => join(ROOT, "packages", name, "package.json"))
  const sources = Object.keys(bundled(dir).inputs).map((path) => join(cwd, path))
  for (const file of [join(ROOT, "pnpm-lock.yaml"), join(WORKER, "wrangler.jsonc"), ...packages, ...sources]) {
    hash.update(file).update(readFileSync(file))
  }
  return hash.digest("hex")
}

/** Whether the files of a folder are the bundle of the sources as they are now. */
const isCurrent = (dir: string, cwd: string, args: ReadonlyArray<string>): boolean => {
  try {
    return readFileSync(join(dir, KEY), "utf8") === keyOf(dir, cwd, args)
  } catch {
    return false
  }
}

const bundles = new Map<string, Bundle>()
/** What `wrangler deploy` with these arguments would send from a folder; made again when a part of it has changed. */
export const bundle = (cwd: string, args: ReadonlyArray<string>): Bundle => {
  const name = createHash("sha256")
    .update(JSON.stringify([cwd, args]))
    .digest("hex")
    .slice(0, 16)
  const known = bundles.get(name)
  if (known !== undefined) return known
  const cached = join(CACHE, name)
  // A copy of this process's own: another one may replace the cached one.
  const dir = mkdtempSync(join(tmpdir(), "hookstream-bundle-"))
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }))
  if (isCurrent(cached, cwd, args)) cpSync(cached, dir, { recursive: true })
  if (!isCurrent(dir, cwd, args)) {
    const wranglerBin = join(ROOT, "node_modules/wrangler/bin/wrangler.js")
    const all = [wranglerBin, "deploy", ...args, "--cwd", cwd, "--dry-run", "--outdir", dir, "--metafile"]
    execFileSync(process.execPath, all, {
      env: { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1" },
      stdio: ["ignore", "ignore", "pipe"]
    })
    writeFileSync(join(dir, KEY), keyOf(dir, cwd, args))
    rmSync(cached, { recursive: true, force: true })
    cpSync(dir, cached, { recursive: true })
  }
  const { name: main, inputs } = bundled(dir)
  const made = {
    file: join(dir, main),
    sources: Object.fromEntries(Object.entries(inputs).map(([path, { bytesInOutput }]) => [path, bytesInOutput]))
  }
  bundles.set(name, made)
  return made
}

/** The production bundle; `minify` as it is deployed, without it functions keep their names. */
export const productionBundle = (minify: boolean): Bundle =>
  bundle(WORKER, ["--env=", minify ? "--minify" : "--no-minify"])

/** What `wrangler.jsonc` says of the Worker. Its other fields mean something to Cloudflare only. */
export interface Deployed {
  readonly name: string
  readonly compatibility_date: string
  readonly compatibility_flags: ReadonlyArray<string>
  readonly durable_objects: {
    readonly bindings: ReadonlyArray<{ readonly name: string; readonly class_name: string }>
  }
  readonly vars: Readonly<Record<string, string>>
  /** The environments beside production, by name. */
  readonly env: Readonly<Record<string, unknown>>
}
const KNOWN = new Set([
  "$schema",
  "name",
  "main",
  "minify",
  "keep_names",
  "upload_source_maps",
  "compatibility_date",
  "compatibility_flags",
  "routes",
  "workers_dev",
  "preview_urls",
  // Of CPU: workerd has none.
  "limits",
  "observability",
  "durable_objects",
  // workerd has none: nothing sweeps but a test that asks for it.
  "triggers",
  "exports",
  "vars",
  // The starter makes its own.
  "secrets",
  // workerd has none: no version is shown.
  "version_metadata",
  // workerd has none: without the binding each isolate counts for itself.
  "ratelimits",
  "env"
])

export const readDeployed = (): Deployed => {
  const lines = readFileSync(join(WORKER, "wrangler.jsonc"), "utf8").replaceAll(/^\s*\/\/.*$/gm, "")
  const config = JSON.parse(lines) as Deployed
  const unknown = Object.keys(config).filter((field) => !KNOWN.has(field))
  if (unknown.length > 0) throw new UnknownFields(unknown)
  return config
}
