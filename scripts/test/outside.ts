/** A folder outside of the workspace, with tarballs of its packages: what a stranger has of this repository. */

import { execFile, execFileSync } from "node:child_process"
import { cpSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { pnpm } from "../Pnpm.ts"

export const ROOT = join(import.meta.dirname, "../..")

export interface Outside {
  readonly dir: string
  /** Files by the names of their packages. */
  readonly tarballs: Map<string, string>
  /** A copy of a folder of `examples`, its packages installed. */
  readonly example: (name: string) => string
  /** Installs what the `package.json` of a folder asks for. */
  readonly install: (folder: string) => void
  readonly remove: () => void
}

export const packed = (): Outside => {
  const dir = mkdtempSync(join(tmpdir(), "hookstream-packages-"))
  execFileSync(process.execPath, [join(ROOT, "scripts/pack.ts"), dir])
  const tarballs = new Map(
    readdirSync(dir).map((file) => [
      file.replace(/^hookstream-(.+)-\d+\.\d+\.\d+\.tgz$/, "@hookstream/$1"),
      join(dir, file)
    ])
  )
  const install = (folder: string) => {
    // Compiler and wrangler are those of the workspace: the same versions, which need not be installed again.
    const overrides = { typescript: "-", wrangler: "-" }
    const files = [...tarballs].map(([name, file]) => [name, `file:${file}`])
    const settings = { overrides: { ...overrides, ...Object.fromEntries(files) } }
    // JSON is YAML.
    writeFileSync(join(folder, "pnpm-workspace.yaml"), JSON.stringify(settings))
    pnpm(folder, ["install", "--prefer-offline"])
  }
  return {
    dir,
    tarballs,
    install,
    example: (name) => {
      const folder = join(dir, name)
      cpSync(join(ROOT, "examples", name), folder, { recursive: true })
      install(folder)
      return folder
    },
    remove: () => rmSync(dir, { recursive: true, force: true })
  }
}

const run = promisify(execFile)

/** What a program of Node says, however it ends. */
export const node = async (cwd: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const options = { cwd, env: { ...process.env, NO_COLOR: "1" } }
  const { stdout, stderr } = await run(process.execPath, args, options).catch(
    (error: { readonly stdout: string; readonly stderr: string }) => error
  )
  return stdout + stderr
}

/** What the compiler finds in a folder, in its own files and in those of our packages. Others contradict each other. */
export const errorsOf = async (folder: string, ...args: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc")
  const output = await node(folder, tsc, "--pretty", "false", ...args)
  const isOurs = (line: string) =>
    !/^node_modules\/\.pnpm\/(effect|@types\+node|@cloudflare\+workers-types)@/.test(line)
  return output.split("\n").filter((line) => line.includes("error TS") && isOurs(line))
}

/** Modules of a package that others may import, by what is built and what its export map closes. */
export const entryPoints = (folder: string): ReadonlyArray<string> => {
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    readonly exports: Readonly<Record<string, unknown>>
  }
  return globSync("dist/{src,testing}/**/*.js", { cwd: folder })
    .map((file) => `./${file.replace(/^dist\/(src\/)?/, "").replace(/\.js$/, "")}`)
    .filter((name) => !name.includes("/internal/") && exports[name] !== null)
}

/** The examples of a README: code, and what it prints. */
export const readmeExamples = (name: string): ReadonlyArray<{ readonly code: string; readonly prints: string }> => {
  const text = readFileSync(join(ROOT, "packages", name, "README.md"), "utf8")
  const blocks = text.matchAll(/```ts\n(.+?)```\n\n```text\n(.+?)```/gs)
  return [...blocks].map(([, code, prints]) => ({ code: code!, prints: prints! }))
}
