/**
 * `node scripts/run.mjs [file [arguments]]`: installs the packages when they are missing or out of date, then runs the
 * file on the Node that package.json pins. Without a file it installs in any case. Plain JavaScript, because whatever
 * Node the machine has runs it.
 */
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const ROOT = fileURLToPath(new URL("..", import.meta.url))
const NODE = join(ROOT, "node_modules/.bin/node")
const STAMP = join(ROOT, "node_modules/.hookstream-setup")
const PNPM = "pnpm@12.21.0"
/** Often enough that whoever was killed is missed within a second. */
const PARENT_MS = 500

const parent = process.ppid
const event = process.env["npm_lifecycle_event"] ?? "setup"
const command = event === "start" || event === "test" ? `npm ${event}` : `npm run ${event}`

const manifests = [
  "package.json",
  ...readdirSync(join(ROOT, "packages"))
    .map((name) => `packages/${name}/package.json`)
    .filter((file) => existsSync(join(ROOT, file)))
    .sort()
]

/** Changes whenever an install could have something to do. */
const wanted = () => {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`)
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", ...manifests]) {
    hash.update(`\n${file}\n`).update(readFileSync(join(ROOT, file)))
  }
  return hash.digest("hex")
}

const isInstalled = () =>
  existsSync(STAMP) &&
  readFileSync(STAMP, "utf8") === wanted() &&
  existsSync(NODE) &&
  manifests.every((file) => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, file), "utf8"))
    // Of a package without any, pnpm makes no folder.
    const hasNone = Object.keys({ ...dependencies, ...devDependencies }).length === 0
    return hasNone || existsSync(join(ROOT, dirname(file), "node_modules"))
  })

const install = () => {
  console.log(`Installing the packages (${PNPM}) …`)
  const { error, status, signal } = spawnSync(
    "npx",
    [
      "--yes",
      "--loglevel=error",
      // npm waits 70 seconds by default before it says that it reaches no registry.
      "--fetch-retries=1",
      "--fetch-retry-mintimeout=1000",
      PNPM,
      "install",
      "--frozen-lockfile"
    ],
    { cwd: ROOT, stdio: "inherit" }
  )
  if (signal !== null) process.exit(1)
  if (error !== undefined) console.error(error.message)
  if (status !== 0) {
    console.error(`
${command}: the packages could not be installed; the reason is above.
  No network, or a proxy? Installing needs the npm registry (npm config get registry): check it, then run
                          ${command} again. Once the packages are installed no network is needed.
  A lockfile out of date? A package.json was changed: npx ${PNPM} install --no-frozen-lockfile`)
    process.exit(1)
  }
  mkdirSync(dirname(STAMP), { recursive: true })
  writeFileSync(STAMP, wanted())
}

const [file, ...args] = process.argv.slice(2)
if (file === undefined || !isInstalled()) install()

if (file !== undefined) {
  const child = spawn(NODE, [file, ...args], { cwd: ROOT, stdio: "inherit" })
  child.once("error", (error) => {
    console.error(`${command}: the pinned Node does not run (${error.message}); npm run setup installs it again.`)
    process.exit(1)
  })
  child.once("exit", (code) => process.exit(code ?? 1))
  // A terminal sends its Ctrl-C to the child as well; anyone else sends it to this process only.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"))
  for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name))
  // npm was killed and could not pass it on. `npm start` takes the place of npm's shell, so that npm is the parent.
  setInterval(() => process.ppid !== parent && child.kill("SIGTERM"), PARENT_MS).unref()
}
