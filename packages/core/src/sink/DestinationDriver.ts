/**
 * The driver of a destination: its secrets opened, its config decoded, its sink asked, and its words kept free of
 * secrets.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SealedConfig from "../secret/SealedConfig.ts"
import type { Destination } from "../workspace/Destination.ts"
import * as Concealment from "./Concealment.ts"
import { type Sink, type SinkDriver, SinkError, STORED } from "./Sink.ts"
import { SinkRegistry } from "./SinkRegistry.ts"

/** A driver for a config that cannot be used: each event waits, and the destination pauses with the reason. */
const misconfigured = (detail: string, fix: string): SinkDriver => ({
  batch: { maxEvents: 1, maxBytes: 0 },
  send: () => Effect.fail(new SinkError({ reason: "Misconfigured", detail: `${detail}: ${fix}` })),
  check: Effect.succeed([{ name: "configuration", result: "failed", detail, fix }])
})

/**
 * The driver of a sink for a config as users write it, its words kept free of secrets. Fails with a `SchemaError` where
 * the config is not what the sink takes.
 */
export const ofConfig = Effect.fnUntraced(function* (sink: Sink, config: unknown, options?: SchemaAST.ParseOptions) {
  const decoded = yield* Schema.decodeUnknownEffect(sink.config)(config, options)
  return Concealment.around(decoded, yield* sink.driver(decoded))
})

/** Never fails: what cannot be used is told with every send and check. */
export const make = Effect.fn("DestinationDriver.make")(
  function* ({ type, workspace, id, config }: Destination) {
    const sinks = yield* SinkRegistry
    const sink = sinks.get(type)
    if (sink === undefined) {
      return misconfigured(`this deployment has no sink of type ${type}`, "deploy a version that has it")
    }
    const opened = yield* SealedConfig.open({ workspace, object: id }, config)
    return yield* ofConfig(sink, opened, STORED)
  },
  Effect.catchTag("SecretError", ({ field, message }) =>
    Effect.succeed(misconfigured(`${field}: ${message}`, "save the secret again"))
  ),
  Effect.catchTag("SchemaError", () =>
    Effect.succeed(misconfigured("the stored configuration does not fit this version", "save it again"))
  )
)
