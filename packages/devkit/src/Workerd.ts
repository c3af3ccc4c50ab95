/** `workerd serve` with one Worker and its objects on disk: its binary and its configuration. */
import { readFileSync, realpathSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
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
  "no_bundle",
  "rules",
  "build",
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
