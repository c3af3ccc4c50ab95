/**
 * What a destination logs: the facts that matter to its operator, as they are committed. Pure, except for writing the
 * lines.
 */

import type { DestinationId } from "../Ids.ts"
import type { DeliveryStore } from "../journal/DeliveryJournal.ts"
import { partsOf } from "../journal/internal/deliveryTelling.ts"
import { type Line, line, shown } from "../LogLine.ts"
import type { Fact, Settlement } from "./Facts.ts"
import { type Control, evolveControl, isOutage } from "./State.ts"

/** Sequences that a line names. */
const NAMED_MAX = 10

const RESTORED = "what was read above `to` is no longer in the log; all that it has is sent, some of it maybe again"

const timeOf = (millis: number | null): string | null => (millis === null ? null : new Date(millis).toISOString())

type Failure = Extract<Settlement, { readonly _tag: "Retry" | "Dead" }>

const isOfOutage = (one: Settlement): one is Failure =>
  (one._tag === "Retry" || one._tag === "Dead") && isOutage(one.reason)

/** The last failure that speaks of the sink, with its connection. */
const outageIn = (facts: ReadonlyArray<Fact>) => {
  const window = facts.findLast((fact) => fact._tag === "WindowSettled" && fact.settled.some(isOfOutage))
  if (window?._tag !== "WindowSettled") return { connection: null, reason: null, detail: null }
  const { reason, detail } = window.settled.findLast(isOfOutage)!
  return { connection: partsOf(window.run).connection, reason, detail: shown(detail) }
}

/** The lines that a fact is worth. `before`: the control at that point; `facts`: all that are committed with it. */
const linesOfFact = (
  destination: DestinationId,
  before: Control,
  fact: Fact,
  facts: ReadonlyArray<Fact>
): ReadonlyArray<Line> => {
  const { pause, breaker } = before
  switch (fact._tag) {
    case "Paused": {
      // A probe that found nothing better.
      if (pause?.reason === fact.reason) return []
      const { reason, detail, probeAt } = fact
      return [
        line(reason === "user" ? "info" : "warn", "a destination paused", {
          destination,
          reason,
          detail: shown(detail),
          next_probe_at: timeOf(probeAt)
        })
      ]
    }
    case "Resumed":
      return pause === null ? [] : [line("info", "a destination resumed", { destination, reason: pause.reason })]
    case "BreakerOpened":
      return breaker.state === "closed"
        ? [
            line("warn", "a circuit opened", {
              destination,
              ...outageIn(facts),
              failures: breaker.failures,
              next_probe_at: timeOf(fact.until)
            })
          ]
        : []
    case "BreakerClosed":
      return breaker.state === "closed"
        ? []
        : [
            line("info", "a circuit closed", {
              destination,
              open_ms: fact.at - breaker.since,
              probes: breaker.probes
            })
          ]
    case "WindowSettled": {
      const dead = fact.settled.filter((one) => one._tag === "Dead")
      const [first] = dead
      if (first === undefined) return []
      const reasons = Map.groupBy(dead, ({ reason }) => reason)
      return [
        line("warn", "events died", {
          destination,
          ...partsOf(fact.run),
          count: dead.length,
          sequences: dead.slice(0, NAMED_MAX).map(({ seq }) => seq),
          reason: first.reason,
          detail: shown(first.detail),
          reasons: Object.fromEntries([...reasons].map(([reason, all]) => [reason, all.length]))
        })
      ]
    }
    case "LogRestored": {
      const { run, sourceId, from, through, open } = fact
      return [
        line("warn", "a log was restored to an earlier time: its events are read again from there", {
          destination,
          ...partsOf(run),
          source: shown(sourceId),
          from,
          to: through,
          open,
          means: RESTORED
        })
      ]
    }
    case "ConnectionStarted":
    case "ConnectionChanged":
    case "ReplayRequested":
    case "ReplayFinished":
    case "ReplayCancelled":
    case "RunCancelled":
    case "WindowPlanned":
    case "BreakerHalfOpened":
    case "RetriesDue":
    case "ThrottledUntil":
    case "ConfigChanged":
    case "Redriven":
      return []
  }
}

/** The lines that a commit of these facts is worth, in order. `before`: the control before it. */
export const linesOf = (
  destination: DestinationId,
  before: Control,
  facts: ReadonlyArray<Fact>
): ReadonlyArray<Line> => {
  let control = before
  return facts.flatMap((fact) => {
    const lines = linesOfFact(destination, control, fact, facts)
    control = evolveControl(control, fact)
    return lines
  })
}

/** The same store; what is committed to it is handed to `take` in lines. */
export const logged = (
  store: DeliveryStore,
  destination: () => DestinationId,
  take: (line: Line) => void
): DeliveryStore => ({
  ...store,
  commit: (facts, now) => {
    const before = store.control()
    store.commit(facts, now)
    for (const one of linesOf(destination(), before, facts)) take(one)
  }
})
