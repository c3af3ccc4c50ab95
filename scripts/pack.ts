/** `npm run pack -- <folder>`: a tarball of each package that is published, as it would be. */
import { execFileSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import { pnpm } from "./Pnpm.ts"

const ROOT = join(import.meta.dirname, "..")

const [folder] = process.argv.slice(2)
if (folder === undefined) {
  console.error("usage: npm run pack -- <folder>")
  process.exit(2)
}
const destination = resolve(folder)
mkdirSync(destination, { recursive: true })

const isPublished = (name: string): boolean =>
  JSON.parse(readFileSync(join(ROOT, "packages", name, "package.json"), "utf8")).private !== true
const packages = readdirSync(join(ROOT, "packages")).filter(isPublished)

const tsc = ["node_modules/typescript/bin/tsc", "-b", ...packages.map((name) => `packages/${name}`)]
execFileSync(process.execPath, tsc, { cwd: ROOT, stdio: "inherit" })
for (const name of packages) {
  const cwd = join(ROOT, "packages", name)
  for (const built of globSync("dist/{src,testing}/**/*.js", { cwd })) {
    const source = built.slice("dist/".length, -".js".length)
    // Built of a source that is gone: it would be packed.
    if (existsSync(join(cwd, `${source}.ts`))) continue
    for (const file of globSync(`dist/${source}.{js,d.ts}{,.map}`, { cwd })) rmSync(join(cwd, file))
  }
}
const filters = packages.flatMap((name) => ["--filter", `./packages/${name}`])
pnpm(ROOT, ["--recursive", ...filters, "pack", "--pack-destination", destination])
