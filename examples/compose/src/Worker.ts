/** A gateway that delivers to Kafka, to HTTP and to a sink of one's own. */
import { NtfySink } from "@example/sink-ntfy/NtfySink"
import { makeGateway } from "@hookstream/runtime-worker/Gateway"
import { HttpSink } from "@hookstream/sink-http/HttpSink"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"

const gateway = makeGateway({ sinks: [KafkaSink, HttpSink, NtfySink] })
export const { Workspace, SourceLog, Destination, Directory } = gateway
export default { fetch: gateway.fetch, scheduled: gateway.scheduled }
