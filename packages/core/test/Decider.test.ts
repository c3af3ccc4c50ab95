import * as Allowance from "@hookstream/core/delivery/Allowance"
import { defaultSettings } from "@hookstream/core/delivery/CircuitBreaker"
import type * as Facts from "@hookstream/core/delivery/Facts"
import * as Plan from "@hookstream/core/delivery/Plan"
import * as Policy from "@hookstream/core/delivery/Policy"
import { defaultPolicy } from "@hookstream/core/delivery/RetryPolicy"
import * as Settle from "@hookstream/core/delivery/Settle"
import * as State from "@hookstream/core/delivery/State"
import { delivered, failed, Reason } from "@hookstream/core/sink/Sink"
import { describe, expect, it } from "vitest"

const NOW = 1_000_000
const WINDOW = { events: Policy.WINDOW_EVENTS, bytes: Policy.WINDOW_BYTES }
const ALL = { requests: Number.POSITIVE_INFINITY, records: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }
const connection = (id: string, change: Partial<Plan.View["runs"][number]> = {}) => ({
  ...State.newRun({ id, connection: id, replay: null, sourceId: "src_1", route: "0123abcde", after: 0, head: 0 }),
  pending: 0,
  dead: 0,
  ...change
})
const replay = (change: Partial<Plan.View["runs"][number]> = {}, maxEvents: number | null = null) =>
  connection("conn_1:rpl_1", {
    replay: { id: "rpl_1", filterRules: [], ratePerSecond: 10, maxEvents },
    head: 50,
    ...change
  })
const view = (change: Partial<Plan.View> = {}): Plan.View => ({
  control: State.initialControl,
  runs: [],
  due: [],
  oldest: [],
  nextDue: null,
  pendingCount: 0,
  ...change
})
const control = (change: Partial<State.Control>): State.Control => ({ ...State.initialControl, ...change })
const pending = (seq: number, change: Partial<State.Pending> = {}): State.Pending => ({
  run: "conn_1",
  seq,
  spent: 1,
  key: null,
  restarts: 0,
  since: 1,
  due: NOW,
  reason: "Unavailable",
  detail: "down",
  ...change
})
const plan = (given: Plan.View, policy: Partial<Policy.Policy> = {}) =>
  Plan.plan(given, NOW, {
    ordering: "none",
    limits: Policy.unlimited,
    maxPending: 1000,
    window: WINDOW,
    ...policy
  })
const window: Facts.Window = { run: "conn_1", lo: 1, hi: 1, seqs: null }

describe("plan", () => {
  it("waits for a wake-up when every cursor is at its head", () => {
    expect(plan(view({ runs: [connection("conn_1", { cursor: 5, head: 5 })] }))).toEqual({
      _tag: "Wait",
      until: null,
      because: "idle"
    })
  })
  it("reads on where the cursor is behind", () => {
    const behind = connection("conn_2", { cursor: 5, head: 9 })
    expect(plan(view({ runs: [connection("conn_1"), behind] }))).toEqual({
      _tag: "Send",
      parts: [{ run: behind, records: ALL.records, maxEvents: Policy.WINDOW_EVENTS }],
      allowed: ALL,
      probe: false
    })
  })
  it("settles what a stopped process left open before anything else", () => {
    expect(
      plan(view({ control: control({ windows: [window, { ...window, run: "conn_2" }], throttledUntil: NOW + 1 }) }))
    ).toEqual({
      _tag: "Recover",
      window
    })
  })
  it("retries what is due before it reads on", () => {
    const one = connection("conn_1", { cursor: 5, head: 9 })
    expect(plan(view({ runs: [one], due: [pending(4), pending(2)], pendingCount: 2 }))).toEqual({
      _tag: "Send",
      parts: [{ run: one, records: 2, items: [pending(2), pending(4)] }],
      allowed: ALL,
      probe: false
    })
  })
  it("sleeps until the next retry is due", () => {
    expect(plan(view({ nextDue: NOW + 30 }))).toEqual({ _tag: "Wait", until: NOW + 30, because: "retry due" })
  })
  it("reads no further than max_pending leaves room for", () => {
    const connections = [connection("conn_1", { head: 500 })]
    expect(plan(view({ runs: connections, pendingCount: 990 }))).toMatchObject({ parts: [{ maxEvents: 10 }] })
    expect(plan(view({ runs: connections, pendingCount: 1000, nextDue: NOW + 5 }))).toMatchObject({
      _tag: "Wait",
      until: NOW + 5
    })
  })
  it("leaves a disabled connection where it stands", () => {
    expect(plan(view({ runs: [connection("conn_1", { head: 9, enabled: false })] }))).toMatchObject({
      _tag: "Wait"
    })
  })
  it("sends nothing while throttled", () => {
    expect(
      plan(view({ runs: [connection("conn_1", { head: 9 })], control: control({ throttledUntil: NOW + 7 }) }))
    ).toEqual({
      _tag: "Wait",
      until: NOW + 7,
      because: "throttled"
    })
  })
  it("sends nothing while a user has paused it, one event as a probe while it is paused for its credentials", () => {
    const connections = [connection("conn_1", { head: 9 })]
    const paused = (probeAt: number | null) =>
      plan(view({ runs: connections, control: control({ pause: { reason: "Unauthorized", detail: "", probeAt } }) }))
    expect(paused(null)).toEqual({ _tag: "Wait", until: null, because: "paused" })
    expect(paused(NOW + 1)).toEqual({ _tag: "Wait", until: NOW + 1, because: "paused" })
    expect(paused(NOW)).toMatchObject({ parts: [{ maxEvents: 1 }] })
  })
})

