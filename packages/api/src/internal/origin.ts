const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"])

/**
 * Scheme and host of ingest URLs. The Host header is under the caller's control. So unless the deployment sets its
 * public URL, only hosts that cannot be forged are used: this machine's own, and those of workers.dev, of which
 * Cloudflare routes only the Worker's own to it. For any other host it is empty, and ingest URLs are paths.
 */
export const originOf = (publicUrl: string | undefined, requestUrl: string): string => {
  if (publicUrl !== undefined) return publicUrl
  const { hostname, host, origin } = new URL(requestUrl)
  if (hostname.endsWith(".workers.dev")) return `https://${host}`
  return LOOPBACK.has(hostname) ? origin : ""
}
