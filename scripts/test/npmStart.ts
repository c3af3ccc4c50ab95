/** `npm start` as a user types it, in a folder and on ports of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Holder } from "@hookstream/devkit/gatewayKeeper"
import type { Dev } from "../Demo.ts"

const ROOT = join(import.meta.dirname, "../..")

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  return typeof address === "object" && address !== null ? address.port : 0
}

/** Asks until the answer is there, or fails with `what`. */
export const eventually = async <A>(
  ask: () => Promise<A | undefined> | A | undefined,
  what: () => string
): Promise<A> => {
  for (const until = Date.now() + 40_000; Date.now() < until; ) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await sleep(50)
  }
  throw new Error(what())
}

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    // One that has ended and that nobody has asked for yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return process.platform !== "linux"
  }
}

export interface Started {
  readonly process: ChildProcess
  readonly output: () => string
  readonly exited: Promise<number | null>
  /** Waits for a text in the output. */
  readonly shows: (text: string | RegExp) => Promise<void>
  readonly stop: () => Promise<void>
  /** Ends its whole group. */
  readonly kill: () => Promise<unknown>
}

/** A program in a group of its own. */
export const started = (
  program: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  cwd: string
): Started => {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, INIT_CWD: cwd, NO_COLOR: "1", ...env },
    detached: true
  })
  let output = ""
  child.stdout.on("data", (data) => {
    output += data
  })
  child.stderr.on("data", (data) => {
    output += data
  })
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve))
  // Its output may be held open by what it started in other groups.
  const gone = new Promise((resolve) => child.once("exit", resolve))
  let isOver = false
  void exited.then(() => {
    isOver = true
  })
  return {
    process: child,
    output: () => output,
    exited,
    shows: async (text) => {
      const has = () => (typeof text === "string" ? output.includes(text) : text.test(output))
      await eventually(
        () => (has() || isOver ? true : undefined),
        () => `it did not show ${text}:\n${output}`
      )
      if (!has()) throw new Error(`it ended without showing ${text}:\n${output}`)
    },
    stop: async () => {
      if (!isOver) child.kill("SIGTERM")
      await exited
    },
    kill: () => {
      try {
        process.kill(-child.pid!, "SIGKILL")
      } catch {
        // It has ended.
      }
      return gone
    }
  }
}

export const npm = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>, cwd = ROOT): Started =>
  started("npm", args, env, cwd)

export interface Folder {
  readonly dir: string
  readonly port: number
  readonly kafkaPort: number
}
export const npmStart = ({ dir, port, kafkaPort }: Folder): Started =>
  npm(["start"], { HOOKSTREAM_DIR: dir, PORT: String(port), KAFKA_REST_PORT: String(kafkaPort) })

export const readDev = (dir: string): Dev => JSON.parse(readFileSync(join(dir, "dev.json"), "utf8"))
export const readHolder = (dir: string): Holder => JSON.parse(readFileSync(join(dir, "lock.json"), "utf8"))