describe("plan of what several logs have", () => {
  const share = (heads: ReadonlyArray<number>, events: number, policy: Partial<Policy.Policy> = {}) => {
    const runs = heads.map((head, i) => connection(`conn_${i}`, { head }))
    const step = plan(view({ runs }), { window: { events, bytes: 1e6 }, ...policy })
    if (step._tag !== "Send") throw new TypeError(`a window, not ${step._tag}`)
    return step.parts.map((part) => ("maxEvents" in part ? [part.run.id, part.maxEvents] : []))
  }
  const counts = (...args: Parameters<typeof share>) => share(...args).map(([, count]) => count)
  it("is one window, in which each has an equal share, as far as it is so far behind", () => {
    expect(counts([1, 1, 1], 3)).toEqual([1, 1, 1])
    expect(counts([900, 1, 900], 101)).toEqual([50, 1, 50])
    expect(counts([900, 30, 900], 100)).toEqual([35, 30, 35])
  })
  it("takes more of each than was said where there is room, and never more than a window holds", () => {
    expect(counts([1, 1], 100)).toEqual([50, 50])
    expect(counts([1, 1, 2], 9)).toEqual([2, 2, 3])
  })
  it("goes round where there are more logs than a window has events", () => {
    expect(share([9, 9, 9, 9], 2)).toEqual([
      ["conn_0", 1],
      ["conn_1", 1]
    ])
  })
  it("has no more events than max_pending leaves room for", () => {
    expect(counts([900, 900], 100, { maxPending: 10 })).toEqual([5, 5])
  })
})

describe("plan of what is due", () => {
  const one = connection("conn_1", { cursor: 9, head: 9 })
  const items = (...due: ReadonlyArray<State.Pending>) => {
    const step = plan(view({ runs: [one], due, pendingCount: due.length }), { window: { events: 3, bytes: 1e6 } })
    if (step._tag !== "Send") throw new TypeError(`a retry, not ${step._tag}`)
    return step.parts.flatMap((part) => ("items" in part ? part.items.map(({ seq }) => seq) : []))
  }
  const suspect = (seq: number, change: Partial<State.Pending> = {}) => pending(seq, { restarts: 2, ...change })
  it("is as much as a window holds, in order of the log, of runs that are there", () => {
    expect(items(pending(5), pending(2), pending(4), pending(3))).toEqual([2, 3, 4])
    expect(items(pending(5), pending(1, { run: "conn_2" }))).toEqual([5])
  })
  it("is taken of several runs, of the one that waits longest first; a suspect only when nothing else is due", () => {
    const runs = [one, connection("conn_2", { cursor: 9, head: 9 }), connection("conn_3", { cursor: 9, head: 9 })]
    const of = (...due: ReadonlyArray<State.Pending>) => {
      const step = plan(view({ runs, due, pendingCount: due.length }), { window: { events: 3, bytes: 1e6 } })
      if (step._tag !== "Send") throw new TypeError(`a retry, not ${step._tag}`)
      return step.parts.map((part) => [part.run.id, "items" in part ? part.items.map(({ seq }) => seq) : []])
    }
    const [second, third] = [{ run: "conn_2" }, { run: "conn_3" }]
    expect(of(pending(4, second), pending(5), pending(3, second), pending(6, third))).toEqual([
      ["conn_2", [3, 4]],
      ["conn_1", [5]]
    ])
    expect(of(suspect(1), pending(6, third))).toEqual([["conn_3", [6]]])
    expect(of(suspect(6, third), suspect(1))).toEqual([["conn_3", [6]]])
  })
  it("sends what may end the process alone, after the others", () => {
    expect(items(suspect(1), pending(2), pending(3, { restarts: 1 }))).toEqual([2, 3])
    expect(items(suspect(2), suspect(1))).toEqual([1])
    expect(items(suspect(1, { restarts: 5 }))).toEqual([1])
  })
  it("keeps the order of a key around what is sent alone", () => {
    const key = "k"
    expect(items(suspect(1, { key }), pending(2, { key }), pending(3))).toEqual([3])
    expect(items(suspect(1, { key }), pending(2, { key }))).toEqual([1])
    expect(items(pending(1, { key }), suspect(2, { key }), pending(3, { key }))).toEqual([1])
    expect(items(suspect(1, { key }), pending(2, { key: "other" }))).toEqual([2])
    expect(items(suspect(1), pending(2))).toEqual([2])
  })
  it("is asked for by one event while the destination is paused for its credentials", () => {
    const pause = { reason: "Unauthorized", detail: "", probeAt: NOW } as const
    const step = plan(view({ runs: [one], due: [pending(2), pending(1)], control: control({ pause }) }))
    expect(step).toMatchObject({ _tag: "Send", parts: [{ items: [{ seq: 1 }] }] })
  })
  it("is waited for, or for the rate of a replay, whichever comes first", () => {
    const spent = replay({ rateFullAt: NOW + 1000 })
    const wait = (nextDue: number | null) => plan(view({ runs: [spent], nextDue }))
    expect(wait(NOW + 50)).toEqual({ _tag: "Wait", until: NOW + 50, because: "retry due" })
    expect(wait(NOW + 500)).toEqual({ _tag: "Wait", until: NOW + 100, because: "rate limit" })
  })
  it("holds nothing up that needs no order, and with strict everything of its run", () => {
    const behind = connection("conn_1", { head: 9, pending: 1 })
    expect(plan(view({ runs: [behind], nextDue: NOW + 5, pendingCount: 1 }))).toMatchObject({ _tag: "Send" })
    const strict = { ordering: "strict" } as const
    expect(plan(view({ runs: [behind], nextDue: NOW + 5, pendingCount: 1 }), strict)).toMatchObject({ _tag: "Wait" })
    expect(plan(view({ runs: [{ ...behind, pending: 0 }] }), strict)).toMatchObject({ _tag: "Send" })
  })
})

