/** The sinks of a deployment, by type name. */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Sink } from "./Sink.ts"

export class SinkRegistry extends Context.Service<
  SinkRegistry,
  {
    readonly get: (type: string) => Sink | undefined
    readonly types: ReadonlyArray<string>
    readonly all: ReadonlyArray<Sink>
  }
>()("@hookstream/core/SinkRegistry") {}

export const layer = (sinks: ReadonlyArray<Sink>): Layer.Layer<SinkRegistry> => {
  const byType = new Map(sinks.map((sink) => [sink.type, sink]))
  return Layer.succeed(SinkRegistry, { get: (type) => byType.get(type), types: [...byType.keys()], all: sinks })
}
