/** Which resource a path names. Paths are taken as they come: `%2F` does not divide, and `%2E` is a name. */

/** Those whose answers are known. */
export const PROXY_VERSIONS = ["7.9", "8.3"] as const
export type ProxyVersion = (typeof PROXY_VERSIONS)[number]

export type Route =
  | { readonly _tag: "Records"; readonly prefix: string; readonly cluster: string; readonly topic: string }
  | { readonly _tag: "Batch"; readonly prefix: string; readonly cluster: string; readonly topic: string }
  | { readonly _tag: "Clusters"; readonly prefix: string }
  | { readonly _tag: "Cluster"; readonly prefix: string; readonly cluster: string }
  | { readonly _tag: "Topics"; readonly prefix: string; readonly cluster: string }
  | { readonly _tag: "Topic"; readonly prefix: string; readonly cluster: string; readonly topic: string }
  | { readonly _tag: "Root" }
  | { readonly _tag: "Missing" }
  /** A path that could be read in more than one way, or not at all: Jetty answers before the proxy does. */
  | { readonly _tag: "Ambiguous" }

const MISSING: Route = { _tag: "Missing" }
const AMBIGUOUS: Route = { _tag: "Ambiguous" }

const decode = (segment: string): string | undefined => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** Jetty 12, of 8.0 and later: no empty segments, no dots that are written otherwise. */
const isAmbiguous = (segments: ReadonlyArray<string>): boolean =>
  segments.some((segment, i) => (segment === "" && i < segments.length - 1) || /^(?:\.|%2e){1,2}$/i.test(segment))

/** `path`: without the query, beginning with a slash. */
export const routeOf = (path: string, version: ProxyVersion): Route => {
  if (path === "/") return { _tag: "Root" }
  const raw = path.slice(1).split("/")
  if (version === "8.3" && isAmbiguous(raw)) return AMBIGUOUS
  // One slash at the end is overlooked.
  if (raw.at(-1) === "") raw.pop()
  // Parameters of a segment (`;a=b`) are no part of its name.
  const segments = raw.map((segment) => decode(segment.replace(/;.*$/, "")))
  if (segments.includes(undefined)) return AMBIGUOUS
  const below = segments[0] === "kafka" ? 2 : 1
  const prefix = raw.slice(0, below).join("/")
  const [clusters, cluster, topics, topic, records, ...rest] = segments.slice(below)
  if ((prefix !== "v3" && prefix !== "kafka/v3") || clusters !== "clusters" || rest.length > 0) return MISSING
  if (cluster === undefined) return { _tag: "Clusters", prefix }
  if (cluster === "") return MISSING
  if (topics === undefined) return { _tag: "Cluster", prefix, cluster }
  if (topics !== "topics" || topic === "") return MISSING
  if (topic === undefined) return { _tag: "Topics", prefix, cluster }
  if (records === undefined) return { _tag: "Topic", prefix, cluster, topic }
  if (records === "records") return { _tag: "Records", prefix, cluster, topic }
  return records === "records:batch" ? { _tag: "Batch", prefix, cluster, topic } : MISSING
}
