/**
 * A gateway on this machine: the bundle that would be deployed, on `workerd serve`, with its state in a folder. It is a
 * process group of its own that can be stopped or killed, and it ends when its starter ends.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { parseEnv } from "node:util"
import { type Bundle, releaseBundle } from "./Bundle.ts"
import { FolderInUse, FolderNotLocked, GatewayNotStarted } from "./Errors.ts"
import type { KeeperCommand, KeeperEvent } from "./gatewayKeeper.ts"
import { isSoWithin } from "./poll.ts"
import { newSecrets } from "./Secrets.ts"
import { BINARY, configText, type Module, readDeployed } from "./Workerd.ts"

export interface GatewayOptions {
  /** Folder of the secrets, the state and the log, for one gateway at a time. */
  readonly dir: string
  /** Of 127.0.0.1; 0: any free port. */
  readonly port: number
  /** Default: open, so that a REST Proxy on this machine can be reached. */
  readonly allowPrivateNetworks?: boolean
  /** Further variables of the deployment. */
  readonly vars?: Readonly<Record<string, string>>
  /** Modules in place of the release, files or bundles; the one named `worker` is what is served. */
  readonly modules?: Readonly<Record<string, string | Bundle>>
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

/** A folder that is ours until the process that holds its lock ends. */
export interface Claim {
  readonly dir: string
  readonly keeper: ChildProcess
  readonly events: AsyncIterator<string>
}

const READY_MS = 60_000
const STOP_MS = 5000
const POLL_MS = 20

/** The secrets of a deployment, made at the first start. */
const secrets = (dir: string): NodeJS.Dict<string> => {
  const file = join(dir, "secrets.env")
  if (!existsSync(file)) {
    const lines = Object.entries(newSecrets()).map(([name, value]) => `${name}=${value}`)
    writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 })
  }
  return parseEnv(readFileSync(file, "utf8"))
}

const alive = (group: number): boolean => {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}

const ended = (group: number): Promise<boolean> => isSoWithin(STOP_MS, POLL_MS, () => !alive(group))

const next = async ({ events }: Pick<Claim, "events">): Promise<KeeperEvent | undefined> => {
  const { value, done } = await events.next()
  return done === true ? undefined : JSON.parse(value)
}

/** Takes the folder for this process, or throws `FolderInUse`. */
export const claimFolder = async (folder: string): Promise<Claim> => {
  mkdirSync(folder, { recursive: true })
  const dir = realpathSync(folder)
  const keeper = spawn(process.execPath, [join(import.meta.dirname, "gatewayKeeper.ts"), dir], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true
  })
  // It is gone when writing fails: its end is told by `exit`.
  keeper.stdin.on("error", () => {})
  const events = createInterface({ input: keeper.stdout })[Symbol.asyncIterator]()
  const first = await next({ events })
  if (first?._tag === "Claimed") return { dir, keeper, events }
  keeper.stdin.end()
  if (first?._tag === "Held") throw new FolderInUse(dir, first.holder)
  throw new FolderNotLocked(dir)
}

/**
 * What Cloudflare's edge does and workerd does not: it names the sender's address, and takes a body to its end although
 * the Worker has answered before, so that its sender gets the answer. workerd breaks off after 64 KiB.
 */
const ENTRY = `import worker from "worker"
export * from "worker"
const addressOf = (client) => /^\\[?(.+?)\\]?:\\d+$/.exec(client ?? "")?.[1]
const GRACE = 65536
export default {
  ...worker,
  async fetch(original, env, ctx) {
    const request = new Request(original)
    const address = addressOf(original.cf?.clientIp)
    if (address === undefined) request.headers.delete("cf-connecting-ip")
    else request.headers.set("cf-connecting-ip", address)
    const length = request.headers.get("content-length")
    if (request.body === null || (length !== null && Number(length) <= GRACE)) return worker.fetch(request, env, ctx)
    const reader = request.body.getReader()
    const { readable, writable } = new TransformStream()
    const writer = writable.getWriter()
    const passOn = async () => {
      let isWanted = true
      const unwanted = () => {
        isWanted = false
      }
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        if (isWanted) await writer.write(read.value).catch(unwanted)
      }
      if (isWanted) await writer.close().catch(unwanted)
    }
    // The sender went away: the reader of the body gets the error.
    const passed = passOn().catch((error) => writer.abort(error).catch(() => {}))
    const passing = new Request(request, { body: readable })
    const response = await worker.fetch(passing, env, ctx)
    // What is being written to a body that nobody reads would never be.
    if (!passing.bodyUsed) await passing.body.cancel()
    await writer.abort().catch(() => {})
    await passed
    return response
  }
}
`

