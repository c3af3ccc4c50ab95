/** The Durable Object of a source's event log, named by its route: a shell over core's `LogEngine`. */
import { DurableObject } from "cloudflare:workers"
import type { EventId, SourceId } from "@hookstream/core/Ids"
import type * as EventLog from "@hookstream/core/log/EventLog"
import * as LogEngine from "@hookstream/core/log/LogEngine"
import type { LogConfig } from "@hookstream/core/workspace/Registry"
import { settingsOf } from "./DeploymentSettings.ts"
import type { Env } from "./Env.ts"
import { portsOf } from "./internal/ports.ts"

export class SourceLog extends DurableObject<Env> {
  readonly #engine: LogEngine.LogEngine

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#engine = LogEngine.make({
      ...portsOf(ctx),
      databaseSize: () => ctx.storage.sql.databaseSize,
      maxBytes: () => settingsOf(env).HOOKSTREAM_LOG_MAX_BYTES,
      peers: {
        wake: (destination, source, head) => env.DESTINATION.getByName(destination).wake(source, head),
        lowWatermark: (destination, source) => env.DESTINATION.getByName(destination).lowWatermark(source)
      }
    })
  }

  claim(sourceId: SourceId): boolean {
    return this.#engine.claim(sourceId)
  }
  configure(config: LogConfig): void {
    this.#engine.configure(config)
  }
  append(request: LogEngine.AppendRequest): LogEngine.AppendReply | Promise<LogEngine.AppendReply> {
    return this.#engine.append(request)
  }
  read(after: number, limits: EventLog.ReadLimits): LogEngine.Packed & { readonly head: number } {
    return this.#engine.read(after, limits)
  }
  get(seqs: ReadonlyArray<number>, maxBytes: number): (LogEngine.Packed & { readonly through: number }) | undefined {
    return this.#engine.get(seqs, maxBytes)
  }
  ids(seqs: ReadonlyArray<number>): ReadonlyArray<EventId> {
    return this.#engine.ids(seqs)
  }
  list(before: number, limit: number): LogEngine.Packed {
    return this.#engine.list(before, limit)
  }
  stats(): EventLog.LogStats {
    return this.#engine.stats()
  }
  range(from: number, to: number): EventLog.LogRange {
    return this.#engine.range(from, to)
  }
  override alarm(): Promise<void> {
    return this.#engine.alarm()
  }
}
