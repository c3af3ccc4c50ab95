import type { Env } from "../Env.ts"

/** What need not be there, and what its absence means. */
const OPTIONAL = {
  HOOKSTREAM_PUBLIC_URL: "is not set: ingest URLs are paths, except on workers.dev and this machine",
  HOOKSTREAM_TRUSTED_IP_HEADER: "is not set: source_ip is null, and all who fail share one limit",
  FAILURES: "is not bound: each isolate counts failures for itself"
}

/** What is missing of it. Empty settings count as not set. */
export const noticesOf = (env: Env): ReadonlyArray<{ readonly path: string; readonly message: string }> =>
  Object.entries(OPTIONAL)
    .filter(([name]) => String(env[name as keyof typeof OPTIONAL] ?? "").trim() === "")
    .map(([path, message]) => ({ path, message }))
