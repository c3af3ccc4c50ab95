/**
 * Each POST as a record of Kafka, answered with its receipt. Nothing is stored and nothing is tried again: whoever
 * gets another answer than 200 sends again.
 */
import * as Event from "@hookstream/core/event/Event"
import * as Ids from "@hookstream/core/Ids"
import { ANYWHERE } from "@hookstream/core/Placement"
import * as DestinationDriver from "@hookstream/core/sink/DestinationDriver"
import * as Sink from "@hookstream/core/sink/Sink"
import * as SinkClient from "@hookstream/core/sink/SinkClient"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"
import * as Effect from "effect/Effect"

interface Env {
  readonly KAFKA: string
}

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response(null, { status: 405, headers: { Allow: "POST" } })
    const event = Event.make({
      sourceId: Ids.makeSourceId(Ids.randomWorkspaceId(ANYWHERE), Ids.randomRoute(ANYWHERE)),
      seq: 1,
      receivedAt: Date.now(),
      headers: [...request.headers],
      contentType: request.headers.get("content-type"),
      body: new Uint8Array(await request.arrayBuffer())
    })
    const sending = Effect.gen(function* () {
      const driver = yield* DestinationDriver.ofConfig(KafkaSink, JSON.parse(env.KAFKA))
      return yield* driver.send(Sink.batchOf([event]))
    }).pipe(
      // The request failed as a whole.
      Effect.catchTag("SinkError", ({ reason, detail }) => Effect.succeed([Sink.failed(reason, detail)]))
    )
    const [outcome] = await sending.pipe(Effect.scoped, Effect.provide(SinkClient.layer), Effect.runPromise)
    return Response.json({ event_id: event.id, outcome }, { status: outcome?._tag === "Delivered" ? 200 : 502 })
  }
} satisfies ExportedHandler<Env>