describe("the rates", () => {
  const sent = { requests: 1, records: 2, bytes: 30 }
  const spent = (limits: Partial<Policy.PerSecond>) =>
    Allowance.spend(
      control({ rates: { requests: 5, records: 6, bytes: 7 } }),
      { ...Policy.unlimited, ...limits },
      sent,
      NOW
    )
  it("are spent where there is a limit, and kept where there is none", () => {
    expect(spent({})).toBeNull()
    expect(spent({ requests: 10 })).toEqual({ requests: NOW + 100, records: 6, bytes: 7 })
    expect(spent({ records: 10 })).toEqual({ requests: 5, records: NOW + 200, bytes: 7 })
    expect(spent({ bytes: 10 })).toEqual({ requests: 5, records: 6, bytes: NOW + 3000 })
  })
  it("hold sending until the scarcest of them lets something through", () => {
    const rates = { requests: NOW + 1000, records: NOW + 1000, bytes: 0 }
    const runs = [connection("conn_1", { head: 900 })]
    const limits = { requests: 5, records: 2, bytes: null }
    expect(plan(view({ runs, control: control({ rates }) }), { limits })).toEqual({
      _tag: "Wait",
      until: NOW + 500,
      because: "rate limit"
    })
  })
})

describe("plan of a probe", () => {
  const open = (probes: number, until = NOW) => control({ breaker: { state: "open", since: 1, until, probes } })
  const behind = connection("conn_2", { cursor: 5, head: 9 })
  const candidates = { runs: [behind, connection("conn_1")], oldest: [pending(1), pending(2)] }
  it("asks with each event in turn, the next of a log too: none that always fails keeps the circuit open", () => {
    const asked = [0, 1, 2, 3, 4, 5].map((probes) => plan(view({ ...candidates, control: open(probes) })))
    const one = { allowed: { requests: 1, records: 1 }, probe: true }
    const run = { id: "conn_1" }
    const first = { _tag: "Send", parts: [{ run, items: [pending(1)] }], ...one }
    const second = { _tag: "Send", parts: [{ run, items: [pending(2)] }], ...one }
    const next = { _tag: "Send", parts: [{ run: behind, maxEvents: 1 }], ...one }
    expect(asked).toMatchObject([first, second, next, first, second, next])
    // Nothing is behind: the pending ones alone, in turn; nothing is pending: the log alone.
    const alone = { runs: [connection("conn_1")], oldest: candidates.oldest }
    expect([0, 1, 2].map((probes) => plan(view({ ...alone, control: open(probes) })))).toMatchObject([
      first,
      second,
      first
    ])
    expect(plan(view({ runs: [behind], control: open(3) }))).toMatchObject(next)
  })
  it("waits for its time, and for something to ask with", () => {
    const waiting = plan(view({ ...candidates, control: open(0, NOW + 7) }))
    expect(waiting).toEqual({ _tag: "Wait", until: NOW + 7, because: "circuit open" })
    const idle = { _tag: "Wait", until: null, because: "idle" }
    expect(plan(view({ control: open(0) }))).toEqual(idle)
    expect(plan(view({ control: open(0, NOW + 7) }))).toEqual(idle)
  })
  it("that fails makes the next one ask with another event, a period later; the outage grows no younger", () => {
    const before = control({ breaker: { state: "half_open", since: 1, until: NOW, probes: 3 } })
    const facts = settle([{ seq: 1, spent: 0, result: failed("Unavailable", "") }], { control: before })
    expect(facts.slice(1)).toEqual([{ _tag: "BreakerOpened", at: NOW, until: NOW + 60_000, probes: 4 }])
    expect(facts.reduce(State.evolveControl, before).breaker).toEqual({
      state: "open",
      since: 1,
      until: NOW + 60_000,
      probes: 4
    })
  })
  it("that asked nothing lets the next one go at once", () => {
    const before = control({ breaker: { state: "half_open", since: 1, until: NOW, probes: 3 } })
    const facts = settle([{ seq: 1, spent: 0, result: { _tag: "Filtered", rule: 0 } }], { control: before })
    expect(facts.slice(1)).toEqual([{ _tag: "BreakerOpened", at: NOW, until: NOW, probes: 4 }])
  })
})

