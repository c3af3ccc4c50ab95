/** The Durable Object of a destination: a shell over core's `DeliveryEngine`. */
import { DurableObject } from "cloudflare:workers"
import type { RedriveFilter } from "@hookstream/core/delivery/Deliveries"
import * as DeliveryEngine from "@hookstream/core/delivery/DeliveryEngine"
import { type ConnectionId, type ReplayId, routeOf, type SourceId } from "@hookstream/core/Ids"
import type * as DeliveryJournal from "@hookstream/core/journal/DeliveryJournal"
import type { DestinationConfig } from "@hookstream/core/workspace/Registry"
import type { ReplayJob } from "@hookstream/core/workspace/ReplayJob"
import type { Env } from "./Env.ts"
import { portsOf } from "./internal/ports.ts"
import { runtimeOf } from "./Layers.ts"

export class Destination extends DurableObject<Env> {
  readonly #engine: DeliveryEngine.DeliveryEngine

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#engine = DeliveryEngine.make({
      ...portsOf(ctx),
      peers: { head: async (source) => (await env.SOURCE_LOG.getByName(routeOf(source)).stats()).count },
      execute: (effect) => runtimeOf(env).runPromise(effect)
    })
  }

  configure(config: DestinationConfig): Promise<void> {
    return this.#engine.configure(config)
  }
  command(jobs: ReadonlyArray<ReplayJob>): void {
    this.#engine.command(jobs)
  }
  wake(sourceId: SourceId, head: number): number {
    return this.#engine.wake(sourceId, head)
  }
  timeline(sourceId: SourceId, seq: number): ReadonlyArray<DeliveryJournal.Entry> {
    return this.#engine.timeline(sourceId, seq)
  }
  statuses(sourceId: SourceId, seqs: ReadonlyArray<number>): ReadonlyArray<DeliveryJournal.DeliveryStatus> {
    return this.#engine.statuses(sourceId, seqs)
  }
  summary(): Promise<DeliveryJournal.Summary> {
    return this.#engine.summary()
  }
  deadLetters(before: DeliveryJournal.DeadPage["next"], limit: number): DeliveryJournal.DeadPage {
    return this.#engine.deadLetters(before, limit)
  }
  redrive(filter: RedriveFilter): number {
    return this.#engine.redrive(filter)
  }
  retryWaiting(filter: RedriveFilter): number {
    return this.#engine.retryWaiting(filter)
  }
  retry(sourceId: SourceId, seq: number): number {
    return this.#engine.retry(sourceId, seq)
  }
  retryAttempt(position: DeliveryJournal.AttemptPosition): "retried" | "settled" | "unknown" {
    return this.#engine.retryAttempt(position)
  }
  attempts(
    filter: DeliveryJournal.AttemptFilter,
    before: DeliveryJournal.AttemptPosition | null,
    limit: number
  ): DeliveryJournal.AttemptPage {
    return this.#engine.attempts(filter, before, limit)
  }
  waiting(connections: ReadonlyArray<ConnectionId>): Promise<number> {
    return this.#engine.waiting(connections)
  }
  replay(id: ReplayId): DeliveryJournal.ReplayProgress | null {
    return this.#engine.replay(id)
  }
  lowWatermark(sourceId: SourceId): number | null {
    return this.#engine.lowWatermark(sourceId)
  }
  resetCircuit(): Promise<DeliveryJournal.Summary> {
    return this.#engine.resetCircuit()
  }
  override alarm(): Promise<void> {
    return this.#engine.alarm()
  }
}
