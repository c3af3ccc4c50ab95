/** The faults that are switched on, and which of them a request gets. */
import type { Cut, Fault, FaultPlan, FaultRule, ProduceCall, Receipt, Respond, Stream } from "../Fault.ts"

/** What one request gets: the first of each kind, and all the delays. */
export interface RequestFaults {
  readonly respond: Respond | undefined
  readonly stream: Stream | undefined
  readonly cut: Cut | undefined
  readonly delayMs: number
  /** The receipt that is forced on the record of this text. */
  readonly receiptOf: (record: string) => Receipt | undefined
}

const together = (rules: ReadonlyArray<FaultRule>): RequestFaults => {
  const first = <T extends Fault["_tag"]>(tag: T) =>
    rules.find((rule): rule is Extract<FaultRule, { readonly _tag: T }> => rule._tag === tag)
  return {
    respond: first("Respond"),
    stream: first("Stream"),
    cut: first("Cut"),
    delayMs: rules.reduce((sum, rule) => sum + (rule._tag === "Delay" ? rule.ms : 0), 0),
    receiptOf: (record) =>
      rules.find((rule) => rule._tag === "Receipt" && record.includes(rule.recordMatching ?? "")) as Receipt | undefined
  }
}

export interface ActiveFaults {
  readonly set: (faults: FaultPlan | FaultRule | ReadonlyArray<FaultRule> | undefined) => void
  readonly rules: () => ReadonlyArray<FaultRule>
  /** How many requests each rule was applied to. */
  readonly applied: () => ReadonlyArray<number>
  readonly forProduce: (call: ProduceCall) => RequestFaults
  readonly forMetadata: (topic: string | undefined) => RequestFaults
}

export const activeFaults = (): ActiveFaults => {
  let plan: FaultPlan | undefined
  let active: ReadonlyArray<{ readonly rule: FaultRule; matched: number; applied: number }> = []

  const select = (on: "produce" | "metadata", topic: string | undefined, body: string): RequestFaults => {
    const chosen = active.filter((one) => {
      const { rule } = one
      if ((rule.on ?? "produce") !== on) return false
      if (rule.topic !== undefined && rule.topic !== topic) return false
      if (!body.includes(rule.recordMatching ?? "")) return false
      one.matched++
      if (one.matched % (rule.every ?? 1) !== 0 || one.applied >= (rule.times ?? Number.POSITIVE_INFINITY)) return false
      one.applied++
      return true
    })
    return together(chosen.map(({ rule }) => rule))
  }

  return {
    set: (faults) => {
      plan = typeof faults === "function" ? faults : undefined
      const rules = faults === undefined || typeof faults === "function" ? [] : [faults].flat()
      active = rules.map((rule) => ({ rule, matched: 0, applied: 0 }))
    },
    rules: () => active.map(({ rule }) => rule),
    applied: () => active.map(({ applied }) => applied),
    forProduce: (call) => {
      if (plan === undefined) return select("produce", call.topic, call.body)
      const fault = plan(call)
      return together(fault === undefined ? [] : [fault])
    },
    forMetadata: (topic) => select("metadata", topic, "")
  }
}
