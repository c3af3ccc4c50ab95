/** What can be made to go wrong with a produce request. */
export interface ProduceCall {
  readonly topic: string
  /** The request's body as it came. */
  readonly body: string
}

export type Fault =
  /** Answers this instead of reading the records. */
  | {
      readonly _tag: "Respond"
      readonly status: number
      readonly body: string
      readonly contentType?: string
      readonly headers?: Record<string, string>
    }
  /** Refuses every record with this receipt, under HTTP 200. */
  | { readonly _tag: "Receipt"; readonly code: number; readonly message: string }
  /** Cuts the connection, before the records are produced or after. */
  | { readonly _tag: "Cut"; readonly after: "nothing" | "produce" }
  /** Answers as usual, this many milliseconds later. */
  | { readonly _tag: "Delay"; readonly ms: number }

/** Asked before each produce request; `undefined` lets it through. */
export type FaultPlan = (call: ProduceCall) => Fault | undefined
