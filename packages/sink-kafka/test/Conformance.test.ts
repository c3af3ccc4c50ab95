import { describe, it } from "@effect/vitest"
import * as SinkSuite from "@hookstream/core/testing/SinkSuite"
import { KafkaSink } from "@hookstream/sink-kafka/KafkaSink"
import { startTarget } from "./support.ts"

describe("the Kafka sink keeps the contract", () => {
  for (const { title, run } of SinkSuite.suite(KafkaSink, { start: startTarget })) it.live(title, () => run)
})
