/** With which calls of the platform objects are reached: it makes one where the first call says. */
import * as Directory from "@hookstream/core/directory/DirectoryContract"
import { UnavailableError } from "@hookstream/core/Errors"
import * as Ids from "@hookstream/core/Ids"
import { ANYWHERE, JURISDICTIONS, type Placement } from "@hookstream/core/Placement"
import { Registry } from "@hookstream/core/workspace/Registry"
import type { Env } from "@hookstream/runtime-worker/Env"
import { runtimesOf } from "@hookstream/runtime-worker/Layers"
import {
  destinationOf,
  directoryOf,
  jurisdictionsOf,
  logOf,
  shardsOf,
  workspaceOf
} from "@hookstream/runtime-worker/Peers"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"

type Call = readonly [namespace: string, jurisdiction: string | null, name: string, options?: object]

/** An env whose namespaces write down how their objects are reached. `methods`: what each object has. */
const heard = (methods: object = {}, jurisdictions: ReadonlyArray<string> = JURISDICTIONS) => {
  const calls: Array<Call> = []
  const asked: Array<string> = []
  const namespace = (binding: string, jurisdiction: string | null): object => ({
    getByName: (name: string, ...options: ReadonlyArray<object>) => {
      calls.push([binding, jurisdiction, name, ...options] as unknown as Call)
      return new Proxy(methods, {
        get: (target, method) => {
          asked.push(String(method))
          return Reflect.get(target, method)
        }
      })
    },
    jurisdiction: (wanted: string) => {
      if (!jurisdictions.includes(wanted)) throw new Error("Jurisdiction restrictions are not implemented in workerd.")
      return namespace(binding, wanted)
    }
  })
  const ring = `1:${Buffer.alloc(32).toString("base64")}`
  const env = {
    HOOKSTREAM_ROOT_KEY: "root",
    HOOKSTREAM_ID_KEY: ring,
    HOOKSTREAM_KEYS: ring,
    ...Object.fromEntries(
      ["WORKSPACE", "SOURCE_LOG", "DESTINATION", "DIRECTORY"].map((name) => [name, namespace(name, null)])
    )
  } as object as Env
  return { env, calls, asked }
}

describe("an object", () => {
  const reach = (placement: Placement): ReadonlyArray<Call> => {
    const { env, calls } = heard()
    logOf(env, Ids.randomRoute(placement))
    destinationOf(env, Ids.randomDestinationId(placement))
    workspaceOf(env, Ids.randomWorkspaceId(placement))
    directoryOf(env, Directory.shardOf(Ids.randomWorkspaceId(placement)))
    return calls
  }
  const binding = ["SOURCE_LOG", "DESTINATION", "WORKSPACE", "DIRECTORY"]
  const name = expect.any(String)

  it("without a placement is reached as before there were any", () => {
    expect(reach(ANYWHERE)).toEqual(binding.map((one) => [one, null, name]))
  })
  it("near a region is told it by everybody who asks it, for the first has it made", () => {
    const hint = { locationHint: "weur" }
    expect(reach({ jurisdiction: null, region: "weur" })).toEqual([
      ["SOURCE_LOG", null, name, hint],
      ["DESTINATION", null, name, hint],
      ["WORKSPACE", null, name, hint],
      ["DIRECTORY", null, name]
    ])
  })
  it("within a jurisdiction is reached there, and so is what lists it", () => {
    const hint = { locationHint: "eeur" }
    expect(reach({ jurisdiction: "eu", region: "eeur" })).toEqual([
      ["SOURCE_LOG", "eu", name, hint],
      ["DESTINATION", "eu", name, hint],
      ["WORKSPACE", "eu", name, hint],
      ["DIRECTORY", "eu", name]
    ])
    expect(reach({ jurisdiction: "us", region: null })).toEqual(binding.map((one) => [one, "us", name]))
  })
})

describe("a platform", () => {
  it("without a jurisdiction says so when an object within it is asked, and never asks another one", () => {
    const { env, calls } = heard({}, [])
    for (const ask of [
      () => logOf(env, Ids.randomRoute({ jurisdiction: "eu", region: "weur" })),
      () => workspaceOf(env, Ids.randomWorkspaceId({ jurisdiction: "eu", region: null }))
    ]) {
      expect(ask).toThrow(new UnavailableError({ message: "this platform has no jurisdiction eu" }))
    }
    expect(calls).toEqual([])
  })
  it("has the jurisdictions for which it does not throw", () => {
    expect(jurisdictionsOf(heard({}, []).env)).toEqual([])
    expect(jurisdictionsOf(heard({}, ["us"]).env)).toEqual(["us"])
    expect(jurisdictionsOf(heard().env)).toEqual(["eu", "us", "fedramp"])
  })
  it.each([[JURISDICTIONS], [[]]])("with %j has a directory in each, and all are swept", (jurisdictions) => {
    const { env, calls } = heard({}, jurisdictions)
    for (const shard of shardsOf(env)) directoryOf(env, shard)
    const all = [null, ...jurisdictions].flatMap((one) => Directory.shardsOf(one).map((name) => [one, name]))
    expect(calls).toEqual(all.map((one) => ["DIRECTORY", ...one]))
  })
})

describe("a new workspace", () => {
  const made = async (placement: Placement, methods: object) => {
    const { env, asked } = heard(methods)
    const key = { id: Ids.random("key"), name: "k", scopes: ["*"], hint: "0000", createdAt: 0, hash: "0" } as const
    const id = Ids.randomWorkspaceId(placement)
    const exit = await runtimesOf([])(env).runPromise(
      Registry.pipe(
        Effect.flatMap((registry) => registry.createWorkspace(id, key)),
        Effect.match({ onFailure: ({ _tag }) => _tag, onSuccess: () => "made" })
      )
    )
    return { exit, asked }
  }
  const ok = async () => ({ ok: true, value: null })

  it("with a placement is not made by an object of a release that knows none: it would look elsewhere", async () => {
    const eu = { jurisdiction: "eu", region: null } as const
    expect(await made(ANYWHERE, { createWorkspace: ok })).toEqual({ exit: "made", asked: ["createWorkspace"] })
    const { exit, asked } = await made(eu, { createWorkspace: ok })
    expect([exit, asked]).toEqual(["UnavailableError", ["createPlacedWorkspace"]])
    expect((await made(eu, { createPlacedWorkspace: ok })).exit).toBe("made")
  })
})
