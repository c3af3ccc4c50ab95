const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"])

/**
 * Scheme and host of ingest URLs. A Host header is what the caller wrote. So unless the deployment says where it is
 * reached, only hosts are repeated that lead nobody astray: this machine's own, and those of workers.dev, of which
 * Cloudflare lets only the Worker's own come through. Under any other it is empty, and ingest URLs are paths.
 */
export const originOf = (publicUrl: string | undefined, requestUrl: string): string => {
  if (publicUrl !== undefined) return publicUrl
  const { hostname, host, origin } = new URL(requestUrl)
  if (hostname.endsWith(".workers.dev")) return `https://${host}`
  return LOOPBACK.has(hostname) ? origin : ""
}