describe("plan of a replay", () => {
  it("takes its turn with the live run, at its own rate", () => {
    const live = connection("conn_1", { head: 9 })
    expect(plan(view({ runs: [replay(), live] }))).toMatchObject({
      parts: [
        { run: { id: "conn_1:rpl_1" }, records: 10 },
        { run: { id: "conn_1" }, records: ALL.records }
      ]
    })
    const spent = replay({ rateFullAt: NOW + 1000 })
    expect(plan(view({ runs: [spent, live] }))).toMatchObject({ parts: [{ run: { id: "conn_1" } }] })
    expect(plan(view({ runs: [spent] }))).toEqual({ _tag: "Wait", until: NOW + 100, because: "rate limit" })
  })
  it("sends no more than it may, and is finished then", () => {
    expect(plan(view({ runs: [replay({ delivered: 3, pending: 1, dead: 1 }, 7)] }))).toMatchObject({
      parts: [{ records: 2 }]
    })
    expect(plan(view({ runs: [replay({ delivered: 6, pending: 1 }, 7)] }))).toMatchObject({ _tag: "Wait" })
    expect(plan(view({ runs: [replay({ delivered: 7 }, 7)] }))).toMatchObject({ _tag: "Finish" })
  })
  it("is finished when its range is read and nothing of it is pending, even while nothing may be sent", () => {
    const over = replay({ cursor: 50 })
    const pause = { reason: "user", detail: "", probeAt: null } as const
    expect(plan(view({ runs: [over], control: control({ pause }) }))).toMatchObject({ _tag: "Finish" })
    expect(plan(view({ runs: [{ ...over, pending: 1 }] }))).toMatchObject({ _tag: "Wait" })
    expect(plan(view({ runs: [{ ...over, finishedAt: 1, pending: 0 }] }))).toMatchObject({ _tag: "Wait" })
  })
})

describe("plan with limits", () => {
  const limits = { requests: 5, records: 100, bytes: 1000 }
  const runs = [connection("conn_1", { head: 900 })]
  const rates = (change: Partial<Facts.Rates>) => ({
    control: control({ rates: { requests: 0, records: 0, bytes: 0, ...change } })
  })
  it("sends what the scarcest bucket lets through", () => {
    expect(plan(view({ runs }), { limits })).toMatchObject({ allowed: { requests: 5, records: 100, bytes: 1000 } })
    const half = rates({ records: NOW + 500 })
    expect(plan(view({ runs, ...half }), { limits })).toMatchObject({ allowed: { requests: 5, records: 50 } })
  })
  it.each([
    ["requests", 1000, 200],
    ["records", 1000, 10],
    ["bytes", 2000, 1001]
  ] as const)("waits until there are %s again", (kind, full, wait) => {
    expect(plan(view({ runs, ...rates({ [kind]: NOW + full }) }), { limits })).toEqual({
      _tag: "Wait",
      until: NOW + wait,
      because: "rate limit"
    })
  })
})

const settle = (
  outcomes: ReadonlyArray<Pick<Settle.Handled, "seq" | "spent" | "result"> & Partial<Settle.Handled>>,
  context: Partial<Settle.SettleContext> = {}
) =>
  Settle.settle(
    [
      {
        window,
        handled: outcomes.map((outcome, i) => ({
          run: window.run,
          key: null,
          restarts: 0,
          since: null,
          request: i,
          ...outcome,
          latency: 3
        })),
        rest: null
      }
    ],
    {
      now: NOW,
      policy: { retry: { ...defaultPolicy, jitter: false }, breaker: defaultSettings },
      control: State.initialControl,
      rates: null,
      configVersion: 0,
      random: () => 0.5,
      ...context
    }
  )
