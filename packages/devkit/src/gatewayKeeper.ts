/**
 * The process between a gateway's starter and its workerd. It holds the lock of the folder for as long as workerd runs,
 * and ends workerd when the starter is gone, however it ended: workerd itself takes no lock, and outlives its
 * starter.
 *
 * Arguments: the folder. It writes one JSON line for each `KeeperEvent` to stdout, and takes one `KeeperCommand` from
 * stdin, whose end is the end of the starter.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as sleep } from "node:timers/promises"

/** Who uses a folder, by process ids. */
export interface Holder {
  /** Absent when it is gone: it was killed, and its gateway is left behind. */
  readonly starter?: number
  readonly keeper?: number
  readonly gateway?: number
  /** File of the configuration in the gateway's command line. */
  readonly config?: string
  readonly url?: string
}

export type KeeperEvent =
  | { readonly _tag: "Claimed" }
  | { readonly _tag: "Held"; readonly holder: Holder }
  | { readonly _tag: "Listening"; readonly port: number }

export interface KeeperCommand {
  readonly binary: string
  readonly config: string
  /** File of its output. */
  readonly log: string
}

/** An earlier start that ends takes this long at most. */
const ENDING_MS = 5000
const STOP_MS = 2000
const POLL_MS = 50

const dir = process.argv[2]!
const holderFile = join(dir, "lock.json")
const tell = (event: KeeperEvent) => process.stdout.write(`${JSON.stringify(event)}\n`)

const readHolder = (): Holder => {
  try {
    return JSON.parse(readFileSync(holderFile, "utf8"))
  } catch {
    return {}
  }
}
const writeHolder = (holder: Holder) => writeFileSync(holderFile, JSON.stringify(holder))

/** The command line of a process, or nothing when it has ended. */
const commandOf = (pid: number): string => {
  try {
    return existsSync("/proc/self/cmdline")
      ? readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
      : execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" })
  } catch {
    return ""
  }
}

/** SQLite locks the file for this process, and the system releases it when the process ends, in whatever way. */
const lock = new DatabaseSync(join(dir, "lock"), { timeout: 0 })
const takeLock = (): boolean => {
  try {
    lock.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE")
    return true
  } catch {
    return false
  }
}

const claim = async (): Promise<KeeperEvent> => {
  const until = performance.now() + ENDING_MS
  while (!takeLock()) {
    const { starter, ...rest } = readHolder()
    if (starter !== undefined && commandOf(starter) !== "") return { _tag: "Held", holder: { starter, ...rest } }
    if (performance.now() > until) return { _tag: "Held", holder: rest }
    await sleep(POLL_MS)
  }
  const { gateway, config } = readHolder()
  // The process of that number may be another one by now: its command line names our configuration, or it is not ours.
  while (gateway !== undefined && config !== undefined && commandOf(gateway).includes(config)) {
    if (performance.now() > until) return { _tag: "Held", holder: { gateway } }
    await sleep(POLL_MS)
  }
  writeHolder({ starter: process.ppid, keeper: process.pid })
  return { _tag: "Claimed" }
}

let workerd: ChildProcess | undefined
const end = async () => {
  if (workerd === undefined) process.exit(0)
  workerd.kill("SIGTERM")
  await sleep(STOP_MS)
  workerd.kill("SIGKILL")
}

const run = ({ binary, config, log }: KeeperCommand) => {
  const output = openSync(log, "w")
  workerd = spawn(binary, ["serve", "--experimental", "--control-fd=3", config], {
    stdio: ["ignore", output, output, "pipe"]
  })
  const holder = { starter: process.ppid, keeper: process.pid, gateway: workerd.pid!, config }
  writeHolder(holder)
  workerd.once("exit", (code, signal) => {
    rmSync(holderFile, { force: true })
    process.exit(code ?? (signal === "SIGTERM" ? 0 : 1))
  })
  createInterface({ input: workerd.stdio[3] as NodeJS.ReadableStream }).on("line", (line) => {
    const { event, port } = JSON.parse(line)
    if (event !== "listen") return
    writeHolder({ ...holder, url: `http://127.0.0.1:${port}` })
    tell({ _tag: "Listening", port })
  })
}

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => void end())
// The starter is gone: what is written to it is lost.
process.stdout.on("error", () => {})

const claimed = await claim()
tell(claimed)
if (claimed._tag === "Claimed") {
  createInterface({ input: process.stdin })
    .once("line", (line) => run(JSON.parse(line)))
    .once("close", () => void end())
}
