/** Requests that share a call to their log, of which some are given up by their clients in the middle. */
import { readFileSync } from "node:fs"
import { Agent, request } from "node:http"
import { join } from "node:path"
import { releaseBundle } from "@hookstream/devkit/Bundle"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { connect, eventually, type Rig, startRig, TOPIC } from "./gateway.ts"

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Sends one event on a connection of its own; `giveUp` breaks it off. */
const send = (url: string, n: number) => {
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  const sent = request(url, { method: "POST", agent: new Agent() }, (response) => {
    response.resume()
    response.on("end", () => resolve(response.statusCode))
    response.on("error", () => resolve(undefined))
  })
  sent.on("error", () => resolve(undefined))
  sent.end(JSON.stringify({ n }))
  return { n, status: promise, giveUp: () => sent.destroy() }
}
type Sent = ReturnType<typeof send>

const sourceOf = async (rig: Rig) => {
  const { source } = await connect(rig)
  return rig.gateway.url + new URL(source.ingest_url).pathname
}
/** How often each event has come to the sink, once all that were answered have. */
const arrived = async (rig: Rig, answered: ReadonlyArray<Sent>) => {
  const counts = () => {
    const all = new Map<number, number>()
    for (const { raw_value_data } of rig.emulator.records(TOPIC)) {
      const { n } = JSON.parse(raw_value_data!) as { readonly n: number }
      all.set(n, (all.get(n) ?? 0) + 1)
    }
    return all
  }
  await eventually(counts, (found) => answered.every(({ n }) => found.has(n)))
  return counts()
}

describe("while the log takes its time", () => {
  let rig: Rig
  let numbers = 0
  beforeAll(async () => {
    const modules = { worker: join(import.meta.dirname, "shared/worker.js"), release: releaseBundle() }
    rig = await startRig({}, { modules })
  })
  afterAll(() => rig.close())

  /** The log's calls since it was asked last. */
  const callsOf = async (is?: "well" | "fails" | "old"): Promise<ReadonlyArray<string>> => {
    const how = is === undefined ? {} : { method: "POST", body: is }
    return (await (await fetch(`${rig.gateway.url}/log`, how)).json()) as ReadonlyArray<string>
  }
  /** One that finds no call on its way, and then others that wait for it. */
  const begin = async (url: string, count: number) => {
    await callsOf()
    const first = send(url, numbers++)
    await sleep(100)
    const others = Array.from({ length: count }, () => send(url, numbers++))
    await sleep(100)
    return { first, others }
  }
  const statuses = (all: ReadonlyArray<Sent>) => Promise.all(all.map(({ status }) => status))

  it("whoever waits for a request is served though its client has hung up, in one call", async () => {
    const { first, others } = await begin(await sourceOf(rig), 20)
    const [gone, rest] = [others.slice(0, 5), others.slice(5)]
    for (const one of [first, ...gone]) one.giveUp()
    expect(await statuses(rest)).toEqual(rest.map(() => 200))
    expect(await callsOf()).toEqual(["append", "appendAll"])
    const counts = await arrived(rig, rest)
    for (const { n } of rest) expect(counts.get(n)).toBe(1)
    for (const { n } of [first, ...gone]) expect(counts.get(n) ?? 0).toBeLessThanOrEqual(1)
  })
  it("whoever waits for a call that a request makes for others is served though that one was answered", async () => {
    const url = await sourceOf(rig)
    const { first, others } = await begin(url, 3)
    expect(await first.status).toBe(200)
    const later = Array.from({ length: 3 }, () => send(url, numbers++))
    await sleep(50)
    others[0]!.giveUp()
    expect(await statuses([...others.slice(1), ...later])).toEqual([200, 200, 200, 200, 200])
    expect(await callsOf()).toEqual(["append", "appendAll", "appendAll"])
  })
  it.each([
    ["has lost its reply", "fails"],
    ["is not known to the log", "old"]
  ] as const)("each event goes by itself when a shared call %s, and is stored once", async (_, is) => {
    await callsOf(is)
    const { first, others } = await begin(await sourceOf(rig), 4)
    others[0]!.giveUp()
    const all = [first, ...others.slice(1)]
    expect(await statuses(all)).toEqual([200, 200, 200, 200])
    expect(await callsOf("well")).toEqual(expect.arrayContaining(["append", "appendAll", "append", "append", "append"]))
    const counts = await arrived(rig, all)
    for (const { n } of all) expect(counts.get(n)).toBe(1)
  })
})

it("many clients, of which a third hang up at any time: each event that was answered is stored once", async () => {
  const rig = await startRig()
  try {
    const url = await sourceOf(rig)
    const all: Array<Sent> = []
    const patient: Array<Sent> = []
    const client = async (isPatient: boolean) => {
      for (let i = 0; i < 25; i++) {
        const one = send(url, all.length)
        all.push(one)
        if (isPatient) patient.push(one)
        else {
          await sleep(Math.random() * 20)
          one.giveUp()
        }
        await one.status
      }
    }
    await Promise.all(Array.from({ length: 48 }, (_, i) => client(i % 3 !== 0)))
    const answers = await Promise.all(all.map(async (one) => ({ one, status: await one.status })))
    const failed = patient.filter((one) => answers[one.n]!.status !== 200)
    expect(failed.map(({ n }) => n)).toEqual([])
    const answered = answers.flatMap(({ one, status }) => (status === 200 ? [one] : []))
    expect(answered.length).toBeLessThan(all.length)
    const counts = await arrived(rig, answered)
    for (const { n } of answered) expect(counts.get(n)).toBe(1)
    for (const { n } of all) expect(counts.get(n) ?? 0).toBeLessThanOrEqual(1)
    expect(readFileSync(rig.gateway.logFile, "utf8")).not.toMatch(/shared append|hung/)
  } finally {
    await rig.close()
  }
}, 60_000)
