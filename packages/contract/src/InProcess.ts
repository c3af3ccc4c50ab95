/** The API over stores in memory, as a target of random requests. */
import { HttpSink } from "@hookstream/sink-http/HttpSink"
import { makeWorld } from "../../api/test/endpoints.ts"
import { connect, deadAt, type Part, ROOT_KEY, startApi } from "../../api/test/support.ts"
import type { Target } from "./Fuzz.ts"
import type { Random } from "./Random.ts"

const ORIGIN = "http://127.0.0.1:8787"
const PARTS: ReadonlyArray<Part> = ["registry", "log", "deliveries"]

/** What sinks hear, be it what they expect or not. */
const answerOf = (random: Random): Response =>
  new Response(random.pick(['{"error_code":200,"offset":7,"partition_id":1}', '{"data":[]}', "[1", "", "<html>"]), {
    status: random.pick([200, 200, 204, 301, 401, 404, 429, 500])
  })

export interface InProcess extends Target {
  /** Lets something happen that no request makes: time goes by, an event comes, or a part of the gateway is away. */
  readonly live: (random: Random) => void
}

export const inProcess = async (random: Random): Promise<InProcess> => {
  const api = startApi({ sinks: [HttpSink], fetch: async () => answerOf(random) })
  const { id, call, firstKey } = await api.workspace()
  const keyOf = async (scope: string) =>
    (await call("POST", "/v1/auth/api-keys", { name: scope, scopes: [scope] })).body.api_key
  const [read, write] = [await keyOf("read"), await keyOf("write")]
  const world = await makeWorld(api, id, call)
  // Whatever requests delete, these go on to have events.
  const { source, destination, connection } = await connect(call)
  let down: Part | undefined
  let seq = 0
  return {
    document: (await call("GET", "/openapi.json")).body,
    send: api.handle,
    origin: ORIGIN,
    rootKey: ROOT_KEY,
    keys: { all: firstKey.key, read: read.key, write: write.key },
    now: api.now,
    ids: Object.values(world),
    kept: [firstKey.id, read.id, write.id, source.id, destination.id, connection.id],
    tokens: [],
    without: [],
    isDown: () => down !== undefined,
    live: () => {
      api.pass(random.int(1, 60_000))
      if (down !== undefined) api.setDown(down, false)
      down = random.chance(0.2) ? random.pick(PARTS) : undefined
      api.setUntold(random.chance(0.2) ? [destination.id] : [])
      if (down !== undefined) api.setDown(down, true)
      api.append(source.id, '{"type":"test"}')
      api.commit(destination.id, deadAt(connection.id, ++seq, api.now()))
    }
  }
}
