import { execFileSync } from "node:child_process"

/** The pnpm of this repository, in a folder. What it says is shown when it fails. */
export const pnpm = (cwd: string, args: ReadonlyArray<string>): string =>
  execFileSync("npx", ["--yes", "--loglevel=error", "pnpm@12.21.0", ...args], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, CI: "true" },
    stdio: ["ignore", "pipe", "pipe"]
  })
