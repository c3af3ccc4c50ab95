/** The README's commands with the client of @hey-api/openapi-ts, which is generated into `generated`. */
import { client } from "./generated/client.gen"
import {
  createConnection,
  createDestination,
  createReplay,
  createSource,
  createWorkspace,
  getEvent,
  getEventTimeline,
  getReplay,
  listDeliveryAttempts,
  sendEvent,
  testDestination
} from "./generated/sdk.gen"

const { GATEWAY = "", ROOT_KEY = "", KAFKA_CONFIG = "" } = process.env

const run = async () => {
  client.setConfig({ baseUrl: GATEWAY, throwOnError: true })
  const { data: made } = await createWorkspace({ body: {}, auth: ROOT_KEY, throwOnError: true })
  client.setConfig({ auth: ({ name }) => (name === "X-API-Key" ? made.api_key.key : undefined) })

  const { data: created } = await createDestination({
    body: { name: "Event Stream", type: "kafka", config: JSON.parse(KAFKA_CONFIG) },
    throwOnError: true
  })
  const { destination } = created
  const { data: check } = await testDestination({
    path: { id: destination.id },
    body: { produce: true },
    throwOnError: true
  })
  const { data: own } = await createSource({ body: { name: "GitHub" }, throwOnError: true })
  const { source } = own
  await createConnection({ body: { source_id: source.id, destination_id: destination.id }, throwOnError: true })
  const token = source.ingest_url.split("/").at(-1) ?? ""
  const { data: accepted } = await sendEvent({ path: { token }, body: { type: "invoice.paid" }, throwOnError: true })

  const path = { id: accepted.event_id }
  const get = async () => (await getEvent({ path, throwOnError: true })).data.event
  let event = await get()
  while (event.status !== "delivered") {
    await new Promise((resolve) => setTimeout(resolve, 50))
    event = await get()
  }
  const { data: story } = await getEventTimeline({ path, throwOnError: true })
  const { data: tries } = await listDeliveryAttempts({
    query: { destination_id: destination.id, limit: 10 },
    throwOnError: true
  })
  const { data: replayed } = await createReplay({
    body: {
      destination_id: destination.id,
      from: event.received_at,
      to: new Date().toISOString(),
      filter: [{ field: "payload.type", op: "eq", value: "invoice.paid" }]
    },
    throwOnError: true
  })
  if (!("replay" in replayed)) throw new Error("it is no preview")
  const { data: job } = await getReplay({ path: { id: replayed.replay.id }, throwOnError: true })

  const said = {
    secret: destination.type === "kafka" ? destination.config.api_secret : "",
    isWell: check.ok,
    body: event.body,
    types: story.timeline.map(({ type }) => type),
    tries: tries.delivery_attempts.map(({ status, receipt }) => [status, receipt?.["partition"]]),
    replayed: job.replay.total
  }
  console.log(JSON.stringify(said))
}

run().catch((error: unknown) => {
  console.error(error)
  process.exit(1)
})