const settled = (facts: ReadonlyArray<Facts.Fact>) => {
  const [fact] = facts
  if (fact?._tag !== "WindowSettled") throw new TypeError("the first fact settles the window")
  return fact.settled
}

describe("settle", () => {
  it("keeps the sink's receipt", () => {
    const receipt = { partition: 3, offset: "9007199254740993" }
    expect(settled(settle([{ seq: 1, spent: 0, result: delivered(receipt) }]))).toEqual([
      { _tag: "Delivered", seq: 1, attempt: 1, latency: 3, receipt }
    ])
  })

  // architecture.md §5, a row for every reason: tries spent, and what then.
  const rows: Readonly<Record<typeof Reason.Type, readonly [spent: number | "dead", then: string, due: number]>> = {
    Malformed: ["dead", "", 0],
    TooLarge: ["dead", "", 0],
    Rejected: ["dead", "", 0],
    Unauthorized: [0, "Paused", NOW],
    Misconfigured: [0, "Paused", NOW],
    Throttled: [0, "ThrottledUntil", NOW + 1000],
    Unavailable: [1, "", NOW + 30_000],
    TimedOut: [1, "", NOW + 30_000],
    Unknown: [1, "", NOW + 30_000]
  }
  it.each(Reason.literals)("%s has the consequence of the table", (reason) => {
    const facts = settle([{ seq: 1, spent: 0, result: failed(reason, "why") }])
    const [spent, then, due] = rows[reason]
    expect(settled(facts)).toEqual([
      spent === "dead"
        ? { _tag: "Dead", seq: 1, attempt: 1, latency: 3, reason, detail: "why", key: null }
        : {
            _tag: "Retry",
            seq: 1,
            attempt: 1,
            latency: 3,
            reason,
            detail: "why",
            spent,
            due,
            key: null,
            restarts: 0,
            since: NOW
          }
    ])
    expect(facts.slice(1).map(({ _tag }) => _tag)).toEqual(then === "" ? [] : [then])
  })
  it("a request of many that fails counts once for the breaker, and spends a try of each", () => {
    const failures = Array.from({ length: 10 }, (_, i) => ({
      seq: i,
      spent: 0,
      request: 0,
      result: failed("Unavailable", "")
    }))
    const facts = settle(failures)
    expect(settled(facts).every((one) => one._tag === "Retry" && one.spent === 1)).toBe(true)
    expect(facts).toHaveLength(1)
    const requests = [1, 2, 3, 4, 5].flatMap((request) =>
      [0, 1].map((i) => ({ seq: 2 * request + i, spent: 0, request, result: failed("Unavailable", "") }))
    )
    expect(settle(requests).map(({ _tag }) => _tag)).toEqual(["WindowSettled", "BreakerOpened"])
    expect(settle(requests.slice(0, 8)).map(({ _tag }) => _tag)).toEqual(["WindowSettled"])
  })
  it("what was still on its way when the circuit opened prolongs nothing, but a good answer closes it", () => {
    const open = control({ breaker: { state: "open", since: NOW - 5, until: NOW + 59_000, probes: 0 } })
    const after = (result: Settle.Handled["result"]) =>
      settle([{ seq: 1, spent: 0, result }], { control: open }).slice(1)
    expect(after(failed("Unavailable", ""))).toEqual([])
    expect(after(delivered({}))).toEqual([{ _tag: "BreakerClosed", at: NOW }])
  })
  it("each record of a window has its own fate", () => {
    const facts = settle([
      { seq: 1, spent: 0, result: delivered({}) },
      { seq: 2, spent: 0, result: failed("Rejected", "") },
      { seq: 3, spent: 0, result: failed("Unavailable", "") }
    ])
    expect(settled(facts).map(({ _tag }) => _tag)).toEqual(["Delivered", "Dead", "Retry"])
  })
  const lastTry = (lastAnswerAt: number, threshold = 5) =>
    settled(
      settle([{ seq: 1, spent: 5, since: NOW - 100, result: failed("Unknown", "") }], {
        control: control({ lastAnswerAt }),
        policy: { retry: { ...defaultPolicy, jitter: false }, breaker: { ...defaultSettings, threshold } }
      })
    )[0]
  it("the last try that fails is a dead letter, when the sink answered for others since it first failed", () => {
    expect(lastTry(NOW - 50)).toMatchObject({ _tag: "Dead", attempt: 6 })
    expect(settled(settle([{ seq: 1, spent: 4, result: failed("Unknown", "") }]))[0]).toMatchObject({ spent: 5 })
  })
  it("while nothing passes, an event that has failed as often as opens a circuit is kept", () => {
    expect(lastTry(NOW - 150)).toMatchObject({ _tag: "Retry", spent: 5, due: NOW + 86_400_000 })
    expect(lastTry(NOW - 100)).toMatchObject({ _tag: "Retry" })
    expect(lastTry(NOW - 150, 6)).toMatchObject({ _tag: "Retry" })
    expect(lastTry(NOW - 150, 7)).toMatchObject({ _tag: "Dead" })
  })
  it("the last try is the last where the breaker is off, or another was answered beside it", () => {
    const last = { seq: 1, spent: 5, since: NOW - 100, result: failed("Unavailable", "") } as const
    const retry = { ...defaultPolicy, jitter: false }
    const off = settle([last], { policy: { retry, breaker: { ...defaultSettings, enabled: false } } })
    expect(settled(off)[0]).toMatchObject({ _tag: "Dead" })
    for (const result of [delivered({}), failed("Rejected", "")]) {
      expect(settled(settle([last, { seq: 2, spent: 0, result }]))[0]).toMatchObject({ _tag: "Dead" })
    }
    for (const result of [{ _tag: "Held" }, failed("TimedOut", "")] as const) {
      expect(settled(settle([last, { seq: 2, spent: 0, result }]))[0]).toMatchObject({ _tag: "Retry" })
    }
  })
  it("the circuit opens for its period, and one good answer in a window closes it", () => {
    const down = failed("Unavailable", "")
    const many = [1, 2, 3, 4, 5].map((seq) => ({ seq, spent: 0, result: down }))
    expect(settle(many)[1]).toEqual({ _tag: "BreakerOpened", at: NOW, until: NOW + 60_000, probes: 0 })
    const open = control({ breaker: { state: "half_open", since: 1, until: NOW, probes: 0 } })
    const mixed = [many[0]!, { seq: 9, spent: 0, result: delivered({}) }]
    expect(settle(mixed, { control: open }).slice(1)).toEqual([{ _tag: "BreakerClosed", at: NOW }])
  })
  it("of several throttlings the longest counts, and of a window one is enough", () => {
    const facts = settle([
      { seq: 1, spent: 0, result: failed("Throttled", "", 2000) },
      { seq: 2, spent: 0, result: failed("Throttled", "", 8000) },
      { seq: 3, spent: 0, result: failed("Throttled", "") },
      { seq: 4, spent: 0, result: delivered({}) }
    ])
    expect(facts[1]).toEqual({ _tag: "ThrottledUntil", until: NOW + 12_000, streak: 0 })
    expect(settled(facts)[0]).toMatchObject({ _tag: "Retry", due: NOW + 12_000, spent: 0 })
  })
  it("waits at least as long as a throttling sink asks, at most an hour", () => {
    const until = (retryAfter: number) => {
      const fact = settle([{ seq: 1, spent: 0, result: failed("Throttled", "", retryAfter) }])[1]
      return fact?._tag === "ThrottledUntil" ? fact.until - NOW : undefined
    }
    expect([until(10_000), until(9e9)]).toEqual([15_000, 3_600_000])
  })
  it("backs off from a second to a minute when a throttling sink asks for nothing", () => {
    const until = (throttleStreak: number) => {
      const fact = settle([{ seq: 1, spent: 0, result: failed("Throttled", "") }], {
        control: control({ throttleStreak })
      })[1]
      return fact?._tag === "ThrottledUntil" ? fact.until - NOW : undefined
    }
    expect([0, 1, 2, 9].map(until)).toEqual([1000, 2000, 4000, 60_000])
  })

  const paused = control({ pause: { reason: "Unauthorized", detail: "", probeAt: NOW } })
  it("one delivered event of a window ends the pause", () => {
    const facts = settle(
      [
        { seq: 1, spent: 0, result: failed("Unavailable", "") },
        { seq: 2, spent: 0, result: delivered({}) }
      ],
      { control: paused }
    )
    expect(facts.slice(1)).toEqual([{ _tag: "Resumed" }])
  })
  it("a probe that is delivered ends the pause, one that fails otherwise prolongs it", () => {
    const after = (result: Settle.Handled["result"]) => settle([{ seq: 1, spent: 0, result }], { control: paused })[1]
    expect(after(delivered({}))).toEqual({ _tag: "Resumed" })
    expect(after(failed("Unavailable", ""))).toMatchObject({ _tag: "Paused", probeAt: NOW + Settle.PROBE_INTERVAL })
  })
  it("what was sent before a repair and failed is tried again at once, by what is set now", () => {
    const repaired = control({ configVersion: 3, repairedIn: 3 })
    const dueOf = (configVersion: number, reason: Reason) =>
      settled(settle([{ seq: 1, spent: 1, result: failed(reason, "") }], { control: repaired, configVersion }))[0]
    expect(dueOf(3, "TimedOut")).toMatchObject({ spent: 2, due: NOW + 300_000 })
    expect(dueOf(2, "TimedOut")).toMatchObject({ spent: 2, due: NOW })
    const throttled = (configVersion: number) =>
      settle([{ seq: 1, spent: 1, result: failed("Throttled", "", 5000) }], { control: repaired, configVersion })
    expect(throttled(3).map(({ _tag }) => _tag)).toEqual(["WindowSettled", "ThrottledUntil"])
    expect(throttled(2).map(({ _tag }) => _tag)).toEqual(["WindowSettled"])
    expect(settled(throttled(2))[0]).toMatchObject({ spent: 1, due: NOW })
  })
  it("a pause of the user is neither ended nor prolonged by what was still on its way", () => {
    const user = control({ pause: { reason: "user", detail: "", probeAt: null } })
    for (const result of [delivered({}), failed("Unauthorized", ""), failed("Unavailable", "")]) {
      expect(settle([{ seq: 1, spent: 0, result }], { control: user })).toHaveLength(1)
    }
  })
  it("a refusal among good answers pauses all the same, with its own words", () => {
    const facts = settle([
      { seq: 1, spent: 0, result: delivered({}) },
      { seq: 2, spent: 0, result: failed("Misconfigured", "no topic") },
      { seq: 3, spent: 0, result: failed("Unauthorized", "later") }
    ])
    expect(facts.slice(1)).toEqual([
      { _tag: "Paused", reason: "Misconfigured", detail: "no topic", probeAt: NOW + Settle.PROBE_INTERVAL }
    ])
  })
  it("what was not sent stays as it was, behind its key or due at once", () => {
    const held = { seq: 1, spent: 2, restarts: 1, key: "k", result: { _tag: "Held" } } as const
    const idle = { seq: 2, spent: 1, result: { _tag: "NotStarted" } } as const
    const out = { seq: 3, spent: 0, result: { _tag: "Filtered", rule: 4 } } as const
    const facts = settle([held, idle, out])
    expect(settled(facts)).toEqual([
      { _tag: "Waiting", seq: 1, key: "k", spent: 2, restarts: 1, due: null },
      { _tag: "Waiting", seq: 2, key: null, spent: 1, restarts: 0, due: NOW },
      { _tag: "Filtered", seq: 3, rule: 4 }
    ])
    expect(facts).toHaveLength(1)
  })
  const lost = (restarts: number, spent: number, behind = false, enabled = true) =>
    settled(
      settle([{ seq: 1, spent, restarts, since: 9, request: null, result: { _tag: "Lost", behind } }], {
        policy: { retry: { ...defaultPolicy, jitter: false, maxRetries: 1 }, breaker: { ...defaultSettings, enabled } }
      })
    )[0]
  it("what has no known end is sent again at once or behind its key, twice for free, then for a try", () => {
    const again = { _tag: "Retry", seq: 1, reason: "Unknown", since: 9, attempt: 1 }
    expect(lost(0, 0)).toMatchObject({ ...again, spent: 0, restarts: 1, due: NOW })
    expect(lost(1, 0)).toMatchObject({ ...again, spent: 0, restarts: 2, due: NOW })
    expect(lost(2, 0)).toMatchObject({ ...again, spent: 1, restarts: 3, due: NOW })
    expect(lost(0, 0, true)).toMatchObject({ ...again, spent: 0, restarts: 1, due: null })
    const detail = "hookstream was stopped before the outcome was known; the event is sent again"
    expect(lost(3, 1)).toMatchObject({ _tag: "Dead", seq: 1, attempt: 2, reason: "Unknown", detail })
    // However long nothing passes: it is the event that ends the process.
    expect(lost(9, 7)).toMatchObject({ _tag: "Dead", attempt: 8 })
    expect(lost(0, 1)).toMatchObject({ ...again, attempt: 2, spent: 1 })
  })
  it("while the circuit is open a failed probe spends no try", () => {
    const open = control({ breaker: { state: "half_open", since: 1, until: NOW, probes: 0 } })
    const facts = settle([{ seq: 1, spent: 5, since: 3, result: failed("Unavailable", "down") }], { control: open })
    expect(settled(facts)[0]).toMatchObject({ _tag: "Retry", spent: 5, due: NOW, since: 3, restarts: 0 })
  })
  it("tells when the sink last answered, of a refusal too, and not of an outage", () => {
    const lastAnswer = (result: Settle.Handled["result"]) =>
      settle([{ seq: 1, spent: 0, result }]).reduce(State.evolveControl, control({ lastAnswerAt: 7 })).lastAnswerAt
    expect(lastAnswer(delivered({}))).toBe(NOW)
    expect(lastAnswer(failed("Rejected", ""))).toBe(NOW)
    expect(lastAnswer(failed("Unavailable", ""))).toBe(7)
    expect(lastAnswer({ _tag: "Held" })).toBe(7)
  })
  it("a request of several events is one observation, good when any was answered", () => {
    const two = (first: Settle.Disposition, second: Settle.Disposition) => {
      const [fact] = settle([
        { seq: 4, spent: 0, request: 1, result: first },
        { seq: 6, spent: 0, request: 1, result: second }
      ])
      return fact?._tag === "WindowSettled" ? fact.seen : undefined
    }
    const down = failed("Unavailable", "")
    expect(two(down, down)).toEqual([{ event: "conn_1/4-6", ok: false }])
    expect(two(down, failed("Rejected", ""))).toEqual([{ event: "conn_1/4-6", ok: true }])
    expect(two({ _tag: "Held" }, { _tag: "NotStarted" })).toEqual([])
    const [alone] = settle([{ seq: 4, spent: 0, result: down }])
    expect(alone).toMatchObject({ seen: [{ event: "conn_1/4", ok: false }] })
  })
  it("of the requests only those from the last good one on are written down: what came before says nothing", () => {
    const down = failed("Unavailable", "")
    const results = [down, delivered({}), down, delivered({}), down, down]
    const [fact] = settle(results.map((result, i) => ({ seq: i + 1, spent: 0, request: i, result })))
    expect(fact).toMatchObject({
      seen: [
        { event: "conn_1/4", ok: true },
        { event: "conn_1/5", ok: false },
        { event: "conn_1/6", ok: false }
      ]
    })
  })
  it("no further send is started when the circuit will open, or the destination pauses or waits", () => {
    const stops = (result: Settle.Disposition, failures = 0) =>
      Settle.mustStop(
        [{ run: "conn_1", seq: 1, spent: 0, restarts: 0, since: null, key: null, request: 1, latency: 1, result }],
        { state: "closed", failures, events: ["a", "b"] },
        defaultSettings
      )
    const beside = Settle.mustStop(
      [failed("Unauthorized", ""), delivered({})].map((result, i) => ({
        run: "conn_1",
        seq: i,
        spent: 0,
        restarts: 0,
        since: null,
        key: null,
        request: 1,
        latency: 1,
        result
      })),
      { state: "closed", failures: 0, events: [] },
      defaultSettings
    )
    expect(beside).toBe(true)
    const yes = [failed("Unauthorized", ""), failed("Misconfigured", ""), failed("Throttled", "")]
    const no = [delivered({}), failed("Rejected", ""), failed("Unavailable", ""), { _tag: "Held" } as const]
    expect(yes.map((result) => stops(result))).toEqual([true, true, true])
    expect(no.map((result) => stops(result))).toEqual([false, false, false, false])
    expect([stops(delivered({}), 5), stops(delivered({}), 4)]).toEqual([true, false])
  })
  it("of several runs is a fact for each, and the breaker sees each request once, in the order of the requests", () => {
    const down = failed("Unavailable", "")
    const one = (run: string, seq: number, request: number, result: Settle.Disposition): Settle.Handled => ({
      run,
      seq,
      spent: 0,
      restarts: 0,
      since: null,
      key: null,
      request,
      latency: 1,
      result
    })
    const of = (run: string, lo: number, hi: number): Facts.Window => ({ run, lo, hi, seqs: null })
    const rest = of("conn_2", 8, 9)
    const facts = Settle.settle(
      [
        {
          window: of("conn_1", 1, 2),
          handled: [one("conn_1", 1, 1, delivered({})), one("conn_1", 2, 3, down)],
          rest: null
        },
        { window: of("conn_2", 6, 7), handled: [one("conn_2", 6, 1, down), one("conn_2", 7, 2, down)], rest }
      ],
      {
        now: NOW,
        policy: { retry: defaultPolicy, breaker: defaultSettings },
        control: control({ windows: [of("conn_1", 1, 2), of("conn_2", 6, 9)] }),
        rates: { requests: 1, records: 2, bytes: 3 },
        configVersion: 0,
        random: () => 0.5
      }
    )
    expect(facts).toMatchObject([
      { _tag: "WindowSettled", run: "conn_1", rest: null, seen: [], rates: { requests: 1 } },
      {
        _tag: "WindowSettled",
        run: "conn_2",
        rest,
        rates: null,
        seen: [
          { event: "conn_1/1-conn_2/6", ok: true },
          { event: "conn_2/7", ok: false },
          { event: "conn_1/2", ok: false }
        ]
      }
    ])
    expect(
      facts.reduce(State.evolveControl, control({ windows: [of("conn_1", 1, 2), of("conn_2", 6, 9)] }))
    ).toMatchObject({
      windows: [rest],
      rates: { requests: 1, records: 2, bytes: 3 },
      breaker: { failures: 2 }
    })
  })
  it("an outcome of an older configuration pauses nothing", () => {
    expect(settle([{ seq: 1, spent: 0, result: failed("Unauthorized", "") }], { configVersion: 7 })).toHaveLength(1)
  })
})
