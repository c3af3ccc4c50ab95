/**
 * Objects of one release and of the next talk to each other for minutes: here each part speaks as it did before, or as
 * the next release will.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Contract } from "@hookstream/core/Contract"
import * as Delivery from "@hookstream/core/delivery/DeliveryContract"
import * as Directory from "@hookstream/core/directory/DirectoryContract"
import * as Log from "@hookstream/core/log/LogContract"
import * as Registry from "@hookstream/core/workspace/WorkspaceContract"
import { bundleIn, releaseBundle } from "@hookstream/devkit/Bundle"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { connect, eventually, type Rig, startRig, TOPIC } from "./gateway.ts"

const arityOf = <C>({ methods }: Contract<C>) =>
  Object.fromEntries(Object.entries<{ readonly args: number }>(methods).map(([method, { args }]) => [method, args]))
const contracts = {
  SourceLog: arityOf(Log.contract),
  Destination: arityOf(Delivery.contract),
  Workspace: arityOf(Registry.contract),
  Directory: arityOf(Directory.contract)
}

/** The folder of another commit's bundle, by `npm run test:old-new -- <commit>`. */
const OLD = process.env["HOOKSTREAM_OLD_BUNDLE"]

const dir = mkdtempSync(join(tmpdir(), "hookstream-versions-"))
let rig: Rig
beforeAll(async () => {
  writeFileSync(join(dir, "contracts.js"), `export default ${JSON.stringify(contracts)}`)
  const modules = {
    worker: join(import.meta.dirname, "versions/worker.js"),
    release: releaseBundle(),
    contracts: join(dir, "contracts.js")
  }
  rig = await startRig({}, { modules })
})
afterAll(async () => {
  await rig.close()
  rmSync(dir, { recursive: true, force: true })
})

type Part = "edge" | "SourceLog" | "Destination" | "Workspace"
type Version = "before" | "now" | "next"
const PARTS: ReadonlyArray<Part> = ["edge", "SourceLog", "Destination", "Workspace"]

/** From now on they speak so; answers how many calls those of the next version refused until now. */
const speak = async (versions: Partial<Record<Part, Version>>): Promise<Partial<Record<Part, number>>> => {
  const response = await fetch(`${rig.gateway.url}/speak`, { method: "POST", body: JSON.stringify(versions) })
  return (await response.json()) as Partial<Record<Part, number>>
}
const all = (version: Version) => speak(Object.fromEntries(PARTS.map((part) => [part, version])))
afterEach(() => all("now"))

const post = async (source: { readonly ingest_url: string }, own = rig) => {
  const url = own.gateway.url + new URL(source.ingest_url).pathname
  const response = await fetch(url, { method: "POST", body: "{}" })
  return {
    status: response.status,
    retryAfter: response.headers.get("retry-after"),
    body: (await response.json()) as { readonly event_id: string }
  }
}
const send = async (source: { readonly ingest_url: string }, own = rig) => {
  const { status, body } = await post(source, own)
  expect(status).toBe(200)
  return body.event_id
}
/** The events that arrived: the id of one is the key of its record. */
const keysOf = ({ emulator } = rig) =>
  emulator.records(TOPIC).flatMap(({ key }) => (key?.type === "STRING" && key.text !== null ? key.text : []))
/** Each of these events arrived once. */
const arrived = async (ids: ReadonlyArray<string>, own = rig) => {
  const found = await eventually(
    () => keysOf(own).filter((key) => ids.includes(key)),
    (keys) => keys.length >= ids.length
  )
  expect(found.toSorted()).toEqual(ids.toSorted())
}
const stateOf = async (destination: { readonly id: string }, { client } = rig) => {
  const { destination: found } = await client.need("GET", `/v1/destinations/${destination.id}`)
  return { pending: found.pending, dead: found.dead }
}
const isHealthy = async (destination: { readonly id: string }, own = rig) => {
  const state = await eventually(
    () => stateOf(destination, own),
    ({ pending }) => pending === 0
  )
  expect(state).toEqual({ pending: 0, dead: 0 })
}
const several = (source: { readonly ingest_url: string }) => Promise.all(Array.from({ length: 5 }, () => send(source)))

/** All that objects ask each other in the ordinary life of a source. */
const deliversAndTells = async (own: Rig) => {
  const { source, destination } = await connect(own)
  const ids = await Promise.all(Array.from({ length: 5 }, () => send(source, own)))
  await arrived(ids, own)
  const { event } = await eventually(
    () => own.client.need("GET", `/v1/events/${ids[0]}`),
    (answer) => answer.event.status === "delivered"
  )
  expect(event.status).toBe("delivered")
  const { events } = await own.client.need("GET", `/v1/events?source_id=${source.id}`)
  expect(events.map(({ id }: { id: string }) => id).toSorted()).toEqual(ids.toSorted())
  await isHealthy(destination, own)
}

describe("a part that knows of no versions", () => {
  it.each<Partial<Record<Part, Version>>>([
    { edge: "before" },
    { SourceLog: "before" },
    { Destination: "before" },
    { Workspace: "before" },
    { edge: "before", Workspace: "before" },
    { SourceLog: "before", Destination: "before" }
  ])("goes on with the others, in both directions: %j", async (versions) => {
    await speak(versions)
    await deliversAndTells(rig)
  })
})

