import { defaultSettings } from "@hookstream/core/delivery/CircuitBreaker"
import * as Commands from "@hookstream/core/delivery/Commands"
import type * as Facts from "@hookstream/core/delivery/Facts"
import { defaultPolicy } from "@hookstream/core/delivery/RetryPolicy"
import * as State from "@hookstream/core/delivery/State"
import * as Fold from "@hookstream/core/testing/Fold"
import type { Destination } from "@hookstream/core/workspace/Destination"
import { describe, expect, it } from "vitest"

const NOW = 1_000_000
const SOURCE = `src_${"0".repeat(32)}`
const live = (change: Partial<State.Run> = {}): State.Run => ({
  ...State.newRun({
    id: "conn_1",
    connection: "conn_1",
    replay: null,
    sourceId: SOURCE,
    route: "0123abcde",
    after: 0,
    head: 0
  }),
  ...change
})
const asked = { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents: null }
const replay = (change: Partial<State.Run> = {}) =>
  live({ id: "conn_1:rpl_1", replay: asked, after: 3, cursor: 7, head: 40, ...change })
const control = (change: Partial<State.Control> = {}): State.Control => ({ ...State.initialControl, ...change })
const wanted = (
  change: Partial<Commands.WantedConnection> = {},
  all: Partial<Commands.Wanted> = {}
): Commands.Wanted => ({
  version: 2,
  paused: false,
  change: "none",
  connections: [{ id: "conn_1", sourceId: SOURCE, route: "0123abcde", enabled: true, deleted: null, ...change }],
  ...all
})
const configure = (
  before: State.Control,
  runs: ReadonlyArray<State.Run>,
  given: Commands.Wanted,
  heads: ReadonlyArray<readonly [string, number]> = [[SOURCE, 41]]
) => Commands.configure(before, runs, given, new Map(heads.map(([source, head]) => [source, { head }])), NOW)
const tags = (facts: ReadonlyArray<Facts.Fact>) => facts.map(({ _tag }) => _tag)
const fold = (facts: ReadonlyArray<Facts.Fact>, runs: ReadonlyArray<State.Run> = [], before = control()) =>
  facts.reduce(Fold.evolve, {
    ...State.initialState,
    control: before,
    runs: new Map(runs.map((run) => [run.id, run]))
  })

describe("configure", () => {
  it("starts a new connection at the log's head", () => {
    expect(configure(control(), [], wanted())).toEqual([
      { _tag: "ConfigChanged", version: 2 },
      {
        _tag: "ConnectionStarted",
        connection: "conn_1",
        sourceId: SOURCE,
        route: "0123abcde",
        after: 41,
        marks: [{ epoch: "", through: 41 }]
      }
    ])
  })
  it("does nothing for a version that it has, however often it is told", () => {
    expect(configure(control({ configVersion: 2 }), [], wanted())).toEqual([])
    expect(configure(control({ configVersion: 3 }), [], wanted())).toEqual([])
  })
  it("keeps the cursor of a connection that is disabled and enabled again", () => {
    const known = [live({ cursor: 7 })]
    const off = configure(control(), known, wanted({ enabled: false }))
    expect(tags(off)).toEqual(["ConfigChanged", "ConnectionChanged"])
    expect(fold(off, known).runs.get("conn_1")).toMatchObject({ cursor: 7, enabled: false })
  })
  it("probes at once what was paused for the old credentials", () => {
    const before = control({ pause: { reason: "Unauthorized", detail: "", probeAt: NOW + 999 } })
    expect(State.evolveControl(before, { _tag: "ConfigChanged", version: 2 }).pause?.probeAt).toBe(0)
  })
  it("pauses and resumes by the user's word", () => {
    const pausing = configure(control(), [live()], wanted({}, { paused: true, change: "resume" }))
    expect(tags(pausing)).toEqual(["ConfigChanged", "Paused"])
    const { control: paused } = fold(pausing)
    expect(tags(configure(paused, [live()], wanted({}, { version: 3 })))).toEqual([
      "ConfigChanged",
      "Resumed",
      "RetriesDue"
    ])
  })
})

