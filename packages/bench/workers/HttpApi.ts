/** As many endpoints as our API has, with nothing behind them: what the framework by itself costs at the start. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/** As many as HttpApiEndpoints in packages/api. */
const ENDPOINTS = 39

const endpoint = (i: number) =>
  HttpApiEndpoint.get(`e${i}`, i === 0 ? "/" : `/things-${i}`, {
    success: Schema.Struct({ status: Schema.Literal("ok") })
  })
const others = Array.from({ length: ENDPOINTS - 1 }, (_, i) => endpoint(i + 1))
const group = others.reduce((all, one) => all.add(one), HttpApiGroup.make("all").add(endpoint(0)))
const api = HttpApi.make("empty").add(group)

const answer = () => Effect.succeed({ status: "ok" as const })
const layer = HttpApiBuilder.layer(api).pipe(
  Layer.provide(
    HttpApiBuilder.group(api, "all", (handlers) => {
      // The names are made at run time: no type can know that each is handled.
      let all = handlers as unknown as { handle(name: string, handler: typeof answer): typeof all }
      for (let i = 0; i < ENDPOINTS; i++) all = all.handle(`e${i}`, answer)
      return all as never
    })
  ),
  Layer.provide(HttpServer.layerServices)
)

let handler: ((request: Request) => Promise<Response>) | undefined
export default {
  fetch(request: Request): Promise<Response> {
    if (handler === undefined) {
      const router = HttpRouter.toWebHandler(layer, { disableLogger: true })
      handler = (one) => router.handler(one, Context.empty() as never)
    }
    return handler(request)
  }
}
