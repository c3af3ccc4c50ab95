/** `wrangler dev` on a Worker's folder, as its author starts it. */
import { join } from "node:path"
import { eventually, freePort, started } from "./npmStart.ts"

const WRANGLER = join(import.meta.dirname, "../../node_modules/wrangler/bin/wrangler.js")

export interface WranglerDev {
  readonly url: string
  /** Waits until the Worker answers. */
  readonly answers: () => Promise<unknown>
  readonly kill: () => Promise<unknown>
}

export const wranglerDev = async (cwd: string, args: ReadonlyArray<string> = []): Promise<WranglerDev> => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const own = [
    "--ip",
    "127.0.0.1",
    "--port",
    String(port),
    "--inspector-port",
    "0",
    "--var",
    `HOOKSTREAM_PUBLIC_URL:${url}`
  ]
  const quiet = ["--show-interactive-dev-session=false"]
  const env = { WRANGLER_SEND_METRICS: "false" }
  const dev = started(process.execPath, [WRANGLER, "dev", ...own, ...quiet, ...args], env, cwd)
  const ask = () =>
    fetch(url).then(
      () => true as const,
      () => undefined
    )
  return {
    url,
    answers: () => eventually(ask, () => `wrangler dev did not start:\n${dev.output()}`),
    kill: dev.kill
  }
}