describe("a repair", () => {
  const open = control({
    breaker: { state: "open", since: 5, until: NOW + 86_400_000, probes: 4 },
    throttledUntil: NOW + 3_600_000,
    throttleStreak: 2
  })
  const repair = (change: Commands.Change, paused = false) =>
    configure(open, [live()], wanted({}, { change, paused })).slice(1)
  it("by other settings makes due what waits, probes an open circuit at once and ends the old sink's wait", () => {
    const facts = repair("settings")
    expect(facts).toEqual([
      { _tag: "RetriesDue", connection: null, at: NOW },
      { _tag: "BreakerOpened", at: NOW, until: NOW, probes: 4 },
      { _tag: "ThrottledUntil", until: 0, streak: 0 }
    ])
    const after = fold([{ _tag: "ConfigChanged", version: 2 }, ...facts], [], open).control
    expect(after).toMatchObject({ throttledUntil: 0, repairedIn: 2, breaker: { state: "open", since: 5, until: NOW } })
  })
  it("by hand alone leaves the sink the patience that it asked for", () => {
    expect(tags(repair("resume"))).toEqual(["RetriesDue", "BreakerOpened"])
  })
  it("is no other name, and none while a user has paused it", () => {
    expect(repair("none")).toEqual([])
    expect(tags(repair("settings", true))).toEqual(["Paused"])
  })
  it("of a connection that is enabled again makes due what waits on it", () => {
    const facts = configure(control(), [live({ enabled: false })], wanted())
    expect(facts.at(-1)).toEqual({ _tag: "RetriesDue", connection: "conn_1", at: NOW })
  })
  it("by a reset of the circuit makes due what waits, also when it is closed", () => {
    expect(Commands.resetCircuit(control(), NOW)).toEqual([{ _tag: "BreakerClosed", at: NOW }])
    expect(tags(Commands.resetCircuit(open, NOW))).toEqual(["BreakerClosed", "ThrottledUntil"])
  })

  const destination: Destination = {
    kind: "destination",
    id: `dst_${"0".repeat(32)}`,
    workspace: "00000001",
    version: 1,
    name: "d",
    slug: "d",
    type: "kafka",
    config: { topic: "a" },
    retry: defaultPolicy,
    timeoutMs: 1,
    maxInFlight: 1,
    maxPending: 1,
    ordering: "none",
    breaker: defaultSettings,
    ratePerSecond: null,
    status: "active",
    createdAt: 1,
    updatedAt: 1
  }
  it.each<readonly [Commands.Change, Partial<Destination>]>([
    ["settings", { config: { topic: "b" } }],
    ["settings", { timeoutMs: 2 }],
    ["settings", { name: "e", retry: { ...defaultPolicy, maxRetries: 9 } }],
    ["resume", {}],
    ["resume", { status: "paused" }],
    ["none", { name: "e" }],
    ["none", { slug: "e" }]
  ])("is told from another name: %s, %o", (change, next) => {
    expect(Commands.changeOf(destination, { ...destination, version: 2, updatedAt: 2, ...next })).toBe(change)
  })
  it("is none of a version that it has, nor of the first", () => {
    expect(Commands.changeOf(destination, { ...destination, timeoutMs: 2 })).toBe("none")
    expect(Commands.changeOf(undefined, destination)).toBe("none")
  })
})

