/**
 * `npm run test:old-new -- <commit>`: the bundle of that commit beside the present one, each with some of the objects,
 * as they are for minutes after a deployment. Packages are those of now: a commit with others may not build.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { bundle } from "@hookstream/devkit/Bundle"

const [commit] = process.argv.slice(2)
if (commit === undefined) {
  console.error("which commit? npm run test:old-new -- <commit>")
  process.exit(2)
}
const root = join(import.meta.dirname, "..")
const tree = join(mkdtempSync(join(tmpdir(), "hookstream-old-")), "tree")
const git = (...args: ReadonlyArray<string>) => execFileSync("git", args, { cwd: root, stdio: "inherit" })
git("worktree", "add", "--detach", tree, commit)
try {
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"))
  for (const name of readdirSync(join(tree, "packages"))) {
    // Their links are relative: they lead to the packages of that commit.
    const modules = join(root, "packages", name, "node_modules")
    const target = join(tree, "packages", name, "node_modules")
    if (existsSync(modules)) cpSync(modules, target, { recursive: true, verbatimSymlinks: true })
  }
  const old = bundle(join(tree, "packages/runtime-worker/src/Worker.ts"), { minify: true })
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, "node_modules/vitest/vitest.mjs"),
      "run",
      "--project",
      "workerd",
      "packages/runtime-worker/test/Versions"
    ],
    { cwd: root, stdio: "inherit", env: { ...process.env, HOOKSTREAM_OLD_BUNDLE: dirname(old.file) } }
  )
  process.exitCode = status ?? 1
} finally {
  git("worktree", "remove", "--force", tree)
  rmSync(join(tree, ".."), { recursive: true, force: true })
}
