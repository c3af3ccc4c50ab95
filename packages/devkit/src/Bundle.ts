/** Workers made of TypeScript, as `npm run deploy` sends them. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { buildSync } from "esbuild"

/** The Worker that is deployed. */
export const ENTRY = join(import.meta.dirname, "../../runtime-worker/src/Worker.ts")

export interface Bundle {
  /** The module that is served. */
  readonly file: string
  /** Files of the modules that it imports, by their names. */
  readonly chunks: Readonly<Record<string, string>>
}

/** What a bundle that was just made consists of. */
export interface Made extends Bundle {
  /** The files of the modules that are evaluated at its start: those that wait for a dynamic import are not. */
  readonly atStart: ReadonlyArray<string>
  /** Bytes that come from each source file. */
  readonly sources: Readonly<Record<string, number>>
}

export interface BundleOptions {
  /** Without it functions keep their names. */
  readonly minify: boolean
}

/** The bundle in a folder that has one: beside the module that is served lie its chunks. */
export const bundleIn = (dir: string, main: string): Bundle => ({
  file: join(dir, main),
  chunks: Object.fromEntries(
    readdirSync(dir)
      .filter((name) => name.endsWith(".js") && name !== main)
      .map((name) => [name, join(dir, name)])
  )
})

/** Bundles a module into a folder. What is imported dynamically is a module of its own, evaluated when it is. */
export const writeBundle = (entry: string, dir: string, { minify }: BundleOptions): Made => {
  rmSync(dir, { recursive: true, force: true })
  const { metafile } = buildSync({
    entryPoints: [entry],
    outdir: dir,
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2024",
    // As wrangler resolves.
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*"],
    minify,
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    logLevel: "error"
  })
  const { outputs } = metafile
  const main = Object.keys(outputs).find((path) => outputs[path]!.entryPoint?.endsWith(basename(entry)))!
  const atStart = new Set([main])
  for (const path of atStart) {
    for (const { kind, path: next, external } of outputs[path]!.imports) {
      if (kind === "import-statement" && external !== true) atStart.add(next)
    }
  }
  const sources: Record<string, number> = {}
  for (const { inputs } of Object.values(outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      sources[path] = (sources[path] ?? 0) + bytesInOutput
    }
  }
  return {
    ...bundleIn(dir, basename(main)),
    atStart: [...atStart].map((path) => join(dir, basename(path))),
    sources
  }
}

/** A bundle that lasts as long as this process. */
export const bundle = (entry: string, options: BundleOptions): Made => {
  const dir = mkdtempSync(join(tmpdir(), "hookstream-bundle-"))
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }))
  return writeBundle(entry, dir, options)
}

let release: Made | undefined
/** The Worker as it is deployed, but with the names of its functions. */
export const releaseBundle = (): Made => (release ??= bundle(ENTRY, { minify: false }))
