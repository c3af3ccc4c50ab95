/** `npm run new:sink -- <name>`: the package of a new sink, from the templates in `new-sink/`, registered. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const ROOT = join(import.meta.dirname, "..")
const TEMPLATES = join(import.meta.dirname, "new-sink")
const SUFFIX = ".template"

const fail = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const [name = ""] = process.argv.slice(2)
if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
  fail(`usage: npm run new:sink -- <name>, in lowercase words joined by hyphens, such as aws-sqs; not "${name}"`)
}
const target = join(ROOT, "packages", `sink-${name}`)
if (existsSync(target)) fail(`packages/sink-${name} is there already`)

const title = name
  .split("-")
  .map((word) => word[0]!.toUpperCase() + word.slice(1))
  .join("")
const filled = (text: string): string =>
  text.replaceAll("__type_name__", name.replaceAll("-", "_")).replaceAll("__type__", name).replaceAll("__Type__", title)

const write = (file: string, text: string): void => {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  console.log(`made    ${file.slice(ROOT.length + 1)}`)
}

/** Files outside the package. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "docs.md": join(ROOT, "docs/sinks", `${name}.md`),
  "changeset.md": join(ROOT, ".changeset", `sink-${name}.md`)
}
for (const file of readdirSync(TEMPLATES, { recursive: true }).map(String)) {
  if (!file.endsWith(SUFFIX)) continue
  const path = filled(file.slice(0, -SUFFIX.length))
  write(ELSEWHERE[path] ?? join(target, path), filled(readFileSync(join(TEMPLATES, file), "utf8")))
}

/** Puts `text` before the first place that reads `before`. */
const insert = (file: string, before: string, text: string): void => {
  const path = join(ROOT, file)
  const was = readFileSync(path, "utf8")
  const at = was.indexOf(before)
  if (at === -1) fail(`${file} does not have "${before}": add this by hand: ${text}`)
  writeFileSync(path, was.slice(0, at) + text + was.slice(at))
  console.log(`changed ${file}`)
}
const registry = "packages/runtime-worker/src/Sinks.ts"
insert(registry, "export const sinks", `import { ${title}Sink } from "@hookstream/sink-${name}/${title}Sink"\n`)
const path = join(ROOT, registry)
writeFileSync(path, readFileSync(path, "utf8").replace(/(export const sinks[^=]*= \[[^\]]*)\]/, `$1, ${title}Sink]`))
insert(
  "packages/runtime-worker/package.json",
  '    "@hookstream/sink-kafka"',
  `    "@hookstream/sink-${name}": "workspace:*",\n`
)
insert("packages/runtime-worker/tsconfig.json", '{ "path": "../sink-kafka" }', `{ "path": "../sink-${name}" }, `)
insert(
  "tsconfig.json",
  '{ "path": "packages/sink-kafka" }',
  `{ "path": "packages/sink-${name}" }, { "path": "packages/sink-${name}/test" }, `
)

console.log(`
next: npx pnpm@12.21.0 install --no-frozen-lockfile
      npm run fmt
      npm run test:run -- --project unit packages/sink-${name}
      docs/sinks/writing-a-sink.md says what a sink must keep to`)
