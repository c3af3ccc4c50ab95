/** What sinks reach their targets by: no redirects, and no trace headers of ours on other people's servers. */
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"

export const layer = Layer.mergeAll(
  FetchHttpClient.layer,
  Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" }),
  Layer.succeed(HttpClient.TracerPropagationEnabled, false),
  Layer.succeed(HttpClient.TracerDisabledWhen, () => true)
)
