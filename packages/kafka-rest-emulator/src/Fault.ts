/**
 * What can be made to go wrong, as data. A {@link FaultRule} says the same thing to `emulator.setFault`, to
 * `startEmulator`, to `PUT /__faults` and to `--fault`. Sections (§) are those of the produce contract (kafka-rest-v3).
 */

/** Answers this instead of receipts: what stands before the proxy, or the proxy before it reads a record (§6a). */
export interface Respond {
  readonly _tag: "Respond"
  /** HTTP status, 200 to 599. */
  readonly status: number
  /** `error_code` of the default body. Default: the status. */
  readonly code?: number
  /**
   * Default: nothing below 400; above, Jetty's page where the content type is HTML, else `{"error_code","message"}`.
   */
  readonly body?: string
  /** Default: `application/json`. */
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  /** `produce`: the records are in Kafka all the same, as after a gateway's time-out. Default: `nothing`. */
  readonly after?: "nothing" | "produce"
}

/** Gives records this receipt, under HTTP 200 (§6b). The other records of the request go on (§4). */
export interface Receipt {
  readonly _tag: "Receipt"
  readonly code: number
  /** Default: the proxy's for this code. */
  readonly message?: string
  /** The record is produced all the same: 408 always (§4), 50003 now and then (§6b). Default: false. */
  readonly produced?: boolean
}

/** Changes how the receipts are written, not what became of the records (§3, §4). */
export interface Stream {
  readonly _tag: "Stream"
  /** Ends after this many receipts; the records after that are not produced. */
  readonly endAfter?: number
  /** With `endAfter`: the other records are produced, and nothing tells of them. Default: false. */
  readonly produceRest?: boolean
  /** Message of a receipt 400 beyond the last, as after a read error: `Bad Request: Error processing message: …`. */
  readonly extra?: string
  /** Success receipts carry no `error_code`, as of servers 7.0 to 7.2. Default: false. */
  readonly withoutErrorCode?: boolean
  /** JSON white space after each receipt, or none. Default: CRLF. */
  readonly separator?: string
  /** Cuts the stream into HTTP chunks of this many bytes, wherever that falls. Default: one receipt a chunk. */
  readonly chunkBytes?: number
  /** Milliseconds between two receipts. Default: 0. */
  readonly betweenMs?: number
}

/** Cuts the connection: before producing, after it, or once this many bytes of receipts were sent. */
export interface Cut {
  readonly _tag: "Cut"
  readonly after: "nothing" | "produce" | number
}

/** Waits so many milliseconds, then goes on as usual, even when the client has left. */
export interface Delay {
  readonly _tag: "Delay"
  readonly ms: number
}

export type Fault = Respond | Receipt | Stream | Cut | Delay

/** Which requests a fault is for. Without any, all produce requests. */
export interface FaultScope {
  /** `metadata`: `GET` of clusters and topics, where `Respond`, `Cut` and `Delay` work. Default: `produce`. */
  readonly on?: "produce" | "metadata"
  readonly topic?: string
  /** A text of the request's body: a poison record. A `Receipt` is then for the records that have it. */
  readonly recordMatching?: string
  /** Each n-th of the requests that it is for. Default: 1. */
  readonly every?: number
  /** Off after so many requests. Default: never. */
  readonly times?: number
}

/** Rules apply together: a request gets the first of each kind, and all the delays. */
export type FaultRule = Fault & FaultScope

export interface ProduceCall {
  readonly topic: string
  /** The request's body as it came. */
  readonly body: string
}

/** Asked before each produce request; `undefined` lets it through. */
export type FaultPlan = (call: ProduceCall) => Fault | undefined
