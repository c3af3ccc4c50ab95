/** The README's commands with the types of openapi-typescript and openapi-fetch; `schema.d.ts` is generated. */
import createClient from "openapi-fetch"
import type { paths } from "./schema"

const { GATEWAY = "", ROOT_KEY = "", KAFKA_CONFIG = "" } = process.env

const done = <A>({ data, error }: { readonly data?: A; readonly error?: unknown }): A => {
  if (data === undefined) throw new Error(JSON.stringify(error))
  return data
}

const run = async () => {
  const root = createClient<paths>({ baseUrl: GATEWAY, headers: { "X-Root-Key": ROOT_KEY } })
  const { api_key } = done(await root.POST("/v1/workspaces", { body: {} }))

  const api = createClient<paths>({ baseUrl: GATEWAY, headers: { "X-API-Key": api_key.key } })
  const { destination } = done(
    await api.POST("/v1/destinations", {
      body: { name: "Event Stream", type: "kafka", config: JSON.parse(KAFKA_CONFIG) }
    })
  )
  const check = done(
    await api.POST("/v1/destinations/{id}/test", {
      params: { path: { id: destination.id } },
      body: { produce: true }
    })
  )
  const { source } = done(await api.POST("/v1/sources", { body: { name: "GitHub" } }))
  const connected = await api.POST("/v1/connections", {
    body: { source_id: source.id, destination_id: destination.id }
  })
  done(connected)
  const token = source.ingest_url.split("/").at(-1) ?? ""
  const { event_id: id } = done(
    await api.POST("/v1/ingest/{token}", { params: { path: { token } }, body: { type: "invoice.paid" } })
  )

  const get = async () => done(await api.GET("/v1/events/{id}", { params: { path: { id } } })).event
  let event = await get()
  while (event.status !== "delivered") {
    await new Promise((resolve) => setTimeout(resolve, 50))
    event = await get()
  }
  const { timeline } = done(await api.GET("/v1/events/{id}/timeline", { params: { path: { id } } }))
  const { delivery_attempts } = done(
    await api.GET("/v1/delivery-attempts", { params: { query: { destination_id: destination.id, limit: 10 } } })
  )
  const replayed = done(
    await api.POST("/v1/replay", {
      body: {
        destination_id: destination.id,
        from: event.received_at,
        to: new Date().toISOString(),
        filter: [{ field: "payload.type", op: "eq", value: "invoice.paid" }]
      }
    })
  )
  if (!("replay" in replayed)) throw new Error("it is no preview")
  const { replay } = done(await api.GET("/v1/replay/{id}", { params: { path: { id: replayed.replay.id } } }))

  const said = {
    secret: destination.type === "kafka" ? destination.config.api_secret : "",
    isWell: check.ok,
    body: event.body,
    types: timeline.map(({ type }) => type),
    tries: delivery_attempts.map(({ status, receipt }) => [status, receipt?.["partition"]]),
    replayed: replay.total
  }
  console.log(JSON.stringify(said))
}

run().catch((error: unknown) => {
  console.error(error)
  process.exit(1)
})
