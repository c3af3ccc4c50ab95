/** The OpenAPI document of a gateway with the sinks that hookstream comes with. */
import * as OpenApiDocument from "@hookstream/api/OpenApiDocument"
import { HttpSink } from "@hookstream/sink-http/HttpSink"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"

export const document = () => OpenApiDocument.make([KafkaSink, HttpSink], "https://hookstream.test")
