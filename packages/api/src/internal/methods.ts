import { Api } from "../Api.ts"

interface Route {
  readonly method: string
  readonly path: string
}

const routes: ReadonlyArray<Route> = Object.values(Api.groups).flatMap(({ endpoints }) =>
  Object.values<Route>(endpoints).map(({ method, path }) => ({ method, path }))
)

/** What is no part of the contract. */
const PAGES = new Set(["/", "/docs", "/openapi.json"])

const isAt = (pattern: string, path: string): boolean => {
  // The router takes a path with a slash at its end for the path without.
  const parts = path.replace(/\/$/, "").split("/")
  const wanted = pattern.split("/")
  return wanted.length === parts.length && wanted.every((part, i) => part.startsWith(":") || part === parts[i])
}

/** The methods that a path takes, for `Allow`; none when there is nothing at the path. */
export const allowedAt = (path: string): ReadonlyArray<string> => {
  const methods = PAGES.has(path) ? ["GET"] : routes.filter((one) => isAt(one.path, path)).map((one) => one.method)
  // The router answers HEAD as it answers GET.
  return methods.includes("GET") ? [...methods, "HEAD"] : methods
}
