/** A module of this package in a process of its own, which says one line of JSON when it is ready or done. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"

export interface Child<A> {
  readonly first: A
  readonly stop: () => Promise<void>
}

export const start = async <A>(module: string, options: object): Promise<Child<A>> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, module), JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const exited = once(child, "exit")
  process.once("exit", () => child.kill())
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string]
  return {
    first: JSON.parse(line),
    stop: async () => {
      child.kill()
      await exited
    }
  }
}
