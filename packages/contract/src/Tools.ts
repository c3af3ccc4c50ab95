/** Tools as their users call them: by their command line, on the Node of this repository. */
import { execFile } from "node:child_process"
import { realpathSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

export const PACKAGE = join(import.meta.dirname, "..")
const require = createRequire(import.meta.url)

export interface Ran {
  readonly code: number
  readonly stdout: string
  /** Both streams, for messages. */
  readonly output: string
}

export const run = (
  file: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {}
): Promise<Ran> =>
  new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: "1", CI: "1", ...options.env }
    execFile(file, args, { cwd: PACKAGE, ...options, env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
      resolve({ code, stdout, output: `${stdout}\n${stderr}` })
    })
  })

/** The file behind a command of a package that this one depends on. */
const binOf = (name: string, command: string): string => {
  const manifest = realpathSync(join(PACKAGE, "node_modules", name, "package.json"))
  const { bin } = require(manifest)
  return join(dirname(manifest), typeof bin === "string" ? bin : bin[command])
}

/** Runs a command of a package that this one depends on. */
export const runTool = (
  [name, command]: readonly [name: string, command: string],
  args: ReadonlyArray<string>,
  options: Parameters<typeof run>[2] = {}
): Promise<Ran> => run(process.execPath, [binOf(name, command), ...args], options)
