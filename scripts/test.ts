/** `npm test`: every check in turn. The first that fails ends it, and says what it was and how to repeat it. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"

interface Step {
  readonly name: string
  readonly args: ReadonlyArray<string>
  /** What to do when it fails. */
  readonly fix: string
}

const STEPS: ReadonlyArray<Step> = [
  {
    name: "types",
    args: ["node_modules/typescript/bin/tsc", "-b"],
    fix: "fix the type errors above; npm run check repeats this step"
  },
  {
    name: "lint",
    args: ["node_modules/@biomejs/biome/bin/biome", "ci", "."],
    fix: "npm run fmt fixes what can be fixed; npm run lint repeats this step"
  },
  {
    name: "bundle budget",
    args: ["scripts/bundleSize.ts"],
    fix: "the reason is above; npm run test:size repeats this step"
  },
  {
    name: "tests",
    args: ["node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)],
    fix: "the failed tests are above; npm run test:run -- <file> repeats those of a file"
  }
]

for (const { name, args, fix } of STEPS) {
  console.log(`\n${name} …`)
  const { status } = spawnSync(process.execPath, args, { cwd: join(import.meta.dirname, ".."), stdio: "inherit" })
  if (status !== 0) {
    console.error(`\nnpm test stopped: ${name} failed. What to do: ${fix}.`)
    process.exit(status ?? 1)
  }
}