const authorities = (): ReadonlyArray<string> => {
  const file = process.env["NODE_EXTRA_CA_CERTS"]
  if (file === undefined || file === "") return []
  return readFileSync(file, "utf8").match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs) ?? []
}

/** Where a module lies beside the configuration. Chunks are named as their files are. */
const fileOf = (module: string): string => (module.endsWith(".js") ? module : `${module}.js`)

const modulesOf = (all: Readonly<Record<string, string | Bundle>>): ReadonlyArray<Module> =>
  Object.entries(all).flatMap(([name, one]) => {
    const { file, chunks }: Bundle = typeof one === "string" ? { file: one, chunks: {} } : one
    return [{ name, file }, ...Object.entries(chunks).map(([chunk, path]) => ({ name: chunk, file: path }))]
  })

/** Writes what workerd reads; the answer is the file of its configuration. */
const prepare = (options: GatewayOptions, keys: object): string => {
  const { dir, port, allowPrivateNetworks = true, vars = {} } = options
  const modules = modulesOf(options.modules ?? { worker: releaseBundle() })
  const { name, compatibility_date, compatibility_flags, durable_objects, vars: deployed } = readDeployed()
  // Where `wrangler dev --persist-to` keeps them, under the same names: folders of earlier versions open as they are.
  const state = join(dir, "state/v3/do")
  mkdirSync(state, { recursive: true })
  for (const { name: module, file } of modules) copyFileSync(file, join(dir, fileOf(module)))
  writeFileSync(join(dir, fileOf("entry")), ENTRY)
  const config = configText({
    modules: [{ name: "entry" }, ...modules].map(({ name: module }) => ({ name: module, file: fileOf(module) })),
    address: `127.0.0.1:${port}`,
    compatibilityDate: compatibility_date,
    compatibilityFlags: compatibility_flags,
    objects: Object.fromEntries(
      durable_objects.bindings.map(({ name: binding, class_name }) => [
        binding,
        { className: class_name, uniqueKey: `${name}-${class_name}` }
      ])
    ),
    vars: {
      ...deployed,
      // Ingest URLs of this machine do not lead to production.
      HOOKSTREAM_PUBLIC_URL: "",
      ...keys,
      HOOKSTREAM_ALLOW_PRIVATE_NETWORKS: String(allowPrivateNetworks),
      ...vars
    },
    state,
    authorities: authorities()
  })
  const file = join(dir, "gateway.capnp")
  writeFileSync(file, config, { mode: 0o600 })
  return file
}

/** Whether it answers, be it that its settings are wrong: then every answer says so. */
const isServing = async (url: string): Promise<boolean> => {
  try {
    await (await fetch(`${url}/v1/health`)).arrayBuffer()
    return true
  } catch {
    return false
  }
}

/** Starts a gateway on a folder, which it claims unless `claim` has done so. */
export const startGateway = async (options: GatewayOptions, claim?: Claim): Promise<Gateway> => {
  const claimed = claim ?? (await claimFolder(options.dir))
  const { dir, keeper } = claimed
  const exited = new Promise<number | null>((resolve) => keeper.once("exit", resolve))
  const group = keeper.pid!
  const signal = (name: NodeJS.Signals) => {
    if (alive(group)) process.kill(-group, name)
  }
  // Killed by itself it leaves workerd in its group.
  void exited.then(() => signal("SIGKILL"))
  const logFile = join(dir, "gateway.log")
  let keys: ReturnType<typeof secrets>
  try {
    keys = secrets(dir)
    const command: KeeperCommand = { binary: BINARY, config: prepare({ ...options, dir }, keys), log: logFile }
    keeper.stdin!.write(`${JSON.stringify(command)}\n`)
  } catch (error) {
    // Above all a source that does not compile: the folder is free again.
    keeper.stdin!.end()
    throw error
  }

  const listening = await Promise.race([next(claimed), sleep(READY_MS, undefined, { ref: false })])
  const url = listening?._tag === "Listening" ? `http://127.0.0.1:${listening.port}` : undefined
  if (url === undefined || !(await isSoWithin(READY_MS, POLL_MS, () => isServing(url)))) {
    signal("SIGKILL")
    const log = existsSync(logFile) ? readFileSync(logFile, "utf8").slice(-4000) : ""
    throw new GatewayNotStarted(logFile, log)
  }
  return {
    url,
    rootKey: keys["HOOKSTREAM_ROOT_KEY"]!,
    logFile,
    exited,
    signal,
    stop: async (name = "SIGTERM") => {
      signal(name)
      if (await ended(group)) return
      signal("SIGKILL")
      await ended(group)
    }
  }
}
