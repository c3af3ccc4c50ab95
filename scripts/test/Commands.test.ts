import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"

const ROOT = join(import.meta.dirname, "../..")
const read = (file: string) => readFileSync(join(ROOT, file), "utf8")
const manifest = JSON.parse(read("package.json")) as {
  readonly scripts: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

/** What tells a user to type something. */
const texts = execFileSync("git", ["ls-files", "*.md", "scripts/*.ts", "scripts/new-sink"], {
  cwd: ROOT,
  encoding: "utf8"
})
  .trim()
  .split("\n")
  .map((file) => ({ file, text: read(file) }))

/** The lines to type: of documents those of code blocks. */
const commandsOf = (file: string, text: string): ReadonlyArray<string> =>
  (file.endsWith(".md") ? (text.match(/^```sh\n.*?^```$/gms) ?? []) : [text]).flatMap((block) => block.split("\n"))

it("every command of the documents runs on the pinned Node: none begins with the machine's node or a pnpm", () => {
  const lines = texts.flatMap(({ file, text }) => commandsOf(file, text).map((line) => `${file}: ${line}`))
  expect(lines.filter((line) => line.includes("npm start")).length).toBeGreaterThan(0)
  expect(lines.filter((line) => /: (?:next:)? *(?:node|pnpm) [\w./-]/.test(line))).toEqual([])
})

it("every npm script that is named exists, and goes through the pinned Node", () => {
  const named = texts.flatMap(({ text }) =>
    [...text.matchAll(/npm run (?:--silent )?([a-z][\w:-]*)/g)].map(([, name]) => name!)
  )
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((name) => !(name in manifest.scripts))).toEqual([])
  for (const [name, script] of Object.entries(manifest.scripts)) expect(script, name).toContain("node scripts/run.mjs")
})

it("pnpm checks engines against the Node that the scripts run on", () => {
  const [, version] = /^nodeVersion: (.*)$/m.exec(read("pnpm-workspace.yaml"))!
  expect(version).toBe(manifest.devDependencies["node"])
})
