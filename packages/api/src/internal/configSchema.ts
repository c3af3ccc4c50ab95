import type { Sink } from "@hookstream/core/sink/Sink"
import * as Schema from "effect/Schema"

/** What a destination of this type takes as its `config`, as JSON Schema; secrets are `writeOnly`. */
export const configSchema = (sink: Sink) => Schema.toJsonSchemaDocument(sink.config, { onExcessProperty: "error" })
