/**
 * The release, of which each part speaks the version that `POST /speak` says: `now`; `before`, when calls carried no
 * version; `next`, which this release does not know.
 */
import contracts from "contracts"
import release, * as objects from "release"

/** Of the edge with its API, and of each class. All objects share one isolate here. */
const speaks = { edge: "now", SourceLog: "now", Destination: "now", Workspace: "now", Directory: "now" }
const NEXT = 2
/** Calls that were refused since it was asked last, by class. */
let refused = {}

const isVersioned = (answer) => typeof answer?.protocol === "number"

/** The objects of a class, as `part` asks them. */
const asked = (namespace, arity, part) => ({
  getByName: (name) => {
    const stub = namespace.getByName(name)
    const ask = (method, args) => async (version) => {
      const count = arity[method]
      if (version === "now") return await stub[method](...args)
      if (version === "next") return await stub[method](...args.slice(0, count), NEXT)
      const answer = await stub[method](...args.slice(0, count))
      if (isVersioned(answer)) throw new TypeError(`who knows no versions got ${JSON.stringify(answer)}`)
      return answer
    }
    return Object.fromEntries(
      Object.keys(arity).map((method) => [method, (...args) => ask(method, args)(speaks[part])])
    )
  }
})
const heardBy = (env, part) => ({
  ...env,
  WORKSPACE: asked(env.WORKSPACE, contracts.Workspace, part),
  SOURCE_LOG: asked(env.SOURCE_LOG, contracts.SourceLog, part),
  DESTINATION: asked(env.DESTINATION, contracts.Destination, part),
  DIRECTORY: asked(env.DIRECTORY, contracts.Directory, part)
})

const speaking = (part) => {
  const arity = contracts[part]
  const Real = objects[part]
  const Speaking = class extends Real {
    constructor(ctx, env) {
      super(ctx, heardBy(env, part))
    }
  }
  for (const [method, count] of Object.entries(arity)) {
    Object.defineProperty(Speaking.prototype, method, {
      value: async function (...args) {
        const answer = (own) => Reflect.apply(Real.prototype[method], this, own)
        if (speaks[part] === "now") return await answer(args)
        if (speaks[part] === "before") return await answer(args.slice(0, count))
        refused[part] = (refused[part] ?? 0) + 1
        // It holds its events elsewhere. Taken for an answer of this version, it would say that they are gone.
        return { protocol: NEXT, value: { packed: [], sourceId: "", head: 1e9, through: 1e9, parts: ["…"] } }
      }
    })
  }
  return Speaking
}
export const SourceLog = speaking("SourceLog")
export const Destination = speaking("Destination")
export const Workspace = speaking("Workspace")
export const Directory = speaking("Directory")

const envs = new WeakMap()
export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/speak") {
      Object.assign(speaks, await request.json())
      const before = refused
      refused = {}
      return Response.json(before)
    }
    if (!envs.has(env)) envs.set(env, heardBy(env, "edge"))
    return await release.fetch(request, envs.get(env), ctx)
  }
}
