/** What others ask of the object of a destination: logs, workspaces and the API. */
import { type Contract, list, nothing, nullable, number, object, oneOf, record } from "../Contract.ts"
import type { ConnectionId, ReplayId, SourceId } from "../Ids.ts"
import type {
  AttemptFilter,
  AttemptPage,
  AttemptPosition,
  DeadPage,
  DeliveryStatus,
  Entry,
  Needs,
  ReplayProgress,
  Summary
} from "../journal/DeliveryStore.ts"
import type { Reason } from "../sink/Sink.ts"
import type { DestinationConfig } from "../workspace/Registry.ts"
import type { ReplayJob } from "../workspace/ReplayJob.ts"

/** Which dead letters, or which of what waits; without a field all. */
export interface RedriveFilter {
  readonly connection?: ConnectionId
  /** Of the last try. */
  readonly reason?: Reason
}

export interface DeliveryContract {
  /** Works by this config from now on. An engine that has this version already changes nothing. */
  readonly configure: (config: DestinationConfig) => Promise<void>
  /** Starts and cancels replays. Those that it knows change nothing. */
  readonly command: (jobs: ReadonlyArray<ReplayJob>) => void
  /**
   * The log of this source has events up to `head`. Answers at once, with the milliseconds for which the destination
   * needs no further wake-up: while it may not read, a busy log is spared the calls, and the logs are asked before the
   * next pass.
   */
  readonly wake: (sourceId: SourceId, head: number) => number
  /**
   * The same with the epoch of event `head`, by which a restored log is known. A destination of 0.1 and before knows it
   * not, and the call fails.
   */
  readonly wakeUnder: (sourceId: SourceId, head: number, epoch: string) => number
  /** Everything that the journal tells of one event, oldest first. */
  readonly timeline: (sourceId: SourceId, seq: number) => ReadonlyArray<Entry>
  readonly statuses: (sourceId: SourceId, seqs: ReadonlyArray<number>) => ReadonlyArray<DeliveryStatus>
  /** With the logs as they are now, as far as they can be reached. */
  readonly summary: () => Promise<Summary>
  /** Newest first. */
  readonly deadLetters: (before: DeadPage["next"], limit: number) => DeadPage
  /** Brings dead letters back with all their tries; answers how many. */
  readonly redrive: (filter: RedriveFilter) => number
  /**
   * Tries now what waits for its retry, with the tries that it has left; answers how many. An open circuit is probed at
   * once.
   */
  readonly retryWaiting: (filter: RedriveFilter) => number
  /** Tries an event again now on each connection where it is dead or waits for its retry; answers on how many. */
  readonly retry: (sourceId: SourceId, seq: number) => number
  /**
   * Tries the delivery of this attempt again now. `settled`: it is neither dead nor waiting for its retry, or
   * cancelled.
   */
  readonly retryAttempt: (position: AttemptPosition) => "retried" | "settled" | "unknown"
  /** Tries, newest first. */
  readonly attempts: (filter: AttemptFilter, before: AttemptPosition | null, limit: number) => AttemptPage
  /**
   * Deliveries of these connections that are not done with: pending, or not read from their log yet. With the logs as
   * they are now, as far as they can be reached.
   */
  readonly waiting: (connections: ReadonlyArray<ConnectionId>) => Promise<number>
  /** `null` when the destination knows no such replay. */
  readonly replay: (id: ReplayId) => ReplayProgress | null
  /** Events of this log up to here are no longer needed; `null` when none is. Logs of 0.1 and before ask it. */
  readonly lowWatermark: (sourceId: SourceId) => number | null
  /** What of this log is still needed; `null` when nothing is. */
  readonly needs: (sourceId: SourceId) => Needs | null
  /**
   * Closes the circuit by hand, also a closed one: what waits is tried at once, also of a sink that has asked for
   * patience.
   */
  readonly resetCircuit: () => Promise<Summary>
  /** Looks for what is left to do, for an alarm may have been lost. Answers at once. */
  readonly nudge: () => void
}

const summary = record<Summary>({
  control: object,
  connections: list,
  pending: number,
  dead: number,
  nextDue: nullable(number),
  lastError: nullable(object)
})

export const contract: Contract<DeliveryContract> = {
  name: "the destination",
  version: 1,
  methods: {
    configure: { args: 1, answer: nothing },
    command: { args: 1, answer: nothing },
    wake: { args: 2, answer: number },
    wakeUnder: { args: 3, answer: number },
    timeline: { args: 2, answer: list },
    statuses: { args: 2, answer: list },
    summary: { args: 0, answer: summary },
    deadLetters: { args: 2, answer: record<DeadPage>({ letters: list, next: nullable(object) }) },
    redrive: { args: 1, answer: number },
    retryWaiting: { args: 1, answer: number },
    retry: { args: 2, answer: number },
    retryAttempt: { args: 1, answer: oneOf("retried", "settled", "unknown") },
    attempts: { args: 3, answer: record<AttemptPage>({ entries: list, next: nullable(object) }) },
    waiting: { args: 1, answer: number },
    replay: {
      args: 1,
      answer: nullable(
        record<ReplayProgress>({
          status: oneOf("running", "finished", "cancelled"),
          total: number,
          processed: number,
          delivered: number,
          filtered: number,
          dead: number,
          pending: number
        })
      )
    },
    lowWatermark: { args: 1, answer: nullable(number) },
    needs: { args: 1, answer: nullable(record<Needs>({ after: number, read: list })) },
    resetCircuit: { args: 0, answer: summary },
    nudge: { args: 0, answer: nothing }
  }
}
