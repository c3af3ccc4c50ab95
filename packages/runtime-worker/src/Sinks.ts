/** Every sink of this deployment: a new one is its own package and one line here. */
import type { Sink } from "@hookstream/core/sink/Sink"
import { HttpSink } from "@hookstream/sink-http/HttpSink"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"

export const sinks: ReadonlyArray<Sink> = [KafkaSink, HttpSink]