describe("a log of the next version", () => {
  it("has senders come again, and stores nothing in the name of this one", async () => {
    const { source } = await connect(rig)
    await speak({ SourceLog: "next" })
    expect(await post(source)).toMatchObject({ status: 503, retryAfter: "5" })
    expect((await rig.client.call("GET", `/v1/events?source_id=${source.id}`)).status).toBe(503)
    await speak({ SourceLog: "now" })
    expect((await rig.client.need("GET", `/v1/events?source_id=${source.id}`)).events).toEqual([])
    await arrived([await send(source)])
  })
  it("is asked again by its destinations: nothing is lost, nothing dies", async () => {
    const { source, destination } = await connect(rig)
    const path = `/v1/destinations/${destination.id}`
    await rig.client.need("PATCH", path, { status: "paused" })
    const ids = await several(source)
    await speak({ SourceLog: "next" })
    await rig.client.need("PATCH", path, { status: "active" })
    const asked = await eventually(
      () => speak({}),
      (refused) => (refused.SourceLog ?? 0) > 0
    )
    expect(asked.SourceLog).toBeGreaterThan(0)
    // Asked, and asked again.
    await eventually(
      () => speak({}),
      (refused) => (refused.SourceLog ?? 0) > 0
    )
    expect(keysOf().filter((key) => ids.includes(key))).toEqual([])
    expect((await stateOf(destination)).dead).toBe(0)
    await speak({ SourceLog: "now" })
    await arrived(ids)
    await isHealthy(destination)
  })
  it("is asked again for what waits for its retry: nothing of it dies", async () => {
    const retry = { retry_backoff_type: "fixed", retry_intervals: [1], retry_jitter: false }
    const { source, destination } = await connect(rig, retry)
    let failures = 1
    rig.emulator.setFault(() => (failures-- > 0 ? { _tag: "Receipt", code: 50302, message: "broker away" } : undefined))
    const id = await send(source)
    await eventually(
      () => stateOf(destination),
      ({ pending }) => pending === 1
    )
    await speak({ SourceLog: "next" })
    await eventually(
      () => speak({}),
      (refused) => (refused.SourceLog ?? 0) > 0
    )
    expect(await stateOf(destination)).toEqual({ pending: 1, dead: 0 })
    await speak({ SourceLog: "now" })
    await arrived([id])
    await isHealthy(destination)
  })
})

describe("a destination of the next version", () => {
  it("is woken again until it hears, and the API says to ask later", async () => {
    const { source, destination } = await connect(rig)
    await speak({ Destination: "next" })
    const ids = await several(source)
    await eventually(
      () => speak({}),
      (refused) => (refused.Destination ?? 0) > 0
    )
    const letters = await rig.client.call("GET", `/v1/destinations/${destination.id}/dlq`)
    expect([letters.status, letters.body.error]).toEqual([503, expect.stringContaining("another version")])
    expect(await stateOf(destination)).toEqual({ pending: null, dead: null })
    await speak({ Destination: "now" })
    await arrived(ids)
    await isHealthy(destination)
  })
})

describe("a workspace of the next version", () => {
  it("is to be asked later; ingest and delivery go on without it", async () => {
    const { source } = await connect(rig)
    await speak({ Workspace: "next" })
    expect((await rig.client.call("GET", "/v1/sources")).status).toBe(503)
    await arrived(await several(source))
  })
})

describe("an edge of the next version", () => {
  it("is told that it is not understood: its senders come again, and no answer is taken for another", async () => {
    const { source } = await connect(rig)
    await speak({ edge: "next" })
    expect(await post(source)).toMatchObject({ status: 503, retryAfter: "5" })
    expect((await rig.client.call("GET", "/v1/sources")).status).toBe(503)
    await speak({ edge: "now" })
    expect((await rig.client.need("GET", `/v1/events?source_id=${source.id}`)).events).toEqual([])
  })
})

describe.skipIf(OLD === undefined)("the bundle of another commit", () => {
  it.each<{ readonly old: ReadonlyArray<Part> }>([
    { old: ["edge"] },
    { old: ["SourceLog"] },
    { old: ["Destination"] },
    { old: ["Workspace"] },
    { old: ["edge", "Workspace"] },
    { old: ["edge", "SourceLog"] }
  ])("works beside this one, of which are old: $old", async ({ old }) => {
    const from = (part: Part) => (old.includes(part) ? "old" : "release")
    const classes = PARTS.filter((part) => part !== "edge").map((part) => `export { ${part} } from "${from(part)}"`)
    const worker = join(dir, `${old.join("-")}.js`)
    // An old release may have no directory.
    classes.push(`export { Directory } from "release"`)
    writeFileSync(worker, [...classes, `export { default } from "${from("edge")}"`].join("\n"))
    const mixed = await startRig(
      {},
      { modules: { worker, release: releaseBundle(), old: bundleIn(OLD!, "Worker.js") } }
    )
    try {
      await deliversAndTells(mixed)
    } finally {
      await mixed.close()
    }
  })
})
