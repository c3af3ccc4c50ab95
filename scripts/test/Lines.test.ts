/** How long lines may be: the formatter breaks code, but no text, and no row of a table. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"

const ROOT = join(import.meta.dirname, "../..")
const CODE_MAX = 120
const ROW_MAX = 160

const tooLong = (patterns: ReadonlyArray<string>, isTooLong: (line: string) => boolean): ReadonlyArray<string> =>
  execFileSync("git", ["ls-files", ...patterns], { cwd: ROOT, encoding: "utf8" })
    .trim()
    .split("\n")
    .flatMap((file) =>
      readFileSync(join(ROOT, file), "utf8")
        .split("\n")
        .flatMap((line, i) => (isTooLong(line) ? [`${file}:${i + 1}: ${line.length} characters`] : []))
    )

it(`no line of code has more than ${CODE_MAX} characters`, () => {
  expect(tooLong(["*.ts", "*.mjs"], (line) => line.length > CODE_MAX)).toEqual([])
})

it(`no row of a table has more than ${ROW_MAX}: what is longer is read as a list`, () => {
  expect(tooLong(["*.md"], (line) => /^\s*\|/.test(line) && line.length > ROW_MAX)).toEqual([])
})
