/** Facts as older versions wrote them, brought to the present one. What was once written can be read for ever. */
import type * as Facts from "../../delivery/Facts.ts"
import * as State from "../../delivery/State.ts"
import * as Stored from "../../Stored.ts"

/** Version 1 knew one run of each connection, and one event of each request. */
interface V1 {
  readonly [field: string]: unknown
  readonly _tag:
    | "ConnectionStarted"
    | "ConnectionChanged"
    | "WindowPlanned"
    | "WindowSettled"
    | "Paused"
    | "Resumed"
    | "BreakerOpened"
    | "BreakerHalfOpened"
    | "BreakerClosed"
    | "ThrottledUntil"
    | "ConfigChanged"
    | "Redriven"
  readonly connection: string
  readonly rateFullAt: number
  readonly settled: ReadonlyArray<Facts.Settlement>
}

/** The fields of a window, whose run was its connection. */
const inRun = ({ connection, ...rest }: V1) => ({ ...rest, run: connection })

const noRates: Facts.Rates = { requests: 0, records: 0, bytes: 0 }

/** What the breaker saw of version 1's settlements: nothing for an event that was not sent, or whose end is unknown. */
const seenIn = ({ connection, settled }: V1) =>
  settled.flatMap((one) => {
    const event = State.eventKey(connection, one.seq)
    if (one._tag === "Delivered") return [{ event, ok: true }]
    if (one._tag === "Retry" && one.restarts > 0) return []
    return one._tag === "Retry" || one._tag === "Dead" ? [{ event, ok: !State.isOutage(one.reason) }] : []
  })

const fromV1 = (fact: V1): unknown => {
  switch (fact._tag) {
    case "WindowPlanned": {
      const { rateFullAt, ...planned } = inRun(fact)
      return { ...planned, rates: { ...noRates, requests: rateFullAt } }
    }
    case "WindowSettled":
      return { ...inRun(fact), seen: seenIn(fact), rates: null, rest: null }
    case "Redriven":
      return inRun(fact)
    case "ConnectionStarted":
    case "ConnectionChanged":
    case "Paused":
    case "Resumed":
    case "BreakerOpened":
    case "BreakerHalfOpened":
    case "BreakerClosed":
    case "ThrottledUntil":
    case "ConfigChanged":
      return fact
  }
}

const STEPS: Stored.Steps = [fromV1]

/** The version of the facts that this code writes. */
export const FACT_VERSION = Stored.versionOf(STEPS)

/** The fact that was stored as `json` by version `version`. */
export const readFact = (version: number, json: string): Facts.Fact =>
  Stored.upcast(STEPS, version, JSON.parse(json)) as Facts.Fact