describe("deleting a connection", () => {
  it("ends its live run where the log is now, and its replays where they end", () => {
    const runs = [live({ cursor: 30 }), replay(), replay({ id: "conn_1:rpl_2", deleted: true })]
    const facts = configure(control(), runs, wanted({ deleted: "source deleted" }))
    expect(facts.slice(1)).toEqual([
      { _tag: "ConnectionChanged", connection: "conn_1", enabled: true, deleted: true },
      { _tag: "RunCancelled", run: "conn_1", because: "source deleted", after: 0, through: 41, at: NOW },
      { _tag: "RunCancelled", run: "conn_1:rpl_1", because: "source deleted", after: 3, through: 40, at: NOW }
    ])
    expect(fold(facts, runs).runs.get("conn_1")).toMatchObject({ deleted: true, cursor: 30, head: 41 })
  })
  it("is not held up by a log that does not answer: the last head that is known counts", () => {
    const facts = configure(control(), [live({ head: 12 })], wanted({ deleted: "connection deleted" }), [])
    expect(facts.at(-1)).toMatchObject({ _tag: "RunCancelled", through: 12 })
  })
  it("is noticed in a config that has it no more: the destination was restored to before it was told", () => {
    const runs = [live({ id: "conn_2", connection: "conn_2", head: 12 }), live(), replay()]
    const facts = configure(control(), runs, { ...wanted(), connections: [] })
    expect(facts.map((fact) => ("run" in fact ? [fact._tag, fact.run] : fact._tag))).toEqual([
      "ConfigChanged",
      "ConnectionChanged",
      ["RunCancelled", "conn_2"],
      "ConnectionChanged",
      ["RunCancelled", "conn_1"],
      ["RunCancelled", "conn_1:rpl_1"]
    ])
    expect(Commands.headsNeeded(runs, [])).toEqual({ starts: [], ends: [SOURCE] })
    const [, replayed] = [live(), replay({ deleted: false })]
    expect(tags(configure(control(), [live({ deleted: true }), replayed!], { ...wanted(), connections: [] }))).toEqual([
      "ConfigChanged"
    ])
  })
  it("is done once, and not at all of one that never began", () => {
    const gone = wanted({ deleted: "connection deleted" })
    expect(tags(configure(control(), [live({ deleted: true })], gone))).toEqual(["ConfigChanged"])
    expect(tags(configure(control(), [], gone))).toEqual(["ConfigChanged"])
  })
  it("asks the logs of connections that begin or end, and of no others", () => {
    const { connections } = wanted()
    const [one] = connections
    const needed = (runs: ReadonlyArray<State.Run>, deleted: Commands.WantedConnection["deleted"]) =>
      Commands.headsNeeded(runs, [{ ...one!, deleted }])
    expect(needed([], null)).toEqual({ starts: [SOURCE], ends: [] })
    expect(needed([live()], null)).toEqual({ starts: [], ends: [] })
    expect(needed([live()], "connection deleted")).toEqual({ starts: [], ends: [SOURCE] })
    expect(needed([live({ deleted: true })], "connection deleted")).toEqual({ starts: [], ends: [] })
    expect(needed([], "connection deleted")).toEqual({ starts: [], ends: [] })
  })
  it("names its cause", () => {
    const destination = { status: "active" } as Destination
    const connection = { id: "conn_1", sourceId: SOURCE, enabled: true } as Parameters<
      typeof Commands.wantedOf
    >[0]["connections"][number]["connection"]
    const cause = (deleted: boolean, connectionDeleted: boolean, sourceDeleted: boolean) =>
      Commands.wantedOf({
        version: 1,
        destination,
        deleted,
        connections: [{ connection, deleted: connectionDeleted, sourceDeleted }]
      }).connections[0]!.deleted
    expect(cause(false, false, false)).toBeNull()
    expect(cause(false, true, false)).toBe("connection deleted")
    expect(cause(false, true, true)).toBe("source deleted")
    expect(cause(true, true, false)).toBe("destination deleted")
  })
  it("says before how many deliveries wait: pending ones, and those in the log", () => {
    const runs = [
      { ...live({ cursor: 5, head: 9 }), pending: 2, dead: 1 },
      { ...replay({ replay: { ...asked, maxEvents: 4 }, delivered: 1 }), pending: 1, dead: 0 },
      { ...live({ id: "conn_2", connection: "conn_2", head: 100 }), pending: 0, dead: 0 }
    ]
    expect(Commands.waiting(runs, ["conn_1"])).toBe(4 + 2 + (2 + 1))
    expect(Commands.waiting(runs, ["conn_1", "conn_2"])).toBe(109)
    expect(Commands.waiting([{ ...live({ cursor: 12, head: 9 }), pending: 0, dead: 0 }], ["conn_1"])).toBe(0)
  })
})

describe("replay commands", () => {
  const job = (cancelled: boolean): Parameters<typeof Commands.command>[1][number] => ({
    kind: "replay",
    id: "rpl_1",
    workspace: "00000001",
    version: 1,
    destinationId: `dst_${"0".repeat(32)}`,
    sourceId: null,
    connectionId: null,
    from: 0,
    to: 1,
    filterRules: [],
    ratePerSecond: 10,
    maxEvents: null,
    parts: [{ connection: "conn_1", after: 3, through: 40 }],
    cancelled,
    createdAt: 1,
    updatedAt: 1
  })
  const request: Facts.Fact = { _tag: "ReplayRequested", connection: "conn_1", after: 3, through: 40, replay: asked }
  const cancelled: Facts.Fact = {
    _tag: "RunCancelled",
    run: "conn_1:rpl_1",
    because: "replay cancelled",
    after: 3,
    through: 40,
    at: NOW
  }
  it("start a replay once, and cancel it once, however often they are told", () => {
    expect(Commands.command([live()], [job(false)], NOW)).toEqual([request])
    const begun = [...fold([request], [live()]).runs.values()]
    expect(Commands.command(begun, [job(false)], NOW)).toEqual([])
    expect(Commands.command(begun, [job(true)], NOW)).toEqual([cancelled])
    const ended = [...fold([cancelled], begun).runs.values()]
    expect(ended.find(({ id }) => id === "conn_1:rpl_1")).toMatchObject({ deleted: true, cursor: 3, head: 40 })
    expect(Commands.command(ended, [job(true), job(false)], NOW)).toEqual([])
  })
  it("of a replay that was cancelled before it was heard of leave nothing for a late request to start", () => {
    const facts = Commands.command([live()], [job(true)], NOW)
    expect(facts).toEqual([request, cancelled])
    expect(Commands.command([...fold(facts, [live()]).runs.values()], [job(false)], NOW)).toEqual([])
  })
})
