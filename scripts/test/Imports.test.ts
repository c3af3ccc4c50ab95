/** What imports what in the packages' sources, types included. */
import { globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { expect, it } from "vitest"

const ROOT = join(import.meta.dirname, "../..")
const FROM = /^(?:import|export)\s[^"]*?from\s+"([^"]+)"|^import\s+"([^"]+)"/gm

type Graph = ReadonlyMap<string, ReadonlyArray<string>>

/** The file behind a specifier; `undefined` outside the packages' sources. */
const target = (file: string, specifier: string): string | undefined => {
  if (specifier.startsWith(".")) return join(dirname(file), specifier)
  const [, name, path] = /^@hookstream\/([^/]+)\/(.+)$/.exec(specifier) ?? []
  return name === undefined ? undefined : `packages/${name}/src/${path}.ts`
}

const importsOf = (file: string): ReadonlyArray<string> =>
  [...readFileSync(join(ROOT, file), "utf8").matchAll(FROM)].flatMap(
    ([, from, bare]) => target(file, (from ?? bare)!) ?? []
  )

/** The first circle found from each file that is on one, once for all its files. */
const circles = (graph: Graph): ReadonlyArray<ReadonlyArray<string>> => {
  const done = new Set<string>()
  const found: Array<ReadonlyArray<string>> = []
  const visit = (file: string, path: ReadonlyArray<string>): void => {
    const at = path.indexOf(file)
    if (at >= 0) found.push([...path.slice(at), file])
    if (at >= 0 || done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}

it("circles of imports are found, also those of types and through other files", () => {
  const graph = new Map(Object.entries({ a: ["b", "d"], b: ["c"], c: ["a"], d: ["c"], e: ["a"], f: ["f"] }))
  expect(circles(graph)).toEqual([
    ["a", "b", "c", "a"],
    ["f", "f"]
  ])
  expect(
    circles(
      new Map([
        ["a", ["b", "c"]],
        ["b", ["c"]],
        ["c", []]
      ] as const)
    )
  ).toEqual([])
})

it("no module of a package imports itself through others, not even for a type", () => {
  const graph = new Map(globSync("packages/*/src/**/*.ts", { cwd: ROOT }).map((file) => [file, importsOf(file)]))
  const imports = [...graph.values()].flat()
  expect(imports.length).toBeGreaterThan(500)
  expect(imports.filter((file) => !graph.has(file))).toEqual([])
  // The bindings of the Worker and its object classes name each other; that circle is being taken apart.
  expect(circles(graph).filter(([file]) => !file?.startsWith("packages/runtime-worker/"))).toEqual([])
})
