/** A gateway on this machine: `wrangler dev` with its state in a folder, as a process group that can be stopped or killed. */
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const ROOT = join(import.meta.dirname, "..")

export interface GatewayOptions {
  /** Folder of the secrets, the state and the log. */
  readonly dir: string
  /** 0: any free port. */
  readonly port: number
  /** Default: open, so that a REST Proxy on this machine can be reached. */
  readonly allowPrivateNetworks?: boolean
  /** Further variables of the deployment. */
  readonly vars?: Readonly<Record<string, string>>
}

export interface Gateway {
  readonly url: string
  readonly rootKey: string
  /** Stops it and waits for its end; `SIGKILL` gives it no chance to put anything in order. */
  readonly stop: (signal?: "SIGTERM" | "SIGKILL") => Promise<void>
  /** Sends a signal to every process of it. */
  readonly signal: (signal: NodeJS.Signals) => void
  readonly exited: Promise<number | null>
  readonly logFile: string
}

const READY_MS = 60_000
const STOP_MS = 5000

const ring = () => `1:${randomBytes(32).toString("base64")}`

/** The secrets of a deployment, made at the first start. */
const secrets = (dir: string): string => {
  const file = join(dir, "secrets.env")
  if (!existsSync(file)) {
    const lines = [
      `HOOKSTREAM_ROOT_KEY=${randomBytes(32).toString("hex")}`,
      `HOOKSTREAM_ID_KEY=${ring()}`,
      `HOOKSTREAM_KEYS=${ring()}`
    ]
    writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 })
  }
  return file
}

const alive = (group: number): boolean => {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}

const ended = async (group: number, ms: number): Promise<boolean> => {
  for (const until = Date.now() + ms; Date.now() < until; ) {
    if (!alive(group)) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return !alive(group)
}

/** The address that wrangler says it listens on. */
const readyUrl = async (child: ChildProcess, logFile: string, exited: Promise<number | null>): Promise<string> => {
  let code: number | null | undefined
  void exited.then((value) => {
    code = value
  })
  for (const until = Date.now() + READY_MS; Date.now() < until; ) {
    const match = /Ready on (http:\/\/[^\s]+)/.exec(readFileSync(logFile, "utf8"))
    if (match !== null) return match[1]!
    if (code !== undefined) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  if (child.pid !== undefined && alive(child.pid)) process.kill(-child.pid, "SIGKILL")
  throw new Error(`the gateway did not start; its log:\n${readFileSync(logFile, "utf8").slice(-4000)}`)
}

export const startGateway = async (options: GatewayOptions): Promise<Gateway> => {
  const { dir, port, allowPrivateNetworks = true, vars = {} } = options
  mkdirSync(dir, { recursive: true })
  const envFile = secrets(dir)
  const logFile = join(dir, "gateway.log")
  const log = openSync(logFile, "w")
  const child = spawn(
    process.execPath,
    [
      ...[join(ROOT, "node_modules/wrangler/bin/wrangler.js"), "dev", "--cwd", join(ROOT, "packages/runtime-worker")],
      ...["--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0", "--show-interactive-dev-session=false"],
      ...["--persist-to", join(dir, "state"), "--env-file", envFile],
      ...["--var", `HOOKSTREAM_ALLOW_PRIVATE_NETWORKS:${allowPrivateNetworks}`],
      ...Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`])
    ],
    {
      stdio: ["ignore", log, log],
      detached: true,
      env: { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1" }
    }
  )
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve))
  const group = child.pid!
  const signal = (name: NodeJS.Signals) => {
    if (alive(group)) process.kill(-group, name)
  }
  const url = await readyUrl(child, logFile, exited)
  return {
    url,
    rootKey: /^HOOKSTREAM_ROOT_KEY=(.*)$/m.exec(readFileSync(envFile, "utf8"))![1]!,
    logFile,
    exited,
    signal,
    stop: async (name = "SIGTERM") => {
      signal(name)
      if (await ended(group, STOP_MS)) return
      signal("SIGKILL")
      await ended(group, STOP_MS)
    }
  }
}
