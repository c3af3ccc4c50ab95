import { defaultSettings } from "@hookstream/core/delivery/CircuitBreaker"
import type { Settings } from "@hookstream/core/delivery/DestinationSettings"
import * as Policy from "@hookstream/core/delivery/Policy"
import { defaultPolicy } from "@hookstream/core/delivery/RetryPolicy"
import type { SinkDriver } from "@hookstream/core/sink/Sink"
import { Effect } from "effect"

interface Given extends Partial<Omit<Settings, "policy" | "driver">> {
  readonly policy?: Partial<Policy.Policy>
  readonly driver: Pick<SinkDriver, "batch" | "send">
}

/** What a pump works by in a test: one request at once, no order, no rates and no jitter, unless said otherwise. */
export const pumpSettings = ({ policy, driver, ...rest }: Given): Settings => ({
  open: (_, events) => Effect.succeed(events),
  destinationId: "dst_1",
  configVersion: 0,
  timeoutMs: 5000,
  maxInFlight: 1,
  connections: new Map(),
  ...rest,
  policy: {
    ordering: "none",
    retry: { ...defaultPolicy, jitter: false },
    breaker: defaultSettings,
    limits: Policy.unlimited,
    maxPending: 1000,
    window: { events: Policy.WINDOW_EVENTS, bytes: Policy.WINDOW_BYTES },
    ...policy
  },
  driver: {
    check: Effect.succeed([]),
    ...driver
  }
})
