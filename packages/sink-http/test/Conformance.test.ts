import { describe, it } from "@effect/vitest"
import * as SinkSuite from "@hookstream/core/testing/SinkSuite"
import { HttpSink } from "@hookstream/sink-http/HttpSink"
import { startTarget } from "./support.ts"

const options: SinkSuite.Options = {
  start: startTarget,
  without: { "too large": "a 413 is retried unless permanent_statuses names it" }
}

describe("the HTTP sink keeps the contract", () => {
  for (const { title, run, skip } of SinkSuite.suite(HttpSink, options))
    it.live.skipIf(skip !== undefined)(title, () => run)
})
