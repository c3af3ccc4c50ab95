import { defaultSettings } from "@hookstream/core/delivery/CircuitBreaker"
import { policyOf, settingsOf } from "@hookstream/core/delivery/DestinationSettings"
import * as Policy from "@hookstream/core/delivery/Policy"
import { defaultPolicy } from "@hookstream/core/delivery/RetryPolicy"
import { newRun } from "@hookstream/core/delivery/State"
import { type EventMeta, newEvent } from "@hookstream/core/event/Event"
import { viewOf } from "@hookstream/core/event/EventPath"
import * as EventSecrets from "@hookstream/core/event/EventSecrets"
import * as SecretVault from "@hookstream/core/secret/SecretVault"
import type { Limits, SinkDriver } from "@hookstream/core/sink/Sink"
import type { Connection } from "@hookstream/core/workspace/Connection"
import type { Destination } from "@hookstream/core/workspace/Destination"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"

const MIB = 1024 * 1024
const entity = { workspace: "00000001", version: 1, createdAt: 1, updatedAt: 1 }
const destination: Destination = {
  ...entity,
  kind: "destination",
  id: "dst_1",
  name: "d",
  slug: "d",
  type: "kafka",
  config: {},
  status: "active",
  ordering: "key",
  retry: { ...defaultPolicy, maxRetries: 3 },
  breaker: { ...defaultSettings, threshold: 7 },
  ratePerSecond: null,
  timeoutMs: 7000,
  maxPending: 1234,
  maxInFlight: 2
}
const connection = (id: string, change: Partial<Connection>) => ({
  connection: {
    ...entity,
    kind: "connection" as const,
    id,
    name: null,
    description: null,
    sourceId: "src_1",
    destinationId: "dst_1",
    enabled: true,
    orderingKey: null,
    filterRules: [],
    ...change
  },
  deleted: false,
  sourceDeleted: false
})
const driver = (maxEvents: number, maxBytes: number, limits?: Limits): SinkDriver => ({
  batch: { maxEvents, maxBytes },
  ...(limits === undefined ? {} : { limits }),
  send: () => Effect.succeed([]),
  check: Effect.succeed([])
})
const vault = SecretVault.make(`1:${Buffer.alloc(32, 1).toString("base64")}`)
const settings = (
  change: Partial<Destination>,
  of: SinkDriver,
  connections: ReadonlyArray<ReturnType<typeof connection>> = []
) => settingsOf({ version: 5, deleted: false, connections, destination: { ...destination, ...change } }, of, vault)

describe("what a destination is delivered by", () => {
  it("is what its user has set, with a window of the usual size", () => {
    const { ordering, retry, breaker, maxPending } = destination
    const policy: Policy.Policy = {
      ordering,
      retry,
      breaker,
      maxPending,
      limits: { requests: 9, records: null, bytes: null },
      window: { events: 100, bytes: MIB }
    }
    const single = driver(1, MIB)
    expect(policyOf({ ...destination, ratePerSecond: 9 })).toEqual(policy)
    expect(settings({ ratePerSecond: 9 }, single)).toEqual({
      destinationId: "dst_1",
      configVersion: 5,
      driver: single,
      policy,
      timeoutMs: 7000,
      maxInFlight: 2,
      connections: new Map(),
      open: expect.any(Function)
    })
  })
  it.each<[string, number | null, Limits | undefined, Policy.PerSecond]>([
    ["nobody's without a limit", null, undefined, Policy.unlimited],
    ["nobody's where the sink limits nothing", null, {}, Policy.unlimited],
    ["the sink's", null, { requestsPerSecond: 25 }, { requests: 25, records: null, bytes: null }],
    ["the user's where it is smaller", 10, { requestsPerSecond: 25 }, { requests: 10, records: null, bytes: null }],
    ["the sink's where it is smaller", 99, { requestsPerSecond: 25 }, { requests: 25, records: null, bytes: null }],
    ["of records, the sink's", 10, { recordsPerSecond: 1000 }, { requests: 10, records: 1000, bytes: null }],
    ["of bytes, the sink's", null, { bytesPerSecond: 1e7 }, { requests: null, records: null, bytes: 1e7 }]
  ])("keeps to the rate: %s", (_, ratePerSecond, limits, wanted) => {
    expect(settings({ ratePerSecond }, driver(1, MIB, limits)).policy.limits).toEqual(wanted)
  })
  it.each([
    [1, 9 * MIB, 2, { events: 100, bytes: MIB }],
    [5, 1000, 2, { events: 100, bytes: MIB }],
    [50, MIB / 4, 2, { events: 400, bytes: 2 * MIB }],
    [1000, 4 * MIB, 6, { events: 3000, bytes: 8 * MIB }]
  ])(
    "loads several requests of %i events and %i bytes, %i at once, but bounded",
    (events, bytes, maxInFlight, window) => {
      expect(settings({ maxInFlight }, driver(events, bytes)).policy.window).toEqual(window)
    }
  )
  it("is what each of its connections filters by and orders by", () => {
    const rule = { field: "method", op: "eq", value: "GET" } as const
    const { connections } = settings({}, driver(1, MIB), [
      connection("conn_1", { filterRules: [{ ...rule, value: "POST" }, rule] }),
      connection("conn_2", { orderingKey: "payload.id" })
    ])
    const meta: EventMeta = { method: "POST", headers: [], query: "", contentType: null, sourceIp: null }
    const { body, kind } = newEvent(meta, new TextEncoder().encode('{"id":"k"}'))
    const event = { ...meta, body, bodyKind: kind, id: "evt_1", sourceId: "src_1", seq: 1, receivedAt: 1 }
    const view = viewOf(event)
    const shown = [...connections].map(([id, one]) => [id, one.rules, one.filter(view), one.orderingKey?.(view)])
    expect(shown).toEqual([
      ["conn_1", 2, 1, undefined],
      ["conn_2", 0, undefined, "k"]
    ])
  })
  it.each<[string, Partial<Connection>, ReadonlyArray<string>, boolean]>([
    [
      "nothing reads them",
      { filterRules: [{ field: "payload.token", op: "exists", value: true }] },
      ["payload.a"],
      false
    ],
    ["a filter reads one", { filterRules: [{ field: "headers.x-token", op: "exists", value: true }] }, [], true],
    ["the ordering key reads one", { orderingKey: "query.api_key" }, [], true],
    ["the sink reads one", {}, ["headers.authorization"], true]
  ])("opens what an event hides only where it is read: %s", async (_, change, reads, isOpened) => {
    const { open } = settings({}, { ...driver(1, MIB), reads }, [connection("conn_1", change)])
    const meta: EventMeta = {
      method: "POST",
      headers: [["x-token", "t0ken"]],
      query: "",
      contentType: null,
      sourceIp: null
    }
    const sealed = await EventSecrets.seal(vault, "src_1", meta)
    const event = {
      ...sealed,
      body: new Uint8Array(),
      bodyKind: "utf8",
      id: "evt_1",
      sourceId: "src_1",
      seq: 1,
      receivedAt: 1
    } as const
    const run = newRun({
      id: "conn_1",
      connection: "conn_1",
      replay: null,
      sourceId: "src_1",
      route: "r",
      after: 0,
      head: 1
    })
    const [seen] = await Effect.runPromise(open(run, [event]))
    expect(JSON.stringify(seen!.headers).includes("t0ken")).toBe(isOpened)
  })
})
