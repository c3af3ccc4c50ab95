/** The load generator in a process of its own. */
import { start } from "./Child.ts"
import type { Load, LoadOptions } from "./Load.ts"

/** Throws when a request was not answered 200: such a measurement means nothing. */
export const load = async (options: LoadOptions): Promise<Load> => {
  const child = await start<Load>("Load.ts", options)
  await child.stop()
  if (child.first.errors > 0) throw new Error(`${child.first.errors} requests to ${options.url} failed`)
  return child.first
}
