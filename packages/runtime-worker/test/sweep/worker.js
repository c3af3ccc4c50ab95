/**
 * The release, whose cron trigger fires at `POST /scheduled`: workerd by itself has none. It has no jurisdictions either:
 * here an object within one is another object, as on Cloudflare. `GET /made` tells where objects were made, by what the
 * first call of each said.
 */
import release, * as objects from "release"

const made = {}
const within = (namespace, jurisdiction = null) => ({
  getByName: (name, { locationHint = null } = {}) => {
    made[name] ??= { jurisdiction, region: locationHint }
    return namespace.getByName(jurisdiction === null ? name : `${jurisdiction}/${name}`)
  },
  jurisdiction: (wanted) => within(namespace, wanted)
})
const placed = (env) => ({
  ...env,
  WORKSPACE: within(env.WORKSPACE),
  SOURCE_LOG: within(env.SOURCE_LOG),
  DESTINATION: within(env.DESTINATION),
  DIRECTORY: within(env.DIRECTORY)
})
const placing = (Real) =>
  class extends Real {
    constructor(ctx, env) {
      super(ctx, placed(env))
    }
  }
export const SourceLog = placing(objects.SourceLog)
export const Destination = placing(objects.Destination)
export const Workspace = placing(objects.Workspace)
export const Directory = placing(objects.Directory)

const envs = new WeakMap()
export default {
  async fetch(request, env, ctx) {
    if (!envs.has(env)) envs.set(env, placed(env))
    const { pathname } = new URL(request.url)
    if (pathname === "/made") return Response.json(made)
    if (pathname !== "/scheduled") return await release.fetch(request, envs.get(env), ctx)
    await release.scheduled({}, envs.get(env), ctx)
    return new Response(null, { status: 204 })
  }
}
