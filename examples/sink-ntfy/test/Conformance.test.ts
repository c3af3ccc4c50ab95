import { test } from "node:test"
import { NtfySink } from "@example/sink-ntfy/NtfySink"
import * as SinkSuite from "@hookstream/core/testing/SinkSuite"
import * as Effect from "effect/Effect"
import { startNtfy } from "./ntfy.ts"

for (const { title, run, skip = false } of SinkSuite.suite(NtfySink, { start: startNtfy })) {
  test(title, { skip }, () => Effect.runPromise(run))
}
